//! Three servers, of three frameworks, on one store; and the same, each behind a proxy of its own.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    client::PASSWORD,
    home::Home,
    program::{Program, Starting},
    proxy::Proxy,
    servers::{Framework, Store},
};

/// What a node says when it lost its lease, and when it has one again.
pub(crate) const LOST: &str = "the lease is over";
pub(crate) const BACK: &str = "the lease is back";

pub(crate) struct Behind {
    pub(crate) nodes: Vec<Program>,
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) home: Home,
}

/// One of each framework.
pub(crate) fn three(home: &Home, options: &[&str]) -> Vec<Program> {
    let command = |framework| home.command_of(framework, options);
    let starting = Framework::ALL.map(|of| Starting::new(command(of), home.folder()));
    starting.into_iter().map(Starting::ready).collect()
}

impl Behind {
    pub(crate) async fn start(store: Store, options: &[&str]) -> Self {
        let home = Home::new(Framework::Axum, store).await;
        let port = home.server_port();
        Self::on(home, port, options).await
    }

    /// On a store whose server is reached through that port.
    pub(crate) async fn on(home: Home, port: u16, options: &[&str]) -> Self {
        let (mut proxies, mut starting) = (Vec::new(), Vec::new());
        for (node, framework) in Framework::ALL.into_iter().enumerate() {
            let proxy = Proxy::to(port).await;
            let command = home.command_through(proxy.port(), framework, options);
            let folder = folder_of(&home, node);
            fs::create_dir(&folder).unwrap();
            starting.push(Starting::new(command, &folder));
            proxies.push(proxy);
        }
        // The proxies are of this thread.
        let ready = move || starting.into_iter().map(Starting::ready).collect();
        let nodes = tokio::task::spawn_blocking(ready).await.unwrap();
        Self { nodes, proxies, home }
    }

    /// Of so many verifications, one after the other, of a token that each node has seen, how many were
    /// looked up by that node. PostgreSQL's connections say what they are for.
    pub(crate) async fn looked_up(&self, node: usize, of: usize) -> usize {
        let token = self.nodes[node].sign_in("ada", PASSWORD).await;
        assert_eq!(self.nodes[node].show(&token).await.status(), 200);
        let before = self.proxies[node].answered("lookup");
        for _ in 0..of {
            assert_eq!(self.nodes[node].show(&token).await.status(), 200);
        }
        self.proxies[node].answered("lookup") - before
    }

    /// How often a node has said that.
    pub(crate) fn said(&self, node: usize, what: &str) -> usize {
        fs::read_to_string(folder_of(&self.home, node).join("log")).unwrap().matches(what).count()
    }

    /// Until a node has said that once more than so often; how long it took.
    pub(crate) async fn says(&self, node: usize, what: &str, often: usize) -> Duration {
        const PATIENCE: Duration = Duration::from_secs(10);
        let since = Instant::now();
        while self.said(node, what) <= often {
            assert!(since.elapsed() < PATIENCE, "node {node} does not say: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        since.elapsed()
    }
}

fn folder_of(home: &Home, node: usize) -> PathBuf {
    home.folder().join(format!("node{node}"))
}
