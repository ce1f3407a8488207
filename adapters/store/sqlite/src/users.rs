//! The application's users table: checked when the store connects, joined by each lookup.
//!
//! One text for one id. A user id is compared as text everywhere else, so `042` must not find the
//! row 42, nor `ADA` the row `ada`, whatever the column's type and collation say.

use base64::{Engine, engine::general_purpose::STANDARD};
use deadpool_sqlite::rusqlite::{
    Connection, Row,
    types::{ToSqlOutput, Value, ValueRef},
};
use logout_all::{StoreError, StoreErrorKind, UserData, UserId, UserState, Users};

use crate::fault::{Fault, store_error};

/// A users table that was found fit to be joined.
#[derive(Clone, Debug)]
pub(crate) struct JoinedUsers {
    users: Users,
    table: String,
    id: String,
    kind: IdKind,
}

/// How the id column keeps its values (its affinity, <https://sqlite.org/datatype3.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IdKind {
    Integer,
    Text,
}

impl JoinedUsers {
    /// Looks the table over: that it and its columns exist, that one row at most has an id, that
    /// the condition is SQL over this table alone, and that an index finds the row.
    pub(crate) fn inspect(connection: &Connection, users: &Users) -> Result<Self, StoreError> {
        users.check().map_err(|error| unfit(users, error))?;
        let columns = columns_of(connection, users).map_err(Fault::told)?;
        if columns.is_empty() {
            return Err(unfit(users, "there is no such table in the file"));
        }
        let find = |name: &str| columns.iter().find(|column| column.is_named(name));
        for name in users.data_columns() {
            if find(name).is_none() {
                return Err(unfit(users, format!("it has no column `{name}`")));
            }
        }
        let id = users.id_column();
        let Some(column) = find(id) else {
            return Err(unfit(users, format!("it has no column `{id}` for the user's id")));
        };
        let Some(kind) = column.kind() else {
            let declared = &column.declared;
            let why = format!("its id column `{id}` is declared `{declared}`: {IDS}");
            return Err(unfit(users, why));
        };
        if !is_unique(connection, users, &columns).map_err(Fault::told)? {
            let why = format!(
                "its id column `{id}` may hold one id twice: make it the primary key, or give it \
                 a UNIQUE index of its own"
            );
            return Err(unfit(users, why));
        }
        let joined = Self {
            table: quoted_path(users.table_name()),
            id: quoted(id),
            kind,
            users: users.clone(),
        };
        joined.check_condition(connection)?;
        joined.check_plan(connection)?;
        Ok(joined)
    }

    /// What the lookup selects of the user: whether there is one, whether it is active, the data.
    /// The condition stands in a subquery of its own, where no name means a column of ours.
    pub(crate) fn selection(&self) -> String {
        let Self { table, id, .. } = self;
        let condition = self.users.active_condition().map_or_else(
            || "1".to_owned(),
            |condition| {
                format!("(SELECT (\n{condition}\n) IS TRUE FROM {table} WHERE {})", self.is(""))
            },
        );
        let mut selected = vec![format!("logout_all_u.{id} IS NOT NULL"), condition];
        let data = self.users.data_columns().iter();
        selected.extend(data.map(|name| format!("logout_all_u.{}", quoted(name))));
        format!(", {}", selected.join(", "))
    }

    /// The join that finds the user whose id is bound to `?3`.
    pub(crate) fn join(&self) -> String {
        format!(" LEFT JOIN {} AS logout_all_u ON {}", self.table, self.is("logout_all_u."))
    }

    fn is(&self, alias: &str) -> String {
        let id = &self.id;
        match self.kind {
            IdKind::Integer => format!("{alias}{id} = ?3"),
            // The first comparison finds the row by the column's own index, which may fold case;
            // the second one does not.
            IdKind::Text => format!("{alias}{id} = ?3 AND {alias}{id} = ?3 COLLATE BINARY"),
        }
    }

    /// The value for `?3`: NULL, which finds nobody, for what is not the one text of an integer.
    pub(crate) fn id_value(&self, user: &UserId) -> ToSqlOutput<'static> {
        let text = user.as_str();
        ToSqlOutput::Owned(match self.kind {
            IdKind::Text => Value::Text(text.to_owned()),
            IdKind::Integer => match text.parse::<i64>() {
                Ok(number) if number.to_string() == text => Value::Integer(number),
                _ => Value::Null,
            },
        })
    }

    /// Reads what [`Self::selection`] selected, from the column at `first` on.
    pub(crate) fn decode(&self, row: &Row<'_>, first: usize) -> Result<UserState, Fault> {
        let present: bool = row.get(first)?;
        let active: Option<bool> = row.get(first + 1)?;
        if !present || active != Some(true) {
            return Ok(UserState::Inactive);
        }
        let names = self.users.data_columns();
        if names.is_empty() {
            return Ok(UserState::Active(None));
        }
        let mut data = serde_json::Map::new();
        for (place, name) in names.iter().enumerate() {
            data.insert(name.clone(), json(row.get_ref(first + 2 + place)?));
        }
        let json = serde_json::Value::Object(data).to_string();
        Ok(UserState::Active(Some(UserData::from_json(json))))
    }

    fn check_condition(&self, connection: &Connection) -> Result<(), StoreError> {
        let Some(condition) = self.users.active_condition() else { return Ok(()) };
        let why = "its active condition is not SQL over the table's own columns";
        let sql = format!("SELECT (\n{condition}\n) IS TRUE FROM {} LIMIT 0", self.table);
        let statement = connection.prepare(&sql).map_err(|error| {
            let message = format!("{}: {condition}", message(&self.users, why));
            store_error(StoreErrorKind::Schema, message, error)
        })?;
        if statement.parameter_count() > 0 {
            return Err(unfit(&self.users, "its active condition has a parameter"));
        }
        Ok(())
    }

    fn check_plan(&self, connection: &Connection) -> Result<(), StoreError> {
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT ?1, ?2 {} FROM (SELECT 1) {}",
            self.selection(),
            self.join()
        );
        let plan = || -> Result<Vec<String>, Fault> {
            let mut statement = connection.prepare(&sql)?;
            let lines = statement.query_map(["", "", ""], |row| row.get(3))?;
            Ok(lines.collect::<Result<_, _>>()?)
        };
        let plan = plan().map_err(Fault::told)?;
        if plan.iter().any(|line| line.starts_with("SCAN logout_all_u")) {
            let why = "no index finds a row by its id with the column's own collation: each \
                       request would read the whole table";
            return Err(unfit(&self.users, why));
        }
        Ok(())
    }
}

const IDS: &str = "it must be declared INTEGER or TEXT, which keep one id in one form";

struct Column {
    name: String,
    declared: String,
    in_primary_key: bool,
}

impl Column {
    /// Names fold ASCII case in SQL.
    fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// SQLite's rules for affinity, in its order; none for those that would keep one id in two
    /// forms or not as it is given (BLOB, REAL, NUMERIC).
    fn kind(&self) -> Option<IdKind> {
        let declared = self.declared.to_ascii_uppercase();
        let says = |word| declared.contains(word);
        if says("INT") {
            Some(IdKind::Integer)
        } else if says("CHAR") || says("CLOB") || says("TEXT") {
            Some(IdKind::Text)
        } else {
            None
        }
    }
}

fn columns_of(connection: &Connection, users: &Users) -> Result<Vec<Column>, Fault> {
    let (schema, table) = parts(users.table_name());
    let sql = "SELECT name, type, pk FROM pragma_table_xinfo(?1, ?2)";
    let mut statement = connection.prepare(sql)?;
    let columns = statement.query_map([table, schema], |row| {
        let primary_key: i64 = row.get(2)?;
        Ok(Column { name: row.get(0)?, declared: row.get(1)?, in_primary_key: primary_key > 0 })
    })?;
    Ok(columns.collect::<Result<_, _>>()?)
}

fn is_unique(connection: &Connection, users: &Users, all: &[Column]) -> Result<bool, Fault> {
    let mut primary_key = all.iter().filter(|column| column.in_primary_key);
    if let (Some(first), None) = (primary_key.next(), primary_key.next())
        && first.is_named(users.id_column())
    {
        return Ok(true);
    }
    let (schema, table) = parts(users.table_name());
    let sql = "SELECT EXISTS (SELECT 1 FROM pragma_index_list(?1, ?2) AS i \
               WHERE i.\"unique\" AND NOT i.partial \
               AND (SELECT count(*) FROM pragma_index_info(i.name, ?2)) = 1 \
               AND (SELECT c.name FROM pragma_index_info(i.name, ?2) AS c) = ?3 COLLATE NOCASE)";
    let mut statement = connection.prepare(sql)?;
    Ok(statement.query_row([table, schema, users.id_column()], |row| row.get(0))?)
}

/// `schema.table` or `table`, which is in the file's main schema.
fn parts(table: &str) -> (&str, &str) {
    table.split_once('.').unwrap_or(("main", table))
}

fn quoted_path(table: &str) -> String {
    let (schema, table) = parts(table);
    format!("{}.{}", quoted(schema), quoted(table))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// SQLite's values as JSON: blobs as base64 text (RFC 4648, section 4), infinite reals as null.
fn json(value: ValueRef<'_>) -> serde_json::Value {
    match value {
        ValueRef::Null => serde_json::Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(blob) => STANDARD.encode(blob).into(),
    }
}

fn message(users: &Users, why: impl std::fmt::Display) -> String {
    format!("the users table `{}` cannot be joined: {why}", users.table_name())
}

fn unfit(users: &Users, why: impl std::fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::Schema, message(users, why))
}
