//! Text that clients give and people read in the device list: cleaned once, here.

use std::fmt;

/// What a client says it is (`User-Agent`, RFC 9110, section 10.1.5): a claim, not a fact.
/// Cleaned of control and bidi-control characters and cut to 256 bytes on a character boundary.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserAgent(String);

impl UserAgent {
    /// How much of it is kept, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// Cleans and cuts what a client sent; none if nothing is left.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Some(text) = clean_already(bytes) {
            return Some(Self(text.to_owned()));
        }
        // Cleaning can only shorten: a longer prefix than this is never needed.
        let prefix = &bytes[..bytes.len().min(Self::MAX_BYTES * 8)];
        let text = String::from_utf8_lossy(prefix);
        let kept = clean_and_cut(&text, Self::MAX_BYTES);
        (!kept.is_empty()).then_some(Self(kept))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A readable name such as `Firefox on Linux`, or none if it is nothing that is known.
    pub fn device_name(&self) -> Option<String> {
        let known = |text: &str| !text.is_empty() && text != "UNKNOWN";
        let parsed = woothee::parser::Parser::new().parse(&self.0)?;
        match (known(parsed.name), known(parsed.os)) {
            (true, true) => Some(format!("{} on {}", parsed.name, parsed.os)),
            (true, false) => Some(parsed.name.to_owned()),
            (false, true) => Some(parsed.os.to_string()),
            (false, false) => None,
        }
    }
}

impl fmt::Display for UserAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name that a user gives to a device: 1 to 64 characters after cleaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label(String);

impl Label {
    /// The longest label, in characters.
    pub const MAX_CHARS: usize = 64;

    /// Cleans a label (control and bidi-control characters, white space around it); none if it
    /// then is not 1 to 64 characters long.
    ///
    /// ```
    /// use logout_all::Label;
    /// assert_eq!(Label::new(" Work\u{202e} laptop ").unwrap().as_str(), "Work laptop");
    /// assert!(Label::new("\u{7}").is_none());
    /// ```
    pub fn new(text: &str) -> Option<Self> {
        let cleaned: String = text.chars().filter(|c| is_kept(*c)).collect();
        let trimmed = cleaned.trim();
        let length = trimmed.chars().count();
        (1..=Self::MAX_CHARS).contains(&length).then(|| Self(trimmed.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Removes what may not be kept, then cuts on a character boundary.
pub(super) fn clean_and_cut(text: &str, max_bytes: usize) -> String {
    let mut kept = String::with_capacity(text.len().min(max_bytes));
    for character in text.trim().chars().filter(|c| is_kept(*c)) {
        if kept.len() + character.len_utf8() > max_bytes {
            break;
        }
        kept.push(character);
    }
    kept.truncate(kept.trim_end().len());
    kept
}

/// What nearly all clients send: short, printable ASCII, no space around it.
fn clean_already(bytes: &[u8]) -> Option<&str> {
    let clean = (1..=UserAgent::MAX_BYTES).contains(&bytes.len())
        && bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
        && bytes.first() != Some(&b' ')
        && bytes.last() != Some(&b' ');
    std::str::from_utf8(bytes).ok().filter(|_| clean)
}

/// Bidi controls let one device pose as another in a list; U+FFFD stands where bytes were not
/// UTF-8, and says nothing.
fn is_kept(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_cleaned_and_cut_on_a_character_boundary() {
        let agent = UserAgent::from_bytes(b"ok\xff\x00\x1b[31m\xe2\x80\xaeevil").unwrap();
        assert_eq!(agent.as_str(), "ok[31mevil");
        let long = "é".repeat(300);
        let agent = UserAgent::from_bytes(long.as_bytes()).unwrap();
        assert_eq!(agent.as_str().len(), 256);
        assert!(UserAgent::from_bytes(b" \t\x7f").is_none());
    }

    /// What is taken as it is, cleaning would not change.
    #[test]
    fn the_short_way_and_the_long_way_agree() {
        let edges = [0x00, 0x1f, b' ', b'!', b'a', b'~', 0x7f, 0x80, 0xc3, 0xa9];
        let pairs = edges.iter().flat_map(|one| edges.iter().map(move |other| [*one, *other]));
        let (long, longer) = (vec![b'a'; 256], vec![b'a'; 257]);
        let around = pairs.map(|[one, other]| vec![one, b'x', other]);
        for bytes in around.chain([vec![], vec![b' '], long, longer]) {
            let cleaned = clean_and_cut(&String::from_utf8_lossy(&bytes), UserAgent::MAX_BYTES);
            let agent = UserAgent::from_bytes(&bytes);
            assert_eq!(agent.as_ref().map_or("", UserAgent::as_str), cleaned, "{bytes:?}");
        }
    }

    #[test]
    fn known_browsers_have_a_readable_name() {
        let firefox = b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let name = UserAgent::from_bytes(firefox).and_then(|agent| agent.device_name());
        assert_eq!(name.as_deref(), Some("Firefox on Linux"));
        assert_eq!(UserAgent::from_bytes(b"nobody/1").and_then(|a| a.device_name()), None);
    }

    #[test]
    fn labels_are_one_to_sixty_four_characters() {
        assert!(Label::new(&"ü".repeat(64)).is_some());
        for bad in ["", "   ", "\u{202e}", &"a".repeat(65)] {
            assert!(Label::new(bad).is_none(), "{bad:?}");
        }
    }
}
