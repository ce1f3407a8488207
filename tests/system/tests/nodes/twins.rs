//! Broken twins: nodes in this process that are wrong on purpose. The recorder and the checker, the
//! same as over processes, must convict each; the sound nodes, in the same rounds, they acquit.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use logout_all::{
    AuthError, By, ClientInfo, EndReason, Keys, MemoryStore, Mode, SessionStore, Sessions, UserId,
    store::{Lease, Polled},
};

use crate::{
    checker,
    door::{Door, Rotating},
    exact::{Answered, Asked, is_linearizable},
    history::{Outcome, Recorder, What},
    windows::{NODES, window},
};

const LEASE: Duration = Duration::from_millis(200);
const ROUNDS: usize = 5;

/// What is wrong with the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// The second node is told that the journal stands still.
    JournalIgnored,
    /// Logouts are told that nobody holds a lease, while the second node is given one and hears of
    /// endings late.
    NotSettled,
}

pub(crate) async fn sound_nodes_are_acquitted() {
    assert_eq!(rounds(Fault::Nothing).await, 0);
}

pub(crate) async fn a_node_that_ignores_the_journal_is_convicted() {
    assert!(rounds(Fault::JournalIgnored).await > 0);
}

pub(crate) async fn a_logout_that_does_not_settle_is_convicted() {
    assert!(rounds(Fault::NotSettled).await > 0);
}

pub(crate) async fn sound_windows_are_linearizable() {
    assert_eq!(windows(Rotating::Whole).await, 0);
}

pub(crate) async fn a_rotation_by_insert_and_delete_is_convicted() {
    assert!(windows(Rotating::ByInsertAndDelete).await > 0);
}

pub(crate) async fn two_rotations_of_one_token_are_convicted() {
    assert!(windows(Rotating::ByLoadAndSave).await > 0);
}

/// How many windows no single server would have answered so, in strict mode.
async fn windows(rotating: Rotating) -> usize {
    let door = Door::default();
    door.break_rotations(rotating);
    let (recorder, mut convicted) = (Recorder::new(), 0);
    for number in 0..200 {
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            let keys = Keys::hs256(b"the key that all the twins are given").unwrap();
            nodes.push(Sessions::builder(door.clone(), keys, "twins").build().await.unwrap());
        }
        let (nodes, tokens): (Arc<[Sessions]>, _) = (nodes.into(), Arc::default());
        let user = UserId::new(format!("user {number}")).unwrap();
        let calls = window(number, &recorder, move |client, asked| {
            in_process(nodes[client % NODES].clone(), user.clone(), asked, Arc::clone(&tokens))
        })
        .await;
        convicted += usize::from(!is_linearizable(&calls));
    }
    convicted
}

async fn in_process(
    node: Sessions,
    user: UserId,
    asked: Asked,
    tokens: Arc<Mutex<Vec<String>>>,
) -> Answered {
    let token = |device: usize| tokens.lock().unwrap()[device].clone();
    // As over a network, others come between.
    tokio::task::yield_now().await;
    let answered = match asked {
        Asked::SignIn(_) => {
            let ticket = node.begin_login(Some(&user)).await.unwrap();
            let login = node.login(ticket, ClientInfo::default(), &()).await.unwrap();
            tokens.lock().unwrap().push(login.issued.token.expose().to_owned());
            Ok(Answered::Well)
        }
        Asked::Verify(device) => {
            node.verify(token(device).as_bytes()).await.map(|_| Answered::Well)
        }
        Asked::Renew(device) => node
            .renew(token(device).as_bytes(), ClientInfo::default())
            .await
            .map(|renewed| Answered::Token(renewed.issued.token.expose().to_owned())),
        Asked::LogoutDevice(device) => {
            node.logout_token(token(device).as_bytes()).await.map(|_| Answered::Well)
        }
        Asked::LogoutAll(device) => match node.verify(token(device).as_bytes()).await {
            Ok(_) => {
                let by = By::Application;
                node.logout_all(&user, EndReason::Everywhere, by).await.map(|_| Answered::Well)
            }
            Err(denied) => Err(denied),
        },
    };
    tokio::task::yield_now().await;
    match answered {
        Ok(answered) => answered,
        Err(AuthError::Denied(_)) => Answered::Denied,
        Err(error) => panic!("the store is well: {error}"),
    }
}

/// How many calls were stale.
async fn rounds(fault: Fault) -> usize {
    let sound = Door::default();
    let broken = sound.another();
    let third = sound.another();
    let nodes = [node(&sound).await, node(&broken).await, node(&third).await];
    match fault {
        Fault::Nothing => {}
        Fault::JournalIgnored => broken.forge(standing_still()),
        Fault::NotSettled => {
            // A node that is given less than it wants asks the store for it again: so all are given it.
            let given = Lease { given: LEASE, waited: LEASE };
            for door in [&sound, &broken, &third] {
                door.forge(move |polled| Polled { lease: given, ..polled });
            }
            let store: &MemoryStore = &sound.store;
            // Not to none at all: a node that has asked for a lease then waits for its own.
            let seen = store.lower_given(Duration::from_micros(1)).await.unwrap();
            assert!(store.lower_waited(seen).await.unwrap());
            broken.delay_answers(LEASE / 2);
        }
    }
    let recorder = Recorder::new();
    for round in 0..ROUNDS {
        one(&nodes, &recorder, round).await;
    }
    checker::stale(&recorder.history()).len()
}

/// Answers as if nothing were ever written beyond the first answer.
fn standing_still() -> impl FnMut(Polled) -> Polled + Send {
    let mut first: Option<Polled> = None;
    move |polled| {
        let first = first.get_or_insert_with(|| Polled {
            entries: polled.entries.last().cloned().into_iter().collect(),
            ..polled.clone()
        });
        Polled { lease: polled.lease, ..first.clone() }
    }
}

async fn node(door: &Door) -> Sessions {
    let keys = Keys::hs256(b"the key that all the twins are given").unwrap();
    let mode = Mode::cached().lease(LEASE);
    Sessions::builder(door.clone(), keys, "twins").mode(mode).build().await.unwrap()
}

async fn one(nodes: &[Sessions; 3], recorder: &Recorder, round: usize) {
    let name = format!("user{round}");
    let user = UserId::new(&name).unwrap();
    let start = recorder.now();
    let ticket = nodes[0].begin_login(Some(&user)).await.unwrap();
    let login = nodes[0].login(ticket, ClientInfo::default(), &()).await.unwrap();
    let token = login.issued.token.expose().as_bytes();
    let session = (name, "all".to_owned());
    recorder.record(0, &session, What::Login, start, Outcome::Accepted);
    let verify = async |node: usize| {
        let start = recorder.now();
        let outcome = match nodes[node].verify(token).await {
            Ok(_) => Outcome::Accepted,
            Err(AuthError::Denied(_)) => Outcome::Denied,
            Err(error) => panic!("the store is well: {error}"),
        };
        recorder.record(node, &session, What::Verify, start, outcome);
    };
    // Until the node has a lease and knows the token.
    for _ in 0..8 {
        for node in 0..nodes.len() {
            verify(node).await;
        }
        tokio::time::sleep(LEASE / 4).await;
    }
    let start = recorder.now();
    nodes[0].logout_all(&user, EndReason::Everywhere, By::Application).await.unwrap();
    recorder.record(0, &session, What::LogoutAll, start, Outcome::Accepted);
    for node in 0..nodes.len() {
        verify(node).await;
    }
}
