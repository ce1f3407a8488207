//! Clients that sign in, verify, renew and sign out, and write down what was acknowledged. A worker
//! repeats what was not answered with a success, as the client rules say; every answer must be the
//! success, or an outage told as one.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet};

use crate::client::{Answer, login, logout, logout_all, me, renew};

/// How long a worker waits after an outage: far less than the `Retry-After`, as rude clients do.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Go,
    Pause,
    Stop,
}

pub(crate) struct Load {
    order: watch::Sender<Order>,
    /// Held for reading by each worker that asks something.
    quiet: Arc<tokio::sync::RwLock<()>>,
    log: Arc<Mutex<Vec<Call>>>,
    workers: JoinSet<Acknowledged>,
}

/// One answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) at: SocketAddr,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) is_outage: bool,
}

/// What a worker was told.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    /// Tokens that work: of logins and renewals.
    pub(crate) alive: Vec<String>,
    /// Tokens of sessions that were signed out.
    pub(crate) ended: Vec<String>,
}

impl Load {
    pub(crate) fn start(nodes: &[SocketAddr], workers: usize) -> Self {
        let (order, orders) = watch::channel(Order::Go);
        let log = Arc::<Mutex<Vec<Call>>>::default();
        let quiet = Arc::<tokio::sync::RwLock<()>>::default();
        let mut set = JoinSet::new();
        for number in 0..workers {
            let worker = Worker {
                user: format!("user-{number}"),
                nodes: nodes.to_vec(),
                turn: number,
                orders: orders.clone(),
                quiet: quiet.clone(),
                log: log.clone(),
                told: Acknowledged::default(),
            };
            set.spawn(worker.run());
        }
        Self { order, quiet, log, workers: set }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.log.lock().unwrap().clone()
    }

    /// Returns when no request is under way, and none will be.
    pub(crate) async fn pause(&self) {
        self.order.send_replace(Order::Pause);
        drop(self.quiet.write().await);
    }

    pub(crate) fn go_on(&self) {
        self.order.send_replace(Order::Go);
    }

    /// Returns when one more call like that is in the log.
    pub(crate) async fn wait_for(&self, limit: Duration, like: impl Fn(&Call) -> bool) -> Call {
        let since = Instant::now();
        loop {
            if let Some(found) = self.calls().into_iter().rev().find(&like) {
                return found;
            }
            assert!(since.elapsed() < limit, "no such answer within {limit:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends the workers, each when its last call is acknowledged.
    pub(crate) async fn stop(mut self) -> (Vec<Acknowledged>, Vec<Call>) {
        self.order.send_replace(Order::Stop);
        let mut told = Vec::new();
        while let Some(worker) = self.workers.join_next().await {
            told.push(worker.expect("no worker saw a wrong answer"));
        }
        (told, std::mem::take(&mut *self.log.lock().unwrap()))
    }
}

#[derive(Clone, Copy)]
enum Ask<'a> {
    Login(&'a str),
    Me(&'a str),
    Renew(&'a str),
    Logout(&'a str),
    LogoutAll(&'a str),
}

impl Ask<'_> {
    async fn of(self, at: SocketAddr) -> Answer {
        match self {
            Self::Login(user) => login(at, user).await,
            Self::Me(token) => me(at, token).await,
            Self::Renew(token) => renew(at, token).await,
            Self::Logout(token) => logout(at, token).await,
            Self::LogoutAll(token) => logout_all(at, token).await,
        }
    }
}

struct Worker {
    user: String,
    nodes: Vec<SocketAddr>,
    turn: usize,
    orders: watch::Receiver<Order>,
    quiet: Arc<tokio::sync::RwLock<()>>,
    log: Arc<Mutex<Vec<Call>>>,
    told: Acknowledged,
}

impl Worker {
    async fn run(mut self) -> Acknowledged {
        for cycle in 0_usize.. {
            if *self.orders.borrow() == Order::Stop {
                break;
            }
            let user = self.user.clone();
            let mut token = self.until_answered(Ask::Login(&user)).await.0.token();
            for _ in 0..2 {
                self.until_answered(Ask::Me(&token)).await.0.well();
                // The token stays good: a renewal that was not answered is asked for again.
                token = self.until_answered(Ask::Renew(&token)).await.0.token();
            }
            match cycle % 4 {
                1 => {
                    self.until_answered(Ask::Logout(&token)).await.0.well();
                    self.told.ended.push(token);
                }
                3 => {
                    let (answer, repeated) = self.until_answered(Ask::LogoutAll(&token)).await;
                    // "Retrying is safe and then tells the truth": perhaps that it is over already.
                    if repeated && answer.status() == 401 {
                        answer.ended();
                    } else {
                        answer.well();
                    }
                    self.told.ended.push(token);
                    self.told.ended.append(&mut self.told.alive);
                }
                _ => self.told.alive.push(token),
            }
        }
        self.told
    }

    /// Asks, on one node after the other, until it is no outage; tells whether it asked again.
    async fn until_answered(&mut self, ask: Ask<'_>) -> (Answer, bool) {
        for repeat in 0_usize.. {
            let paused = |order: &Order| *order != Order::Pause;
            self.orders.wait_for(paused).await.expect("the load is not dropped");
            let quiet = self.quiet.read().await;
            self.turn += 1;
            let (at, began) = (self.nodes[self.turn % self.nodes.len()], Instant::now());
            let answer = ask.of(at).await;
            let is_outage = answer.status() == 503;
            let call = Call { at, began, ended: Instant::now(), is_outage };
            self.log.lock().unwrap().push(call);
            drop(quiet);
            if !is_outage {
                return (answer, repeat > 0);
            }
            answer.outage();
            tokio::time::sleep(PAUSE).await;
        }
        unreachable!("it asks until it is answered")
    }
}
