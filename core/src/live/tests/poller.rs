//! A node in strict mode reads the journal while somebody wants it, and not a moment longer.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    events::Events,
    live::{
        follow::Follows, follower::Follower, lease::Held, marks::Marks, moment::Moment,
        poller::Poller,
    },
    scheme::{By, EndReason, UserId},
    store::{JournalEntry, MemoryStore, SessionStore, erase},
};

#[derive(Default)]
struct Told(Mutex<Vec<Option<EndReason>>>);

impl Told {
    async fn wait_for(&self, wanted: &[Option<EndReason>]) {
        for _ in 0..1000 {
            if *self.0.lock().unwrap() == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("told {:?}, not {wanted:?}", self.0.lock().unwrap());
    }
}

impl Follows for Told {
    fn entry(&self, entry: &JournalEntry) {
        self.0.lock().unwrap().push(Some(entry.reason));
    }

    fn gap(&self, _: Duration) {
        self.0.lock().unwrap().push(None);
    }
}

#[tokio::test]
async fn a_node_in_strict_mode_follows_while_somebody_wants_it() {
    let store = MemoryStore::new();
    let (held, marks) = (Arc::new(Held::new()), Arc::new(Marks::new(1)));
    let follower = Arc::new(Follower::new(Duration::ZERO, 10, held, marks));
    let told = Arc::new(Told::default());
    follower.tell(told.clone());
    let poller = Poller::new(follower.clone(), None, erase(store.clone()), Events::default());
    let polling = tokio::spawn(async move { poller.run().await });
    let ada = UserId::new("ada").unwrap();
    let change = async || store.announce_changed(&ada, &By::Application).await.unwrap();

    change().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(told.0.lock().unwrap().is_empty(), "nobody wants it");

    // What came before is to be read; what comes then is told at once: nothing waits for a tick.
    let wanted = follower.wanting().wanted();
    told.wait_for(&[None]).await;
    let begun = std::time::Instant::now();
    change().await;
    store.end_everyone(EndReason::Everyone, &By::Application).await.unwrap();
    let (changed, everyone) = (Some(EndReason::Changed), Some(EndReason::Everyone));
    told.wait_for(&[None, changed, everyone]).await;
    assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
    assert!(!follower.held().runs_at(Moment::START), "it answers nothing from memory");

    // It stops within a tick, and begins anew.
    drop(wanted);
    tokio::time::sleep(Duration::from_millis(600)).await;
    change().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    told.wait_for(&[None, changed, everyone]).await;
    let _wanted = follower.wanting().wanted();
    told.wait_for(&[None, changed, everyone, None]).await;
    polling.abort();
}

/// Over a journal that has no entry yet, a gap is not told again and again.
#[tokio::test]
async fn an_empty_journal_is_no_gap() {
    let store = MemoryStore::new();
    let (held, marks) = (Arc::new(Held::new()), Arc::new(Marks::new(1)));
    let follower = Arc::new(Follower::new(Duration::ZERO, 10, held, marks));
    let told = Arc::new(Told::default());
    follower.tell(told.clone());
    let poller = Poller::new(follower.clone(), None, erase(store.clone()), Events::default());
    let polling = tokio::spawn(async move { poller.run().await });
    let _wanted = follower.wanting().wanted();
    told.wait_for(&[None]).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    told.wait_for(&[None]).await;
    assert_eq!(store.lease().await.unwrap(), crate::store::Lease::default(), "nobody waits");
    polling.abort();
}
