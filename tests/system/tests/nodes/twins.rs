//! A broken twin of real processes: an ending that waits for no lease. Whoever judges histories must
//! find what it lets in.

use std::sync::Arc;

use crate::{
    history::{Outcome, Recorder, Session, What, violations},
    pair::Mode,
    rounds::{Client, Nodes},
    servers::Store,
};

/// A row that another hand deletes is final a lease later (in Redis: when entries are too old), and
/// not at once. Recorded as if it were a logout, it is convicted in one of many tries.
pub(crate) async fn what_does_not_settle_is_convicted(store: Store) {
    let nodes = Nodes::start(store, Mode::Cached).await;
    let recorder = Arc::new(Recorder::default());
    let name = "deleted".to_owned();
    let id = nodes.home.add_user(&name).await;
    let addresses = nodes.all.iter().map(|node| node.address).collect();
    let client = Client { user: 0, name, nodes: addresses, recorder: recorder.clone() };
    for login in 0..50 {
        let session = Session { user: 0, login };
        let token = client.sign_in(0, session).await;
        let known = [(session, token.as_str())];
        client.used_on_all(&known).await;
        client.used_on_all(&known).await;
        let delete = async {
            delete_rows(&nodes, &id).await;
            Outcome::Well
        };
        recorder.call(0, What::LogOut(session), delete).await;
        client.used_on_all(&known).await;
        if !violations(&recorder.calls()).is_empty() {
            return;
        }
    }
    panic!("an ending that waits for no lease was never convicted");
}

async fn delete_rows(nodes: &Nodes, id: &str) {
    if let Some(redis) = nodes.home.redis() {
        return redis.ask(&["DEL", &format!("logout-all:{{{id}}}:sessions")]).unwrap();
    }
    let postgres =
        format!("DELETE FROM logout_all.sessions WHERE user_id = '{id}' RETURNING user_id");
    nodes.home.sql("", &postgres).await;
}
