//! Settings, outages, shutdown, and what is never shown.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use logout_all::{
    AppClaims, AuthError, ClaimsSource, ClientInfo, Event, Keys, MemoryStore, Sessions,
    SessionsBuilder, UserData, UserId, testing::TestSessions,
};
use tokio::sync::Notify;

use super::{claim, started};

/// "`build()` refuses contradictions", and says which.
#[tokio::test]
async fn contradictions_refuse_to_build() {
    type Change = fn(SessionsBuilder) -> SessionsBuilder;
    let cases: [(Change, &str); 8] = [
        (|b| b.token_lifetime(Duration::ZERO), "token lifetime"),
        (|b| b.window(Duration::ZERO), "window"),
        (|b| b.trusted_origin("app.example"), "is no origin"),
        (|b| b.realm("a\"b"), "realm"),
        (|b| b.danger_plain_http_cookie("a;b"), "cookie"),
        (|b| b.audience(""), "audience"),
        (|b| b.public_authority("https://app.example/"), "public authority"),
        (|b| b.danger_plain_http_cookie("__Host-session"), "cookie"),
    ];
    for (change, word) in cases {
        let keys = Keys::hs256(b"an example key; take 32 random bytes!").unwrap();
        let builder = Sessions::builder(MemoryStore::new(), keys, "https://app.example");
        let refused = change(builder).build().await.unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
    }
}

/// "`shutdown().await` after the server stopped (flush)"
#[tokio::test]
async fn a_shutdown_writes_the_last_activity_down() {
    let test = TestSessions::start().await;
    let (_, token) = test.sign_in("ada").await;
    test.clock.advance(Duration::from_mins(5));
    let now = test.clock.now();
    test.sessions.verify(token.expose().as_bytes()).await.unwrap();
    test.sessions.drain();
    assert!(test.sessions.ready().await.is_err());
    test.sessions.shutdown().await;
    let devices = test.sessions.devices(&UserId::new("ada").unwrap()).await.unwrap();
    assert!(devices[0].last_seen_at >= now);
}

/// "As does whoever calls it meanwhile", also when a limit of the application's dropped the first.
#[tokio::test]
async fn every_shutdown_waits_for_the_last_activity() {
    let ada = UserId::new("ada").unwrap();
    for first_is_dropped in [true, false] {
        let test = TestSessions::start().await;
        let (_, token) = test.sign_in("ada").await;
        test.clock.advance(Duration::from_mins(5));
        let now = test.clock.now();
        test.sessions.verify(token.expose().as_bytes()).await.unwrap();
        let second = async {
            test.sessions.shutdown().await;
            test.sessions.devices(&ada).await.unwrap()[0].last_seen_at
        };
        let last_seen_at = if first_is_dropped {
            tokio::select! {
                biased;
                () = test.sessions.shutdown() => panic!("there was nothing to wait for"),
                () = async {} => {}
            }
            second.await
        } else {
            tokio::join!(test.sessions.shutdown(), second).1
        };
        assert!(last_seen_at >= now, "the first one was dropped: {first_is_dropped}");
    }
}

/// Claims that are made when the gate opens.
struct Gate {
    reached: Arc<Notify>,
    open: Arc<Notify>,
}

impl ClaimsSource for Gate {
    async fn claims(&self, _: &UserId, _: Option<&UserData>) -> Result<AppClaims, AuthError> {
        self.reached.notify_one();
        self.open.notified().await;
        Ok(AppClaims::none())
    }
}

/// "Mutations run in tasks of their own on the runtime that built `Sessions`": each of Actix's
/// workers has a runtime that ends with it, and takes along what was spawned there.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_mutation_outlives_the_runtime_on_which_it_was_begun() {
    let (reached, open) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let gate = Gate { reached: reached.clone(), open: open.clone() };
    let (tell, told) = std::sync::mpsc::channel();
    let sink = move |event: &Event| {
        if let Event::Renewed { .. } = event {
            let _ = tell.send(());
        }
    };
    let test = TestSessions::start_with(|builder| builder.claims_source(gate).events(sink)).await;
    let (_, token) = test.sign_in("ada").await;
    test.clock.advance(Duration::from_mins(2));

    let sessions = test.sessions.clone();
    let worker = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tokio::select! {
                _ = sessions.renew(token.expose().as_bytes(), ClientInfo::default()) => {}
                () = reached.notified() => {}
            }
        });
    });
    worker.join().unwrap();
    open.notify_one();
    told.recv_timeout(Duration::from_secs(10)).unwrap();
}

/// "a confirmation … reaches the store within 1 s"
#[tokio::test]
async fn a_confirmation_reaches_the_store_within_a_second() {
    use logout_all::SessionStore;
    let test = TestSessions::start().await;
    let (guid, token) = test.sign_in("ada").await;
    test.sessions.verify(token.expose().as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let ada = UserId::new("ada").unwrap();
    let row = test.store.lookup(&ada, guid).await.unwrap().row.unwrap();
    assert!(row.confirmed_at.is_some());
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// "No token, refTokID, key or cookie value in any log line, `Debug`, error or metric, at any
/// level"
#[tokio::test]
async fn no_secret_is_shown_anywhere() {
    let log = Log::default();
    let into = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || into.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let (test, told_events) = started().await;
    let (_, token) = test.sign_in("ada").await;
    let token = token.expose().to_owned();
    let session = test.sessions.verify(token.as_bytes()).await.unwrap();
    let renewed = test.sessions.renew(token.as_bytes(), ClientInfo::default()).await.unwrap();
    let successor = renewed.issued.token.expose().to_owned();
    test.sessions.verify(successor.as_bytes()).await.unwrap();
    test.clock.advance(Duration::from_secs(100));
    let reuse = test.sessions.renew(token.as_bytes(), ClientInfo::default()).await.unwrap_err();

    let mut shown = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    shown += &told_events.lock().unwrap().join("\n");
    let of_values = format!("{session:?} {renewed:?} {reuse:?} {:?} {:?}", test.sessions, test);
    shown += &of_values;
    let of_keys = format!("{:?}", test.sessions.keys());
    shown += &of_keys;
    assert!(shown.contains("it was copied"), "the log was read: {shown}");
    for secret in [
        token.clone(),
        successor.clone(),
        claim(token.as_bytes(), "refTokID").as_str().unwrap().to_owned(),
        claim(successor.as_bytes(), "refTokID").as_str().unwrap().to_owned(),
        "a key for the tests of applications".to_owned(),
    ] {
        assert!(!shown.contains(&secret), "{secret} is shown in {shown}");
    }
}
