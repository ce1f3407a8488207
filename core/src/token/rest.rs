//! JSON read from front to back in one pass and without a copy, as far as we write it ourselves:
//! no white space, no escapes, names in ascending order at every level. Whatever else JSON allows
//! is none here, and left to `json.rs`; so nothing but speed depends on what this file knows.

/// What is left of a text.
pub(super) struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self(text)
    }

    pub(super) fn as_str(&self) -> &'a str {
        self.0
    }

    /// Exactly this text.
    pub(super) fn literal(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// A string's content, as it stands between its quotes.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let inner = self.0.strip_prefix('"')?;
        let ends = |byte: u8| matches!(byte, b'"' | b'\\' | ..=0x1f);
        let (text, rest) = inner.split_at_checked(inner.bytes().position(ends)?)?;
        self.0 = rest.strip_prefix('"')?;
        Some(text)
    }

    /// A number of digits alone. How large a time may be is `claims::times_hold`'s to say.
    pub(super) fn natural(&mut self) -> Option<u64> {
        self.integer()?.parse().ok()
    }

    /// One member of an object, its name greater than the one before, with a value of at most as
    /// many levels. The name is returned.
    pub(super) fn member(&mut self, before: Option<&str>, levels: usize) -> Option<&'a str> {
        let name = self.text()?;
        if before.is_some_and(|before| before >= name) {
            return None;
        }
        self.literal(":")?;
        self.value(levels)?;
        Some(name)
    }

    fn value(&mut self, levels: usize) -> Option<()> {
        match self.0.as_bytes().first()? {
            b'{' => self.object(levels.checked_sub(1)?),
            b'[' => self.array(levels.checked_sub(1)?),
            b'"' => self.text().map(drop),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.number(),
        }
    }

    fn object(&mut self, inner: usize) -> Option<()> {
        if self.literal("{}").is_some() {
            return Some(());
        }
        self.literal("{")?;
        let mut before = self.member(None, inner)?;
        while self.literal(",").is_some() {
            before = self.member(Some(before), inner)?;
        }
        self.literal("}")
    }

    fn array(&mut self, inner: usize) -> Option<()> {
        if self.literal("[]").is_some() {
            return Some(());
        }
        self.literal("[")?;
        self.value(inner)?;
        while self.literal(",").is_some() {
            self.value(inner)?;
        }
        self.literal("]")
    }

    /// RFC 8259, section 6.
    fn number(&mut self) -> Option<()> {
        let _ = self.literal("-");
        self.integer()?;
        if self.literal(".").is_some() {
            self.digits()?;
        }
        if self.literal("e").or_else(|| self.literal("E")).is_some() {
            let _ = self.literal("+").or_else(|| self.literal("-"));
            self.digits()?;
        }
        Some(())
    }

    fn integer(&mut self) -> Option<&'a str> {
        let digits = self.digits()?;
        (digits == "0" || !digits.starts_with('0')).then_some(digits)
    }

    fn digits(&mut self) -> Option<&'a str> {
        let end = self.0.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!digits.is_empty()).then_some(digits)
    }
}
