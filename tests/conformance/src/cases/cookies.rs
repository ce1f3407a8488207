//! The session cookie: how it is set, and when it is cleared and when never (`docs/http.md`,
//! "Cookie").

use std::time::Duration;

use logout_all::{CookieName, Persistence, Transport};

use super::{
    Outcome, ensure, ensure_eq,
    site::{PASSWORD, Site, cleared, cookie, cookie_set, stored, unknown_guid},
};
use crate::client::Request;

const IDLE: u64 = 14 * 86_400;
const HOUR: Duration = Duration::from_hours(1);

/// "For development without TLS: `danger_plain_http_cookie(name)`, without prefix and `Secure`."
/// And "over the cookie it is absent and the cookie has it": the token.
pub(super) async fn the_cookie_has_exactly_these_attributes(site: &Site) -> Outcome {
    let user = site.user().await?;
    let login = site.send(site.login_request(&user.name, PASSWORD)).await?;
    let granted = site.granted(&login, "")?;
    login.header("Set-Cookie", &stored(&granted.token, IDLE))?;
    let renewal = site.renew(&granted.token).await?;
    let renewed = site.granted(&renewal, "")?;
    renewal.header("Set-Cookie", &stored(&renewed.token, IDLE)).map(drop)
}

/// "`__Host-session=…; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=…`"
pub(super) async fn the_default_cookie_is_bound_to_the_host(site: &Site) -> Outcome {
    let site = &site.fresh_with(|builder| builder.cookie(CookieName::host_session())).await?;
    let (_, device) = site.device().await?;
    let request = |method: &str, target: &str| {
        let cookie = format!("__Host-session={}", device.token);
        Request::new(method, target).header("Cookie", cookie).header("Sec-Fetch-Site", "none")
    };
    site.send(request("GET", "/me")).await?.status(200)?;
    let renewal = site.send(request("POST", "/auth/session/renew")).await?;
    let values: Vec<&str> = renewal.status(200)?.response.all("Set-Cookie").collect();
    let rest = values.first().and_then(|value| value.strip_prefix("__Host-session=eyJ"));
    let attributes = rest.and_then(|rest| rest.split_once(';')).map(|(_, attributes)| attributes);
    let wanted = " Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=1209600";
    ensure_eq!((values.len(), attributes), (1, Some(wanted)), "Set-Cookie is {values:?}");
    let sign_out = site.send(request("DELETE", "/auth/session")).await?;
    let clear = "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0";
    sign_out.header("Set-Cookie", clear).map(drop)
}

/// "It is absent for a login with `Persistence::BrowserSession`."
pub(super) async fn a_browser_session_has_no_max_age(site: &Site) -> Outcome {
    let user = site.user().await?;
    let device = site
        .sign_in_as(&user, "nobody/1", |ticket| ticket.persistence(Persistence::BrowserSession))
        .await?;
    let renewal = site.renew(&device.token).await?;
    let (_, attributes) = cookie_set(&renewal).unwrap_or_default();
    ensure_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax", "attributes");
    Ok(())
}

/// "`Max-Age` is the smaller of the idle limit and what is left of the absolute limit."
pub(super) async fn max_age_never_outlives_the_session(site: &Site) -> Outcome {
    let site = &site.fresh_with(|builder| builder.idle(3 * HOUR).absolute(4 * HOUR)).await?;
    let (_, device) = site.device().await?;
    site.advance(2 * HOUR);
    let renewal = site.renew(&device.token).await?;
    let (_, attributes) = cookie_set(&renewal).unwrap_or_default();
    let age: u64 = attributes.rsplit('=').next().and_then(|age| age.parse().ok()).unwrap_or(0);
    ensure!((7195..=7200).contains(&age), "2 h of 4 are left, and Max-Age is {age}");
    Ok(())
}

/// "`DELETE /session`: cleared wherever the cookie transport is on", whatever was sent.
pub(super) async fn sign_out_clears_the_cookie_wherever_it_is_on(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    for request in [
        site.with(&device.token, "DELETE", "/auth/session"),
        site.with(&device.token, "DELETE", "/auth/session"),
        site.with("garbage", "DELETE", "/auth/session"),
        Request::new("DELETE", "/auth/session"),
    ] {
        let answer = site.send(request).await?;
        answer.status(204)?;
        if site.cookie_is_on() {
            answer.header("Set-Cookie", &cleared())?;
        } else {
            answer.without("Set-Cookie")?;
        }
    }
    Ok(())
}

/// "`DELETE /sessions`, one's own `DELETE /sessions/{guid}` …: cleared if the token came by it."
pub(super) async fn ending_oneself_clears_the_cookie_that_was_shown(site: &Site) -> Outcome {
    let user = site.user().await?;
    let (one, two) = (site.sign_in(&user).await?, site.sign_in(&user).await?);
    let own = format!("/auth/sessions/{}", one.guid);
    let answers = [
        site.ask(&one.token, "DELETE", &own).await?,
        site.ask(&two.token, "DELETE", "/auth/sessions").await?,
    ];
    for (answer, status) in answers.iter().zip([204, 200]) {
        answer.status(status)?;
        if site.by_cookie() {
            answer.header("Set-Cookie", &cleared())?;
        } else {
            answer.without("Set-Cookie")?;
        }
    }
    Ok(())
}

/// "400, 401, 403, 503, a lost race: **never** touched"; "a late `session-ended` would delete the
/// cookie of a login that came after it".
pub(super) async fn nothing_else_clears_the_cookie(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (user, device) = site.device().await?;
    let ended = site.sign_in(&user).await?;
    site.sessions().logout_token(ended.token.as_bytes()).await?;
    let routes = [
        ("GET", "/me"),
        ("GET", "/private/report"),
        ("GET", "/greeting"),
        ("GET", "/auth/session"),
        ("GET", "/auth/sessions"),
        ("POST", "/auth/session/renew"),
        ("DELETE", "/auth/sessions"),
        ("DELETE", "/auth/sessions/others"),
        ("GET", "/auth/unknown"),
        ("PUT", "/auth/session"),
    ];
    for (method, target) in routes {
        for token in ["garbage", &ended.token] {
            site.ask(token, method, target).await?.without("Set-Cookie")?;
        }
        let foreign = Request::new(method, target)
            .header("Cookie", cookie(&device.token))
            .header("Sec-Fetch-Site", "cross-site");
        if method != "GET" {
            site.send(foreign).await?.without("Set-Cookie")?;
        }
    }
    let other = format!("/auth/sessions/{}", unknown_guid());
    site.ask(&device.token, "DELETE", &other).await?.status(404)?.without("Set-Cookie")?;
    site.without_store(async {
        for (method, target) in routes {
            site.ask(&device.token, method, target).await?.without("Set-Cookie")?;
        }
        site.ask(&device.token, "DELETE", "/auth/session").await?.without("Set-Cookie").map(drop)
    })
    .await?;
    let wrong = site.send(site.present(&device.token, site.login_request(&user.name, "no"))).await?;
    wrong.problem("credentials-invalid")?.without("Set-Cookie")?;
    site.expect_alive(&device.token).await?;
    site.advance(HOUR);
    site.ask(&device.token, "GET", "/me").await?.problem("token-expired")?.without("Set-Cookie").map(drop)
}

/// "A login over Bearer that ended the session of a presented cookie: cleared, or every later
/// request would carry both."
pub(super) async fn a_bearer_login_clears_the_cookie_that_it_replaces(site: &Site) -> Outcome {
    let (user, device) = site.device().await?;
    let login = |token: &str| {
        let request = site.over(Transport::Bearer).login_request(&user.name, PASSWORD);
        request.header("Cookie", cookie(token)).header("Sec-Fetch-Site", "same-origin")
    };
    let answer = site.send(login(&device.token)).await?;
    answer.status(200)?.header("Set-Cookie", &cleared())?;
    site.over(Transport::Cookie).expect_denied(&device.token, "session-ended").await?;
    let token = answer.json()?["token"].as_str().unwrap_or_default().to_owned();
    site.over(Transport::Bearer).expect_alive(&token).await?;
    site.send(login("garbage")).await?.status(200)?.without("Set-Cookie")?;
    Ok(())
}
