//! The three names of the scheme: whose session, which session, which token of it.

use std::{fmt, sync::Arc};

use uuid::Uuid;

use super::Usage;

/// A user, as the application names it: 1 to 255 bytes of text without control characters.
///
/// The library compares ids as text and never interprets them, so an application gives the one
/// canonical text of its id: `42` and never `042`, a UUID in lower case with hyphens. Cheap to
/// clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

impl UserId {
    /// The longest id, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Takes the text of anything that displays itself canonically: integers, `Uuid`, `&str`.
    ///
    /// # Errors
    /// [`Usage::UserId`] when the text is empty, longer than 255 bytes, or has a control character.
    ///
    /// ```
    /// use logout_all::UserId;
    /// assert_eq!(UserId::new(42)?.as_str(), "42");
    /// assert!(UserId::new("").is_err());
    /// # Ok::<(), logout_all::Usage>(())
    /// ```
    pub fn new(id: impl fmt::Display) -> Result<Self, Usage> {
        let text = id.to_string();
        Self::of_text(&text).ok_or(Usage::UserId { bytes: text.len() })
    }

    /// [`new`](Self::new) of what is text already: one copy.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_BYTES).contains(&text.len());
        (fits && !text.chars().any(char::is_control)).then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({:?})", &*self.0)
    }
}

/// A device session: a UUID v4 that stays the same through every renewal (claim `guid`).
///
/// Not a secret: it appears in device lists and in log lines, and opens nothing by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(Uuid);

/// The current token of a device session: a UUID v4 that every rotation replaces (claim
/// `refTokID`).
///
/// It is kept out of logs: its `Debug` is redacted and it has no `Display`. Use [`expose`] where
/// a store or a token writes it.
///
/// [`expose`]: RefTokId::expose
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RefTokId(Uuid);

impl Guid {
    /// Less than every other, and the name of none: where a range of a user's sessions begins.
    pub(crate) const LEAST: Self = Self(Uuid::nil());

    /// A fresh random one.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Reads the canonical form and no other: lower case, hyphens, not nil.
    ///
    /// ```
    /// use logout_all::Guid;
    /// let text = "6c84fb90-12c4-41e1-840d-725f8ee22f0b";
    /// assert_eq!(Guid::parse(text).map(|g| g.to_string()).as_deref(), Some(text));
    /// assert!(Guid::parse(&text.to_uppercase()).is_none());
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        parse_canonical(text).map(Self)
    }

    /// Takes a UUID that a store kept; none for the nil UUID, which names nothing.
    pub fn from_uuid(uuid: Uuid) -> Option<Self> {
        (!uuid.is_nil()).then_some(Self(uuid))
    }

    /// The UUID, for a store to keep.
    pub fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({})", self.0.hyphenated())
    }
}

impl RefTokId {
    /// A fresh random one.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Reads the canonical form and no other: lower case, hyphens, not nil.
    pub fn parse(text: &str) -> Option<Self> {
        parse_canonical(text).map(Self)
    }

    /// Takes a UUID that a store kept; none for the nil UUID.
    pub fn from_uuid(uuid: Uuid) -> Option<Self> {
        (!uuid.is_nil()).then_some(Self(uuid))
    }

    /// The one way to the value: for the token that is signed and for the row that is stored.
    pub fn expose(&self) -> &Uuid {
        &self.0
    }
}

impl fmt::Debug for RefTokId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefTokId(redacted)")
    }
}

/// One text for one id: another spelling of a UUID would be a second name for the same session,
/// and whatever compares ids as text (a cache, a log search, a deny list) would miss it.
fn parse_canonical(text: &str) -> Option<Uuid> {
    let canonical = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    if !canonical {
        return None;
    }
    Uuid::try_parse(text).ok().filter(|uuid| !uuid.is_nil())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_an_id() {
        let good = "6c84fb90-12c4-41e1-840d-725f8ee22f0b";
        assert!(Guid::parse(good).is_some());
        for bad in [
            "",
            "6C84FB90-12C4-41E1-840D-725F8EE22F0B",
            "{6c84fb90-12c4-41e1-840d-725f8ee22f0b}",
            "urn:uuid:6c84fb90-12c4-41e1-840d-725f8ee22f0b",
            "6c84fb9012c441e1840d725f8ee22f0b",
            "6c84fb90-12c4-41e1-840d-725f8ee22f0b ",
            "6c84fb90+12c4-41e1-840d-725f8ee22f0b",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert!(Guid::parse(bad).is_none(), "{bad:?}");
            assert!(RefTokId::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_ref_tok_id_does_not_show_itself() {
        let id = RefTokId::random();
        assert!(!format!("{id:?}").contains(&id.expose().to_string()));
    }

    #[test]
    fn user_ids_are_bounded_text() {
        assert!(UserId::new("a".repeat(255)).is_ok());
        for bad in ["", "a\nb", "\u{7f}", &"a".repeat(256)] {
            assert!(UserId::new(bad).is_err(), "{bad:?}");
        }
    }
}
