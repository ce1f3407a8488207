//! Promises 1 and 3: logout means now, and nothing comes back.

use std::time::Duration;

use logout_all::{
    AuthError, Before, By, ClientInfo, Denied, EndReason, UserId, testing::TestSessions,
};

use super::{started, told};

fn ada() -> UserId {
    UserId::new("ada").unwrap()
}

/// "When `logout_all` has returned, no request that starts afterwards is let in with an older
/// token", also while clients renew in a loop.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_survives_a_logout_everywhere_while_clients_renew() {
    for _ in 0..50 {
        let test = TestSessions::start().await;
        let token = test.sign_in("ada").await.1.expose().to_owned();
        let renewing = {
            let (sessions, mut token) = (test.sessions.clone(), token.clone());
            let clock = test.clock.clone();
            tokio::spawn(async move {
                let mut seen = vec![token.clone()];
                for _ in 0..200 {
                    clock.advance(Duration::from_secs(61));
                    let client = ClientInfo::default();
                    match sessions.renew(token.as_bytes(), client).await {
                        Ok(renewed) => token = renewed.issued.token.expose().to_owned(),
                        Err(_) => break,
                    }
                    seen.push(token.clone());
                    tokio::task::yield_now().await;
                }
                seen
            })
        };
        tokio::task::yield_now().await;
        test.sessions.logout_all(&ada(), EndReason::Everywhere, By::Application).await.unwrap();
        assert_eq!(test.sessions.devices(&ada()).await.unwrap(), []);
        for token in renewing.await.unwrap() {
            let client = ClientInfo::default();
            assert!(test.sessions.verify(token.as_bytes()).await.is_err());
            assert!(test.sessions.renew(token.as_bytes(), client).await.is_err());
        }
    }
}

/// "A login that began before the user was logged out everywhere fails with a clear error."
#[tokio::test]
async fn a_login_under_way_is_overtaken_by_every_ending_that_fences() {
    let (test, _) = started().await;
    let sessions = &test.sessions;
    let (_, kept) = test.sign_in("ada").await;
    let kept = sessions.verify(kept.expose().as_bytes()).await.unwrap();
    for ending in 0..4 {
        let ticket = sessions.begin_login(Some("ada")).await.unwrap();
        match ending {
            0 => drop(sessions.logout_others(&kept, EndReason::Password).await.unwrap()),
            1 => {
                let before = Before::SignedIn(std::time::UNIX_EPOCH);
                drop(
                    sessions
                        .logout_before(&ada(), before, EndReason::Before, By::Application)
                        .await
                        .unwrap(),
                );
            }
            2 => {
                drop(
                    sessions.logout_all(&ada(), EndReason::Locked, By::Application).await.unwrap(),
                );
            }
            _ => sessions.logout_everyone(EndReason::Everyone, By::Application).await.unwrap(),
        }
        let overtaken = sessions.login(ticket, ClientInfo::default(), &()).await.unwrap_err();
        assert!(matches!(overtaken, AuthError::Denied(Denied::LoginOvertaken)), "{overtaken}");
    }
    test.sign_in("ada").await;
}

#[tokio::test]
async fn a_logout_of_one_device_overtakes_no_login() {
    let (test, _) = started().await;
    let (_, token) = test.sign_in("ada").await;
    let ticket = test.sessions.begin_login(Some("ada")).await.unwrap();
    test.sessions.logout_token(token.expose().as_bytes()).await.unwrap();
    test.sessions.login(ticket, ClientInfo::default(), &()).await.unwrap();
}

/// "`logout_token(presented)` (needs only a valid signature)"
#[tokio::test]
async fn an_expired_token_can_sign_its_device_out() {
    let (test, told_events) = started().await;
    let (guid, token) = test.sign_in("ada").await;
    test.expire_tokens();
    let ended = test.sessions.logout_token(token.expose().as_bytes()).await.unwrap();
    assert_eq!(ended.guids, [guid]);
    let again = test.sessions.logout_token(token.expose().as_bytes()).await.unwrap();
    assert!(again.guids.is_empty(), "idempotent");
    assert_eq!(told(&told_events, "reason: Logout"), 1, "what ended nothing is not told");
    let forged = test.sessions.logout_token(b"a.b.c").await.unwrap_err();
    assert!(matches!(forged, AuthError::Denied(Denied::TokenInvalid)));
}

/// "an instant in the future is a `Usage` error"
#[tokio::test]
async fn logout_before_takes_instants_that_have_passed() {
    let (test, _) = started().await;
    let (old, _) = test.sign_in("ada").await;
    test.clock.advance(Duration::from_secs(10));
    let between = test.clock.now();
    test.clock.advance(Duration::from_secs(10));
    let (new, _) = test.sign_in("ada").await;
    let future = Before::SignedIn(test.clock.now() + Duration::from_mins(1));
    let refused = test
        .sessions
        .logout_before(&ada(), future, EndReason::Before, By::Application)
        .await
        .unwrap_err();
    assert!(matches!(refused, AuthError::Usage(_)), "{refused}");
    let before = Before::SignedIn(between);
    let ended = test
        .sessions
        .logout_before(&ada(), before, EndReason::Before, By::Application)
        .await
        .unwrap();
    assert_eq!(ended.guids, [old]);
    let left = test.sessions.devices(&ada()).await.unwrap();
    assert_eq!(left.iter().map(|device| device.guid).collect::<Vec<_>>(), [new]);
}

/// "every token made before it": also the predecessor of a token that was made later, and an
/// earlier mint of the same refTokID.
#[tokio::test]
async fn logout_before_a_token_was_issued_leaves_no_older_token() {
    let (test, _) = started().await;
    let (_, old) = test.sign_in("ada").await;
    test.clock.advance(Duration::from_secs(10));
    let between = test.clock.now();
    test.clock.advance(Duration::from_secs(1));
    let renewed = test.sessions.renew(old.expose().as_bytes(), ClientInfo::default()).await;
    let new = renewed.unwrap().issued.token;
    let before = Before::TokenIssued(between);
    let reason = EndReason::Before;
    let ended = test.sessions.logout_before(&ada(), before, reason, By::Application).await;
    assert!(ended.unwrap().guids.is_empty());
    test.sessions.verify(new.expose().as_bytes()).await.unwrap();
    assert!(test.sessions.verify(old.expose().as_bytes()).await.is_err(), "the grace is over");

    test.clock.advance(Duration::from_secs(30));
    let session = test.sessions.verify(new.expose().as_bytes()).await.unwrap();
    let between = test.clock.now();
    test.clock.advance(Duration::from_secs(1));
    test.sessions.reauthenticate(&session).await.unwrap();
    let before = Before::TokenIssued(between);
    let ended = test.sessions.logout_before(&ada(), before, reason, By::Application).await;
    assert_eq!(ended.unwrap().guids.len(), 1, "the first mint is older");
}

/// "why was I logged out": by whom and why, newest first.
#[tokio::test]
async fn the_history_tells_why() {
    let (test, _) = started().await;
    test.sign_in("ada").await;
    let by = By::operator("on call\n");
    test.sessions.logout_all(&ada(), EndReason::Operator, by).await.unwrap();
    test.sessions.logout_everyone(EndReason::Everyone, By::Application).await.unwrap();
    let history = test.sessions.history(&ada(), 10).await.unwrap();
    let reasons: Vec<_> = history.iter().map(|entry| entry.reason).collect();
    assert_eq!(reasons, [EndReason::Everyone, EndReason::Operator]);
    assert_eq!(history[1].by.to_string(), "operator:on call");
    assert_eq!(test.sessions.journal(1, 10).await.unwrap().entries.len(), 1);
}

/// "a dropped handler cannot cut [it] in half": the operation goes on in a task of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_is_dropped_leaves_no_half_change() {
    let test = TestSessions::start().await;
    for _ in 0..200 {
        let (_, token) = test.sign_in("ada").await;
        let user = ada();
        let logout = test.sessions.logout_all(&user, EndReason::Everywhere, By::Application);
        // Polled once, then dropped, as a server does when its client disconnects.
        let _ = tokio::time::timeout(Duration::ZERO, logout).await;
        let mut rounds = 0;
        while test.sessions.verify(token.expose().as_bytes()).await.is_ok() {
            rounds += 1;
            assert!(rounds < 10_000, "the logout never took effect");
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    }
}
