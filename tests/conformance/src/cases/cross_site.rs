//! The cross-site rule (`docs/http.md`, "Cross-site rule"): "For every unsafe method (all but GET,
//! HEAD, OPTIONS, TRACE) **and every request with an `Upgrade` header**, where the cookie transport
//! is on and no Bearer token is presented."

use logout_all::Transport;

use super::{
    AUTHORITY, Outcome, Violation,
    answer::Answer,
    ensure_eq,
    site::{PASSWORD, Site, bearer, cookie},
};
use crate::client::Request;

type Lines = &'static [(&'static str, &'static str)];

/// What a request says of where it comes from, and whether it then passes with the cookie, and
/// without.
const TABLE: [(Lines, bool, bool); 22] = [
    // "`Origin` is exactly a trusted origin: pass."
    (&[("Origin", "https://partner.example")], true, true),
    (&[("Origin", "https://partner.example"), ("Sec-Fetch-Site", "cross-site")], true, true),
    (&[("Origin", "https://partner.example:8443")], false, false),
    (&[("Origin", "https://PARTNER.example")], false, false),
    (&[("Origin", "http://partner.example")], false, false),
    (&[("Origin", "https://x.partner.example")], false, false),
    // "`Sec-Fetch-Site` is present: `same-origin` and `none` pass, all else 403."
    (&[("Sec-Fetch-Site", "same-origin")], true, true),
    (&[("Sec-Fetch-Site", "none")], true, true),
    (&[("Sec-Fetch-Site", "same-site")], false, false),
    (&[("Sec-Fetch-Site", "cross-site")], false, false),
    (&[("Sec-Fetch-Site", "")], false, false),
    (&[("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")], false, false),
    (&[("Sec-Fetch-Site", "same-origin"), ("Origin", "https://evil.example")], true, true),
    (&[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://app.example:3000")], false, false),
    // "`Origin` is present: pass if its host and port are those of the request …, else 403."
    (&[("Origin", "http://app.example:3000")], true, true),
    (&[("Origin", "https://app.example:3000")], true, true),
    (&[("Origin", "http://app.example")], false, false),
    (&[("Origin", "http://app.example:3001")], false, false),
    (&[("Origin", "http://evil.example:3000")], false, false),
    (&[("Origin", "null")], false, false),
    (&[("Origin", "http://app.example:3000"), ("Origin", "http://app.example:3000")], false, false),
    // "Neither: 403 if the session cookie is presented, else pass."
    (&[], false, true),
];

fn saying(request: Request, lines: &[(&str, &str)]) -> Request {
    lines.iter().fold(request, |request, (name, value)| request.header(name, value))
}

fn trusting(builder: logout_all::SessionsBuilder) -> logout_all::SessionsBuilder {
    builder.trusted_origin("https://partner.example")
}

fn expect(answer: &Answer, passes: bool, otherwise: &str) -> Outcome {
    if !passes {
        return answer.problem("cross-site")?.without("Set-Cookie").map(drop);
    }
    if otherwise.is_empty() { answer.status(200).map(drop) } else { answer.problem(otherwise).map(drop) }
}

/// The whole table. "The library's routes: always."
pub(super) async fn the_rule_holds_on_the_librarys_routes(site: &Site) -> Outcome {
    let site = &site.fresh_with(trusting).await?;
    let (_, device) = site.device().await?;
    for (lines, with_cookie, without) in TABLE {
        let request = || saying(Request::new("DELETE", "/auth/sessions/others"), lines);
        let answer = site.send(request().header("Cookie", cookie(&device.token))).await?;
        expect(&answer, with_cookie, "")?;
        expect(&site.send(request()).await?, without, "token-missing")?;
        let garbage = site.send(request().header("Cookie", cookie("garbage"))).await?;
        expect(&garbage, with_cookie, "token-invalid")?;
    }
    site.expect_alive(&device.token).await
}

/// "`AuthSession`, `MaybeSession`, `AuthLayer`: if the request presents the cookie."
pub(super) async fn the_rule_holds_on_the_applications_routes(site: &Site) -> Outcome {
    let site = &site.fresh_with(trusting).await?;
    let (_, device) = site.device().await?;
    for target in ["/me", "/greeting", "/private/report"] {
        let anonymous = if target == "/greeting" { "" } else { "token-missing" };
        for (lines, with_cookie, _) in TABLE {
            let request = || saying(Request::new("POST", target), lines);
            let answer = site.send(request().header("Cookie", cookie(&device.token))).await?;
            expect(&answer, with_cookie, "")?;
            expect(&site.send(request()).await?, true, anonymous)?;
        }
    }
    Ok(())
}

/// "And every request with an `Upgrade` header": a WebSocket of another site would carry the cookie
/// by GET.
pub(super) async fn the_rule_holds_for_upgrades(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    for target in ["/me", "/greeting", "/private/report", "/auth/session"] {
        let request = |method: &str, line: (&str, &str)| {
            let request = Request::new(method, target).header("Cookie", cookie(&device.token));
            request.header("Upgrade", "websocket").header(line.0, line.1)
        };
        for line in [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site"), ("A", "b")] {
            site.send(request("GET", line)).await?.problem("cross-site")?.without("Set-Cookie")?;
        }
        let same = ("Sec-Fetch-Site", "same-origin");
        site.send(request("GET", same)).await?.status(200)?;
    }
    Ok(())
}

/// "`SignIn`: always: no other site signs anybody in."
pub(super) async fn nobody_is_signed_in_by_another_site(site: &Site) -> Outcome {
    let site = &site.fresh_with(trusting).await?;
    let (user, device) = site.device().await?;
    for (lines, with_cookie, without) in TABLE {
        let answer = site.send(saying(site.login_request(&user.name, PASSWORD), lines)).await?;
        expect(&answer, without, "")?;
        let login = saying(site.login_request(&user.name, PASSWORD), lines);
        let answer = site.send(login.header("Cookie", cookie("garbage"))).await?;
        expect(&answer, with_cookie, "")?;
    }
    site.expect_alive(&device.token).await
}

/// "A request with a Bearer token is exempt: no other site can make a browser send one."
pub(super) async fn bearer_requests_are_never_cross_site(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    for target in ["/auth/session/renew", "/me", "/greeting", "/private/report"] {
        for (lines, ..) in TABLE {
            let request = saying(Request::new("POST", target), lines);
            let request = request.header("Authorization", bearer(&device.token));
            site.send(request).await?.status(200)?;
        }
    }
    Ok(())
}

/// "Where the cookie transport is on": where it is off, nothing is cross-site.
pub(super) async fn nothing_is_cross_site_without_the_cookie(site: &Site) -> Outcome {
    let user = site.user().await?;
    for (lines, ..) in TABLE {
        let answer = site.send(saying(Request::new("DELETE", "/auth/sessions"), lines)).await?;
        answer.problem("token-missing")?;
        let login = saying(site.login_request(&user.name, PASSWORD), lines);
        site.send(login).await?.status(200)?;
    }
    Ok(())
}

/// Safe methods pass: they change nothing, and links from other sites must work.
pub(super) async fn safe_requests_of_other_sites_pass(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    for target in ["/me", "/greeting", "/private/report", "/auth/session", "/auth/sessions"] {
        for (lines, ..) in TABLE {
            let request = saying(Request::new("GET", target), lines);
            site.send(request.header("Cookie", cookie(&device.token))).await?.status(200)?;
        }
    }
    Ok(())
}

/// "Behind a proxy that changes `Host`, set `public_authority("app.example")`."
pub(super) async fn the_public_authority_is_what_browsers_see(site: &Site) -> Outcome {
    let site = &site.fresh_with(|builder| builder.public_authority("www.example")).await?;
    let (_, device) = site.device().await?;
    let ask = async |origin: &str| -> Result<Answer, Violation> {
        let request = Request::new("POST", "/me").header("Cookie", cookie(&device.token));
        site.send(request.header("Origin", origin)).await
    };
    ask("https://www.example").await?.status(200)?;
    ask("https://www.example:443").await?.status(200)?;
    ask("https://www.example:8443").await?.problem("cross-site")?;
    ask(&format!("http://{AUTHORITY}")).await?.problem("cross-site").map(drop)
}

/// "`danger_allow_cross_site()` turns the rule off."
pub(super) async fn the_rule_can_be_turned_off(site: &Site) -> Outcome {
    let site = &site.fresh_with(logout_all::SessionsBuilder::danger_allow_cross_site).await?;
    let (_, device) = site.device().await?;
    for (lines, ..) in TABLE {
        for target in ["/me", "/auth/session/renew"] {
            let request = saying(Request::new("POST", target), lines);
            site.send(request.header("Cookie", cookie(&device.token))).await?.status(200)?;
        }
    }
    Ok(())
}

/// The rule is about who asks, not about what is found: a refused request ends and renews nothing.
pub(super) async fn a_refused_request_changes_nothing(site: &Site) -> Outcome {
    let site = &site.over(Transport::Cookie);
    let (user, device) = site.device().await?;
    let other = site.sign_in(&user).await?;
    for (method, target) in [
        ("DELETE", "/auth/session"),
        ("DELETE", "/auth/sessions"),
        ("DELETE", "/auth/sessions/others"),
        ("POST", "/auth/session/renew"),
    ] {
        let request = Request::new(method, target).header("Cookie", cookie(&device.token));
        let answer = site.send(request.header("Sec-Fetch-Site", "cross-site")).await?;
        answer.problem("cross-site")?.without("Set-Cookie")?;
    }
    site.expect_alive(&other.token).await?;
    site.expect_alive(&device.token).await?;
    ensure_eq!(site.listed(&device.token).await?.len(), 2, "devices left");
    Ok(())
}
