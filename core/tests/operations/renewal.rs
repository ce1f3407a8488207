//! Promises 2 and 4: no spurious logout, and theft shows.

use std::{collections::HashSet, time::Duration};

use logout_all::{
    AuthError, ClientInfo, Denied, Grace, Recovery, RenewalKind, Reuse, Sessions,
    testing::TestSessions,
};

use super::{claim, started, told};

const MINUTE: Duration = Duration::from_mins(1);

async fn renew(sessions: &Sessions, token: &str) -> Result<(String, RenewalKind), AuthError> {
    let renewed = sessions.renew(token.as_bytes(), ClientInfo::default()).await?;
    Ok((renewed.issued.token.expose().to_owned(), renewed.kind))
}

fn id(token: &str) -> String {
    claim(token.as_bytes(), "refTokID").to_string()
}

async fn sign_in(test: &TestSessions) -> String {
    test.sign_in("ada").await.1.expose().to_owned()
}

/// "Any number of tabs that share the token, renewing at once: exactly one successor token exists."
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_renewals_at_once_get_one_successor() {
    let (some, none) = (Grace::of(Duration::from_secs(10)), Grace::none());
    let (until_seen, never) = (Recovery::UntilSeen, Recovery::Never);
    for (grace, recovery) in [(some, until_seen), (none, until_seen), (none, never)] {
        let settings =
            |builder: logout_all::SessionsBuilder| builder.grace(grace).recovery(recovery);
        let test = TestSessions::start_with(settings).await;
        let token = sign_in(&test).await;
        let tabs: Vec<_> = (0..64)
            .map(|_| {
                let (sessions, token) = (test.sessions.clone(), token.clone());
                tokio::spawn(async move { renew(&sessions, &token).await })
            })
            .collect();
        let mut successors = HashSet::new();
        for tab in tabs {
            let (successor, _) = tab.await.unwrap().expect("every tab keeps its session");
            test.sessions.verify(successor.as_bytes()).await.expect("every answer works");
            successors.insert(id(&successor));
        }
        assert_eq!(successors.len(), 1, "{grace:?} {recovery:?}");
    }
}

/// "lost answers; answers that arrive late: the honest client keeps its session"
#[tokio::test]
async fn a_lost_answer_is_recovered_a_day_later() {
    let (test, told_events) = started().await;
    let token = sign_in(&test).await;
    let (lost, kind) = renew(&test.sessions, &token).await.unwrap();
    assert_eq!(kind, RenewalKind::Rotated);
    test.clock.advance(MINUTE * 60 * 24);
    let (found, kind) = renew(&test.sessions, &token).await.unwrap();
    assert_eq!((id(&found), kind), (id(&lost), RenewalKind::Recovered));
    test.sessions.verify(found.as_bytes()).await.unwrap();
    assert_eq!(told(&told_events, "Reuse"), 0);
}

/// "the *same* successor … the same bytes where the algorithm is deterministic"
#[tokio::test]
async fn a_replay_has_the_same_bytes() {
    let test = TestSessions::start().await;
    let token = sign_in(&test).await;
    let (first, _) = renew(&test.sessions, &token).await.unwrap();
    let (second, kind) = renew(&test.sessions, &token).await.unwrap();
    assert_eq!((second, kind), (first.clone(), RenewalKind::Replayed));
    let (third, kind) = renew(&test.sessions, &first).await.unwrap();
    assert_eq!((third, kind), (first, RenewalKind::Coalesced));
}

/// "A token that was rotated away, whose successor has been used, and that is renewed after the
/// grace ends that device session and raises an event."
#[tokio::test]
async fn reuse_ends_that_device_and_tells() {
    let (test, told_events) = started().await;
    let stolen = sign_in(&test).await;
    let other = sign_in(&test).await;
    let (token, _) = renew(&test.sessions, &stolen).await.unwrap();
    test.sessions.verify(token.as_bytes()).await.unwrap();
    test.clock.advance(MINUTE);

    let refused = renew(&test.sessions, &stolen).await.unwrap_err();
    assert!(matches!(refused, AuthError::Denied(Denied::SessionEnded)), "{refused}");
    assert!(test.sessions.verify(token.as_bytes()).await.is_err(), "the device has ended");
    assert!(test.sessions.verify(other.as_bytes()).await.is_ok(), "and only that");
    assert_eq!(told(&told_events, "Reuse {"), 1);
}

#[tokio::test]
async fn reuse_follows_the_policy() {
    for (reuse, device_lives, other_lives) in
        [(Reuse::EndAll, false, false), (Reuse::DenyOnly, true, true)]
    {
        let test = TestSessions::start_with(|builder| builder.reuse(reuse)).await;
        let (stolen, other) = (sign_in(&test).await, sign_in(&test).await);
        let (token, _) = renew(&test.sessions, &stolen).await.unwrap();
        test.sessions.verify(token.as_bytes()).await.unwrap();
        test.clock.advance(MINUTE);
        assert!(renew(&test.sessions, &stolen).await.is_err());
        assert_eq!(test.sessions.verify(token.as_bytes()).await.is_ok(), device_lives);
        assert_eq!(test.sessions.verify(other.as_bytes()).await.is_ok(), other_lives);
    }
}

/// "with `Never` one lost answer is theft"
#[tokio::test]
async fn recovery_can_be_narrowed() {
    for (recovery, recovers) in [
        (Recovery::Never, false),
        (Recovery::Within(MINUTE), false),
        (Recovery::Within(MINUTE * 10), true),
    ] {
        let test = TestSessions::start_with(|builder| builder.recovery(recovery)).await;
        let token = sign_in(&test).await;
        renew(&test.sessions, &token).await.unwrap();
        test.clock.advance(MINUTE * 5);
        assert_eq!(renew(&test.sessions, &token).await.is_ok(), recovers, "{recovery:?}");
    }
}

/// "Verify never ends a session: a late request from a sleeping tab must not log anyone out."
#[tokio::test]
async fn a_late_request_ends_nothing() {
    let test = TestSessions::start().await;
    let token = sign_in(&test).await;
    let (successor, _) = renew(&test.sessions, &token).await.unwrap();
    test.sessions.verify(successor.as_bytes()).await.unwrap();
    assert!(test.sessions.verify(token.as_bytes()).await.unwrap().is_superseded());
    test.clock.advance(MINUTE);
    let late = test.sessions.verify(token.as_bytes()).await.unwrap_err();
    assert!(matches!(late, AuthError::Denied(Denied::TokenSuperseded)), "{late}");
    test.sessions.verify(successor.as_bytes()).await.unwrap();
}

/// "`renew` accepts a validly signed token even past its `exp`"
#[tokio::test]
async fn an_expired_token_is_renewed_until_its_session_ends() {
    let test = TestSessions::start().await;
    let token = sign_in(&test).await;
    test.expire_tokens();
    let expired = test.sessions.verify(token.as_bytes()).await.unwrap_err();
    assert!(matches!(expired, AuthError::Denied(Denied::TokenExpired)), "{expired}");
    let (token, _) = renew(&test.sessions, &token).await.unwrap();
    test.sessions.verify(token.as_bytes()).await.unwrap();
    test.clock.advance(MINUTE * 60 * 24 * 15);
    let idle = renew(&test.sessions, &token).await.unwrap_err();
    assert!(matches!(idle, AuthError::Denied(Denied::SessionEnded)), "{idle}");
}

/// A client that follows `renew_after` asks no sooner than a renewal can give a new token, also in
/// the last minutes of a session.
#[tokio::test]
async fn nobody_is_told_to_renew_at_once_for_ever() {
    let limits =
        |builder: logout_all::SessionsBuilder| builder.idle(MINUTE * 62).absolute(MINUTE * 62);
    let test = TestSessions::start_with(limits).await;
    let mut token = sign_in(&test).await;
    let mut renewals = 0;
    loop {
        let renewed = test.sessions.renew(token.as_bytes(), ClientInfo::default()).await;
        let Ok(renewed) = renewed else { break };
        renewals += 1;
        assert!(renewals < 20, "a client spins");
        token = renewed.issued.token.expose().to_owned();
        test.clock.advance(renewed.issued.renew_after.max(Duration::from_millis(10)));
    }
    assert!(renewals >= 3);
}

/// A short idle limit is not cut by the granularity of the last-seen time.
#[tokio::test]
async fn activity_keeps_a_session_with_a_short_idle_limit() {
    let settings =
        |builder: logout_all::SessionsBuilder| builder.token_lifetime(MINUTE).idle(MINUTE * 2);
    let test = TestSessions::start_with(settings).await;
    let mut token = sign_in(&test).await;
    for _ in 0..4 {
        // The confirmation, which is written down in any case.
        test.sessions.verify(token.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
        test.clock.advance(Duration::from_secs(50));
        test.sessions.verify(token.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
        test.clock.advance(Duration::from_secs(75));
        token = renew(&test.sessions, &token).await.unwrap().0;
    }
}

/// "`exp` never goes past the absolute limit"
#[tokio::test]
async fn renewal_never_extends_past_the_absolute_limit() {
    let limits =
        |builder: logout_all::SessionsBuilder| builder.idle(MINUTE * 60).absolute(MINUTE * 150);
    let test = TestSessions::start_with(limits).await;
    let mut token = sign_in(&test).await;
    let end = claim(token.as_bytes(), "iat").as_u64().unwrap() + 150 * 60;
    for _ in 0..4 {
        test.clock.advance(MINUTE * 36);
        token = renew(&test.sessions, &token).await.unwrap().0;
        assert!(claim(token.as_bytes(), "exp").as_u64().unwrap() <= end);
    }
    test.clock.advance(MINUTE * 36);
    assert!(renew(&test.sessions, &token).await.is_err());
}

/// "`reauthenticate(session)`: new `auth_time` always; rotates only where R1 would, otherwise mints
/// the same refTokID again (called with the predecessor, it acts on the row's current token)."
#[tokio::test]
async fn reauthentication_rotates_only_where_a_renewal_would() {
    let test = TestSessions::start().await;
    let token = sign_in(&test).await;
    let session = test.sessions.verify(token.as_bytes()).await.unwrap();
    test.clock.advance(MINUTE);
    let later = test.sessions.verify(token.as_bytes()).await.unwrap();
    assert!(later.require_recent(Duration::from_secs(30)).is_err());

    let fresh = test.sessions.reauthenticate(&session).await.unwrap().token;
    let fresh = fresh.expose().to_owned();
    assert_ne!(id(&fresh), id(&token), "a first renewal rotates");
    let now = test.sessions.verify(fresh.as_bytes()).await.unwrap();
    now.require_recent(Duration::from_secs(30)).unwrap();

    test.clock.advance(Duration::from_secs(5));
    let again = test.sessions.reauthenticate(&session).await.unwrap().token;
    assert_eq!(id(again.expose()), id(&fresh), "within the interval the refTokID stays");
    let auth_time = |token: &str| claim(token.as_bytes(), "auth_time").as_u64().unwrap();
    assert!(auth_time(again.expose()) >= auth_time(&fresh) + 5);
    test.sessions.verify(again.expose().as_bytes()).await.unwrap();
}
