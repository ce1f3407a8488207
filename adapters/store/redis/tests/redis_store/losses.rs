//! What is lost is signed out, and nothing that ended comes back by it.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use logout_all::{By, EndReason, SessionStore, store::Scope};

use crate::{end, lives, login_of, server::Server, sign_in, stored, user};

/// "Redis flushed: everybody signed out": no token lives, and no login that was under way, also one
/// that was fenced off before, gets in.
#[tokio::test]
async fn after_a_flush_nobody_is_signed_in_and_no_old_ticket_is_good() {
    let server = Server::start(&[]);
    let (store, ada, bob) = (server.store().await, user("ada"), user("bob"));
    let row = sign_in(&store, &ada).await;
    let (fenced, open) = (login_of(&store, &ada).await, login_of(&store, &bob).await);
    end(&store, &ada, Scope::All).await.unwrap();
    store.end_everyone(EndReason::Everyone, &By::Application).await.unwrap();
    let before = store.epochs(Some(&ada)).await.unwrap().epochs;

    server.ask::<()>("FLUSHALL");
    assert!(!lives(&store, &row).await);
    for login in [&fenced, &open] {
        assert!(store.insert(login).await.unwrap().denied().is_some());
    }
    let after = store.epochs(Some(&ada)).await.unwrap().epochs;
    assert!(after.global > before.global, "{after:?} is not after {before:?}");
    // The store goes on by itself.
    let row = stored(store.insert(&login_of(&store, &ada).await).await.unwrap());
    assert!(lives(&store, &row).await);
    end(&store, &ada, Scope::All).await.unwrap();
    assert_eq!(store.journal(0, 10).await.unwrap().last_seq, 1);
}

/// An eviction takes keys one by one. A user's epoch that is gone ends their sessions, and one that
/// is made again is later than any before.
#[tokio::test]
async fn an_evicted_key_ends_sessions_and_revives_none() {
    let server = Server::start(&[]);
    let (store, ada) = (server.store().await, user("ada"));
    end(&store, &ada, Scope::All).await.unwrap();
    let before = store.epochs(Some(&ada)).await.unwrap().epochs.user;
    let ended = login_of(&store, &ada).await;
    let row = sign_in(&store, &ada).await;
    server.ask::<()>("DEL logout-all:{ada}:epoch");
    assert!(!lives(&store, &row).await);
    assert!(store.insert(&ended).await.unwrap().denied().is_some());
    end(&store, &ada, Scope::All).await.unwrap();
    assert!(store.epochs(Some(&ada)).await.unwrap().epochs.user > before);
    // The journal's number is found again in the journal.
    server.ask::<()>("DEL logout-all:{*}:store");
    end(&store, &ada, Scope::All).await.unwrap();
    let page = store.journal(0, 10).await.unwrap();
    let found: Vec<u64> = page.entries.iter().map(|entry| entry.seq).collect();
    assert_eq!((page.last_seq, found), (3, vec![1, 2, 3]));
}

/// A server that really evicts, until most of what it held is gone: sessions are lost, and no ended
/// one is found again, nor is any login that began before its user was logged out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_evicts_signs_out_and_signs_nobody_in() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-random"]);
    let store = server.store().await;
    let (mut kept, mut ended, mut fenced) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..300 {
        let user = user(&format!("user-{number}"));
        // Whose epoch is there: the page says what becomes of a login from before the first logout.
        end(&store, &user, Scope::All).await.unwrap();
        let login = login_of(&store, &user).await;
        let gone = sign_in(&store, &user).await;
        end(&store, &user, Scope::All).await.unwrap();
        ended.push(gone);
        fenced.push(login);
        kept.push(sign_in(&store, &user).await);
    }
    let used: u64 = {
        let info: String = server.ask("INFO memory");
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        line.trim().parse().unwrap()
    };
    server.ask::<()>(&format!("CONFIG SET maxmemory {}", used - 100_000));
    let mut lost = 0;
    for _ in 0..3 {
        lost = 0;
        for row in &kept {
            lost += usize::from(!lives(&store, row).await);
        }
        for row in &ended {
            assert!(!lives(&store, row).await, "an ended session lives");
        }
    }
    server.ask::<()>("CONFIG SET maxmemory 0");
    for login in &fenced {
        let answer = store.insert(login).await.unwrap();
        assert!(answer.denied().is_some(), "a login from before a logout got in");
    }
    let evicted: String = server.ask("INFO stats");
    assert!(!evicted.contains("evicted_keys:0\r"), "nothing was evicted: {evicted}");
    assert!(lost > 0, "no session was lost");
}

/// "The store warns in the log at its start", and "the log says so (`error`)".
#[tokio::test]
async fn what_may_be_lost_and_what_was_is_logged() {
    let log = Log::default();
    let (writer, told) =
        (log.clone(), || String::from_utf8(log.0.lock().unwrap().clone()).unwrap());
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    // While there is one subscriber alone, `tracing` asks that of the thread that comes to a line first
    // whether anybody wants it, and remembers the answer of a test beside this one.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().finish());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let well = Server::start(&["--maxmemory-policy", "noeviction"]);
    let store = well.store().await;
    assert_eq!(told(), "");
    well.ask::<()>("FLUSHALL");
    store.ping().await.unwrap();
    assert!(told().contains("ERROR") && told().contains("was emptied"), "{}", told());

    log.0.lock().unwrap().clear();
    let evicting = Server::start(&["--maxmemory-policy", "volatile-ttl"]);
    evicting.store().await;
    assert!(told().contains("WARN") && told().contains("volatile-ttl"), "{}", told());
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
