//! Reuse, R4, and what is over, R5 (`docs/scheme.md`, "Renewal" and "Theft").

use std::time::Duration;

use logout_all::{EndReason, Reuse};

use super::{
    Outcome, Violation, ensure_eq,
    site::{Device, Granted, Site, User},
};

const SECOND: Duration = Duration::from_secs(1);

/// Two devices of a user; the first has renewed, has used its new token, and the window has passed.
async fn stolen(site: &Site) -> Result<(User, Device, Granted, Device), Violation> {
    let (user, device) = site.device().await?;
    let bystander = site.sign_in(&user).await?;
    let successor = site.renewed(&device.token, "rotated").await?;
    site.expect_alive(&successor.token).await?;
    site.advance(30 * SECOND);
    Ok((user, device, successor, bystander))
}

/// "`EndDevice` (default): that device session"; "the client sees `session-ended`, as for any other
/// ending"; Set-Cookie no.
pub(super) async fn r4_reuse_ends_the_device_and_only_that(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (user, device, successor, bystander) = stolen(site).await?;
    site.expect_denied(&device.token, "token-superseded").await?;
    site.expect_alive(&successor.token).await?;

    let answer = site.renew(&device.token).await?;
    answer.problem("session-ended")?.without("Set-Cookie")?.without("Session-Renewal")?;
    site.expect_denied(&successor.token, "session-ended").await?;
    site.renew(&successor.token).await?.problem("session-ended")?;
    site.expect_alive(&bystander.token).await?;
    let history = site.history(&user.id).await?;
    let reasons: Vec<EndReason> = history.iter().map(|entry| entry.reason).collect();
    ensure_eq!(reasons, [EndReason::Reuse], "the journal");
    site.sign_in(&user).await.map(drop)
}

/// R4: "anything else that we signed for this row": also a token that is two rotations old, within
/// every grace and window.
pub(super) async fn r4_a_token_two_rotations_old_is_reuse(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let second = site.renewed(&device.token, "rotated").await?;
    site.advance(61 * SECOND);
    let third = site.renewed(&second.token, "rotated").await?;
    site.renew(&device.token).await?.problem("session-ended")?;
    site.expect_denied(&third.token, "session-ended").await
}

/// R1c: "confirmed, if it was not": a client that has renewed with the successor has received it, and
/// whoever comes with the predecessor after that has a copy.
pub(super) async fn r4_a_coalesced_renewal_counts_as_use(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let successor = site.renewed(&device.token, "rotated").await?;
    site.renewed(&successor.token, "coalesced").await?;
    site.advance(30 * SECOND);
    site.renew(&device.token).await?.problem("session-ended")?;
    site.expect_denied(&successor.token, "session-ended").await
}

/// "`EndAll`: all sessions of the user, and fences logins under way."
pub(super) async fn r4_reuse_can_end_everything(site: &Site) -> Outcome {
    let site = &site.fresh_with(|builder| builder.reuse(Reuse::EndAll)).await?;
    let (_, device, _, bystander) = stolen(site).await?;
    site.renew(&device.token).await?.problem("session-ended")?;
    site.expect_denied(&bystander.token, "session-ended").await
}

/// "`DenyOnly`: nothing; the request is denied."
pub(super) async fn r4_reuse_can_end_nothing(site: &Site) -> Outcome {
    let site = &site.fresh_with(|builder| builder.reuse(Reuse::DenyOnly)).await?;
    let (_, device, successor, _) = stolen(site).await?;
    site.renew(&device.token).await?.problem("session-ended")?;
    site.expect_alive(&successor.token).await
}

/// "A forged token that names a refTokID which was rotated away ends nothing: the signature comes
/// first."
pub(super) async fn r4_a_forgery_ends_nothing(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device, successor, _) = stolen(site).await?;
    let (signed, _) = device.token.rsplit_once('.').unwrap_or_default();
    let (_, foreign) = successor.token.rsplit_once('.').unwrap_or_default();
    for forged in [format!("{signed}.{foreign}"), format!("{signed}."), format!("{signed}.AAAA")] {
        let before = site.accesses().of_requests();
        site.renew(&forged).await?.problem("token-invalid")?;
        site.ask(&forged, "DELETE", "/auth/session").await?.status(204)?;
        ensure_eq!(site.accesses().of_requests(), before, "store accesses of a forgery");
    }
    site.expect_alive(&successor.token).await
}

/// R5: "row absent, expired, behind an epoch; user not active (checked first, in every branch):
/// `session-ended`: unchanged: no".
pub(super) async fn r5_what_is_over_is_not_renewed(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let user = site.user().await?;
    let (one, two) = (site.sign_in(&user).await?, site.sign_in(&user).await?);
    let successor = site.renewed(&two.token, "rotated").await?;
    site.sessions().logout_token(one.token.as_bytes()).await?;
    site.operate(&user, "lock").await?.status(200)?;
    for token in [&one.token, &two.token, &successor.token] {
        let answer = site.renew(token).await?;
        answer.problem("session-ended")?.without("Set-Cookie")?.without("Session-Renewal")?;
    }
    site.operate(&user, "unlock").await?.status(204)?;
    // Nothing of it comes back.
    for token in [&one.token, &two.token, &successor.token] {
        site.renew(token).await?.problem("session-ended")?;
    }
    site.sign_in(&user).await.map(drop)
}
