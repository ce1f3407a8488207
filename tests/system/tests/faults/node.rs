//! A node: an HTTP server of an application over the store, in this process or in one of its own.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{FromRef, Path},
    routing::{get, post},
};
use logout_all::{Event, Keys, SessionStore, Sessions, StoreError};
use logout_all_axum::{AuthRejection, AuthReply, AuthSession, SignIn, routes};
use logout_all_postgres::{PostgresStore, PostgresStoreBuilder};
use logout_all_redis::{RedisStore, RedisStoreBuilder};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    task::JoinHandle,
};

/// Names the database or server to a process that is to be a node.
const NODE: &str = "LOGOUT_ALL_FAULTS_NODE";
/// What such a process prints before its address.
const AT: &str = "the node listens on ";
/// How far apart two rotations are at least: every renewal of these tests is to rotate.
const INTERVAL: Duration = Duration::from_millis(30);

/// The name of the cookie.
pub(crate) const COOKIE: &str = "session";

#[derive(Clone, FromRef)]
struct App {
    sessions: Sessions,
}

/// What opens the store of a node.
pub(crate) trait Opens {
    type Store: SessionStore;

    async fn open(&self) -> Result<Self::Store, StoreError>;
}

impl Opens for PostgresStoreBuilder {
    type Store = PostgresStore;

    async fn open(&self) -> Result<PostgresStore, StoreError> {
        self.connect().await
    }
}

impl Opens for RedisStoreBuilder {
    type Store = RedisStore;

    async fn open(&self) -> Result<RedisStore, StoreError> {
        self.connect().await
    }
}

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) sessions: Sessions,
    lost: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Node {
    pub(crate) async fn start(builder: &impl Opens) -> Self {
        let store = builder.open().await.expect("the store opens");
        let lost = Arc::<AtomicUsize>::default();
        let told = lost.clone();
        let keys = Keys::hs256(b"the key of the nodes of the fault tests").unwrap();
        let sessions = Sessions::builder(store, keys, "https://faults.example")
            .danger_plain_http_cookie(COOKIE)
            .min_renewal_interval(INTERVAL)
            .events(move |event: &Event| {
                if let Event::StoreLost { .. } = event {
                    told.fetch_add(1, Ordering::SeqCst);
                }
            })
            .build()
            .await
            .unwrap();
        let router: Router = Router::new()
            .route("/login/{user}", post(login))
            .route("/me", get(me))
            .nest("/auth", routes(&sessions))
            .with_state(App { sessions: sessions.clone() });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, sessions, lost, task }
    }

    /// How often the application was told that the store does not answer.
    pub(crate) fn outages_told(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn login(sign_in: SignIn, Path(user): Path<String>) -> Result<AuthReply, AuthRejection> {
    let ticket = sign_in.begin(Some(user)).await?;
    Ok(ticket.finish(&()).await?.into())
}

async fn me(session: AuthSession) -> String {
    session.user_id().to_string()
}

/// A node in a process of its own, which can be killed.
pub(crate) struct NodeProcess {
    pub(crate) address: SocketAddr,
    process: Child,
}

impl NodeProcess {
    pub(crate) async fn start(url: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "node::a_node_process", "--nocapture"]);
        // Its input ends when this process does, and the node with it.
        command.env(NODE, url).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = loop {
            let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line());
            let line = line.await.expect("the node starts in time").unwrap();
            let line = line.expect("the node tells its address");
            if let Some((_, address)) = line.split_once(AT) {
                break address.parse().unwrap();
            }
        };
        Self { address, process }
    }

    /// The processor time that the process has used, where the system tells it.
    pub(crate) fn processor_time(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()?)).ok()?;
        // After the name in parentheses: utime and stime are the 12th and the 13th, in 1/100 s.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u64 =
            fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 10))
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}

/// Is no test: other tests start it as a process.
#[tokio::test]
#[ignore = "a process of other tests"]
async fn a_node_process() {
    let Ok(url) = std::env::var(NODE) else { return };
    let node = if url.starts_with("redis:") {
        Node::start(&RedisStore::builder(url)).await
    } else {
        Node::start(&PostgresStore::builder(url)).await
    };
    println!("{AT}{}", node.address);
    let waiting = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    let _ = waiting.await;
}
