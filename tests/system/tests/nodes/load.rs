//! Users who sign in, ask on all nodes, and sign out on one of them, over and over, whatever the nodes
//! answer. What fails because the store is away is asked again.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinSet, time::sleep};

use crate::{
    client::{Client, Device},
    history::{Call, Outcome, Recorder, What},
    home::Home,
    program::Program,
};

const USERS: usize = 4;
/// How long a client waits after a 503: far less than the `Retry-After`, as rude clients do.
const PAUSE: Duration = Duration::from_millis(30);
/// Between a client's questions.
const APART: Duration = Duration::from_millis(10);
/// So many of a user's newest devices are asked for once more at the end.
const KEPT: usize = 40;

pub(crate) struct Load {
    pub(crate) recorder: Recorder,
    goes_on: Arc<AtomicBool>,
    users: JoinSet<()>,
}

struct User {
    client: Client,
    goes_on: Arc<AtomicBool>,
    /// Signed out or not.
    devices: VecDeque<Device>,
}

impl Load {
    /// Beside the users, one who stays signed in and asks each node all the time.
    pub(crate) async fn start(home: &Home, nodes: &[Program]) -> Self {
        let (recorder, goes_on) = (Recorder::new(), Arc::new(AtomicBool::new(true)));
        let mut users = JoinSet::new();
        for number in 0..USERS {
            let name = format!("user{number}");
            home.add_user(&name).await;
            let client = Client::new(name, nodes, recorder.clone());
            let user = User { client, goes_on: goes_on.clone(), devices: VecDeque::new() };
            users.spawn(user.run(number));
        }
        home.add_user("steady").await;
        let steady = Client::new("steady".to_owned(), nodes, recorder.clone());
        let device = steady.sign_in(0).await.expect("the store is well");
        for node in 0..nodes.len() {
            let (steady, device, goes_on) = (steady.clone(), device.clone(), goes_on.clone());
            users.spawn(async move {
                while goes_on.load(Ordering::SeqCst) {
                    steady.ask(node, &device, What::Verify).await;
                    sleep(APART).await;
                }
            });
        }
        Self { recorder, goes_on, users }
    }

    /// The whole history, once every device was asked for again on every node, which must be well.
    pub(crate) async fn end(mut self) -> Vec<Call> {
        self.goes_on.store(false, Ordering::SeqCst);
        while let Some(user) = self.users.join_next().await {
            user.unwrap();
        }
        self.recorder.history()
    }
}

impl User {
    async fn run(mut self, number: usize) {
        for turn in number.. {
            if !self.goes_on() {
                break;
            }
            self.cycle(turn).await;
        }
        for device in &self.devices {
            let outcomes = self.client.everywhere(device, What::Verify).await;
            assert!(!outcomes.contains(&Outcome::Failed), "the store is well: {outcomes:?}");
        }
    }

    fn goes_on(&self) -> bool {
        self.goes_on.load(Ordering::SeqCst)
    }

    async fn cycle(&mut self, turn: usize) {
        let Some(one) = self.sign_in(turn).await else { return };
        let Some(two) = self.sign_in(turn + 1).await else { return };
        for _ in 0..4 {
            self.ask_of_both(&one, &two).await;
            sleep(APART).await;
        }
        let what = if turn.is_multiple_of(2) { What::LogoutAll } else { What::LogoutDevice };
        let during = {
            let (client, device) = (self.client.clone(), one.clone());
            tokio::spawn(async move {
                for _ in 0..10 {
                    client.everywhere(&device, What::Verify).await;
                    sleep(APART).await;
                }
            })
        };
        // Until it is answered: what is known to be over by then needs no second answer.
        while self.client.ask(turn + 2, &one, what.clone()).await == Outcome::Failed {
            sleep(PAUSE).await;
            if !self.goes_on() {
                break;
            }
        }
        self.ask_of_both(&one, &two).await;
        self.client.everywhere(&one, What::Renew).await;
        during.await.unwrap();
    }

    async fn ask_of_both(&self, one: &Device, two: &Device) {
        tokio::join!(
            self.client.everywhere(one, What::Verify),
            self.client.everywhere(two, What::Verify)
        );
    }

    async fn sign_in(&mut self, node: usize) -> Option<Device> {
        while self.goes_on() {
            if let Some(device) = self.client.sign_in(node).await {
                self.devices.push_back(device.clone());
                if self.devices.len() > KEPT {
                    self.devices.pop_front();
                }
                return Some(device);
            }
            sleep(PAUSE).await;
        }
        None
    }
}
