//! Signing in: tickets, limits, claims, and what is never issued.

use std::time::Duration;

use logout_all::{
    AppClaims, AuthError, ClaimsSource, ClientInfo, Denied, DeviceLimit, LoginTicket, StoreError,
    UserData, UserDirectory, UserId, UserState, testing::TestSessions,
};
use serde_json::{Value, json};

use super::{claim, started, told};

/// "lives 10 minutes"
#[tokio::test]
async fn a_ticket_lives_ten_minutes() {
    let (test, _) = started().await;
    for (age, lives) in [(599, true), (602, false)] {
        let ticket = test.sessions.begin_login(Some("ada")).await.unwrap();
        test.clock.advance(Duration::from_secs(age));
        let login = test.sessions.login(ticket, ClientInfo::default(), &()).await;
        assert_eq!(login.is_ok(), lives, "{age} s");
    }
}

/// "costs the same for unknown names", and cannot be finished.
#[tokio::test]
async fn a_ticket_for_nobody_cannot_finish() {
    let (test, _) = started().await;
    let ticket = test.sessions.begin_login(None::<&str>).await.unwrap();
    let refused = test.sessions.login(ticket, ClientInfo::default(), &()).await.unwrap_err();
    assert!(matches!(refused, AuthError::Denied(Denied::CredentialsInvalid)), "{refused}");
}

/// "it can be built from the two epochs that the application read in the same statement as its
/// hash"
#[tokio::test]
async fn a_ticket_can_be_made_from_epochs_that_were_read_elsewhere() {
    use logout_all::SessionStore;
    let (test, _) = started().await;
    let read = test.store.epochs(Some(&UserId::new("ada").unwrap())).await.unwrap();
    let ticket = || LoginTicket::from_epoch("ada", None, read.epochs.global, read.now).unwrap();
    test.sessions.login(ticket(), ClientInfo::default(), &()).await.unwrap();
    let ada = UserId::new("ada").unwrap();
    let by = logout_all::By::Application;
    test.sessions.logout_all(&ada, logout_all::EndReason::Locked, by).await.unwrap();
    assert!(test.sessions.login(ticket(), ClientInfo::default(), &()).await.is_err());
}

/// "evict the least recently seen, never the new one, name the evicted in the answer and raise an
/// event"
#[tokio::test]
async fn the_twenty_first_device_evicts_the_least_recently_seen() {
    let (test, told_events) = started().await;
    let mut guids = Vec::new();
    for _ in 0..20 {
        guids.push(test.sign_in("ada").await.0);
        test.clock.advance(Duration::from_secs(1));
    }
    let ticket = test.sessions.begin_login(Some("ada")).await.unwrap();
    let login = test.sessions.login(ticket, ClientInfo::default(), &()).await.unwrap();
    assert_eq!(login.evicted, [guids[0]]);
    assert_eq!(told(&told_events, "reason: Evicted"), 1);
    let ticket = test.sessions.begin_login(Some("ada")).await.unwrap();
    let refusing = ticket.device_limit(DeviceLimit::Refuse(20));
    let refused = test.sessions.login(refusing, ClientInfo::default(), &()).await.unwrap_err();
    assert!(matches!(refused, AuthError::Denied(Denied::DeviceLimit)), "{refused}");
}

/// "An application claim that would overwrite a reserved one is an error at login"; "the error
/// names the size of the claims"; nothing is stored.
#[tokio::test]
async fn what_would_be_refused_is_never_issued() {
    let (test, _) = started().await;
    for (claims, word) in [
        (json!({"exp": 1}), "exp"),
        (json!({"refTokID": "x"}), "refTokID"),
        (json!([1]), "object"),
        (json!({"a": "x".repeat(4000)}), "4008 bytes"),
    ] {
        let ticket = test.sessions.begin_login(Some("ada")).await.unwrap();
        let refused = test.sessions.login(ticket, ClientInfo::default(), &claims).await;
        let refused = refused.unwrap_err();
        assert!(matches!(refused, AuthError::Usage(_)), "{refused}");
        assert!(refused.to_string().contains(word), "{refused}");
    }
    let ticket = test.sessions.begin_login(Some("ada")).await.unwrap();
    let odd = ticket.idle(Duration::from_mins(1));
    let refused = test.sessions.login(odd, ClientInfo::default(), &()).await.unwrap_err();
    assert!(refused.to_string().contains("idle limit"), "{refused}");
    assert_eq!(test.sessions.devices(&UserId::new("ada").unwrap()).await.unwrap(), []);
}

struct Roles;

impl ClaimsSource for Roles {
    async fn claims(&self, _: &UserId, data: Option<&UserData>) -> Result<AppClaims, AuthError> {
        let role: Value = data.map(UserData::get).transpose()?.unwrap_or_default();
        Ok(AppClaims::from_value(&json!({ "role": role["role"] }))?)
    }
}

struct OnlyAda;

impl UserDirectory for OnlyAda {
    async fn find(&self, user: &UserId) -> Result<UserState, StoreError> {
        Ok(match user.as_str() {
            "ada" => UserState::Active(Some(UserData::from_json(r#"{"role":"admin"}"#))),
            _ => UserState::Inactive,
        })
    }
}

/// "The application's claims of the new token come from a `ClaimsSource` (asked with the user data
/// of the same read) or, without one, from the presented token"
#[tokio::test]
async fn claims_come_from_the_source_or_are_repeated() {
    let first = json!({"role": "guest", "n": 1.5});
    let plain = TestSessions::with_users(OnlyAda).await;
    let with_source =
        TestSessions::start_with(|builder| builder.users(OnlyAda).claims_source(Roles)).await;
    for (test, role) in [(plain, "guest"), (with_source, "admin")] {
        let ticket = test.sessions.begin_login(Some("ada")).await.unwrap();
        let login = test.sessions.login(ticket, ClientInfo::default(), &first).await.unwrap();
        let token = login.issued.token.expose().as_bytes().to_vec();
        let session = test.sessions.verify(&token).await.unwrap();
        assert_eq!(session.claims::<Value>().unwrap(), first);
        assert_eq!(session.user::<Value>().unwrap()["role"], "admin");
        let renewed = test.sessions.renew(&token, ClientInfo::default()).await.unwrap();
        assert_eq!(claim(renewed.issued.token.expose().as_bytes(), "role"), role);
    }
}

/// "V1 … user not active: denied", as an ended session.
#[tokio::test]
async fn an_inactive_user_is_denied_in_every_branch() {
    let test = TestSessions::with_users(OnlyAda).await;
    let (_, token) = test.sign_in("grace").await;
    let token = token.expose().as_bytes();
    let ended = |error: AuthError| matches!(error, AuthError::Denied(Denied::SessionEnded));
    assert!(ended(test.sessions.verify(token).await.unwrap_err()));
    assert!(ended(test.sessions.renew(token, ClientInfo::default()).await.unwrap_err()));
}
