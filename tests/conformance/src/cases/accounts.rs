//! Password changes and operators: what the suite asks of the application (see the table in
//! [`super`]), and `docs/scheme.md`, "Tickets" and "Ending sessions".

use std::time::Duration;

use super::{
    Outcome, ensure, ensure_eq,
    site::{Device, PASSWORD, Site, User},
    token::Jwt,
};
use crate::{client::Request, counted::Verb};

const NEW: &str = "another horse battery staple";

fn change(site: &Site, device: &Device, old: &str) -> Request {
    let body = serde_json::json!({ "old": old, "new": NEW }).to_string();
    site.with(&device.token, "POST", "/password").json(body)
}

/// A password change ends every other device and answers with a fresh token: "`auth_time` is new in
/// every case … It is also the fresh token after a password change."
pub(super) async fn a_password_change_logs_out_the_others(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (user, device) = site.device().await?;
    let others = [site.sign_in(&user).await?, site.sign_in(&user).await?];
    site.advance(Duration::from_secs(100));
    let answer = site.send(change(site, &device, PASSWORD)).await?;
    let granted = site.granted(&answer, "")?;
    for other in &others {
        site.expect_denied(&other.token, "session-ended").await?;
    }
    site.expect_alive(&granted.token).await?;
    ensure_eq!(site.listed(&granted.token).await?, [device.guid.to_string()], "devices left");
    let (old, new) = (Jwt::read(&device.token)?, granted.jwt()?);
    ensure!(new.number("auth_time") >= old.number("auth_time") + 100, "auth_time is new");
    ensure_eq!(new.text("guid"), device.guid.to_string(), "guid");

    let refused = site.send(site.login_request(&user.name, PASSWORD)).await?;
    refused.problem("credentials-invalid")?;
    site.send(site.login_request(&user.name, NEW)).await?.status(200).map(drop)
}

/// A wrong old password is `credentials-invalid`, and the session stays: "Let the user try again."
pub(super) async fn a_wrong_old_password_changes_nothing(site: &Site) -> Outcome {
    let (user, device) = site.device().await?;
    let other = site.sign_in(&user).await?;
    let answer = site.send(change(site, &device, "wrong")).await?;
    answer.problem("credentials-invalid")?.without("Set-Cookie")?;
    site.expect_alive(&device.token).await?;
    site.expect_alive(&other.token).await?;
    site.send(site.login_request(&user.name, PASSWORD)).await?.status(200)?;
    let plain = Request::new("POST", "/password").json(r#"{"old":"a","new":"b"}"#);
    site.send(plain).await?.problem("token-missing").map(drop)
}

/// "A login under way fails with `login-overtaken`, for the verbs that fence": a password change
/// does.
pub(super) async fn a_password_change_overtakes_logins_under_way(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (user, device) = site.device().await?;
    let held = site.accesses().hold(Verb::Insert);
    let login = site.send(site.login_request(&user.name, PASSWORD));
    let changed = async {
        held.reached().await;
        let answer = site.send(change(site, &device, PASSWORD)).await;
        held.release();
        site.granted(&answer?, "")
    };
    let (login, changed) = tokio::join!(login, changed);
    let granted = changed?;
    login?.problem("login-overtaken")?.without("Set-Cookie")?;
    ensure_eq!(site.listed(&granted.token).await?.len(), 1, "devices left");
    Ok(())
}

/// "Open the ticket before the hash is *read*, not merely before it is compared." A login that
/// stands where it reads the epochs has not read the hash yet, and finds the new one.
pub(super) async fn a_hash_read_before_the_ticket_does_not_sign_in(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (user, device) = site.device().await?;
    let held = site.accesses().hold(Verb::Epochs);
    let login = site.send(site.login_request(&user.name, PASSWORD));
    let changed = async {
        held.reached().await;
        let answer = site.send(change(site, &device, PASSWORD)).await;
        held.release();
        site.granted(&answer?, "")
    };
    let (login, changed) = tokio::join!(login, changed);
    let (granted, login) = (changed?, login?);
    login.problem("credentials-invalid")?.without("Set-Cookie")?;
    ensure_eq!(site.listed(&granted.token).await?.len(), 1, "devices left");
    Ok(())
}

/// "To lock and end, also call `logout_all(user, EndReason::Locked, …)`"; "compare a dummy hash for
/// unknown and locked names, answer `credentials-invalid` for all of them". Nothing comes back with
/// the unlocking.
pub(super) async fn a_locked_user_is_out_and_stays_out(site: &Site) -> Outcome {
    let (user, device) = site.device().await?;
    let other = site.sign_in(&user).await?;
    let answer = site.operate(&user, "lock").await?;
    ensure_eq!(answer.document(&["ended"])?["ended"], 2, "how many ended");
    for token in [&device.token, &other.token] {
        site.expect_denied(token, "session-ended").await?;
        site.renew(token).await?.problem("session-ended")?.without("Set-Cookie")?;
        for target in ["/me", "/greeting", "/private/report"] {
            site.ask(token, "GET", target).await?.problem("session-ended")?;
        }
    }
    let wrong = site.send(site.login_request(&user.name, "wrong")).await?;
    let right = site.send(site.login_request(&user.name, PASSWORD)).await?;
    right.problem("credentials-invalid")?;
    ensure_eq!(right.response.body(), wrong.response.body(), "right or wrong password");
    ensure_eq!(site.operate(&user, "lock").await?.json()?["ended"], 0, "locked again");

    site.operate(&user, "unlock").await?.status(204)?;
    site.expect_denied(&device.token, "session-ended").await?;
    let granted = site.login(&user).await?;
    site.expect_alive(&granted.token).await
}

/// A wrong token of an operator is 403 `forbidden`, and so is none; a name that nobody has is 404.
pub(super) async fn operators_need_the_admin_token(site: &Site) -> Outcome {
    let (user, device) = site.device().await?;
    let target = format!("/admin/users/{}/lock", user.name);
    let right = site.admin_token().to_owned();
    let near = format!("{right}x");
    let cut = right.get(1..).unwrap_or_default().to_owned();
    for wrong in ["", "x", &near, &cut, &device.token] {
        let request = Request::new("POST", &target).header("X-Admin-Token", wrong);
        site.send(request).await?.problem("forbidden")?;
    }
    site.ask_plainly("POST", &target).await?.problem("forbidden")?;
    site.expect_alive(&device.token).await?;
    let nobody = User { name: "nobody-of-that-name".to_owned(), ..user };
    for verb in ["lock", "unlock"] {
        site.operate(&nobody, verb).await?.status(404)?;
    }
    Ok(())
}
