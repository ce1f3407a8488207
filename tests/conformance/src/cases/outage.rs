//! "A client that signs its user out on 503 turns an outage into a logout of everybody"; a server
//! that says 401 does the same (`docs/http.md`, "Client rules"; `docs/consistency.md`).

use super::{
    Outcome, ensure_eq,
    site::{PASSWORD, Site},
};
use crate::{
    client::Request,
    counted::{Failing, Verb},
};

const EVERYWHERE: [(&str, &str); 16] = [
    ("GET", "/me"),
    ("POST", "/me"),
    ("GET", "/greeting"),
    ("POST", "/greeting"),
    ("GET", "/private/report"),
    ("POST", "/private/report"),
    ("GET", "/auth/session"),
    ("HEAD", "/auth/session"),
    ("GET", "/auth/session/events"),
    ("HEAD", "/auth/session/events"),
    ("DELETE", "/auth/session"),
    ("GET", "/auth/sessions"),
    ("DELETE", "/auth/sessions"),
    ("DELETE", "/auth/sessions/others"),
    ("POST", "/auth/session/renew"),
    ("POST", "/login"),
];

/// "The store did not answer. **The login is alive: keep it and retry** after `Retry-After` (1 s)."
pub(super) async fn an_outage_is_503_and_nobody_is_logged_out(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (user, device) = site.device().await?;
    site.without_store(async {
        for (method, target) in EVERYWHERE {
            let request = match target {
                "/login" => site.present(&device.token, site.login_request(&user.name, PASSWORD)),
                _ => site.with(&device.token, method, target),
            };
            let answer = site.send(request).await?;
            if method == "HEAD" {
                answer.status(503)?.header("Retry-After", "1")?.without("WWW-Authenticate")?;
            } else {
                answer.problem("store-unavailable")?;
            }
            answer.without("Set-Cookie")?;
        }
        let own = format!("/auth/sessions/{}", device.guid);
        site.ask(&device.token, "DELETE", &own).await?.problem("store-unavailable")?;
        let rename = site.with(&device.token, "PATCH", &own).json(r#"{"label":"x"}"#);
        site.send(rename).await?.problem("store-unavailable").map(drop)
    })
    .await?;
    // At once, with the same token.
    site.expect_alive(&device.token).await?;
    ensure_eq!(site.listed(&device.token).await?, [device.guid.to_string()], "devices left");
    site.renewed(&device.token, "rotated").await.map(drop)
}

/// "A token past its `exp` and a token that we did not sign are refused without the store"; guests
/// and unknown paths need none either.
pub(super) async fn an_outage_changes_no_other_answer(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    site.without_store(async {
        site.expect_denied("garbage", "token-invalid").await?;
        site.ask_plainly("GET", "/me").await?.problem("token-missing")?;
        site.ask_plainly("GET", "/greeting").await?.status(200)?;
        site.ask_plainly("GET", "/auth/unknown").await?.problem("not-found")?;
        site.ask_plainly("DELETE", "/auth/session").await?.status(204).map(drop)
    })
    .await
}

/// "A failed one promises nothing and may be repeated." The half that writes may fail alone: no
/// success is reported that did not happen.
pub(super) async fn a_store_that_cannot_write_says_so(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (user, device) = site.device().await?;
    for (verb, method, target) in [
        (Verb::Rotate, "POST", "/auth/session/renew"),
        (Verb::End, "DELETE", "/auth/session"),
        (Verb::End, "DELETE", "/auth/sessions"),
        (Verb::End, "DELETE", "/auth/sessions/others"),
        (Verb::Lease, "DELETE", "/auth/sessions/others"),
        (Verb::Devices, "GET", "/auth/sessions"),
    ] {
        site.accesses().fail(Failing::Only(verb));
        let answer = site.ask(&device.token, method, target).await?;
        answer.problem("store-unavailable")?.without("Set-Cookie")?;
        site.accesses().heal();
        site.expect_alive(&device.token).await?;
    }
    for verb in [Verb::Epochs, Verb::Insert] {
        site.accesses().fail(Failing::Only(verb));
        let answer = site.send(site.login_request(&user.name, PASSWORD)).await?;
        answer.problem("store-unavailable")?.without("Set-Cookie")?;
        site.accesses().heal();
    }
    ensure_eq!(site.listed(&device.token).await?.len(), 1, "devices");
    // "A renewal whose answer was lost": the retry succeeds.
    site.renewed(&device.token, "rotated").await?;
    site.renewed(&device.token, "replayed").await.map(drop)
}

/// Healthy is the process that runs; ready is the node whose store answers and that does not drain.
/// A drained node still answers.
pub(super) async fn readiness_is_not_health(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let probe = async |target: &str, status: u16| -> Outcome {
        site.ask_plainly("GET", target).await?.status(status).map(drop)
    };
    probe("/healthz", 200).await?;
    probe("/readyz", 200).await?;
    site.without_store(async {
        probe("/healthz", 200).await?;
        probe("/readyz", 503).await
    })
    .await?;
    probe("/readyz", 200).await?;

    site.sessions().drain();
    probe("/healthz", 200).await?;
    probe("/readyz", 503).await?;
    site.expect_alive(&device.token).await?;
    site.ask(&device.token, "GET", "/me").await?.status(200)?;
    let request = Request::new("GET", "/greeting");
    site.send(site.present(&device.token, request)).await?.status(200)?;
    site.renewed(&device.token, "rotated").await.map(drop)
}
