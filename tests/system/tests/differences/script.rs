//! The requests. `<bearer>` and its like stand for what the asking user has (see `client`).

use crate::{
    ask::{Ask, ask},
    malformed,
};

/// Each with its name in the table.
pub(crate) fn requests() -> Vec<(String, Vec<u8>)> {
    let groups = [routes(), paths(), presentations(), sites(), bodies(), applications(), methods()];
    let asked = groups.into_iter().flatten().map(Ask::whole);
    asked.chain(malformed::requests()).collect()
}

/// The library's routes as they are meant.
fn routes() -> Vec<Ask> {
    let all = [
        ("POST", "/auth/session/renew"),
        ("GET", "/auth/session"),
        ("DELETE", "/auth/session"),
        ("GET", "/auth/sessions"),
        ("DELETE", "/auth/sessions/<guid>"),
        ("DELETE", "/auth/sessions/<other guid>"),
        ("DELETE", "/auth/sessions/00000000-0000-4000-8000-000000000000"),
        ("DELETE", "/auth/sessions"),
        ("DELETE", "/auth/sessions/others"),
        ("GET", "/auth/jwks.json"),
        ("GET", "/auth/session/events"),
    ];
    let mut asks: Vec<Ask> = all.iter().map(|(method, target)| ask(method, target)).collect();
    asks.extend(all.iter().map(|(method, target)| ask(method, target).bearer()));
    asks.extend(all.iter().map(|(method, target)| ask(method, target).cookie()));
    let ended = |ask: Ask| ask.note("ended").header("Authorization: Bearer <ended bearer>");
    asks.extend(all.iter().map(|(method, target)| ended(ask(method, target))));
    asks
}

/// Methods that a route has not, and those that are none.
fn methods() -> Vec<Ask> {
    let mut asks = Vec::new();
    for target in ["/auth/session", "/auth/sessions", "/auth/session/renew", "/auth/nothing"] {
        for method in ["HEAD", "OPTIONS", "PUT", "PATCH", "TRACE", "PROPFIND", "get", "FROBNICATE"]
        {
            asks.push(ask(method, target).bearer());
        }
    }
    asks.push(ask("CONNECT", "/auth/session").bearer());
    for method in ["HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "FROBNICATE"] {
        asks.push(ask(method, "/me").bearer());
        asks.push(ask(method, "/healthz"));
        asks.push(ask(method, "/private/report").bearer());
        asks.push(ask(method, "/private/report"));
    }
    asks
}

/// Paths that are almost one of ours.
fn paths() -> Vec<Ask> {
    let almost = [
        "/auth",
        "/auth/",
        "/auth//",
        "/auth//session",
        "//auth/session",
        "/auth/session/",
        "/auth/session//",
        "/auth/%73ession",
        "/%61uth/session",
        "/%61uth/%73ession",
        "/auth/session%2F",
        "/auth/sessions%2Fothers",
        "/auth%2Fsession",
        "/auth/./session",
        "/auth/x/../session",
        "/auth/%2e%2e/auth/session",
        "/auth/session;x=1",
        "/auth/session?",
        "/auth/session?x=1",
        "/auth/session?access_token=<bearer>",
        "/auth/session?%",
        "/auth/session#x",
        "/auth/session%00",
        "/auth/session%0d%0aX:1",
        "/auth/%ff",
        "/auth/%",
        "/auth/%zz",
        "/auth/Session",
        "/AUTH/session",
        "/auth/sessions/<guid>/",
        "/auth/sessions/other",
        "/auth/sessions/%00",
        "/auth/a\\b",
        "/auth/[]{}^",
        "http://app.example:3000/auth/session",
        "http://other.example/auth/session",
        "/me/",
        "//me",
        "/%6de",
        "/me?x=1",
        "/private/",
        "/private",
        "//private/report",
        "/private//report",
        "/private/report/",
        "/private%2Freport",
        "/%70rivate/report",
        "/nothing",
        "/nothing/",
        "/",
        "//",
        "/?x",
    ];
    let mut asks: Vec<Ask> = almost.iter().map(|target| ask("GET", target).bearer()).collect();
    let guarded = [
        "//private/report",
        "/private//report",
        "/private/report/",
        "/private/",
        "/private",
        "/private/nothing",
        "/%70rivate/report",
        "/private%2Freport",
        "/x/../private/report",
    ];
    asks.extend(guarded.iter().map(|target| ask("GET", target)));
    for target in
        ["/auth/sessions/", "/auth//sessions", "/auth/sessions%2F", "/auth/session/../sessions"]
    {
        asks.push(ask("DELETE", target).bearer());
    }
    asks.push(ask("GET", &format!("/auth/{}", "x".repeat(3000))).bearer());
    asks
}

/// Tokens, presented in odd ways.
fn presentations() -> Vec<Ask> {
    let mut asks = Vec::new();
    for (method, target) in [("GET", "/me"), ("GET", "/auth/session"), ("GET", "/greeting")] {
        let odd =
            |note, lines: &[&[u8]]| lines.iter().fold(ask(method, target).note(note), Ask::header);
        asks.extend([
            odd("no token", &[]),
            odd("the scheme in small letters", &[b"Authorization: bearer <bearer>"]),
            odd("two spaces", &[b"Authorization: Bearer  <bearer>"]),
            odd("Bearer without a token", &[b"Authorization: Bearer"]),
            odd("Bearer garbage", &[b"Authorization: Bearer x.y.z"]),
            odd("Bearer with a control character", &[b"Authorization: Bearer a\x01b"]),
            odd("Bearer not in UTF-8", &[b"Authorization: Bearer \xff\xfe"]),
            odd("Basic", &[b"Authorization: Basic YTpi"]),
            odd("Basic not in UTF-8", &[b"Authorization: Basic \xff"]),
            odd("an empty Authorization", &[b"Authorization:"]),
            odd(
                "Bearer twice",
                &[b"Authorization: Bearer <bearer>", b"Authorization: Bearer <bearer>"],
            ),
            odd(
                "Bearer and Basic",
                &[b"Authorization: Bearer <bearer>", b"Authorization: Basic YTpi"],
            ),
            odd(
                "Basic not in UTF-8, then Bearer",
                &[b"Authorization: Basic \xff", b"Authorization: Bearer <bearer>"],
            ),
            odd("Bearer and cookie", &[b"Authorization: Bearer <bearer>", b"Cookie: <cookie>"]),
            odd("the cookie twice", &[b"Cookie: <cookie>; <cookie>"]),
            odd("two Cookie headers", &[b"Cookie: a=b", b"Cookie: <cookie>"]),
            odd("the cookie in each of two headers", &[b"Cookie: <cookie>", b"Cookie: <cookie>"]),
            odd("a cookie not in UTF-8", &[b"Cookie: session=\xff"]),
            odd("another cookie not in UTF-8", &[b"Cookie: a=\xff; <cookie>"]),
            odd(
                "a Cookie header not in UTF-8, then ours",
                &[b"Cookie: a=\xff", b"Cookie: <cookie>"],
            ),
            odd("an empty cookie", &[b"Cookie: session="]),
            odd("a quoted cookie", &[b"Cookie: session=\"x\""]),
            odd(
                "a User-Agent not in UTF-8",
                &[b"User-Agent: \xff", b"Authorization: Bearer <bearer>"],
            ),
        ]);
    }
    asks
}

/// What other sites send.
fn sites() -> Vec<Ask> {
    let mut asks = Vec::new();
    let lines: [(&'static str, &[&str]); 9] = [
        ("no Origin", &[]),
        ("Origin null", &["Origin: null"]),
        ("Origin of another site", &["Origin: https://evil.example"]),
        ("Origin with another port", &["Origin: http://app.example:3001"]),
        ("Sec-Fetch-Site cross-site", &["Sec-Fetch-Site: cross-site"]),
        ("Sec-Fetch-Site same-site", &["Sec-Fetch-Site: same-site"]),
        ("Sec-Fetch-Site same-origin", &["Sec-Fetch-Site: same-origin"]),
        (
            "Sec-Fetch-Site none and Origin of another site",
            &["Sec-Fetch-Site: none", "Origin: https://evil.example"],
        ),
        ("two Origins", &["Origin: http://app.example:3000", "Origin: https://evil.example"]),
    ];
    for (method, target) in [
        ("POST", "/me"),
        ("POST", "/greeting"),
        ("POST", "/private/report"),
        ("DELETE", "/auth/session"),
        ("POST", "/auth/session/renew"),
    ] {
        for (note, lines) in lines {
            let asked = ask(method, target).note(note).header("Cookie: <cookie>");
            asks.push(lines.iter().fold(asked, Ask::header));
        }
    }
    // The target of a proxy's request names a host of its own (RFC 9112, 3.2.2).
    for (note, target, origin) in [
        ("Origin of the target", "http://evil.example/me", "http://evil.example"),
        ("Origin of the Host", "http://evil.example/me", "http://app.example:3000"),
        ("Origin of both", "http://app.example:3000/me", "http://app.example:3000"),
    ] {
        let asked = ask("POST", target).note(note).header("Cookie: <cookie>");
        asks.push(asked.header(format!("Origin: {origin}")));
    }
    let odd = |note, lines: &[&[u8]]| {
        let asked = ask("POST", "/me").note(note).header("Cookie: <cookie>");
        lines.iter().fold(asked, Ask::header)
    };
    asks.push(odd(
        "Sec-Fetch-Site not in UTF-8, own Origin",
        &[b"Sec-Fetch-Site: cross-site\xff", b"Origin: http://app.example:3000"],
    ));
    asks.push(odd("Origin not in UTF-8", &[b"Origin: http://app.example:3000\xff"]));
    let upgrade = |asked: Ask| {
        asked.note("an upgrade").header("Upgrade: websocket").header("Cookie: <cookie>")
    };
    for target in ["/me", "/private/report", "/auth/session"] {
        asks.push(upgrade(ask("GET", target)));
        asks.push(
            upgrade(ask("GET", target))
                .note("same origin")
                .header("Origin: http://app.example:3000"),
        );
    }
    let login = |note| ask("POST", "/login").note(note).json(LOGIN);
    asks.push(login("another site").header("Origin: https://evil.example"));
    asks.push(login("cross-site").header("Sec-Fetch-Site: cross-site"));
    asks
}

const LOGIN: &str = r#"{"username":"<name>","password":"<password>"}"#;

/// Bodies that are not what a route wants.
fn bodies() -> Vec<Ask> {
    let long = format!(r#"{{"label":"{}"}}"#, "x".repeat(5000));
    let mut asks = Vec::new();
    for (method, target) in
        [("PATCH", "/auth/sessions/<guid>"), ("POST", "/login"), ("POST", "/password")]
    {
        let with = |note: &'static str| ask(method, target).bearer().note(note);
        asks.extend([
            with("no body"),
            with("an empty body").json(""),
            with("no JSON").json("{"),
            with("another shape").json(r#"{"name":1}"#),
            with("an array").json("[]"),
            with("a label").json(r#"{"label":"Work laptop"}"#),
            with("not UTF-8").body("application/json", b"{\"label\":\"\xff\"}"),
            with("with a charset").body("application/json; charset=utf-8", r#"{"label":"x"}"#),
            with("text").body("text/plain", r#"{"label":"x"}"#),
            with("a form").body("application/x-www-form-urlencoded", "_method=DELETE"),
            with("a multipart form").body("multipart/form-data; boundary=x", "--x--"),
            with("too long").json(&long),
            with("too long and not JSON").body("text/plain", &long),
            with("chunked")
                .header("Content-Type: application/json")
                .header("Transfer-Encoding: chunked")
                .tail("e\r\n{\"label\":null}\r\n0\r\n\r\n"),
            with("a broken chunk")
                .header("Content-Type: application/json")
                .header("Transfer-Encoding: chunked")
                .tail("zz\r\nxx"),
        ]);
    }
    for target in
        ["/auth/session", "/auth/sessions", "/auth/session/renew", "/me", "/private/report"]
    {
        let form = ask("POST", target).bearer().note("a form with _method=DELETE");
        asks.push(form.body("application/x-www-form-urlencoded", "_method=DELETE"));
    }
    asks.push(ask("DELETE", "/auth/session").bearer().note("with a JSON body").json("{}"));
    asks.push(ask("GET", "/auth/session").bearer().note("with a body").json("{}"));
    asks
}

/// The example's own routes.
fn applications() -> Vec<Ask> {
    let login = |note| ask("POST", "/login").note(note);
    let admin = |target: &str| ask("POST", target);
    let mut asks = vec![
        login("right").json(LOGIN),
        login("for the cookie").json(&LOGIN.replace('}', r#","transport":"cookie"}"#)),
        login("wrong password").json(&LOGIN.replace("<password>", "wrong")),
        login("unknown user").json(&LOGIN.replace("<name>", "nobody")),
        login("unknown transport").json(&LOGIN.replace('}', r#","transport":"pigeon"}"#)),
        ask("GET", "/login"),
        ask("GET", "/greeting"),
        ask("GET", "/greeting").bearer(),
        ask("GET", "/me").cookie(),
        ask("POST", "/me").cookie(),
        ask("POST", "/private/report").bearer(),
        ask("GET", "/private/report").cookie(),
        ask("POST", "/password").bearer().note("right").json(r#"{"old":"<password>","new":"n"}"#),
        ask("POST", "/password").cookie().note("right").json(r#"{"old":"<password>","new":"n"}"#),
        ask("POST", "/password").bearer().note("wrong").json(r#"{"old":"wrong","new":"n"}"#),
        ask("POST", "/password").json(r#"{"old":"<password>","new":"n"}"#),
        admin("/admin/users/<name>/lock"),
        admin("/admin/users/<name>/lock").note("wrong token").header("X-Admin-Token: x"),
        admin("/admin/users/<name>/lock").note("token").header("X-Admin-Token: <admin>"),
        admin("/admin/users/<name>/lock")
            .note("token twice")
            .header("X-Admin-Token: <admin>")
            .header("X-Admin-Token: <admin>"),
        admin("/admin/users/<name>/lock").note("token not in UTF-8").header(b"X-Admin-Token: \xff"),
        admin("/admin/users/<name>/lock")
            .note("token, and one not in UTF-8")
            .header("X-Admin-Token: <admin>")
            .header(b"X-Admin-Token: \xff"),
        admin("/admin/users/<name>/unlock").note("token").header("X-Admin-Token: <admin>"),
        admin("/admin/users/nobody/lock").note("token").header("X-Admin-Token: <admin>"),
        admin("/admin/users/a%2Fb/lock").note("token").header("X-Admin-Token: <admin>"),
        admin("/admin/users/%ff/lock").note("token").header("X-Admin-Token: <admin>"),
        admin("/admin/users//lock").note("token").header("X-Admin-Token: <admin>"),
    ];
    let plain = ["/", "/healthz", "/readyz", "/favicon.ico", "/private/report"];
    asks.extend(plain.iter().map(|target| ask("GET", target)));
    asks
}
