//! Two nodes on one database: two servers, each with a store of its own, as two machines have them.
//!
//! "A logout is final on every node": after node A has answered, node B denies the token at once, and
//! renews it no more, whatever ended the session.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod database;
mod keys;
mod servers;
mod talk;

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, time::Duration};

use database::{Database, Gone};
use example_support::{AdminToken, App, Door, HashCost, open_postgres, open_sqlite};
use logout_all::{
    Before, By, Clock, DeviceLimit, EndReason, Keys, Sessions, SessionsBuilder, UserId,
};
use logout_all_conformance::client::{Request, Response};
use logout_all_postgres::tokio_postgres::Config;
use logout_all_sqlite::rusqlite;
use servers::opened;
use talk::{bearer, code, ended, json_of, login, password_change, renewal, send_owned, token_of};
use tokio::{sync::oneshot, task::JoinSet};

/// Each of them over each store that several processes can share.
macro_rules! over_each_store {
    ($($name:ident,)*) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::run(super::Home::File(folder.path().join("nodes.db")), super::$name);
            })*
        }

        mod postgres {
            $(#[test]
            fn $name() {
                let _gone = super::Gone;
                let database = super::Database::new_now().unwrap();
                super::run(super::Home::Database(Box::new(database.config())), super::$name);
            })*
        }
    };
}

/// The nodes are gone before their database is.
#[tokio::main(flavor = "current_thread")]
async fn run(home: Home, test: impl AsyncFnOnce(Site)) {
    test(Site::start(home).await).await;
}

over_each_store! {
    a_session_renewed_on_one_verifies_on_the_other,
    renewals_on_both_at_once_have_one_successor,
    log_out_this_device,
    log_out_everywhere,
    log_out_the_others,
    log_out_one_device,
    log_out_a_token_that_was_superseded,
    a_password_change,
    an_operator_locks_the_user,
    a_login_evicts_the_least_recently_seen,
    a_login_replaces_the_session_that_it_presents,
    reuse_ends_the_device,
    logout_before_a_date,
    logout_everyone,
    a_row_deleted_by_hand,
    a_user_locked_by_hand,
}

async fn a_session_renewed_on_one_verifies_on_the_other(site: Site) {
    let first = site.a.sign_in().await;
    assert_eq!(site.b.show(&first).await.status(), 200);
    let second = token_of(&site.a.renew(&first).await);
    for token in [&first, &second] {
        assert_eq!(site.b.show(token).await.status(), 200, "within the grace");
    }
    assert_eq!(token_of(&site.b.renew(&first).await), second, "replayed by the other node");
    site.clock.advance(Duration::from_mins(2));
    let third = token_of(&site.b.renew(&second).await);
    assert_eq!(site.a.show(&third).await.status(), 200);
    assert_eq!(code(&site.a.show(&first).await), "token-superseded");
}

/// "All clients that share one token get the same successor, however many renew at once."
async fn renewals_on_both_at_once_have_one_successor(site: Site) {
    let token = site.a.sign_in().await;
    let mut renewals = JoinSet::new();
    for number in 0..24 {
        let node = if number % 2 == 0 { &site.a } else { &site.b };
        renewals.spawn(send_owned(node.address, renewal(&token)));
    }
    let answers = renewals.join_all().await;
    let successors: BTreeSet<String> = answers.iter().map(token_of).collect();
    assert_eq!((answers.len(), successors.len()), (24, 1));
    let rotated = |answer: &&Response| answer.all("Session-Renewal").eq(["rotated"]);
    assert_eq!(answers.iter().filter(rotated).count(), 1);
    let successor = successors.first().unwrap();
    assert!(!token.eq(successor));
    assert_eq!(site.b.show(successor).await.status(), 200);
}

async fn log_out_this_device(site: Site) {
    let (gone, stays) = site.two_devices().await;
    assert_eq!(site.a.ask(&gone, "DELETE", "/auth/session").await.status(), 204);
    site.denied_on_b(&gone).await;
    site.alive_on_b(&stays).await;
}

async fn log_out_everywhere(site: Site) {
    let (one, two) = site.two_devices().await;
    assert_eq!(ended(&site.a.ask(&one, "DELETE", "/auth/sessions").await), 2);
    site.denied_on_b(&one).await;
    site.denied_on_b(&two).await;
}

async fn log_out_the_others(site: Site) {
    let (gone, stays) = site.two_devices().await;
    assert_eq!(ended(&site.a.ask(&stays, "DELETE", "/auth/sessions/others").await), 1);
    site.denied_on_b(&gone).await;
    site.alive_on_b(&stays).await;
}

async fn log_out_one_device(site: Site) {
    let (gone, stays) = site.two_devices().await;
    let guid = json_of(&site.a.ask(&gone, "GET", "/auth/session").await)["guid"].clone();
    let target = format!("/auth/sessions/{}", guid.as_str().unwrap());
    assert_eq!(site.a.ask(&stays, "DELETE", &target).await.status(), 204);
    site.denied_on_b(&gone).await;
    site.alive_on_b(&stays).await;
}

/// "It tries every token sent (expired, superseded …)": and the successor is gone with it.
async fn log_out_a_token_that_was_superseded(site: Site) {
    let old = site.a.sign_in().await;
    let new = token_of(&site.b.renew(&old).await);
    assert_eq!(site.a.ask(&old, "DELETE", "/auth/session").await.status(), 204);
    site.denied_on_b(&old).await;
    site.denied_on_b(&new).await;
}

async fn a_password_change(site: Site) {
    let (gone, stays) = site.two_devices().await;
    let request = password_change(&stays, PASSWORD, "byron");
    let fresh = token_of(&site.a.send(request).await);
    site.denied_on_b(&gone).await;
    site.alive_on_b(&fresh).await;
    assert_eq!(code(&site.b.login(None).await), "credentials-invalid");
}

async fn an_operator_locks_the_user(site: Site) {
    let (one, two) = site.two_devices().await;
    let lock = Request::new("POST", "/admin/users/ada/lock").header("X-Admin-Token", ADMIN);
    assert_eq!(ended(&site.a.send(lock).await), 2);
    site.denied_on_b(&one).await;
    site.denied_on_b(&two).await;
    assert_eq!(code(&site.b.login(None).await), "credentials-invalid");
}

async fn a_login_evicts_the_least_recently_seen(site: Site) {
    let mut devices = Vec::new();
    for _ in 0..DEVICES {
        devices.push(site.a.sign_in().await);
        site.clock.advance(Duration::from_secs(1));
    }
    let newest = json_of(&site.a.login(None).await);
    assert_eq!(newest["evicted"].as_array().unwrap().len(), 1, "{newest}");
    site.denied_on_b(&devices[0]).await;
    site.alive_on_b(&devices[1]).await;
    site.alive_on_b(newest["token"].as_str().unwrap()).await;
}

async fn a_login_replaces_the_session_that_it_presents(site: Site) {
    let (gone, stays) = site.two_devices().await;
    let fresh = token_of(&site.a.login(Some(&gone)).await);
    site.denied_on_b(&gone).await;
    site.alive_on_b(&fresh).await;
    site.alive_on_b(&stays).await;
}

/// The thief renews on A what its owner has renewed, and used, on B.
async fn reuse_ends_the_device(site: Site) {
    let (stolen, stays) = site.two_devices().await;
    let second = token_of(&site.b.renew(&stolen).await);
    site.clock.advance(Duration::from_mins(2));
    let third = token_of(&site.b.renew(&second).await);
    assert_eq!(code(&site.a.renew(&stolen).await), "session-ended");
    site.denied_on_b(&third).await;
    site.alive_on_b(&stays).await;
}

async fn logout_before_a_date(site: Site) {
    let gone = site.a.sign_in().await;
    site.clock.advance(Duration::from_mins(2));
    let now = site.a.sessions.verify(gone.as_bytes()).await.unwrap();
    let before = Before::SignedIn(now.created_at() + Duration::from_mins(1));
    let stays = site.a.sign_in().await;
    let sessions = &site.a.sessions;
    sessions.logout_before(&site.user, before, EndReason::Before, By::Application).await.unwrap();
    site.denied_on_b(&gone).await;
    site.alive_on_b(&stays).await;
}

async fn logout_everyone(site: Site) {
    let (one, two) = site.two_devices().await;
    site.a.sessions.logout_everyone(EndReason::Everyone, By::operator("it")).await.unwrap();
    site.denied_on_b(&one).await;
    site.denied_on_b(&two).await;
    let fresh = site.a.sign_in().await;
    site.alive_on_b(&fresh).await;
}

/// "A row deleted in psql denies the token at once in strict mode."
async fn a_row_deleted_by_hand(site: Site) {
    let (gone, _) = site.two_devices().await;
    let rows = format!("WHERE user_id = '{}'", site.user);
    site.sql(
        &format!("DELETE FROM logout_all_sessions {rows}"),
        &format!("DELETE FROM logout_all.sessions {rows}"),
    )
    .await;
    site.denied_on_b(&gone).await;
    assert_eq!(code(&site.a.show(&gone).await), "session-ended");
}

async fn a_user_locked_by_hand(site: Site) {
    let (one, two) = site.two_devices().await;
    let lock = "UPDATE demo_accounts SET locked = TRUE WHERE username = 'ada'";
    site.sql(lock, lock).await;
    site.denied_on_b(&one).await;
    site.denied_on_b(&two).await;
}

const PASSWORD: &str = "lovelace";
const ADMIN: &str = "of-this-test";
/// How many devices a user may have.
const DEVICES: u32 = 3;

/// Two nodes, one database, and one user, ada.
struct Site {
    a: Node,
    b: Node,
    user: UserId,
    clock: Clock,
    home: Home,
}

/// Where the database is.
enum Home {
    File(PathBuf),
    Database(Box<Config>),
}

struct Node {
    address: SocketAddr,
    sessions: Sessions,
    _stop: oneshot::Sender<()>,
}

impl Site {
    async fn start(home: Home) -> Self {
        let (keys, clock) =
            (Keys::hs256(*b"the key that both nodes are given").unwrap(), Clock::system());
        // Both at once, as nodes of a new installation may start.
        let (a, b) = tokio::join!(
            Node::start(&home, keys.clone(), clock.clone()),
            Node::start(&home, keys, clock.clone())
        );
        let ((a, user), (b, same)) = (a, b);
        assert_eq!(user, same);
        Self { a, b, user, clock, home }
    }

    /// Two devices, known to both nodes.
    async fn two_devices(&self) -> (String, String) {
        let devices = (self.a.sign_in().await, self.b.sign_in().await);
        self.alive_on_b(&devices.0).await;
        assert_eq!(self.a.show(&devices.1).await.status(), 200);
        devices
    }

    async fn alive_on_b(&self, token: &str) {
        assert_eq!(self.b.show(token).await.status(), 200);
    }

    async fn denied_on_b(&self, token: &str) {
        assert_eq!(code(&self.b.show(token).await), "session-ended");
        let renewal = self.b.renew(token).await;
        assert_eq!(code(&renewal), "session-ended");
        assert_eq!(self.b.show(token).await.status(), 401, "also after that");
    }

    /// By another program's hand.
    async fn sql(&self, sqlite: &str, postgres: &str) {
        match &self.home {
            Home::File(path) => {
                let sql = rusqlite::Connection::open(path).unwrap();
                assert!(sql.execute(sqlite, []).unwrap() > 0);
            }
            Home::Database(database) => {
                let sql = database::connect(database).await.unwrap();
                assert!(sql.execute(postgres, &[]).await.unwrap() > 0);
            }
        }
    }
}

impl Node {
    /// As the example's program starts, but for the cost of its hashes.
    async fn start(home: &Home, keys: Keys, clock: Clock) -> (Self, UserId) {
        let cost = HashCost::DangerCheap;
        let issuer = "two nodes";
        let (builder, accounts): (SessionsBuilder, _) = match home {
            Home::File(path) => {
                let (store, accounts) = open_sqlite(path, cost, clock.clone()).await.unwrap();
                (Sessions::builder(store, keys, issuer), accounts)
            }
            Home::Database(database) => {
                let opened = open_postgres(database, cost, clock.clone()).await;
                let (store, accounts) = opened.unwrap();
                (Sessions::builder(store, keys, issuer), accounts)
            }
        };
        let user = accounts.add("ada", PASSWORD).await.unwrap();
        let builder = builder.danger_clock(clock).device_limit(DeviceLimit::Evict(DEVICES));
        let sessions = builder.build().await.unwrap();
        let app = App::new(sessions.clone(), accounts, AdminToken::new(ADMIN).unwrap());
        let door = Door::reserve(([127, 0, 0, 1], 0).into()).unwrap();
        let address = door.address();
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        opened(door, |door| example_axum::serve(door, app, stopped)).await.unwrap();
        (Self { address, sessions, _stop: stop }, user)
    }

    async fn send(&self, request: Request) -> Response {
        send_owned(self.address, request).await
    }

    async fn ask(&self, token: &str, method: &str, target: &str) -> Response {
        self.send(bearer(token, Request::new(method, target))).await
    }

    async fn show(&self, token: &str) -> Response {
        self.ask(token, "GET", "/me").await
    }

    async fn renew(&self, token: &str) -> Response {
        self.send(renewal(token)).await
    }

    async fn login(&self, presented: Option<&str>) -> Response {
        let request = login("ada", PASSWORD);
        self.send(presented.map_or(request.clone(), |token| bearer(token, request))).await
    }

    async fn sign_in(&self) -> String {
        token_of(&self.login(None).await)
    }
}
