//! An answer, read strictly.

use std::fmt;

/// An answer: status, all header lines in order, and the body without its framing.
#[derive(Clone, Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    /// Reads one whole answer; interim ones (1xx) before it are passed over. To a HEAD there is no
    /// body, whatever length the answer tells.
    ///
    /// # Errors
    /// What about it is not HTTP/1.1 (RFC 9112).
    pub fn parse(received: &[u8], to_head: bool) -> Result<Self, String> {
        let mut rest = received;
        loop {
            let end = find(rest, b"\r\n\r\n").ok_or("the head is not whole")?;
            let head = std::str::from_utf8(&rest[..end]).map_err(|_| "the head is not text")?;
            let after = &rest[end + 4..];
            let (status, headers) = read_head(head)?;
            if (100..200).contains(&status) && status != 101 {
                rest = after;
                continue;
            }
            let mut response = Self { status, headers, body: Vec::new() };
            response.body = response.read_body(after, to_head)?;
            return Ok(response);
        }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// All values of a header, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        let named = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.headers.iter().filter(named).map(|(_, value)| value.as_str())
    }

    /// Every header line.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The whole answer as text, to search for what must not be in it.
    pub fn to_text(&self) -> String {
        use fmt::Write as _;
        let mut text = String::new();
        for (name, value) in &self.headers {
            // Writing into a String does not fail.
            let _ = writeln!(text, "{name}: {value}");
        }
        text.push_str(&String::from_utf8_lossy(&self.body));
        text
    }

    fn read_body(&self, after: &[u8], to_head: bool) -> Result<Vec<u8>, String> {
        let bodiless = to_head || matches!(self.status, 101 | 204 | 304);
        if bodiless {
            // RFC 9112, section 6.3: such an answer ends with its head.
            return if after.is_empty() { Ok(Vec::new()) } else { Err("it has a body".into()) };
        }
        let chunked = self.all("Transfer-Encoding").any(|coding| coding.contains("chunked"));
        if chunked {
            return read_chunks(after);
        }
        let lengths: Vec<&str> = self.all("Content-Length").collect();
        match lengths[..] {
            [] => Ok(after.to_vec()),
            [length] => {
                let length: usize = length.parse().map_err(|_| "Content-Length is no number")?;
                if after.len() == length {
                    Ok(after.to_vec())
                } else {
                    Err(format!("Content-Length is {length}, {} bytes came", after.len()))
                }
            }
            _ => Err("two Content-Length headers".into()),
        }
    }
}

fn read_head(head: &str) -> Result<(u16, Vec<(String, String)>), String> {
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let status = line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| format!("the status line is {line:?}"))?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("header line {line:?}"))?;
        Ok((name.to_owned(), value.trim().to_owned()))
    };
    Ok((status, lines.map(header).collect::<Result<_, String>>()?))
}

fn read_chunks(mut rest: &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let end = find(rest, b"\r\n").ok_or("a chunk has no size")?;
        let line = std::str::from_utf8(&rest[..end]).map_err(|_| "a chunk size is not text")?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|_| "a chunk size is no number")?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Ok(body);
        }
        let chunk = rest.get(..size).ok_or("a chunk is cut")?;
        body.extend_from_slice(chunk);
        rest = rest.get(size + 2..).ok_or("a chunk has no end")?;
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            write!(f, "\n    {name}: {value}")?;
        }
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "\n    {}", body.chars().take(2000).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let read = |text: &str, to_head| Response::parse(text.as_bytes(), to_head);
        let sized = "HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\nContent-Length: 2\r\n\r\nok";
        let response = read(sized, false).unwrap();
        assert_eq!((response.status(), response.body()), (200, &b"ok"[..]));
        assert_eq!(response.all("A").collect::<Vec<_>>(), ["1", "2"]);

        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x\r\nbc\r\n0\r\n\r\n";
        assert_eq!(read(chunked, false).unwrap().body(), b"abc");
        let interim = format!("HTTP/1.1 100 Continue\r\n\r\n{sized}");
        assert_eq!(read(&interim, false).unwrap().status(), 200);
        assert!(read("HTTP/1.1 204 No Content\r\n\r\n", false).unwrap().body().is_empty());
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
        assert!(read(head, true).unwrap().body().is_empty());

        for bad in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 x\r\n\r\n", head, &format!("{sized}x")] {
            assert!(read(bad, false).is_err(), "{bad:?}");
        }
        assert!(read("HTTP/1.1 204 No\r\n\r\nbody", false).is_err());
    }
}
