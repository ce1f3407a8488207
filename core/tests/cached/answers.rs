//! What is answered from memory, what is not, and for how long.

use std::time::Duration;

use logout_all::{
    AuthError, By, ClientInfo, Denied, SigningKey, StoreError, UserData, UserDirectory, UserId,
    UserState,
};

use super::{Door, LEASE, Node, cached, user};

/// "A node may answer from memory": a token that it knows costs the store nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_asks_nobody() {
    let node = Node::start(&Door::default()).await;
    let (guid, token) = node.sign_in("ada").await;
    let first = node.verify(&token).await.unwrap();
    let known = node.warm(&token).await;
    let before = node.door.lookups();
    for _ in 0..1000 {
        node.verify(&token).await.unwrap();
    }
    assert!(node.door.lookups() - before <= 1, "a lease may have been late, and once is that");
    assert_eq!((known.guid(), known.user_id().as_str()), (guid, "ada"));
    assert_eq!(known.created_at(), first.created_at());
    assert_eq!(known.auth_time(), first.auth_time());
    assert_eq!(known.expires_at(), first.expires_at());
    assert_eq!(known.token_expires_at(), first.token_expires_at());
    let (now, then) = (known.renew_after(), first.renew_after());
    assert!(
        then.saturating_sub(now) <= Duration::from_secs(1) && !now.is_zero(),
        "{then:?} became {now:?}"
    );
    known.require_recent(Duration::from_secs(5)).unwrap();
}

/// How long ago a password was shown goes on while the entry is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_grows_older() {
    let node = Node::start(&Door::default()).await;
    let (_, token) = node.sign_in("ada").await;
    node.warm(&token).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let known = node.warm(&token).await;
    assert!(known.require_recent(Duration::from_millis(250)).is_err(), "it was 300 ms ago");
}

/// "garbage tokens never enter it: only what was verified and found is cached"; and it is found
/// "only by comparing all of them (never by a hash or prefix alone: CVE-2026-35039)".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_never_enters_and_nothing_but_the_token_is_the_token() {
    let node = Node::start(&Door::default()).await;
    let (_, token) = node.sign_in("ada").await;
    let (_, ended) = node.sign_in("bob").await;
    node.sessions.logout_token(&ended).await.unwrap();
    node.warm(&token).await;
    let kept = node.sessions.cache_state().unwrap().entries;
    assert_eq!(kept, 1);
    for at in 0..token.len() {
        let mut other = token.clone();
        // Another character of the alphabet, or another dot.
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(node.denied(&other).await, Some(Denied::TokenInvalid), "byte {at}");
        assert_eq!(node.denied(&token[..at]).await, Some(Denied::TokenInvalid), "{at} bytes");
    }
    for more in [b"=".as_slice(), b".", b"A", b" ", b"\0", &token] {
        let longer = [&token, more].concat();
        assert_eq!(node.denied(&longer).await, Some(Denied::TokenInvalid));
    }
    assert_eq!(node.denied(&ended).await, Some(Denied::SessionEnded));
    assert_eq!(node.sessions.cache_state().unwrap().entries, kept, "something else is kept");
    assert!(!node.asks(&token).await);
}

/// "Memory is bounded (entries and bytes)".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded() {
    let room = [(100, 256 << 20), (1 << 18, 1 << 20)];
    for (entries, bytes) in room {
        let mode = cached().most_entries(entries).most_bytes(bytes);
        let node = Node::start_with(&Door::default(), |builder| builder.mode(mode)).await;
        let (_, first) = node.sign_in("first").await;
        node.warm(&first).await;
        for number in 0..2500 {
            let (_, token) = node.sign_in(&format!("user {number}")).await;
            node.verify(&token).await.unwrap();
            let state = node.sessions.cache_state().unwrap();
            assert!(state.entries <= entries && state.bytes <= bytes, "{state:?}");
        }
        let state = node.sessions.cache_state().unwrap();
        assert!(state.entries * 10 > entries.min(2500) * 5, "it keeps too few: {state:?}");
    }
}

/// "Expiry is checked at each use": a token that is past its `exp` is denied, whatever is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_entry_outlives_its_token() {
    let node = Node::start_with(&Door::default(), |builder| {
        builder.token_lifetime(Duration::from_secs(2)).mode(cached())
    })
    .await;
    let (_, token) = node.sign_in("ada").await;
    let end = node.warm(&token).await.token_expires_at();
    // Looked at all the while, so that there is an entry when it ends.
    while std::time::SystemTime::now() < end {
        let _ = node.verify(&token).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(node.denied(&token).await, Some(Denied::TokenExpired));
}

/// "an entry never outlives its token or its row"
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_entry_outlives_its_row() {
    let node = Node::start_with(&Door::default(), |builder| {
        // Activity every second sixteenth of it would extend the row: nothing is written here.
        let (life, idle) = (Duration::from_secs(1), Duration::from_secs(1));
        builder.token_lifetime(life).idle(idle).absolute(idle).mode(cached())
    })
    .await;
    let (_, token) = node.sign_in("ada").await;
    let end = node.warm(&token).await.expires_at();
    while std::time::SystemTime::now() < end {
        let _ = node.verify(&token).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(node.denied(&token).await.is_some());
}

/// "an entry filled under V3 no longer than `rotated_at + grace`"; one that was filled before the
/// rotation no longer than the grace either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_entry_outlives_the_grace() {
    let door = Door::default();
    let quick = |builder: logout_all::SessionsBuilder| {
        builder.min_renewal_interval(Duration::from_millis(1200)).mode(cached())
    };
    let here = Node::start_with(&door, quick).await;
    let there = Node::start_with(&door, quick).await;
    let (_, old) = here.sign_in("ada").await;
    there.warm(&old).await;
    here.sessions.renew(&old, ClientInfo::default()).await.unwrap();
    let rotated = tokio::time::Instant::now();
    assert!(here.warm(&old).await.is_superseded(), "in the grace");
    while rotated.elapsed() < Duration::from_millis(400) {
        there.verify(&old).await.ok();
        here.verify(&old).await.ok();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(here.denied(&old).await, Some(Denied::TokenSuperseded));
    assert_eq!(there.denied(&old).await, Some(Denied::TokenSuperseded));
}

/// A key that was stolen and forgotten opens nothing, also where a token of it was verified.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_forgotten_empties_the_cache() {
    let node = Node::start(&Door::default()).await;
    let (_, token) = node.sign_in("ada").await;
    node.warm(&token).await;
    let stolen = node.sessions.keys().signing_kid();
    let fresh = SigningKey::hs256(b"another key for the tests of this").unwrap();
    node.sessions.keys().sign_with(fresh).unwrap();
    assert_eq!(node.denied(&token).await, None, "the old key goes on verifying");
    node.sessions.keys().forget(&stolen).unwrap();
    assert_eq!(node.denied(&token).await, Some(Denied::TokenInvalid));
}

/// Touches go on: the last activity is as fresh in the list as the granularity, and a token that was
/// presented is confirmed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn activity_is_written_down_all_the_same() {
    let granularity = Duration::from_millis(100);
    let node = Node::start_with(&Door::default(), |builder| {
        builder.last_seen_granularity(granularity).mode(cached())
    })
    .await;
    let (_, token) = node.sign_in("ada").await;
    let signed_in = node.sessions.devices(&user("ada")).await.unwrap()[0].last_seen_at;
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < Duration::from_millis(900) {
        node.verify(&token).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seen = node.sessions.devices(&user("ada")).await.unwrap()[0].last_seen_at;
    assert!(seen - Duration::from_millis(300) > signed_in, "{seen:?} after {signed_in:?}");
}

/// A users table that changes.
#[derive(Clone, Default)]
struct Lock(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl UserDirectory for Lock {
    async fn find(&self, _: &UserId) -> Result<UserState, StoreError> {
        if self.0.load(std::sync::atomic::Ordering::SeqCst) {
            return Ok(UserState::Inactive);
        }
        Ok(UserState::Active(Some(UserData::from_json(r#"{"role":"editor"}"#))))
    }
}

/// "User data (locked, roles) is as old as the entry at most, unless the change is announced by
/// `user_changed(user)`".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_announced_is_final_everywhere() {
    let (door, lock) = (Door::default(), Lock::default());
    let with = |lock: Lock| move |b: logout_all::SessionsBuilder| b.users(lock).mode(cached());
    let here = Node::start_with(&door, with(lock.clone())).await;
    let there = Node::start_with(&door, with(lock.clone())).await;
    let (_, token) = here.sign_in("ada").await;
    assert_eq!(there.warm(&token).await.user_data().unwrap().as_json(), r#"{"role":"editor"}"#);
    lock.0.store(true, std::sync::atomic::Ordering::SeqCst);
    here.sessions.user_changed("ada", By::Application).await.unwrap();
    assert_eq!(there.denied(&token).await, Some(Denied::SessionEnded));
    assert_eq!(here.denied(&token).await, Some(Denied::SessionEnded));
}

/// Renewal reads the store, whatever is known; so does whatever writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_is_never_answered_from_memory() {
    let node = Node::start(&Door::default()).await;
    let (_, token) = node.sign_in("ada").await;
    node.warm(&token).await;
    let before = node.door.lookups();
    node.sessions.renew(&token, ClientInfo::default()).await.unwrap();
    assert!(node.door.lookups() > before);
}

/// "if the store is down, 503": after the lease, and until then what is known is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_an_outage_when_the_lease_is_over() {
    let node = Node::start(&Door::default()).await;
    let (_, token) = node.sign_in("ada").await;
    node.warm(&token).await;
    node.door.take_down();
    tokio::time::sleep(LEASE + Duration::from_millis(1)).await;
    assert!(matches!(node.verify(&token).await, Err(AuthError::Store(_))));
}
