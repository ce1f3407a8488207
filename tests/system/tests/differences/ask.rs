//! How a request of the script is written down: what it is makes its name too.

/// A request in the making.
pub(crate) struct Ask {
    method: &'static str,
    target: String,
    notes: Vec<&'static str>,
    head: Vec<u8>,
    body: Vec<u8>,
}

/// Without any header but `Host` and `Connection`.
pub(crate) fn ask(method: &'static str, target: &str) -> Ask {
    Ask { method, target: target.to_owned(), notes: Vec::new(), head: Vec::new(), body: Vec::new() }
}

impl Ask {
    pub(crate) fn header(mut self, line: impl AsRef<[u8]>) -> Self {
        self.head.extend_from_slice(line.as_ref());
        self.head.extend_from_slice(b"\r\n");
        self
    }

    pub(crate) fn note(mut self, note: &'static str) -> Self {
        self.notes.push(note);
        self
    }

    pub(crate) fn bearer(self) -> Self {
        self.note("Bearer").header("Authorization: Bearer <bearer>")
    }

    pub(crate) fn cookie(self) -> Self {
        self.note("cookie").header("Cookie: <cookie>").header("Origin: http://app.example:3000")
    }

    pub(crate) fn body(mut self, kind: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.body = bytes.as_ref().to_vec();
        self.header(format!("Content-Type: {kind}")).header("Content-Length: <length>")
    }

    pub(crate) fn json(self, text: &str) -> Self {
        self.body("application/json", text)
    }

    /// The bytes of a body that headers of the request's own frame.
    pub(crate) fn tail(mut self, bytes: &str) -> Self {
        self.body = bytes.as_bytes().to_vec();
        self
    }

    pub(crate) fn whole(self) -> (String, Vec<u8>) {
        let Self { method, target, notes, head, body } = self;
        let name = [&[format!("{method} {target}").as_str()], &notes[..]].concat().join(", ");
        let line = format!("{method} {target} HTTP/1.1\r\nHost: app.example:3000\r\n");
        let rest: [&[u8]; 3] = [&head, b"Connection: close\r\n\r\n", &body];
        (name, [line.as_bytes(), &rest.concat()].concat())
    }
}
