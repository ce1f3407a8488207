//! When the connection is opened, and opened again, and what is heard over it. In virtual time.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use super::*;

/// Counts connections, each of which ends as it is told.
#[derive(Clone, Default)]
struct Server {
    opened: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    at: Arc<Mutex<Vec<Instant>>>,
}

struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Server {
    fn wakes<Listening>(&self, listen: impl Fn(Heard) -> Listening + Send + Sync + 'static) -> Wakes
    where
        Listening: Future<Output = String> + Send + 'static,
    {
        let server = self.clone();
        Wakes::new("test", Handle::current(), move |heard| {
            server.opened.fetch_add(1, Ordering::SeqCst);
            server.open.fetch_add(1, Ordering::SeqCst);
            server.at.lock().unwrap().push(Instant::now());
            let (open, listening) = (Open(server.open.clone()), listen(heard));
            async move {
                let _open = open;
                listening.await
            }
        })
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

/// Whether it completes within a second.
async fn comes(woken: impl Future<Output = ()>) -> bool {
    timeout(Duration::from_secs(1), woken).await.is_ok()
}

/// "opened when somebody waits for a wake-up first": once, however many do; and closed with the store.
#[tokio::test(start_paused = true)]
async fn one_connection_listens_once_somebody_waits() {
    let server = Server::default();
    let (tell, told) = watch::channel(0);
    let wakes = server.wakes(move |heard| {
        let mut told = told.clone();
        async move {
            while told.changed().await.is_ok() {
                heard.tell();
            }
            String::new()
        }
    });
    sleep(Duration::from_mins(1)).await;
    assert_eq!(server.opened(), 0, "nobody waits");
    let (one, two, late) = (wakes.next(), wakes.next(), wakes.next());
    sleep(Duration::from_secs(1)).await;
    tell.send(1).unwrap();
    assert!(comes(one).await && comes(two).await);
    // What was heard before the call does not count.
    assert!(!comes(wakes.next()).await);
    // What was heard after it does, also where nobody looked.
    assert!(comes(late).await);
    assert_eq!(server.opened(), 1);
    drop(wakes);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(server.open.load(Ordering::SeqCst), 0, "it listens no more");
}

/// "opened again after it ended, with a pause that grows", a panic included.
#[tokio::test(start_paused = true)]
async fn the_connection_is_opened_again_with_a_pause_that_grows() {
    let server = Server::default();
    let ends = AtomicUsize::new(0);
    let wakes = server.wakes(move |_| {
        let end = ends.fetch_add(1, Ordering::SeqCst);
        async move {
            match end {
                2 => panic!("one connection"),
                // This one lasted.
                10 => sleep(Duration::from_secs(11)).await,
                _ => {}
            }
            "it was closed".to_owned()
        }
    });
    drop(wakes.next());
    sleep(Duration::from_mins(2)).await;
    let at = server.at.lock().unwrap().clone();
    let pauses: Vec<_> = at.windows(2).map(|two| (two[1] - two[0]).as_millis()).collect();
    let wanted = [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000, 10_000, 11_100, 200];
    let near = |(pause, wanted): (&u128, &u128)| pause.abs_diff(*wanted) <= 10;
    assert!(pauses.iter().zip(&wanted).all(near), "{pauses:?}");
}

/// "asks the server every 5 s": whoever does not answer, or not in time, is not listened to any more.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_is_noticed() {
    let heard = Heard(watch::channel(0).0);
    let mut news = heard.0.subscribe();
    let begun = Instant::now();
    let mut left = 3;
    let why = heard
        .while_answered(async { Ok(()) }, || {
            left -= 1;
            let answer = if left == 0 { Err("it is gone") } else { Ok(()) };
            async move { answer }
        })
        .await;
    assert_eq!((why.as_str(), begun.elapsed().as_secs()), ("it is gone", 15));
    assert!(news.has_changed().unwrap(), "what came before it listened was not heard");
    news.mark_unchanged();
    let silent = || pending::<Result<(), String>>();
    assert_eq!(heard.while_answered(async { Ok(()) }, silent).await, "no answer in time");
    news.mark_unchanged();
    assert_eq!(heard.while_answered(silent(), silent).await, "no answer in time");
    assert!(!news.has_changed().unwrap(), "it never listened");
    assert_eq!(begun.elapsed().as_secs(), 15 + 8 + 3);
}
