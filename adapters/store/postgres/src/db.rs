//! What a verb works with: a connection, the statements of this store's schema, the tests' clock.

use deadpool_postgres::{ClientWrapper, Transaction};
use logout_all::{StoreError, StoreErrorKind};
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use crate::{
    end,
    fault::Fault,
    journal, lease, login,
    lookup::{self, Asks},
    renew, sweep, touch,
    users::JoinedUsers,
};

/// Parameters of a statement.
pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];
/// Those of a statement that is not prepared: with their types.
pub(crate) type Typed<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

pub(crate) struct Db<'a> {
    pub(crate) client: &'a mut ClientWrapper,
    pub(crate) sql: &'a Statements,
    /// What a test moved the clock by; added to the server's in each statement that asks it.
    pub(crate) offset_us: i64,
}

impl Db<'_> {
    pub(crate) async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Fault> {
        let statement = self.client.prepare_cached(sql).await?;
        Ok(self.client.query(&statement, params).await?)
    }

    /// The one row of a statement that always has one.
    pub(crate) async fn one(&self, sql: &str, params: Params<'_>) -> Result<Row, Fault> {
        one(self.query(sql, params).await?)
    }

    /// Runs a statement that writes, and is a transaction of its own.
    pub(crate) async fn write(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Fault> {
        let statement = self.client.prepare_cached(sql).await?;
        self.client.query(&statement, params).await.map_err(Fault::of_commit)
    }
}

/// The same inside a transaction of several statements.
pub(crate) async fn query(
    tx: &Transaction<'_>,
    sql: &str,
    params: Params<'_>,
) -> Result<Vec<Row>, Fault> {
    let statement = tx.prepare_cached(sql).await?;
    Ok(tx.query(&statement, params).await?)
}

pub(crate) fn one(rows: Vec<Row>) -> Result<Row, Fault> {
    rows.into_iter().next().ok_or_else(|| no_meta().into())
}

pub(crate) fn no_meta() -> StoreError {
    let message = "the one row of the table meta is missing: restore the schema, then end all \
                   sessions";
    StoreError::new(StoreErrorKind::Corrupt, message)
}

/// The name of the library's schema, as an identifier in SQL.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    quoted: String,
}

impl Schema {
    pub(crate) fn new(name: &str) -> Self {
        Self { quoted: quoted(name) }
    }

    pub(crate) fn quoted(&self) -> &str {
        &self.quoted
    }

    /// The statement with this schema's name in the place of `{s}`.
    pub(crate) fn fill(&self, template: &str) -> String {
        template.replace("{s}", &self.quoted)
    }
}

/// A name as an identifier in SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// All statements, made once for a store.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) lookup_one: String,
    pub(crate) lookup_many: String,
    pub(crate) users: Option<JoinedUsers>,
    pub(crate) epochs: String,
    pub(crate) devices: String,
    pub(crate) lease: String,
    pub(crate) raise_lease: String,
    pub(crate) lower_given: String,
    pub(crate) lower_waited: String,
    pub(crate) page: String,
    pub(crate) poll: String,
    pub(crate) history: String,
    pub(crate) sweep: String,
    pub(crate) lock_user: String,
    pub(crate) candidates: String,
    pub(crate) make_room: String,
    pub(crate) insert: String,
    pub(crate) rotate: String,
    pub(crate) rotate_extending: String,
    pub(crate) remint: String,
    pub(crate) relabel: String,
    pub(crate) touch: String,
    pub(crate) touch_extending: String,
    pub(crate) touchable: String,
    pub(crate) end: String,
    pub(crate) end_everyone: String,
    pub(crate) announce_changed: String,
}

impl Statements {
    pub(crate) fn new(schema: &Schema, users: Option<JoinedUsers>) -> Self {
        Self {
            lookup_one: lookup::statement(schema, users.as_ref(), Asks::One),
            lookup_many: lookup::statement(schema, users.as_ref(), Asks::Many),
            users,
            epochs: schema.fill(lookup::EPOCHS),
            devices: schema.fill(lookup::DEVICES),
            lease: schema.fill(lease::LEASE),
            raise_lease: schema.fill(lease::RAISE),
            lower_given: schema.fill(lease::LOWER_GIVEN),
            lower_waited: schema.fill(lease::LOWER_WAITED),
            page: schema.fill(journal::PAGE),
            poll: schema.fill(journal::POLL),
            history: schema.fill(journal::HISTORY),
            sweep: schema.fill(sweep::SWEEP),
            lock_user: schema.fill(login::LOCK_USER),
            candidates: schema.fill(login::CANDIDATES),
            make_room: schema.fill(login::MAKE_ROOM),
            insert: schema.fill(login::INSERT),
            rotate: schema.fill(renew::ROTATE),
            rotate_extending: schema.fill(renew::ROTATE_EXTENDING),
            remint: schema.fill(renew::REMINT),
            relabel: schema.fill(renew::RELABEL),
            touch: schema.fill(touch::TOUCH),
            touch_extending: schema.fill(touch::TOUCH_EXTENDING),
            touchable: schema.fill(touch::TOUCHABLE),
            end: schema.fill(end::END),
            end_everyone: schema.fill(end::END_EVERYONE),
            announce_changed: schema.fill(end::ANNOUNCE_CHANGED),
        }
    }
}
