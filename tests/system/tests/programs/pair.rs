//! Two processes on one database, in one mode, started when the first case needs them and shared by all: each
//! case has a user of its own.

use std::{future::Future, pin::Pin, time::Duration};

use logout_all_conformance::client::Response;
use tokio::sync::{OnceCell, RwLock};

use crate::{
    home::Home,
    program::Program,
    servers::{Framework, Store},
    talk::{bearer, code, login, token_of},
};

/// The password of every user that a case begins with.
pub(crate) const PASSWORD: &str = "lovelace";
/// How many devices a user may have.
pub(crate) const DEVICES: usize = 3;

/// How both processes verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Strict,
    Cached,
}

impl Mode {
    /// Every renewal is soon to rotate again; two rotations are still never one. In cached mode an
    /// entry is as old as the grace at most, a third of the interval: long enough to be found.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Strict => &["--device-limit", "3", "--min-renewal-interval", "30ms"],
            Self::Cached => &[
                "--device-limit",
                "3",
                "--min-renewal-interval",
                "3s",
                "--mode",
                "cached",
                "--lease",
                "100ms",
            ],
        }
    }

    /// How long what is in the journal, and waited for by nobody, may still be let in: a lease, and
    /// some time for a busy machine. An entry lasts longer, so that only the journal can end it.
    fn lapse(self) -> Duration {
        match self {
            Self::Strict => Duration::ZERO,
            Self::Cached => Duration::from_millis(400),
        }
    }

    /// The same of what is in no journal: as long as an entry lasts.
    fn age(self) -> Duration {
        match self {
            Self::Strict => Duration::ZERO,
            Self::Cached => Duration::from_millis(1200),
        }
    }
}

/// Whose sessions a case ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    ItsUsers,
    Everybodys,
}

/// What one trial does.
pub(crate) type Case = for<'a> fn(&'a Site<'a>) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

pub(crate) struct Pair {
    framework: Framework,
    store: Store,
    mode: Mode,
    running: OnceCell<Running>,
    /// A case that ends everybody's sessions has it alone.
    turn: RwLock<()>,
}

/// The processes end before the database that they are on.
struct Running {
    a: Program,
    b: Program,
    home: Home,
}

impl Pair {
    pub(crate) fn new(framework: Framework, store: Store, mode: Mode) -> Self {
        Self { framework, store, mode, running: OnceCell::new(), turn: RwLock::new(()) }
    }

    pub(crate) fn framework(&self) -> Framework {
        self.framework
    }

    pub(crate) fn store(&self) -> Store {
        self.store
    }

    pub(crate) async fn run(&self, name: &str, ends: Ends, case: Case) {
        let Running { a, b, home } = self.running.get_or_init(|| self.start()).await;
        let id = home.add_user(name).await;
        let site = Site { a, b, home, mode: self.mode, user: name, id };
        match ends {
            Ends::ItsUsers => {
                let _shared = self.turn.read().await;
                case(&site).await;
            }
            Ends::Everybodys => {
                let _alone = self.turn.write().await;
                case(&site).await;
            }
        }
    }

    /// Both at once, as processes of a new installation may start.
    async fn start(&self) -> Running {
        let home = Home::new(self.framework, self.store).await;
        let options = self.mode.options();
        let (a, b) = (home.spawn(options), home.spawn(options));
        Running { a: a.ready(), b: b.ready(), home }
    }
}

/// The two processes, as one case sees them: through A a session ends, B must know it.
pub(crate) struct Site<'a> {
    pub(crate) a: &'a Program,
    pub(crate) b: &'a Program,
    pub(crate) home: &'a Home,
    mode: Mode,
    /// The name of the case's user.
    pub(crate) user: &'a str,
    /// The id of the case's user.
    pub(crate) id: String,
}

impl Site<'_> {
    pub(crate) async fn login(&self, presented: Option<&str>) -> Response {
        let request = login(self.user, PASSWORD);
        self.a.send(presented.map_or(request.clone(), |token| bearer(token, request))).await
    }

    pub(crate) async fn sign_in(&self) -> String {
        token_of(&self.login(None).await)
    }

    /// Two devices, known to both processes.
    pub(crate) async fn two_devices(&self) -> (String, String) {
        let here = self.sign_in().await;
        let there = self.b.sign_in(self.user, PASSWORD).await;
        self.alive(&[&here, &there]).await;
        (here, there)
    }

    /// On either process.
    pub(crate) async fn alive(&self, tokens: &[&str]) {
        for token in tokens {
            for program in [self.b, self.a] {
                let answer = program.show(token).await;
                assert_eq!(answer.status(), 200, "{answer}");
            }
        }
    }

    /// On B at once, for a request and for a renewal; a renewal brings nothing back.
    pub(crate) async fn denied(&self, tokens: &[&str]) {
        for token in tokens {
            assert_eq!(code(&self.b.show(token).await), "session-ended");
            assert_eq!(code(&self.b.renew(token).await), "session-ended");
            for program in [self.b, self.a] {
                assert_eq!(program.show(token).await.status(), 401, "also after that");
            }
        }
    }

    /// Waits for what another hand did, and no journal tells.
    pub(crate) async fn age(&self) {
        tokio::time::sleep(self.mode.age()).await;
    }

    /// Waits for what no call waits for: an eviction, and what another hand did.
    pub(crate) async fn lapse(&self) {
        tokio::time::sleep(self.mode.lapse()).await;
    }

    /// A renewal that rotates, through either process.
    pub(crate) async fn rotate(&self, program: &Program, token: &str) -> String {
        loop {
            let answer = program.renew(token).await;
            let fresh = token_of(&answer);
            // Until the interval is over, the token that it has is given once more.
            if answer.all("Session-Renewal").eq(["rotated"]) {
                assert_ne!(fresh, token);
                return fresh;
            }
            assert!(answer.all("Session-Renewal").eq(["coalesced"]), "{answer}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
