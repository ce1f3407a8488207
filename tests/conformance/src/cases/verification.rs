//! Verification, V1 to V4 (`docs/scheme.md`, "Verification").

use std::time::{Duration, SystemTime};

use logout_all::{Before, By, EndReason, Grace, Mode, SigningKey};

use super::{
    Outcome, Violation, ensure, ensure_eq,
    site::{Site, eventually},
    token::{Jwt, Secret},
};
use crate::counted::Verb;

const SECOND: Duration = Duration::from_secs(1);

/// V1: "no row; expired; an epoch moved; user not active: `session-ended`".
pub(super) async fn v1_what_is_over_is_denied(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let user = site.user().await?;
    let mut devices = Vec::new();
    for _ in 0..3 {
        devices.push(site.sign_in(&user).await?);
    }
    // Absent.
    site.sessions().logout_token(devices[0].token.as_bytes()).await?;
    site.expect_denied(&devices[0].token, "session-ended").await?;
    // The user's epoch behind: `logout_before` spares nobody who signed in before now.
    site.advance(SECOND);
    let before = Before::SignedIn(site.clock().now());
    site.sessions().logout_before(&user.id, before, EndReason::Before, By::Application).await?;
    site.expect_denied(&devices[1].token, "session-ended").await?;
    // The global epoch behind.
    let device = site.sign_in(&user).await?;
    site.sessions().logout_everyone(EndReason::Everyone, By::Application).await?;
    site.expect_denied(&device.token, "session-ended").await?;
    // User not active.
    let device = site.sign_in(&user).await?;
    site.expect_alive(&device.token).await?;
    site.operate(&user, "lock").await?.status(200)?;
    site.expect_denied(&device.token, "session-ended").await
}

/// V1, expired: the idle limit, counted from the last activity, and moved by activity.
pub(super) async fn v1_an_idle_session_is_over(site: &Site) -> Outcome {
    const IDLE: Duration = Duration::from_secs(1600);
    let site = &site.fresh_with(|b| b.token_lifetime(IDLE).idle(IDLE)).await?;
    let (_, device) = site.device().await?;
    site.advance(IDLE / 2);
    let renewed = site.renewed(&device.token, "rotated").await?;
    site.advance(IDLE * 3 / 4);
    let renewed = site.renewed(&renewed.token, "rotated").await?;
    site.advance(IDLE);
    site.expect_denied(&renewed.token, "token-expired").await?;
    site.renew(&renewed.token).await?.problem("session-ended")?.without("Set-Cookie").map(drop)
}

/// V2: "activity and confirmation are queued"; "`last_seen_at` is written behind".
pub(super) async fn v2_activity_is_recorded(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (user, device) = site.device().await?;
    let watcher = site.sign_in(&user).await?;
    site.advance(61 * SECOND);
    let request = site.with(&device.token, "GET", "/me").header("User-Agent", "curl/8.5.0");
    site.send(request).await?.status(200)?;
    eventually("the device is the last seen and says curl", async || {
        let list = site.ask(&watcher.token, "GET", "/auth/sessions").await?.json()?;
        let find = |guid: String| {
            let devices = list["devices"].as_array().cloned().unwrap_or_default();
            devices.into_iter().find(|device| device["guid"] == guid).unwrap_or_default()
        };
        let found = find(device.guid.to_string());
        let moved = found["last_seen_at"].as_str() > found["created_at"].as_str();
        Ok(moved && found["user_agent"] == "curl/8.5.0")
    })
    .await
}

/// "Then one read brings the row, both epochs and the user"; "no write is waited for". In cached mode
/// what is known costs none.
pub(super) async fn v2_costs_one_read(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    for target in ["/auth/session", "/me", "/greeting", "/private/report"] {
        let before = (site.accesses().of_requests(), site.accesses().of(Verb::Lookup));
        site.ask(&device.token, "GET", target).await?.status(200)?;
        let after = (site.accesses().of_requests(), site.accesses().of(Verb::Lookup));
        let cost = (after.0 - before.0, after.1 - before.1);
        let is_known = !site.is_strict() && cost == (0, 0);
        ensure!(cost == (1, 1) || is_known, "store accesses of {target}: {cost:?}");
    }
    Ok(())
}

/// V3: "it is the direct predecessor, within the grace: accepted". Afterwards V4: "any other:
/// `token-superseded`".
pub(super) async fn v3_the_predecessor_is_accepted_within_the_grace(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, first) = site.device().await?;
    let second = site.renewed(&first.token, "rotated").await?;
    site.expect_alive(&first.token).await?;
    site.advance(9 * SECOND);
    site.expect_alive(&first.token).await?;
    site.expect_alive(&second.token).await?;
    site.advance(2 * SECOND);
    site.expect_denied(&first.token, "token-superseded").await?;
    for target in ["/me", "/greeting", "/private/report"] {
        site.ask(&first.token, "GET", target).await?.problem("token-superseded")?;
    }
    site.expect_alive(&second.token).await
}

/// "**Verify never ends a session.** A late request from a sleeping tab logs nobody out."
pub(super) async fn v4_an_older_token_is_superseded_and_ends_nothing(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let mut tokens = vec![device.token];
    for _ in 0..3 {
        let last = &tokens[tokens.len() - 1];
        let next = site.renewed(last, "rotated").await?.token;
        tokens.push(next);
        site.advance(61 * SECOND);
    }
    for token in &tokens[..3] {
        site.expect_denied(token, "token-superseded").await?;
    }
    site.expect_alive(&tokens[3]).await?;
    // Two rotations old is superseded at once, grace or not.
    let newest = site.renewed(&tokens[3], "rotated").await?;
    site.expect_alive(&tokens[3]).await?;
    site.expect_denied(&tokens[2], "token-superseded").await?;
    site.expect_alive(&newest.token).await
}

/// "With `Grace::none()` the old token stops at the very moment of the rotation."
pub(super) async fn without_grace_the_old_token_stops_at_once(site: &Site) -> Outcome {
    let site = &site.fresh_with(|builder| builder.grace(Grace::none()).mode(Mode::Strict)).await?;
    let (_, first) = site.device().await?;
    let second = site.renewed(&first.token, "rotated").await?;
    site.expect_denied(&first.token, "token-superseded").await?;
    site.expect_alive(&second.token).await
}

/// "A token past its `exp` is `token-expired`, and the store is not asked."
pub(super) async fn an_expired_token_costs_nothing(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let expires = Jwt::read(&device.token)?.number("exp");
    let left = Duration::from_secs(expires)
        .saturating_sub(since_1970(site.clock().now())?)
        .saturating_sub(2 * SECOND);
    site.advance(left);
    site.expect_alive(&device.token).await?;
    // RFC 7519, section 4.1.4: on or after.
    site.advance(3 * SECOND);
    let before = site.accesses().of_requests();
    for target in ["/auth/session", "/auth/sessions", "/me", "/greeting", "/private/report"] {
        site.ask(&device.token, "GET", target).await?.problem("token-expired")?;
    }
    ensure_eq!(site.accesses().of_requests(), before, "store accesses");
    site.renew(&device.token).await?.status(200).map(drop)
}

/// "A token's `exp`: the node's clock, plus the leeway."
pub(super) async fn leeway_is_added_to_exp(site: &Site) -> Outcome {
    let site = &site.fresh_with(|builder| builder.leeway(Duration::from_mins(1))).await?;
    let (_, device) = site.device().await?;
    site.advance(3630 * SECOND);
    site.expect_alive(&device.token).await?;
    site.advance(60 * SECOND);
    site.expect_denied(&device.token, "token-expired").await
}

/// "The user in the token must be the user of the row": another user's with this guid, correctly
/// signed, opens nothing and says nothing.
pub(super) async fn the_users_of_token_and_row_must_agree(site: &Site) -> Outcome {
    let (user, device) = site.device().await?;
    let other = site.user().await?;
    let mut jwt = Jwt::read(&device.token)?;
    ensure_eq!(jwt.text("sub"), user.id.as_str(), "sub");
    jwt.payload["sub"] = other.id.as_str().into();
    let crossed = site.secret().sign(jwt.header.to_string(), jwt.payload.to_string());
    site.expect_denied(&crossed, "session-ended").await?;
    site.renew(&crossed).await?.problem("session-ended")?;
    site.ask(&crossed, "DELETE", "/auth/session").await?.status(204)?;
    site.expect_alive(&device.token).await
}

/// A sign-in over the library keeps what the token says: `auth_time` stays through renewals.
pub(super) async fn auth_time_stays_through_renewals(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let first = Jwt::read(&device.token)?;
    site.advance(100 * SECOND);
    let renewed = site.renewed(&device.token, "rotated").await?;
    let second = renewed.jwt()?;
    for claim in ["auth_time", "guid", "sub", "iss", "role"] {
        ensure_eq!(second.payload[claim], first.payload[claim], "{claim}");
    }
    ensure!(second.number("iat") >= first.number("iat") + 100, "iat is fresh");
    ensure!(second.ref_tok_id() != first.ref_tok_id(), "refTokID is new");
    Ok(())
}

/// A key is replaced while the server runs: both verify, the new one signs, and whoever comes with
/// the forgotten one's "gets `token-invalid` and signs in".
pub(super) async fn keys_change_while_the_server_runs(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let keys = site.sessions().keys();
    let old = keys.signing_kid();
    keys.sign_with(SigningKey::hs256(Secret::random().bytes())?)?;
    site.expect_alive(&device.token).await?;
    let renewed = site.renewed(&device.token, "rotated").await?;
    ensure_eq!(renewed.jwt()?.header["kid"], *keys.signing_kid(), "kid of the new token");
    keys.forget(&old)?;
    site.expect_alive(&renewed.token).await?;
    let before = site.accesses().of_requests();
    site.expect_denied(&device.token, "token-invalid").await?;
    site.renew(&device.token).await?.problem("token-invalid")?;
    ensure_eq!(site.accesses().of_requests(), before, "store accesses");
    Ok(())
}

fn since_1970(now: SystemTime) -> Result<Duration, Violation> {
    now.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| "the clock is before 1970".into())
}
