//! Renewals on PostgreSQL, 32 at once on different sessions, against bare UPDATEs of one row.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use logout_all::{
    RefTokId, SessionStore,
    scheme::TokenTimes,
    store::{Rotation, Swap},
};
use logout_all_postgres::tokio_postgres::NoTls;
use uuid::Uuid;

use super::{
    Bench, callers,
    fill::{self, Database},
    turns::Rounds,
};
use crate::{
    report::{Row, Target},
    world,
};

const AT_ONCE: u32 = 32;

/// As many connections as the store has for writes.
const CONNECTIONS: usize = 8;

const BARE: &str = "UPDATE by_hand SET ref_tok_id = $3, last_seen_at = now() \
    WHERE user_id = $1 AND guid = $2";

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let sessions = bench.plan.fewer;
    let database = Database::filled(bench, "renewals", sessions).await?;
    let store = database.store().await?;
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(fill::config(&database.url)?, NoTls, manager);
    let pool = Pool::builder(manager).max_size(CONNECTIONS).build()?;
    let (mut ours, mut bares) = (Rounds::default(), Rounds::default());
    for _ in 0..bench.plan.rounds {
        let pool = pool.clone();
        let bare = move |caller, turn| {
            let (pool, number) = (pool.clone(), of(caller, turn, sessions));
            async move {
                let client = pool.get().await?;
                let bare = client.prepare_cached(BARE).await?;
                let (user, guid) = (number.to_string(), world::guid(number));
                let done = client.execute(&bare, &[&user, &guid, &Uuid::new_v4()]).await?;
                ensure!(done == 1, "{done} rows");
                Ok(())
            }
        };
        bares.push(callers::rate(AT_ONCE, bench.plan.turn, bare).await?);

        let store = store.clone();
        let renewal = move |caller, turn| {
            let (store, number) = (store.clone(), of(caller, turn, sessions));
            async move { renew(&store, number).await }
        };
        ours.push(callers::rate(AT_ONCE, bench.plan.turn, renewal).await?);
    }
    drop((store, pool));
    database.remove().await?;
    let row = Row::new("renewals, 32 at once", ours, "/s").against("bare UPDATEs", &bares);
    Ok(vec![row.target(Target::AtLeast(0.9))])
}

/// Each caller has sessions of its own.
fn of(caller: u32, turn: u32, sessions: u32) -> u32 {
    let each = sessions / AT_ONCE;
    caller * each + callers::shuffled(caller, turn) % each + 1
}

/// A rotation, by what the token says: as a renewal does it, the decision apart.
async fn renew(store: &impl SessionStore, number: u32) -> anyhow::Result<()> {
    let (user, guid, _) = world::ids(number);
    let found = store.lookup(&user, guid).await?;
    let row = found.row.context("the session is not there")?;
    let hour = Duration::from_hours(1);
    let times = TokenTimes::at(found.now, hour, row.expires_at).context("the session is over")?;
    let rotation = Rotation {
        user,
        guid,
        expected: row.ref_tok_id,
        next: RefTokId::random(),
        times,
        extension: None,
        auth_time: None,
        user_agent: None,
    };
    match store.rotate(&rotation).await? {
        Swap::Done(_) => Ok(()),
        Swap::Lost => bail!("session {number} was not renewed"),
    }
}
