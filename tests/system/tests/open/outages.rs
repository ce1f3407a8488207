//! The store is away, or its journal alone; and what is asked of it while ten thousand are open. In
//! virtual time: every wait passes at once.

use std::time::Duration;

use logout_all::{
    By, ClientInfo, EndReason, Keys, MemoryStore, Mode, SessionEnd, SessionStore, Sessions,
    UntilEnded, UserId,
    store::{Ending, Scope},
};
use logout_all_conformance::counted::{Accesses, Counted, Failing, Verb};
use tokio::time::{Instant, sleep, timeout};

/// The verb by which the journal is read.
const READ_ON: Verb = Verb::Poll;

struct Node {
    sessions: Sessions,
    accesses: Accesses,
    store: MemoryStore,
}

impl Node {
    async fn start() -> Self {
        Self::start_in(Mode::Strict).await
    }

    async fn start_in(mode: Mode) -> Self {
        let (store, accesses) = (MemoryStore::new(), Accesses::default());
        let counted = Counted::new(store.clone(), accesses.clone());
        let keys = Keys::hs256(b"a key for a store that goes away").unwrap();
        let builder = Sessions::builder(counted, keys, "outages").mode(mode);
        let sessions = builder.build().await.unwrap();
        Self { sessions, accesses, store }
    }

    async fn open(&self, user: &str) -> UntilEnded {
        let ticket = self.sessions.begin_login(Some(user)).await.unwrap();
        let login = self.sessions.login(ticket, ClientInfo::default(), &()).await.unwrap();
        let token = login.issued.token.expose().as_bytes().to_vec();
        self.sessions.verify(&token).await.unwrap().ended()
    }

    /// By another node.
    async fn end(&self, user: &str) {
        let user = UserId::new(user).unwrap();
        let (scope, reason, by) = (Scope::All, EndReason::Operator, By::Application);
        self.store.end(&Ending { user, scope, reason, by }).await.unwrap();
    }

    /// How often a session was looked up in that time.
    async fn lookups_in(&self, time: Duration) -> u64 {
        let before = self.accesses.of(Verb::Lookup);
        sleep(time).await;
        self.accesses.of(Verb::Lookup) - before
    }
}

/// "after 15 s without an answer it completes as unknown": since the last poll that was answered, which
/// was half a second before at most; and not sooner. In either mode, however long the lease.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_unknown_after_15_s() {
    let long = Mode::cached().lease(Duration::from_mins(1));
    for mode in [Mode::Strict, Mode::cached().into(), long.into()] {
        let node = Node::start_in(mode.clone()).await;
        let (one, two) = (node.open("ada").await, node.open("grace").await);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(node.lookups_in(Duration::from_mins(1)).await, 0, "{mode:?}");
        node.accesses.fail(Failing::All);
        let since = Instant::now();
        for open in [one, two] {
            assert_eq!(open.await, SessionEnd::Unknown);
            told_in_time(since);
        }
    }
}

/// The same of a store that takes questions and never answers, however many there are to be asked: it
/// holds nobody up for longer.
#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_unknown_after_15_s() {
    let node = Node::start().await;
    let mut open = Vec::new();
    for user in 0..2_100 {
        open.push(node.open(&user.to_string()).await);
    }
    sleep(Duration::from_secs(1)).await;
    let _held = node.accesses.hold(Verb::Lookup);
    node.accesses.fail(Failing::Only(READ_ON));
    let since = Instant::now();
    for open in open {
        let told = timeout(Duration::from_mins(1), open).await;
        assert_eq!(told, Ok(SessionEnd::Unknown));
        told_in_time(since);
    }
}

/// 15 s after the last answer, which was a poll's; the store has been away since then.
fn told_in_time(since: Instant) {
    let waited = since.elapsed().as_millis();
    assert!((14_400..=15_010).contains(&waited), "told after {waited} ms");
}

/// An outage of 10 s ends nothing; what ended meanwhile is told when the store is back.
#[tokio::test(start_paused = true)]
async fn what_ends_during_an_outage_is_told_after_it() {
    let node = Node::start().await;
    let (mut stays, gone) = (node.open("ada").await, node.open("grace").await);
    for _ in 0..3 {
        sleep(Duration::from_secs(1)).await;
        node.accesses.fail(Failing::All);
        assert!(timeout(Duration::from_secs(10), &mut stays).await.is_err(), "it stays");
        node.accesses.heal();
        // Answered once, it has another 15 s.
        sleep(Duration::from_secs(6)).await;
    }
    node.accesses.fail(Failing::All);
    node.end("grace").await;
    sleep(Duration::from_secs(10)).await;
    node.accesses.heal();
    let end = timeout(Duration::from_secs(6), gone).await.unwrap();
    assert_eq!(end, SessionEnd::Ended(EndReason::Operator));
    assert!(timeout(Duration::from_mins(1), &mut stays).await.is_err(), "it stays");
}

/// "while the journal cannot be read, open sessions are re-read in batches every 5 s".
#[tokio::test(start_paused = true)]
async fn without_the_journal_what_is_open_is_read_every_5_s() {
    let node = Node::start().await;
    let (mut stays, gone) = (node.open("ada").await, node.open("grace").await);
    sleep(Duration::from_secs(1)).await;
    node.accesses.fail(Failing::Only(READ_ON));
    let lookups = node.lookups_in(Duration::from_mins(1)).await;
    assert!((22..=28).contains(&lookups), "{lookups} in a minute, of two sessions");
    node.end("grace").await;
    let end = timeout(Duration::from_secs(6), gone).await.unwrap();
    assert_eq!(end, SessionEnd::Ended(EndReason::Operator));
    node.accesses.heal();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(node.lookups_in(Duration::from_mins(10)).await, 0);
    assert!(timeout(Duration::from_secs(1), &mut stays).await.is_err(), "it stays");
}

/// "10,000 open streams … without store load per stream": the journal is read as often for ten
/// thousand as for one, and not at all for none.
#[tokio::test(start_paused = true)]
async fn ten_thousand_that_are_open_ask_nothing_of_the_store() {
    let node = Node::start().await;
    let in_a_minute = async || {
        sleep(Duration::from_secs(10)).await;
        let before = node.accesses.of(READ_ON);
        assert_eq!(node.lookups_in(Duration::from_mins(1)).await, 0);
        node.accesses.of(READ_ON) - before
    };
    assert_eq!(in_a_minute().await, 0);
    let one = node.open("0").await;
    let for_one = in_a_minute().await;
    let mut open = vec![one];
    for user in 1..10_000 {
        open.push(node.open(&user.to_string()).await);
    }
    let for_all = in_a_minute().await;
    assert!((100..=130).contains(&for_one), "{for_one} times a minute");
    assert!(for_all <= for_one + 2, "{for_all} times a minute, and {for_one} for one");

    // Whose sessions are meant are read, and nobody else's.
    node.end("77").await;
    assert!(node.lookups_in(Duration::from_mins(1)).await <= 2);
    let gone = open.swap_remove(77);
    assert_eq!(gone.await, SessionEnd::Ended(EndReason::Operator));
    let everyone = EndReason::Everyone;
    node.sessions.logout_everyone(everyone, By::Application).await.unwrap();
    for open in open {
        assert_eq!(open.await, SessionEnd::Ended(everyone));
    }
    assert_eq!(in_a_minute().await, 0, "nothing is open any more");
}
