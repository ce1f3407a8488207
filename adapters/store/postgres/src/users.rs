//! The application's users table: checked when the store connects, joined by each lookup.
//!
//! One text for one id. A user id is compared as text everywhere else, so `042` must not find the
//! row 42, nor `ADA` the row `ada`, whatever the column's type and collation say.

use logout_all::{StoreError, StoreErrorKind, UserId, UserState, Users};
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use uuid::Uuid;

use crate::{
    db::{Db, quoted},
    fault::{Cause, Fault},
    row::column,
    user_data::{self, DataColumn},
};

/// What the statement of the lookups calls the rows that are asked for, and the user's id in them.
/// A name that no table of an application has.
pub(crate) const ASKED: &str = "logout_all_asked";
pub(crate) const ASKED_ID: &str = "person_id";

/// A users table that was found fit to be joined.
#[derive(Clone, Debug)]
pub(crate) struct JoinedUsers {
    users: Users,
    table: String,
    id: String,
    kind: IdKind,
    data: Vec<DataColumn>,
}

/// What the id column is, by the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IdKind {
    Integer,
    Text,
    Uuid,
}

impl IdKind {
    fn of(kind: &Type) -> Option<Self> {
        Some(match *kind {
            Type::INT2 | Type::INT4 | Type::INT8 => Self::Integer,
            Type::TEXT | Type::VARCHAR => Self::Text,
            Type::UUID => Self::Uuid,
            _ => return None,
        })
    }
}

impl JoinedUsers {
    /// Looks the table over: that it and its columns exist, that one row at most has an id, that
    /// an index finds it, and that the condition is SQL over this table alone.
    pub(crate) async fn inspect(db: &Db<'_>, users: &Users) -> Result<Self, Fault> {
        users.check().map_err(|error| unfit(users, error))?;
        let (table, id) = (resolved(db, users).await?, quoted(users.id_column()));
        let mut data = Vec::new();
        for name in users.data_columns() {
            let Some(kind) = type_of(db, &table, &quoted(name)).await else {
                return Err(unfit(users, format!("it has no column `{name}` that may be read")));
            };
            data.push(DataColumn::new(name, &kind));
        }
        let Some(kind) = type_of(db, &table, &id).await else {
            let why = format!("it has no column `{}` for the user's id", users.id_column());
            return Err(unfit(users, why));
        };
        let Some(kind) = IdKind::of(&kind) else {
            let why = format!("its id column `{}` is of the type {kind}: {IDS}", users.id_column());
            return Err(unfit(users, why));
        };
        if !is_unique(db, &table, users.id_column()).await? {
            let why = format!(
                "its id column `{}` may hold one id twice, or no index finds it: make it the \
                 primary key, or give it a UNIQUE index of its own",
                users.id_column()
            );
            return Err(unfit(users, why));
        }
        let joined = Self { table, id, kind, data, users: users.clone() };
        joined.check_condition(db).await?;
        Ok(joined)
    }

    /// The join that finds the user of each row that is asked for. The condition stands in a
    /// subquery of its own, where no name means a column of ours: it was checked to be SQL over the
    /// table's own.
    pub(crate) fn join(&self) -> String {
        let Self { table, id, data, .. } = self;
        let named = |(place, column): (usize, &DataColumn)| {
            format!(", {} AS {}", column.expression(), name_of(place))
        };
        let data: String = data.iter().enumerate().map(named).collect();
        let condition = self.users.active_condition().unwrap_or("true");
        let asked = format!("{ASKED}.{ASKED_ID}");
        let is = match self.kind {
            IdKind::Integer | IdKind::Uuid => format!("{id} = {asked}"),
            // The first comparison finds the row by the column's own index, whose collation may
            // fold case; the second one does not.
            IdKind::Text => {
                format!("{id} = {asked} AND {id}::text COLLATE \"C\" = {asked} COLLATE \"C\"")
            }
        };
        format!(
            "LEFT JOIN LATERAL (SELECT (\n{condition}\n) IS TRUE AS active{data} \
             FROM {table} WHERE {is}) AS person ON true"
        )
    }

    /// What the statement gives of the user, in the order that [`decode`](Self::decode) reads it.
    pub(crate) fn selection(&self) -> String {
        let names = (0..self.data.len()).map(|place| format!(", person.{}", name_of(place)));
        format!(", person.active{}", names.collect::<String>())
    }

    /// Reads it, from the column at `first` on.
    pub(crate) fn decode(&self, row: &Row, first: usize) -> Result<UserState, Fault> {
        if column::<Option<bool>>(row, first)? != Some(true) {
            return Ok(UserState::Inactive);
        }
        Ok(UserState::Active(user_data::object(&self.data, row, first + 1)?))
    }

    /// The type of an id's value.
    pub(crate) fn id_type(&self) -> &'static str {
        match self.kind {
            IdKind::Integer => "bigint",
            IdKind::Text => "text",
            IdKind::Uuid => "uuid",
        }
    }

    async fn check_condition(&self, db: &Db<'_>) -> Result<(), Fault> {
        let Some(condition) = self.users.active_condition() else { return Ok(()) };
        let sql = format!("SELECT (\n{condition}\n) IS TRUE FROM {} LIMIT 0", self.table);
        match db.client.prepare(&sql).await {
            Ok(statement) if statement.params().is_empty() => Ok(()),
            Ok(_) => Err(unfit(&self.users, "its active condition has a parameter")),
            Err(error) => {
                let why = format!(
                    "its active condition is not SQL over the table's own columns: {condition}"
                );
                let error = Cause::of(&error);
                let told = StoreError::new(StoreErrorKind::Schema, message(&self.users, why));
                Err(told.with_cause(error).into())
            }
        }
    }
}

/// A value on its way into a statement.
type Value<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// The id as the column has it: NULL, which finds nobody, for what is not the one text of an id;
/// its text where no table is joined.
pub(crate) fn id_value<'a>(users: Option<&JoinedUsers>, user: &'a UserId) -> Value<'a> {
    match users.map_or(IdKind::Text, |users| users.kind) {
        IdKind::Text => Box::new(user.as_str()),
        IdKind::Integer => Box::new(integer(user.as_str())),
        IdKind::Uuid => Box::new(uuid(user.as_str())),
    }
}

/// The same for many, as an array.
pub(crate) fn id_values<'a>(users: Option<&JoinedUsers>, names: &'a [&'a str]) -> Value<'a> {
    match users.map_or(IdKind::Text, |users| users.kind) {
        IdKind::Text => Box::new(names),
        IdKind::Integer => Box::new(names.iter().map(|name| integer(name)).collect::<Vec<_>>()),
        IdKind::Uuid => Box::new(names.iter().map(|name| uuid(name)).collect::<Vec<_>>()),
    }
}

fn integer(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

fn uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|uuid| uuid.hyphenated().to_string() == text)
}

fn name_of(place: usize) -> String {
    format!("data_{place}")
}

/// The type of a column that may be read.
async fn type_of(db: &Db<'_>, table: &str, quoted: &str) -> Option<Type> {
    let found = db.client.prepare(&format!("SELECT {quoted} FROM {table}")).await.ok()?;
    found.columns().first().map(|column| column.type_().clone())
}

const IDS: &str = "it must be text, varchar, smallint, integer, bigint or uuid";

/// The table's full name, as this connection's search path finds it now.
async fn resolved(db: &Db<'_>, users: &Users) -> Result<String, Fault> {
    const SQL: &str = "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c \
                       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                       WHERE c.oid = to_regclass($1)::oid";
    let name = match users.table_name().split_once('.') {
        Some((schema, table)) => format!("{}.{}", quoted(schema), quoted(table)),
        None => quoted(users.table_name()),
    };
    let found = db.query(SQL, &[&name]).await?;
    let Some(found) = found.first() else {
        return Err(unfit(users, "there is no such table in the database"));
    };
    let (schema, table): (String, String) = (column(found, 0)?, column(found, 1)?);
    Ok(format!("{}.{}", quoted(&schema), quoted(&table)))
}

async fn is_unique(db: &Db<'_>, table: &str, id: &str) -> Result<bool, Fault> {
    const SQL: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_index i \
                       JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid \
                       AND a.attnum = i.indkey[0] \
                       WHERE i.indrelid = to_regclass($1)::oid AND a.attname = $2::text \
                       AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1 \
                       AND i.indpred IS NULL)";
    let found = db.query(SQL, &[&table, &id]).await?;
    found.first().map_or(Ok(false), |row| column(row, 0))
}

fn message(users: &Users, why: impl std::fmt::Display) -> String {
    format!("the users table `{}` cannot be joined: {why}", users.table_name())
}

fn unfit(users: &Users, why: impl std::fmt::Display) -> Fault {
    StoreError::new(StoreErrorKind::Schema, message(users, why)).into()
}
