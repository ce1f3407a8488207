//! "half-open sockets, one-way cuts | 503 within the wait limit | at once when it passes".

use std::time::Duration;

use crate::{
    client::{Answer, all_is_an_outage, login, logout, logout_all, me, renew},
    node::Node,
    postgres::Postgres,
    proxy::{Network, Proxy},
};

struct Scene {
    _server: Postgres,
    proxy: Proxy,
    node: Node,
}

impl Scene {
    async fn new() -> Self {
        let server = Postgres::start().await;
        server.builder().migrate().await.unwrap();
        let proxy = Proxy::to(server.port()).await;
        let node = Node::start(&server.builder_at(proxy.port())).await;
        Self { _server: server, proxy, node }
    }

    /// Everything is an outage while the network is like that, and nothing is when it is over.
    async fn survives(&self, network: Network) {
        let at = self.node.address;
        // Connections of every role, used a moment ago.
        let (ada, bob) = (login(at, "ada").await.token(), login(at, "bob").await.token());
        let ada = renew(at, &ada).await.token();
        logout_all(at, &bob).await.well();

        self.proxy.becomes(network);
        // In the second round there are no old connections any more.
        for _ in 0..2 {
            let slowest = all_is_an_outage(at, "ada", &ada).await;
            println!("{network:?}: the slowest answer took {slowest:?}");
        }
        me(at, &bob).await.outage();

        self.proxy.becomes(Network::Good);
        me(at, &ada).await.at_once();
        me(at, &bob).await.ended();
        // A renewal of the outage may have been carried out and its answer lost.
        let ada = renew(at, &ada).await.at_once().token();
        login(at, "eve").await.at_once();
        logout(at, &ada).await.at_once();
        me(at, &ada).await.ended();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_black_holed_are_an_outage_and_over_at_once() {
    Scene::new().await.survives(Network::BlackHole).await;
}

/// "At once when it passes", for the connections too that nobody used while it lasted: a full pool
/// of dead ones is not tried one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_unused_hold_up_nobody_afterwards() {
    let scene = Scene::new().await;
    let at = scene.node.address;
    // Many connections of every role.
    let signed_in = |user| async move { login(at, &format!("user-{user}")).await.token() };
    let tokens = together(signed_in).await;
    let ask = |user: usize| renew(at, &tokens[user]);
    let tokens = together(ask).await.map(Answer::token);
    let ended = together(|user| signed_in(user + 8)).await;
    for answer in together(|user| logout_all(at, &ended[user])).await {
        answer.well();
    }

    scene.proxy.becomes(Network::BlackHole);
    me(at, &tokens[0]).await.outage();
    scene.proxy.becomes(Network::Good);
    me(at, &tokens[0]).await.at_once();
    renew(at, &tokens[0]).await.at_once();
    logout_all(at, &tokens[1]).await.at_once();
    me(at, &tokens[1]).await.ended();
    login(at, "ada").await.at_once();
}

/// What eight clients are answered that ask at the same time.
async fn together<F: Future>(ask: impl Fn(usize) -> F) -> [F::Output; 8] {
    tokio::join!(ask(0), ask(1), ask(2), ask(3), ask(4), ask(5), ask(6), ask(7)).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_way_cut_towards_the_server_is_an_outage_and_over_at_once() {
    Scene::new().await.survives(Network::OneWayThere).await;
}

/// The statements arrive and take place; their answers do not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_way_cut_from_the_server_is_an_outage_and_what_took_place_is_told_after_it() {
    let scene = Scene::new().await;
    let at = scene.node.address;
    let token = login(at, "ada").await.token();
    renew(at, &token).await.well();
    let token = login(at, "ada").await.token();
    logout(at, &login(at, "eve").await.token()).await.well();

    scene.proxy.becomes(Network::OneWayBack);
    logout_all(at, &token).await.outage();
    me(at, &token).await.outage();
    renew(at, &token).await.outage();
    login(at, "ada").await.outage();

    scene.proxy.becomes(Network::Good);
    // Its lookup was not answered, so nothing was ended: the retry does it.
    assert_eq!(logout_all(at, &token).await.at_once().json()["ended"], 2);
    me(at, &token).await.ended();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_are_an_outage_and_over_at_once() {
    Scene::new().await.survives(Network::Cut).await;
}

/// A slow network is slow, and one that is slower than the limit is an outage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delays_within_the_limit_are_survived_and_longer_ones_are_an_outage() {
    let scene = Scene::new().await;
    let at = scene.node.address;
    let ada = login(at, "ada").await.token();
    logout(at, &login(at, "bob").await.token()).await.well();

    scene.proxy.becomes(Network::Slow(Duration::from_millis(50)));
    me(at, &ada).await.well();
    let ada = renew(at, &ada).await.token();
    let bob = login(at, "bob").await.token();
    logout(at, &bob).await.well();
    scene.proxy.becomes(Network::Good);
    me(at, &bob).await.ended();

    // 5 s a round trip.
    scene.survives(Network::Slow(Duration::from_millis(2500))).await;
    me(at, &ada).await.well();
}
