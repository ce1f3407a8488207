//! Lookups that wait together go together: fewer calls, and nobody pays for another.

use std::time::{Duration, Instant};

use logout_all::{
    Guid, SessionRow, SessionStore, Snapshot, StoreError, StoreErrorKind, store::Lookups,
};
use logout_all_redis::RedisStore;
use tokio::task::JoinHandle;

use crate::{proxy::Proxy, server::Server, sign_in, user};

type Answer = Result<Snapshot, StoreError>;

fn ask(store: &RedisStore, row: &SessionRow) -> JoinHandle<Answer> {
    let (store, row) = (store.clone(), row.clone());
    tokio::spawn(async move { store.lookup(&row.user, row.guid).await })
}

/// How many calls of scripts the server has had.
pub(crate) fn calls(server: &Server) -> usize {
    let told: String = server.ask("INFO commandstats");
    let calls = told.split("cmdstat_evalsha:calls=").nth(1).unwrap();
    calls.split(',').next().unwrap().parse().unwrap()
}

pub(crate) async fn sessions(store: &RedisStore, count: usize) -> Vec<SessionRow> {
    let mut rows = Vec::new();
    for number in 0..count {
        rows.push(sign_in(store, &user(&format!("user-{number}"))).await);
    }
    rows
}

/// "What waits goes together": and each is answered with its own session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_few_calls() {
    let server = Server::start(&[]);
    let store = server.store().await;
    let rows = sessions(&store, 64).await;
    let before = calls(&server);
    for _ in 0..10 {
        let asked: Vec<_> = rows.iter().map(|row| ask(&store, row)).collect();
        for (row, answer) in rows.iter().zip(asked) {
            let found = answer.await.unwrap().unwrap();
            assert_eq!(found.row.as_ref(), Some(row));
        }
    }
    let calls = calls(&server) - before;
    assert!(calls <= 640 / 4, "{calls} calls for 640 lookups");
    let nobody = store.lookup(&user("user-0"), Guid::random()).await.unwrap();
    assert!(nobody.row.is_none());
}

/// "A damaged row is the failure of those who asked for it": a row, an epoch, and a key of another
/// type, in one call with sessions that are well.
#[tokio::test]
async fn damage_fails_its_own_caller_alone() {
    let server = Server::start(&[]);
    let store = server.store().await;
    let rows = sessions(&store, 20).await;
    server.ask::<()>(&format!("HSET logout-all:{{user-3}}:sessions {} geheim", rows[3].guid));
    server.ask::<()>("SET logout-all:{user-7}:epoch geheim");
    server.ask::<()>("SET logout-all:{user-11}:sessions geheim");
    server.ask::<()>("HSET logout-all:{user-15}:epoch geheim geheim");
    let before = calls(&server);
    let asked: Vec<_> = rows.iter().map(|row| ask(&store, row)).collect();
    for (number, answer) in asked.into_iter().enumerate() {
        let answer = answer.await.unwrap();
        if [3, 7, 11, 15].contains(&number) {
            let error = answer.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{number}: {error:?}");
            assert!(!format!("{error:?}").contains("geheim"), "{number}: {error:?}");
        } else {
            assert_eq!(answer.unwrap().row.as_ref(), Some(&rows[number]), "{number}");
        }
    }
    let calls = calls(&server) - before;
    assert!(calls <= 4, "they did not go together: {calls} calls");
}

/// "Each caller its own deadline": whoever comes later is not told of the end of an earlier call,
/// who gives up disturbs nobody, and afterwards there are answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_stalled_server_each_caller_has_a_deadline_of_its_own() {
    let server = Server::start(&[]);
    let store = server.store().await;
    let rows = sessions(&store, 32).await;
    server.freeze();
    let mut asked = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        if number == 16 {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let (store, row) = (store.clone(), row.clone());
        asked.push(tokio::spawn(async move {
            let came = Instant::now();
            let error = store.lookup(&row.user, row.guid).await.unwrap_err();
            (error, came.elapsed())
        }));
        if number % 4 == 3 {
            // A request that is cancelled.
            asked.pop().unwrap().abort();
        }
    }
    for asked in asked {
        let (error, took) = asked.await.unwrap();
        assert_eq!(error.kind(), StoreErrorKind::TimedOut, "{error:?}");
        assert!((2800..4500).contains(&took.as_millis()), "{took:?}");
    }
    server.thaw();
    let since = Instant::now();
    let asked: Vec<_> = rows.iter().map(|row| ask(&store, row)).collect();
    for (row, answer) in rows.iter().zip(asked) {
        assert_eq!(answer.await.unwrap().unwrap().row.as_ref(), Some(row));
    }
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
}

/// A call that is slow holds nobody up who comes later: they are sent, and do not wait for its
/// answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_answer_is_not_waited_for_by_those_who_come_later() {
    let server = Server::start(&[]);
    let store = server.store().await;
    let rows = sessions(&store, 12).await;
    let before = calls(&server);
    server.freeze();
    let mut asked = Vec::new();
    for row in &rows {
        asked.push(ask(&store, row));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.thaw();
    for (row, answer) in rows.iter().zip(asked) {
        assert_eq!(answer.await.unwrap().unwrap().row.as_ref(), Some(row));
    }
    let calls = calls(&server) - before;
    assert!(calls >= 8, "{calls} calls: they waited for one another");
}

/// "With so many silent, questions wait, and in the end the newest are refused": in a network that
/// swallows everything, few calls are sent, and once it hears again, there are answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_network_is_sent_few_calls() {
    const LATE: usize = 500;
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port, None).await;
    let store = RedisStore::builder(proxy.url()).connect().await.unwrap();
    let row = sign_in(&store, &user("ada")).await;
    proxy.black_hole();
    let before = proxy.calls();
    let mut asked = Vec::new();
    for _ in 0..80 {
        asked.push(ask(&store, &row));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let calls = proxy.calls() - before;
    assert!((1..=16).contains(&calls), "{calls} calls");
    // No batch takes these in, and so they fill what may wait.
    let since = Instant::now();
    let crowd: Vec<_> = (0..Lookups::WAITING + LATE).map(|_| ask(&store, &row)).collect();
    let mut refused = 0;
    for asked in asked.into_iter().chain(crowd) {
        let error = asked.await.unwrap().unwrap_err();
        refused += usize::from(error.to_string().contains("too many lookups wait"));
    }
    assert!(refused >= LATE, "{refused} were refused");
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    proxy.hear_again();
    let since = Instant::now();
    assert_eq!(ask(&store, &row).await.unwrap().unwrap().row.as_ref(), Some(&row));
    println!("{calls} calls, {refused} refused, an answer after {:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
}
