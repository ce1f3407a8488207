//! What is no request, or hardly one.

/// Each with its name in the table.
pub(crate) fn requests() -> Vec<(String, Vec<u8>)> {
    let plain =
        |line: &str| format!("{line}\r\nHost: app.example:3000\r\nConnection: close\r\n\r\n");
    let with = |lines: &str| {
        plain(&format!("GET /auth/session HTTP/1.1\r\nAuthorization: Bearer <bearer>\r\n{lines}"))
    };
    let post = |lines: &str, body: &str| {
        plain(&format!(
            "PATCH /auth/sessions/<guid> HTTP/1.1\r\nAuthorization: Bearer <bearer>\r\n\
                        Content-Type: application/json\r\n{lines}"
        )) + body
    };
    let many = "X-Test: 1\r\n".repeat(200);
    let label = r#"{"label":"x"}"#;
    let texts = [
        ("no request at all", "GARBAGE\r\n\r\n".to_owned()),
        ("HTTP/0.9", "GET /auth/session\r\n\r\n".to_owned()),
        ("HTTP/1.0", "GET /me HTTP/1.0\r\n\r\n".to_owned()),
        ("HTTP/2.0 in the request line", plain("GET /me HTTP/2.0")),
        ("HTTP/1.2 in the request line", plain("GET /me HTTP/1.2")),
        ("two spaces in the request line", plain("GET  /me HTTP/1.1")),
        ("a relative target", plain("GET me HTTP/1.1")),
        ("OPTIONS *", plain("OPTIONS * HTTP/1.1")),
        ("GET *", plain("GET * HTTP/1.1")),
        ("an authority as target", plain("CONNECT app.example:3000 HTTP/1.1")),
        ("no Host", "GET /me HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned()),
        ("two Hosts", with("Host: evil.example")),
        (
            "a Host that is none",
            "GET /me HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n".to_owned(),
        ),
        ("a space before the colon", with("X-Test : 1")),
        ("a folded header", with("X-Test: 1\r\n 2")),
        ("a header without a colon", with("X-Test")),
        ("a header without a name", with(": 1")),
        ("a NUL in a header", with("X-Test: a\0b")),
        (
            "a bare line feed",
            "GET /me HTTP/1.1\nHost: app.example:3000\nConnection: close\n\n".to_owned(),
        ),
        ("97 headers", with("X-Test: 1\r\n".repeat(94).trim_end())),
        ("200 headers", with(many.trim_end())),
        ("a header of 20 KiB", with(&format!("X-Test: {}", "x".repeat(20_000)))),
        ("a header of 300 KiB", with(&format!("X-Test: {}", "x".repeat(300_000)))),
        ("one length twice", post("Content-Length: 13\r\nContent-Length: 13", label)),
        (
            "chunks, said twice",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ),
        ("chunks, compressed", post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n")),
        ("a POST of HTTP/1.0 without a length", "POST /login HTTP/1.0\r\n\r\n".to_owned()),
        ("two lengths", post("Content-Length: 13\r\nContent-Length: 14", label)),
        (
            "a length and chunks",
            post("Content-Length: 13\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ),
        ("a length that is none", post("Content-Length: x", label)),
        ("a negative length", post("Content-Length: -1", label)),
        ("a length of 4 GiB", post("Content-Length: 4294967296", label)),
        ("an unknown transfer coding", post("Transfer-Encoding: gzip", label)),
        ("chunks of the other kind of name", post("Transfer-Encoding: xchunked", "0\r\n\r\n")),
        ("Expect: 100-continue", post("Expect: 100-continue\r\nContent-Length: 13", label)),
    ];
    let mut requests: Vec<_> =
        texts.into_iter().map(|(name, text)| (name.to_owned(), text.into_bytes())).collect();
    let bytes = b"GET /auth/\xff HTTP/1.1\r\nHost: app.example:3000\r\nConnection: close\r\n\r\n";
    requests.push(("a target not in UTF-8".to_owned(), bytes.to_vec()));
    requests.push((
        "a TLS hello".to_owned(),
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03\r\n\r\n".to_vec(),
    ));
    requests
}
