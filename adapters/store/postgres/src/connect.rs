//! Opening a store: its lanes, and what must be true before it is handed out.

use std::sync::Arc;

use logout_all::{StoreError, StoreErrorKind, Users};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::{
    PostgresStore, PostgresStoreBuilder, coalesce,
    db::{Db, Schema, Statements},
    lane::{Lane, Repeat, Role, Shared, Work},
    migrate::State,
    row::column,
    server::Reach,
    silence::Silence,
    store::Home,
    turns::Turns,
    users::JoinedUsers,
    wakes::wakes,
};

/// The one in use, and another while its answer does not come.
const POLLS: usize = 2;

pub(crate) async fn connect(builder: &PostgresStoreBuilder) -> Result<PostgresStore, StoreError> {
    let runtime = Handle::try_current().map_err(|error| {
        let message = "connect a PostgresStore inside a Tokio runtime: its connections live there";
        StoreError::new(StoreErrorKind::Stopped, message).with_cause(error)
    })?;
    let reach = Reach::new(&builder.server, builder.root_certificate.as_ref())?;
    let silence = Silence::default();
    let lane = |role, size| Lane::new(&reach, role, size, &runtime, &silence);
    let lookups = lane(Role::Lookup, coalesce::CONNECTIONS)?;
    let reads = lane(Role::Read, builder.read_connections)?;
    let polls = lane(Role::Poll, POLLS)?;
    let writes = lane(Role::Write, builder.write_connections)?;
    let endings = lane(Role::End, builder.ending_connections)?;

    let schema = Schema::new(&builder.schema);
    let shared = |users| {
        Arc::new(Shared { sql: Statements::new(&schema, users), clock: builder.clock.clone() })
    };
    let asked = Asked { schema: builder.schema.clone(), users: builder.users.clone() };
    let found = reads.run(&shared(None), Repeat::Always, asked, inspect).await?;
    let shared = shared(found.users);
    lookups.run(&shared, Repeat::Always, (), prepare).await?;
    let lookups = Arc::new(coalesce::start(lookups, Arc::clone(&shared), &runtime));
    let home = Home { schema, store_id: found.store_id, version: found.version };
    Ok(PostgresStore {
        shared,
        lookups,
        reads,
        polls,
        wakes: Arc::new(wakes(reach, &builder.schema, runtime)),
        writes,
        endings,
        turns: Turns::default(),
        swept: Arc::default(),
        home: Arc::new(home),
    })
}

struct Asked {
    schema: String,
    users: Option<Users>,
}

struct Found {
    store_id: Uuid,
    version: String,
    users: Option<JoinedUsers>,
}

fn inspect<'a>(db: Db<'a>, asked: &'a Asked) -> Work<'a, Found> {
    Box::pin(async move {
        let state = State::read(db.client, &asked.schema).await?;
        let state = State::fit(state, &asked.schema)?;
        let version = db.one("SELECT current_setting('server_version')", &[]).await?;
        let users = match &asked.users {
            Some(users) => Some(JoinedUsers::inspect(&db, users).await?),
            None => None,
        };
        Ok(Found { store_id: state.store_id, version: column(&version, 0)?, users })
    })
}

/// The statements of every verification, before there is one: a missing privilege shows here.
fn prepare<'a>(db: Db<'a>, (): &'a ()) -> Work<'a, ()> {
    Box::pin(async move {
        db.client.prepare_cached(&db.sql.lookup_one).await?;
        db.client.prepare_cached(&db.sql.lookup_many).await?;
        Ok(())
    })
}
