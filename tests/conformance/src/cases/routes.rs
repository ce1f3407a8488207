//! The routes and what they answer when all is well (`docs/http.md`, "Routes").

use logout_all::{By, EndReason};
use serde_json::Value;

use super::{
    Outcome, Violation,
    answer::Answer,
    ensure, ensure_eq,
    site::{Device, Site, unknown_guid},
    token::{Jwt, instant},
};
use crate::client::Request;

const SESSION: [&str; 9] = [
    "user_id",
    "guid",
    "created_at",
    "auth_time",
    "token_expires_at",
    "expires_at",
    "renew_after",
    "claims",
    "user",
];

const DEVICE: [&str; 9] = [
    "guid",
    "current",
    "user_agent",
    "device",
    "ip",
    "label",
    "created_at",
    "last_seen_at",
    "expires_at",
];

/// Every route that wants a session.
fn guarded(guid: &str) -> Vec<(&'static str, String)> {
    vec![
        ("POST", "/auth/session/renew".to_owned()),
        ("GET", "/auth/session".to_owned()),
        ("GET", "/auth/sessions".to_owned()),
        ("PATCH", format!("/auth/sessions/{guid}")),
        ("DELETE", format!("/auth/sessions/{guid}")),
        ("DELETE", "/auth/sessions".to_owned()),
        ("DELETE", "/auth/sessions/others".to_owned()),
    ]
}

/// A request to one of them with the body that it may need.
fn to(method: &str, target: &str) -> Request {
    let request = Request::new(method, target);
    if method == "PATCH" { request.json(r#"{"label":"x"}"#) } else { request }
}

/// "`GET /session`: who am I", and every member of the session document.
pub(super) async fn session_says_who_i_am(site: &Site) -> Outcome {
    let (user, device) = site.device().await?;
    let answer = site.show(&device.token).await?;
    let session = answer.document(&SESSION)?;
    let jwt = Jwt::read(&device.token)?;
    ensure_eq!(session["user_id"], user.id.as_str(), "user_id");
    ensure_eq!(session["guid"], device.guid.to_string(), "guid");
    ensure_eq!(instant(&session["token_expires_at"])?, jwt.number("exp"), "token_expires_at");
    ensure_eq!(instant(&session["auth_time"])?, jwt.number("auth_time"), "auth_time");
    ensure_eq!(instant(&session["created_at"])?, jwt.number("auth_time"), "created_at");
    let fortnight = jwt.number("iat") + 14 * 86_400;
    let ends = instant(&session["expires_at"])?;
    ensure!(ends.abs_diff(fortnight) <= 2, "the session ends at {ends}, not around {fortnight}");
    let renew_after = session["renew_after"].as_u64().unwrap_or_default();
    ensure!((2820..=2880).contains(&renew_after), "renew_after is {renew_after}, not 80 % of 1 h");
    ensure_eq!(session["claims"], serde_json::json!({ "role": "tester" }), "claims");
    ensure!(session["user"].is_object() || session["user"].is_null(), "user: {session}");
    Ok(())
}

/// "HEAD is GET without a body."
pub(super) async fn head_is_get_without_a_body(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    for target in ["/auth/session", "/auth/sessions"] {
        let head = site.ask(&device.token, "HEAD", target).await?;
        head.status(200)?.header("Content-Type", "application/json")?;
        let denied = site.ask_plainly("HEAD", target).await?;
        denied.status(401)?.header("Content-Type", "application/problem+json")?;
        denied.header("WWW-Authenticate", "Bearer realm=\"logout-all\"")?;
    }
    Ok(())
}

/// 405 with `Allow`; "OPTIONS is 405: answer preflights in the application's CORS layer"; nothing
/// changes by GET.
pub(super) async fn other_methods_are_405(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let own = format!("/auth/sessions/{}", device.guid);
    for (target, allow) in [
        ("/auth/session/renew", "POST"),
        ("/auth/session", "GET, HEAD, DELETE"),
        ("/auth/sessions", "GET, HEAD, DELETE"),
        ("/auth/sessions/others", "DELETE"),
        (&own, "PATCH, DELETE"),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
            if allow.split(", ").any(|allowed| allowed == method) {
                continue;
            }
            let answer = site.ask(&device.token, method, target).await?;
            answer.header("Allow", allow)?;
            if method == "HEAD" { answer.status(405)? } else { answer.problem("method-not-allowed")? };
        }
    }
    site.expect_alive(&device.token).await
}

/// "Paths are exact: `/sessions/`, `//session`, `/%73ession` and a guid in upper case are 404."
pub(super) async fn other_paths_are_404(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let guid = device.guid.to_string();
    let braced = format!("/auth/sessions/%7B{guid}%7D");
    let paths = [
        "/auth/sessions/".to_owned(),
        "/auth/session/".to_owned(),
        "/auth/session/renew/".to_owned(),
        "/auth/sessions/others/".to_owned(),
        "/auth//sessions".to_owned(),
        "/auth/sessions//others".to_owned(),
        "/auth/Sessions".to_owned(),
        "/auth/%73essions".to_owned(),
        "/auth/session%2Frenew".to_owned(),
        "/auth/sessions/%6Fthers".to_owned(),
        "/auth/sessions;a=b".to_owned(),
        "/auth/sessions/others/more".to_owned(),
        "/auth/unknown".to_owned(),
        "/auth/sessions/00000000-0000-0000-0000-000000000000".to_owned(),
        "/auth/sessions/not-a-guid".to_owned(),
        format!("/auth/sessions/{}", guid.to_uppercase()),
        format!("/auth/sessions/{}", guid.replace('-', "")),
        format!("/auth/sessions/{guid}/"),
        format!("/auth/sessions/{guid}%20"),
        format!("/auth/sessions/{}", guid.replace('-', "%2D")),
        braced,
    ];
    for path in &paths {
        for method in ["DELETE", "GET", "POST", "PATCH"] {
            site.ask(&device.token, method, path).await?.problem("not-found")?;
        }
    }
    site.expect_alive(&device.token).await
}

/// `token-missing`: no token was presented.
pub(super) async fn every_guarded_route_wants_a_token(site: &Site) -> Outcome {
    for (method, target) in guarded(&unknown_guid()) {
        site.send(to(method, &target)).await?.problem("token-missing")?.without("Set-Cookie")?;
    }
    Ok(())
}

/// `session-ended` on every route that wants a session.
pub(super) async fn an_ended_session_is_denied_everywhere(site: &Site) -> Outcome {
    let (user, device) = site.device().await?;
    let other = site.sign_in(&user).await?;
    site.sessions().logout_token(device.token.as_bytes()).await?;
    for (method, target) in guarded(&other.guid.to_string()) {
        let answer = site.send(site.present(&device.token, to(method, &target))).await?;
        answer.problem("session-ended")?.without("Set-Cookie")?;
    }
    site.expect_alive(&other.token).await
}

/// "`GET /sessions`: the user's devices, newest activity first", and every member of a device
/// document.
pub(super) async fn devices_are_listed(site: &Site) -> Outcome {
    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let site = &site.fresh().await?;
    let (user, stranger) = (site.user().await?, site.user().await?);
    site.sign_in(&stranger).await?;
    let old = site.sign_in_as(&user, "nobody/1", |ticket| ticket).await?;
    site.advance(std::time::Duration::from_secs(5));
    let new = site.sign_in_as(&user, FIREFOX, |ticket| ticket).await?;

    let answer = site.ask(&old.token, "GET", "/auth/sessions").await?;
    let list = answer.document(&["devices"])?;
    let devices = list["devices"].as_array().cloned().unwrap_or_default();
    ensure_eq!(devices.len(), 2, "devices in {list}");
    for (device, (wanted, current)) in devices.iter().zip([(&new, false), (&old, true)]) {
        answer.members(device, &DEVICE)?;
        ensure_eq!(device["guid"], wanted.guid.to_string(), "order in {list}");
        ensure_eq!(device["current"], current, "current in {device}");
        // A login begins at one instant and is stored, and seen, at a later one.
        let (created, seen) = (instant(&device["created_at"])?, instant(&device["last_seen_at"])?);
        ensure!((created..created + 5).contains(&seen), "last_seen_at in {device}");
        ensure_eq!(instant(&device["expires_at"])?, seen + 14 * 86_400, "expires_at");
        ensure!(device["ip"].is_null() && device["label"].is_null(), "absent is null: {device}");
    }
    ensure_eq!(devices[0]["device"], "Firefox on Linux", "a readable name");
    ensure_eq!(devices[0]["user_agent"], FIREFOX, "user_agent");
    ensure_eq!(devices[1]["device"], Value::Null, "a name of what is not known");
    Ok(())
}

/// "`DELETE /sessions/{guid}`: signs one device out, one's own too"; "404 if the user has no such
/// live session"; "another user's guid is not told from an unknown one".
pub(super) async fn one_device_is_logged_out(site: &Site) -> Outcome {
    let (user, own) = site.device().await?;
    let (other, stranger) = (site.sign_in(&user).await?, site.device().await?.1);
    let remove = async |guid: String| -> Result<Answer, Violation> {
        site.ask(&own.token, "DELETE", &format!("/auth/sessions/{guid}")).await
    };
    remove(stranger.guid.to_string()).await?.problem("not-found")?;
    remove(unknown_guid()).await?.problem("not-found")?;
    site.expect_alive(&stranger.token).await?;

    remove(other.guid.to_string()).await?.status(204)?.without("Set-Cookie")?;
    site.expect_denied(&other.token, "session-ended").await?;
    remove(other.guid.to_string()).await?.problem("not-found")?;
    site.expect_alive(&own.token).await?;

    remove(own.guid.to_string()).await?.status(204)?;
    site.expect_denied(&own.token, "session-ended").await
}

/// "`DELETE /sessions`: signs out everywhere, this device included: 200 `{"ended":n}`."
pub(super) async fn everything_is_logged_out(site: &Site) -> Outcome {
    let (user, own) = site.device().await?;
    let (stranger, mut devices) = (site.device().await?.1, vec![own.clone()]);
    for _ in 0..2 {
        devices.push(site.sign_in(&user).await?);
    }
    for Device { token, .. } in &devices {
        site.ask(token, "GET", "/me").await?.status(200)?;
    }
    let answer = site.ask(&own.token, "DELETE", "/auth/sessions").await?;
    ensure_eq!(answer.document(&["ended"])?["ended"], 3, "how many ended");
    for Device { token, .. } in &devices {
        site.expect_denied(token, "session-ended").await?;
        site.renew(token).await?.problem("session-ended")?;
        site.ask(token, "GET", "/me").await?.problem("session-ended")?;
    }
    site.expect_alive(&stranger.token).await
}

/// "The reasons `logout`, `others` and `everywhere`" stand in the journal, and by whom.
pub(super) async fn the_journal_says_why_and_by_whom(site: &Site) -> Outcome {
    let (user, first) = site.device().await?;
    let second = site.sign_in(&user).await?;
    site.sign_in(&user).await?;
    let other = format!("/auth/sessions/{}", second.guid);
    site.ask(&first.token, "DELETE", &other).await?.status(204)?;
    site.ask(&first.token, "DELETE", "/auth/sessions/others").await?.status(200)?;
    site.ask(&first.token, "DELETE", "/auth/session").await?.status(204)?;
    let last = site.sign_in(&user).await?;
    site.ask(&last.token, "DELETE", "/auth/sessions").await?.status(200)?;
    let history = site.history(&user.id).await?;
    let mut found: Vec<_> = history.into_iter().map(|entry| (entry.reason, entry.by)).collect();
    found.reverse();
    let by_first = By::Device(first.guid);
    let wanted = [
        (EndReason::Logout, by_first.clone()),
        (EndReason::Others, by_first.clone()),
        (EndReason::Logout, by_first),
        (EndReason::Everywhere, By::Device(last.guid)),
    ];
    ensure_eq!(found, wanted, "the journal");
    Ok(())
}

/// "`DELETE /sessions/others`: signs out every other device: 200 `{"ended":n}`."
pub(super) async fn the_others_are_logged_out(site: &Site) -> Outcome {
    let (user, own) = site.device().await?;
    let others = [site.sign_in(&user).await?, site.sign_in(&user).await?];
    for wanted in [2, 0] {
        let answer = site.ask(&own.token, "DELETE", "/auth/sessions/others").await?;
        ensure_eq!(answer.document(&["ended"])?["ended"], wanted, "how many ended");
        answer.without("Set-Cookie")?;
    }
    for other in &others {
        site.expect_denied(&other.token, "session-ended").await?;
    }
    site.expect_alive(&own.token).await?;
    ensure_eq!(site.listed(&own.token).await?, [own.guid.to_string()], "what is left");
    Ok(())
}

/// "It answers 204 even if nothing ended"; "expired and superseded tokens end their session too".
pub(super) async fn sign_out_always_succeeds(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let sign_out = async |token: &str| -> Outcome {
        site.ask(token, "DELETE", "/auth/session").await?.status(204).map(drop)
    };
    let (user, device) = site.device().await?;
    sign_out(&device.token).await?;
    site.expect_denied(&device.token, "session-ended").await?;
    sign_out(&device.token).await?;
    sign_out("garbage").await?;
    site.ask_plainly("DELETE", "/auth/session").await?.status(204)?;

    let superseded = site.sign_in(&user).await?;
    let successor = site.renewed(&superseded.token, "rotated").await?;
    sign_out(&superseded.token).await?;
    site.expect_denied(&successor.token, "session-ended").await?;

    let expired = site.sign_in(&user).await?;
    site.advance(std::time::Duration::from_secs(3601));
    site.expect_denied(&expired.token, "token-expired").await?;
    sign_out(&expired.token).await?;
    site.renew(&expired.token).await?.problem("session-ended").map(drop)
}

/// "No route takes a query parameter. Any is a 400: a typo must not sign anybody out."
pub(super) async fn an_unknown_query_changes_nothing(site: &Site) -> Outcome {
    let (user, device) = site.device().await?;
    let other = site.sign_in(&user).await?;
    let mut routes = guarded(&other.guid.to_string());
    routes.push(("DELETE", "/auth/session".to_owned()));
    for (method, target) in routes {
        for query in ["?a=1", "?confirm", "?access_token=x", "?%"] {
            let target = format!("{target}{query}");
            let answer = site.send(site.present(&device.token, to(method, &target))).await?;
            answer.problem("request-malformed")?.without("Set-Cookie")?;
        }
    }
    site.expect_alive(&other.token).await?;
    site.expect_alive(&device.token).await?;
    site.ask(&device.token, "GET", "/auth/session?").await?.status(200).map(drop)
}

/// "`GET /jwks.json`: the public keys"; "404 where every key is a secret"; "`Cache-Control: public,
/// max-age=300`, no `Vary`".
pub(super) async fn public_keys_are_published(site: &Site) -> Outcome {
    let path = "/auth/jwks.json";
    site.ask_plainly("GET", path).await?.problem("not-found")?;
    site.ask_plainly("DELETE", path).await?.problem("not-found")?;

    let site = site.fresh_with_public_key().await?;
    let (_, device) = site.device().await?;
    site.expect_alive(&device.token).await?;
    let answer = site.ask_plainly("GET", path).await?;
    answer.status(200)?.header("Cache-Control", "public, max-age=300")?.without("Vary")?;
    answer.header("Content-Type", "application/jwk-set+json")?;
    let set = answer.json()?;
    answer.members(&set, &["keys"])?;
    let keys = set["keys"].as_array().cloned().unwrap_or_default();
    ensure_eq!(keys.len(), 1, "keys in {set}");
    answer.members(&keys[0], &["kid", "alg", "use", "crv", "kty", "x"])?;
    ensure_eq!(keys[0]["alg"], "EdDSA", "alg");
    ensure_eq!(keys[0]["kid"], Jwt::read(&device.token)?.header["kid"], "kid of the tokens");
    site.ask_plainly("HEAD", path).await?.status(200)?;
    let answer = site.ask_plainly("POST", path).await?;
    answer.problem("method-not-allowed")?.header("Allow", "GET, HEAD")?;
    site.ask_plainly("GET", "/auth/jwks.json?a=1").await?.problem("request-malformed").map(drop)
}
