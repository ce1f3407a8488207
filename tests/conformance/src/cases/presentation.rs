//! How a token is presented (`docs/http.md`, "Presenting the token").

use super::{
    COOKIE, Outcome, Violation,
    answer::Answer,
    cell::Quirk,
    ensure_eq,
    site::{Site, bearer, cookie},
};
use crate::client::Request;

/// The routes on which a presentation is tried: the library's own, and one behind each of the
/// framework's guards.
const GUARDED: [&str; 4] = ["/auth/session", "/me", "/greeting", "/private/report"];

fn get(target: &str) -> Request {
    Request::new("GET", target)
}

async fn expect_malformed(site: &Site, present: impl Fn(Request) -> Request) -> Outcome {
    for target in GUARDED {
        let answer = site.send(present(get(target))).await?;
        answer.problem("request-malformed")?.without("Set-Cookie")?;
    }
    Ok(())
}

/// What follows where the line was dropped on the way.
async fn expect_nothing_presented(site: &Site, present: impl Fn(Request) -> Request) -> Outcome {
    for target in GUARDED {
        let answer = site.send(present(get(target))).await?;
        if target == "/greeting" { answer.status(200)? } else { answer.problem("token-missing")? };
    }
    Ok(())
}

/// "`Authorization: Bearer …`, scheme in any letter case" (and RFC 6750: any number of spaces).
pub(super) async fn bearer_in_any_letter_case(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "] {
        for target in GUARDED {
            let value = format!("{scheme} {}", device.token);
            site.send(get(target).header("aUTHORIZATION", value)).await?.status(200)?;
        }
    }
    Ok(())
}

/// "`Bearer` without a token, or with characters that no token has: 400."
pub(super) async fn a_malformed_bearer_value_is_400(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let token = device.token.as_bytes();
    let values: [Vec<u8>; 11] = [
        b"Bearer".to_vec(),
        b"Bearer =".to_vec(),
        b"Bearer\t".to_vec(),
        [b"Bearer\t", token].concat(),
        [b"Bearer \"", token, b"\""].concat(),
        [b"Bearer ", token, b" x"].concat(),
        [b"Bearer ", token, b", Basic eA=="].concat(),
        [b"Bearer ", token, b"=a"].concat(),
        [b"Bearer ", token, b"\xff"].concat(),
        b"Bearer \xc3\xb6".to_vec(),
        [b"Bearer,", token].concat(),
    ];
    for value in &values {
        let present = |request: Request| request.header("Authorization", value);
        if std::str::from_utf8(value).is_err() && site.has(Quirk::DropsLinesNotInUtf8) {
            expect_nothing_presented(site, present).await?;
        } else {
            expect_malformed(site, present).await?;
        }
    }
    site.expect_alive(&device.token).await
}

/// "Nothing, or an `Authorization` of another scheme: no presentation: 401 `token-missing`."
pub(super) async fn another_scheme_is_no_presentation(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let others = [
        "Basic dXNlcjpwYXNz".to_owned(),
        "Digest x".to_owned(),
        String::new(),
        device.token.clone(),
        format!("Token {}", device.token),
        format!("BearerX {}", device.token),
        format!("Bearer{}", device.token),
    ];
    for value in &others {
        let request = get("/auth/session").header("Authorization", value);
        site.send(request).await?.problem("token-missing")?;
        site.send(get("/greeting").header("Authorization", value)).await?.status(200)?;
    }
    if site.by_cookie() {
        let request = site.with(&device.token, "GET", "/auth/session");
        site.send(request.header("Authorization", &others[0])).await?.status(200)?;
    }
    Ok(())
}

/// "Two `Authorization` headers of which one is Bearer: 400": no framework's pick of the first, or
/// the last, decides.
pub(super) async fn two_authorization_headers_are_400(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let good = bearer(&device.token);
    for (first, second) in [
        (good.as_str(), good.as_str()),
        (&good, "Bearer x"),
        ("Bearer x", &good),
        (&good, "Basic eA=="),
        ("Basic eA==", &good),
    ] {
        expect_malformed(site, |request| {
            request.header("Authorization", first).header("Authorization", second)
        })
        .await?;
    }
    let twice = get("/greeting").header("Authorization", "Basic eA==");
    site.send(twice.header("Authorization", "Basic eA==")).await?.status(200)?;
    site.expect_alive(&device.token).await
}

/// "Two cookies of the name: 400"; "several `Cookie` header lines are one list".
pub(super) async fn two_cookies_of_the_name_are_400(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let good = cookie(&device.token);
    for double in [format!("{good}; {good}"), format!("{COOKIE}=x; {good}"), format!("{good};{COOKIE}=")] {
        expect_malformed(site, |request| request.header("Cookie", &double)).await?;
    }
    expect_malformed(site, |request| request.header("Cookie", &good).header("Cookie", &good)).await?;
    for target in GUARDED {
        let several = get(target).header("Cookie", "a=b").header("Cookie", &good);
        site.send(several.header("Cookie", "c=d")).await?.status(200)?;
        let one = get(target).header("Cookie", format!("a=\"b\"; {good};c=d; e"));
        site.send(one).await?.status(200)?;
    }
    let bytes = [b"odd=\xff\xfe; ", good.as_bytes()].concat();
    let present = |request: Request| request.header("Cookie", &bytes);
    if site.has(Quirk::DropsLinesNotInUtf8) {
        return expect_nothing_presented(site, present).await;
    }
    for target in GUARDED {
        site.send(present(get(target))).await?.status(200)?;
    }
    Ok(())
}

/// A cookie of another name is not ours, however alike.
pub(super) async fn another_cookie_is_no_presentation(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let others = [
        format!("{}={}", COOKIE.to_uppercase(), device.token),
        format!("{COOKIE}2={}", device.token),
        format!("x{COOKIE}={}", device.token),
        format!("a={COOKIE}={}", device.token),
        COOKIE.to_owned(),
    ];
    for other in &others {
        let answer = site.send(get("/auth/session").header("Cookie", other)).await?;
        answer.problem("token-missing")?;
    }
    Ok(())
}

/// "Bearer and cookie at once: 400", the same token or not.
pub(super) async fn both_at_once_are_400(site: &Site) -> Outcome {
    let (user, device) = site.device().await?;
    let other = site.sign_in(&user).await?;
    for second in [&device.token, &other.token, "x"] {
        expect_malformed(site, |request| {
            request.header("Authorization", bearer(&device.token)).header("Cookie", cookie(second))
        })
        .await?;
        expect_malformed(site, |request| {
            request.header("Cookie", cookie(&device.token)).header("Authorization", bearer(second))
        })
        .await?;
    }
    site.expect_alive(&device.token).await
}

async fn expect_as_if_alone(site: &Site, token: &str, beside: (&str, &str)) -> Outcome {
    let (name, value) = beside;
    for target in GUARDED {
        let alone = site.send(get(target).header(name, value)).await?;
        if target == "/greeting" { alone.status(200)? } else { alone.problem("token-missing")? };
        let request = site.with(token, "GET", target).header(name, value).header(name, value);
        site.send(request).await?.status(200)?;
    }
    Ok(())
}

/// "A header or cookie of a transport that is off is not read, not counted, and switches no rule
/// off." Here the cookie is off.
pub(super) async fn a_cookie_is_not_read_where_it_is_off(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    expect_as_if_alone(site, &device.token, ("Cookie", &cookie(&device.token))).await?;
    let sign_out = Request::new("DELETE", "/auth/session").header("Cookie", cookie(&device.token));
    site.send(sign_out).await?.status(204)?.without("Set-Cookie")?;
    site.expect_alive(&device.token).await
}

/// The same where Bearer is off.
pub(super) async fn bearer_is_not_read_where_it_is_off(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    expect_as_if_alone(site, &device.token, ("Authorization", &bearer(&device.token))).await?;
    let sign_out = Request::new("DELETE", "/auth/session");
    let sign_out = sign_out.header("Authorization", bearer(&device.token));
    site.send(sign_out).await?.status(204)?;
    site.expect_alive(&device.token).await?;
    // It does not switch the cross-site rule off.
    let foreign = Request::new("DELETE", "/auth/sessions")
        .header("Cookie", cookie(&device.token))
        .header("Authorization", bearer(&device.token))
        .header("Sec-Fetch-Site", "cross-site");
    site.send(foreign).await?.problem("cross-site")?;
    site.expect_alive(&device.token).await
}

/// "Never a query string, never a form field."
pub(super) async fn never_in_a_query_or_a_form(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    for name in ["access_token", "token", COOKIE] {
        let query = format!("/me?{name}={}", device.token);
        site.ask_plainly("GET", &query).await?.problem("token-missing")?;
        let form = Request::new("POST", "/me")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(format!("{name}={}", device.token));
        site.send(form).await?.problem("token-missing")?;
    }
    Ok(())
}

/// "It tries the tokens that were sent, expired, superseded or doubled, and ends the sessions that they
/// name (eight at most)": junk in front of the real ones keeps none of them alive.
pub(super) async fn sign_out_tries_every_token(site: &Site) -> Outcome {
    let user = site.user().await?;
    let mut devices = Vec::new();
    for _ in 0..4 {
        devices.push(site.sign_in(&user).await?.token);
    }
    let sign_out = async |request: Request| -> Result<Answer, Violation> {
        let request = request.header("Sec-Fetch-Site", "same-origin");
        let answer = site.send(request).await?;
        answer.status(204)?;
        Ok(answer)
    };
    let base = || Request::new("DELETE", "/auth/session");
    let (wanted, request) = if site.by_cookie() {
        let junk = format!("{COOKIE}=garbage; ").repeat(12);
        let first = format!("{junk}{}; {}", cookie(&devices[0]), cookie(&devices[1]));
        (3, base().header("Cookie", first).header("Cookie", cookie(&devices[2])))
    } else {
        let request = base().header("Authorization", bearer(&devices[0]));
        (2, request.header("Authorization", "Bearer").header("Authorization", bearer(&devices[1])))
    };
    sign_out(request).await?;
    for (at, token) in devices.iter().enumerate() {
        if at < wanted {
            site.expect_denied(token, "session-ended").await?;
        } else {
            site.expect_alive(token).await?;
        }
    }
    Ok(())
}

/// The same over both transports at once.
pub(super) async fn sign_out_over_both_ends_both(site: &Site) -> Outcome {
    let user = site.user().await?;
    let (first, second) = (site.sign_in(&user).await?, site.sign_in(&user).await?);
    let request = Request::new("DELETE", "/auth/session")
        .header("Authorization", bearer(&first.token))
        .header("Cookie", cookie(&second.token));
    let answer = site.send(request).await?;
    answer.status(204)?.header("Set-Cookie", &super::site::cleared())?;
    for token in [&first.token, &second.token] {
        site.expect_denied(token, "session-ended").await?;
    }
    Ok(())
}

/// What is no request at all is the server software's to refuse; ours goes on.
pub(super) async fn broken_requests_do_no_harm(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let host = super::AUTHORITY;
    let requests: [Vec<u8>; 6] = [
        b"\x00\x01\x02\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"DELETE /auth/sessions\r\n\r\n".to_vec(),
        format!("GET /auth/session HTTP/1.1\r\nHost: {host}\r\nAuthorization : Bearer x\r\n\r\n").into(),
        format!(
            "DELETE /auth/sessions HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\n\
             Content-Length: 2\r\nConnection: close\r\n\r\nab"
        )
        .into(),
        format!("GET /auth/session HTTP/1.1\r\nHost: {host}\r\nA: {}\r\n\r\n", "a".repeat(600_000)).into(),
    ];
    for bytes in &requests {
        let answer = site.send_bytes(bytes).await?;
        let first = answer.lines().next().unwrap_or_default();
        let status = first.split(' ').nth(1).unwrap_or("closed");
        let refused = status == "closed" || status.starts_with('4');
        ensure_eq!(refused, true, "answered {first:?} to {:?}", bytes.escape_ascii().to_string().get(..60));
    }
    site.expect_alive(&device.token).await
}
