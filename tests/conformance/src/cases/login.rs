//! Signing in over HTTP (`docs/http.md`, "Presenting the token"; `docs/scheme.md`, "Operations").

use std::time::Duration;

use logout_all::{By, DeviceLimit, EndReason, Transport, Transports};

use super::{
    Outcome, Violation,
    cell::Quirk,
    ensure, ensure_eq,
    site::{PASSWORD, Site, bearer, cookie, unknown_guid},
};
use crate::{client::Request, counted::Verb};

/// The token answer "of a login": "`expires_in`: whole seconds from now to `exp`", "`renew_after`:
/// whole seconds from now to 80 % of the token's lifetime", "`evicted`: guids that made room at
/// this login, else `[]`".
pub(super) async fn a_login_answers_with_a_token(site: &Site) -> Outcome {
    let user = site.user().await?;
    let granted = site.login(&user).await?;
    ensure!((3595..=3600).contains(&granted.seconds("expires_in")), "{}", granted.document);
    ensure!((2875..=2880).contains(&granted.seconds("renew_after")), "{}", granted.document);
    ensure_eq!(granted.document["evicted"], serde_json::json!([]), "evicted");
    let jwt = granted.jwt()?;
    ensure_eq!(jwt.text("sub"), user.id.as_str(), "sub");
    ensure_eq!(jwt.text("iss"), super::ISSUER, "iss");
    ensure_eq!(jwt.number("exp") - jwt.number("iat"), 3600, "the token's life");
    ensure!(jwt.number("auth_time") <= jwt.number("iat"), "auth_time is not after iat");
    site.expect_alive(&granted.token).await?;
    let me = site.ask(&granted.token, "GET", "/me").await?;
    let body = String::from_utf8_lossy(me.status(200)?.response.body()).into_owned();
    ensure!(body.contains(&user.name), "/me does not name {}: {body}", user.name);
    Ok(())
}

/// A login that names no transport is answered over Bearer if that is on, else over the cookie.
pub(super) async fn the_default_transport_is_bearer_if_that_is_on(site: &Site) -> Outcome {
    let user = site.user().await?;
    let body = serde_json::json!({ "username": user.name, "password": PASSWORD }).to_string();
    let answer = site.send(Request::new("POST", "/login").json(body)).await?;
    let way = match site.transports() {
        Transports::Cookie => Transport::Cookie,
        _ => Transport::Bearer,
    };
    let site = site.over(way);
    let granted = site.granted(&answer, "")?;
    site.expect_alive(&granted.token).await
}

/// A transport that is off, or none at all, is the client's mistake where the client names it:
/// never 500.
pub(super) async fn a_transport_that_is_off_is_refused(site: &Site) -> Outcome {
    let user = site.user().await?;
    let off = match site.transports() {
        Transports::Bearer => "cookie",
        Transports::Cookie => "bearer",
        Transports::Both => "neither",
    };
    for transport in [off, "carrier-pigeon", ""] {
        let body = serde_json::json!({
            "username": user.name, "password": PASSWORD, "transport": transport,
        });
        let answer = site.send(Request::new("POST", "/login").json(body.to_string())).await?;
        let status = answer.response.status();
        if !(400..500).contains(&status) {
            return Err(answer.violates(format!("transport {transport:?}: expected 4xx")));
        }
        answer.without("Set-Cookie")?;
    }
    Ok(())
}

/// "The application's own login uses it for a wrong name or password, alike": an answer that
/// differs tells who has an account.
pub(super) async fn a_wrong_password_and_an_unknown_name_look_alike(site: &Site) -> Outcome {
    let user = site.user().await?;
    let wrong = site.send(site.login_request(&user.name, "wrong")).await?;
    wrong.problem("credentials-invalid")?.without("Set-Cookie")?;
    let unknown = site.send(site.login_request(&unknown_guid(), "wrong")).await?;
    unknown.problem("credentials-invalid")?;
    ensure_eq!(wrong.response.body(), unknown.response.body(), "the two answers");
    let lines = |answer: &super::answer::Answer| -> Vec<(String, String)> {
        let mut lines = answer.response.headers().to_vec();
        lines.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
        // The order of lines with differing names says nothing (RFC 9110, section 5.3), and some
        // servers shuffle them; those of one name stay in theirs.
        lines.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        lines
    };
    ensure_eq!(lines(&wrong), lines(&unknown), "the two heads");
    Ok(())
}

/// "**A login replaces** the session whose validly signed, unexpired token came with it: the
/// browser that signs in again leaves no orphan in the device list." Also another user's.
pub(super) async fn a_login_replaces_the_session_that_it_presents(site: &Site) -> Outcome {
    let (user, old) = site.device().await?;
    let (other, bystander) = (site.user().await?, site.sign_in(&user).await?);
    let login = site.present(&old.token, site.login_request(&user.name, PASSWORD));
    let new = site.granted(&site.send(login).await?, "")?;
    site.expect_denied(&old.token, "session-ended").await?;
    site.expect_alive(&bystander.token).await?;
    ensure_eq!(site.listed(&new.token).await?.len(), 2, "devices");
    let history = site.history(&user.id).await?;
    let reasons: Vec<EndReason> = history.iter().map(|entry| entry.reason).collect();
    ensure_eq!(reasons, [EndReason::Replaced], "the journal");

    let login = site.present(&new.token, site.login_request(&other.name, PASSWORD));
    let theirs = site.granted(&site.send(login).await?, "")?;
    site.expect_denied(&new.token, "session-ended").await?;
    site.expect_alive(&theirs.token).await
}

/// A login that fails replaces nothing.
pub(super) async fn a_failed_login_replaces_nothing(site: &Site) -> Outcome {
    let (user, old) = site.device().await?;
    let login = site.present(&old.token, site.login_request(&user.name, "wrong"));
    site.send(login).await?.problem("credentials-invalid")?;
    site.expect_alive(&old.token).await
}

/// "Malformed, doubled or expired ones beside the credentials are ignored."
pub(super) async fn odd_tokens_beside_the_credentials_are_ignored(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (user, expired) = site.device().await?;
    site.advance(Duration::from_secs(3601));
    let (one, two) = (site.sign_in(&user).await?, site.sign_in(&user).await?);
    let expired = expired.token.as_str();
    let mut oddities = vec![
        vec![("Authorization", "Bearer".to_owned())],
        vec![("Authorization", "Bearer a b".to_owned())],
        vec![("Authorization", bearer("garbage"))],
        vec![("Authorization", bearer(expired))],
        vec![("Authorization", bearer("x")), ("Authorization", "Basic eA==".to_owned())],
        vec![("Cookie", format!("{}; {}", cookie("x"), cookie("")))],
        vec![("Cookie", cookie(expired))],
        vec![("Cookie", cookie("x")), ("Authorization", bearer("x"))],
    ];
    oddities.push(if site.by_cookie() {
        vec![("Cookie", format!("{}; {}", cookie(&one.token), cookie(&two.token)))]
    } else {
        vec![("Authorization", bearer(&one.token)), ("Authorization", bearer(&two.token))]
    });
    for lines in oddities {
        let request = site.login_request(&user.name, PASSWORD).header("Sec-Fetch-Site", "none");
        let request =
            lines.iter().fold(request, |request, (name, value)| request.header(name, value));
        site.send(request).await?.status(200)?;
    }
    for token in [&one.token, &two.token] {
        site.expect_denied(token, "session-ended").await?;
    }
    // The expired one named a session that lives on.
    site.renew(expired).await?.status(200).map(drop)
}

/// "Under `Evict(n)` the least recently seen sessions make room, never the new one; the answer
/// names them (`evicted`)."
pub(super) async fn the_least_recently_seen_device_makes_room(site: &Site) -> Outcome {
    let site = &site.fresh_with(|b| b.device_limit(DeviceLimit::Evict(2))).await?;
    let user = site.user().await?;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        tokens.push(site.login(&user).await?);
        site.advance(Duration::from_secs(90));
    }
    site.expect_alive(&tokens[0].token).await?;
    super::site::eventually("the first device is the last seen", async || {
        let listed = site.listed(&tokens[0].token).await?;
        Ok(listed.first().map(String::as_str) == tokens[0].document["guid"].as_str())
    })
    .await?;
    let third = site.login(&user).await?;
    ensure_eq!(third.document["evicted"], serde_json::json!([tokens[1].document["guid"]]), "evicted");
    site.expect_denied(&tokens[1].token, "session-ended").await?;
    site.expect_alive(&tokens[0].token).await?;
    site.expect_alive(&third.token).await
}

/// "Under `Refuse(n)` the login is answered 409 and changes nothing."
pub(super) async fn the_device_limit_can_refuse(site: &Site) -> Outcome {
    let site = &site.fresh_with(|b| b.device_limit(DeviceLimit::Refuse(1))).await?;
    let user = site.user().await?;
    let first = site.login(&user).await?;
    let refused = site.send(site.login_request(&user.name, PASSWORD)).await?;
    refused.problem("device-limit")?.without("Set-Cookie")?;
    site.expect_alive(&first.token).await?;
    // A login that replaces the one device fits.
    let login = site.present(&first.token, site.login_request(&user.name, PASSWORD));
    site.send(login).await?.status(200).map(drop)
}

/// "A login is fenced: it fails if the user was logged out everywhere while it was under way." It
/// stands at its insert while the logout happens.
pub(super) async fn a_logout_overtakes_a_login_under_way(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    for everybody in [false, true] {
        let (user, device) = site.device().await?;
        let held = site.accesses().hold(Verb::Insert);
        let login = site.send(site.login_request(&user.name, PASSWORD));
        let logout = async {
            held.reached().await;
            let outcome = if everybody {
                let by = By::operator("the suite");
                site.sessions().logout_everyone(EndReason::Everyone, by).await.map_err(Violation::from)
            } else {
                site.ask(&device.token, "DELETE", "/auth/sessions").await?.status(200).map(drop)
            };
            held.release();
            outcome
        };
        let (login, logout) = tokio::join!(login, logout);
        logout?;
        login?.problem("login-overtaken")?.without("Set-Cookie")?;
        let granted = site.login(&user).await?;
        ensure_eq!(site.listed(&granted.token).await?.len(), 1, "devices after it all");
    }
    Ok(())
}

/// A body that is not the credentials is the client's mistake.
pub(super) async fn a_malformed_login_is_4xx(site: &Site) -> Outcome {
    for body in ["", "{", "[]", "{}", r#"{"username":1,"password":2}"#, r#"{"username":"x"}"#] {
        let answer = site.send(Request::new("POST", "/login").json(body)).await?;
        if !(400..500).contains(&answer.response.status()) {
            return Err(answer.violates("expected 4xx"));
        }
        answer.without("Set-Cookie")?;
    }
    Ok(())
}

/// "User agent stored to 256 bytes"; "control and bidi-control characters and invalid UTF-8 are
/// removed from user agents and labels".
pub(super) async fn the_user_agent_is_kept_cleaned_and_cut(site: &Site) -> Outcome {
    for (sent, kept) in [
        (b"curl/8.5.0".to_vec(), Some("curl/8.5.0".to_owned())),
        (b"a\xffb\tc".to_vec(), Some("abc".to_owned())),
        ("é".repeat(300).into_bytes(), Some("é".repeat(128))),
        ("a\u{202e}b".into(), Some("ab".to_owned())),
        (b"\xff\xfe".to_vec(), None),
    ] {
        let user = site.user().await?;
        let login = site.login_request(&user.name, PASSWORD).header("User-Agent", &sent);
        let granted = site.granted(&site.send(login).await?, "")?;
        let list = site.ask(&granted.token, "GET", "/auth/sessions").await?.json()?;
        let agent = list["devices"][0]["user_agent"].as_str().map(ToOwned::to_owned);
        let dropped = String::from_utf8(sent.clone()).is_err() && site.has(Quirk::DropsLinesNotInUtf8);
        let kept = kept.filter(|_| !dropped);
        ensure_eq!(agent, kept, "the user agent {:?}", sent.escape_ascii().to_string());
    }
    Ok(())
}
