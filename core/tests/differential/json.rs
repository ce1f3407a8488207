//! JSON as it stands in a token, with nothing folded or rounded: the other reader that the rules
//! are told by. It takes only texts that `jsonwebtoken` took, so that it need not be strict.

/// A value; a number as its text, a string as none where it is no Unicode.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Json {
    /// `null`, `true`, `false` or a number.
    Plain(String),
    Text(Option<String>),
    Array(Vec<Json>),
    /// In the order of the text, each name as often as it stands there.
    Object(Vec<(Option<String>, Json)>),
}

impl Json {
    /// None for what is no JSON.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let mut reader = Reader(text);
        let value = reader.value()?;
        reader.skip_space();
        reader.0.is_empty().then_some(value)
    }

    /// The first member of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let found = self.members().iter().find(|(known, _)| known.as_deref() == Some(name));
        found.map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { text.as_deref() } else { None }
    }

    /// None if there are none.
    pub(crate) fn members(&self) -> &[(Option<String>, Self)] {
        if let Self::Object(members) = self { members } else { &[] }
    }

    /// How deep it nests, itself included; 0 for what cannot nest.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::Plain(_) | Self::Text(_) => 0,
            _ => 1 + self.inner().map(Self::depth).max().unwrap_or(0),
        }
    }

    /// Whether it or a value inside of it is so.
    pub(crate) fn any(&self, is_so: fn(&Self) -> bool) -> bool {
        is_so(self) || self.inner().any(|inner| inner.any(is_so))
    }

    /// With the members of each object in the order of their names.
    pub(crate) fn sorted(mut self) -> Self {
        match &mut self {
            Self::Array(elements) => {
                *elements = std::mem::take(elements).into_iter().map(Self::sorted).collect();
            }
            Self::Object(members) => {
                let sorted = std::mem::take(members).into_iter();
                *members = sorted.map(|(name, value)| (name, value.sorted())).collect();
                members.sort();
            }
            _ => {}
        }
        self
    }

    fn inner(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match self {
            Self::Array(elements) => Box::new(elements.iter()),
            _ => Box::new(self.members().iter().map(|(_, value)| value)),
        }
    }
}

/// What is left of the text.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn value(&mut self) -> Option<Json> {
        self.skip_space();
        match self.0.first()? {
            b'{' => self
                .list(b'}', |reader| {
                    reader.skip_space();
                    let name = reader.string()?;
                    reader.expect(b':')?;
                    Some((name, reader.value()?))
                })
                .map(Json::Object),
            b'[' => self.list(b']', Self::value).map(Json::Array),
            b'"' => self.string().map(Json::Text),
            _ => {
                let ends = |byte: &u8| b" \t\r\n,]}".contains(byte);
                let end = self.0.iter().position(ends).unwrap_or(self.0.len());
                let (word, rest) = self.0.split_at(end);
                self.0 = rest;
                Some(Json::Plain(String::from_utf8(word.to_vec()).ok()?))
            }
        }
    }

    fn list<T>(&mut self, end: u8, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.0 = &self.0[1..];
        let mut all = Vec::new();
        if self.expect(end).is_some() {
            return Some(all);
        }
        loop {
            all.push(one(self)?);
            if self.expect(b',').is_none() {
                self.expect(end)?;
                return Some(all);
            }
        }
    }

    #[expect(clippy::option_option, reason = "none for no string, inside for one of no Unicode")]
    fn string(&mut self) -> Option<Option<String>> {
        self.expect(b'"')?;
        // UTF-16 tells a lone surrogate by itself.
        let (mut units, mut unicode) = (Vec::<u16>::new(), true);
        loop {
            let end = self.0.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            let (plain, rest) = self.0.split_at(end);
            match str::from_utf8(plain) {
                Ok(plain) => units.extend(plain.encode_utf16()),
                Err(_) => unicode = false,
            }
            self.0 = &rest[1..];
            if rest[0] == b'"' {
                return Some(String::from_utf16(&units).ok().filter(|_| unicode));
            }
            let (escape, rest) = self.0.split_first()?;
            self.0 = rest;
            units.push(match escape {
                b'u' => {
                    let (digits, rest) = self.0.split_at_checked(4)?;
                    self.0 = rest;
                    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?
                }
                b'b' => 8,
                b'f' => 12,
                b'n' => 10,
                b'r' => 13,
                b't' => 9,
                other => u16::from(*other),
            });
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }
}
