//! The columns of the users table that an application asked for, and the JSON that is made of them.
//!
//! A column of a usual type comes as it is and is written as JSON here: for the server, making JSON
//! costs as much as finding the row by its key. Of any other type the server knows best what its JSON
//! is (`to_jsonb`). Each is cast to what is read here, so that the statement outlives a change of the
//! column's type that the cast allows.

use std::borrow::Cow;

use logout_all::UserData;
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use crate::{db::quoted, fault::Fault, row::column};

/// One column, by the catalogue when the store connected.
#[derive(Clone, Debug)]
pub(crate) struct DataColumn {
    /// As an identifier in SQL.
    quoted: String,
    /// As a key of a JSON object.
    key: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Boolean,
    Integer,
    Text,
    Uuid,
    /// Whatever `to_jsonb` makes of it.
    Other,
}

impl DataColumn {
    pub(crate) fn new(name: &str, kind: &Type) -> Self {
        let kind = match *kind {
            Type::BOOL => Kind::Boolean,
            Type::INT2 | Type::INT4 | Type::INT8 => Kind::Integer,
            Type::TEXT | Type::VARCHAR => Kind::Text,
            Type::UUID => Kind::Uuid,
            _ => Kind::Other,
        };
        let key = serde_json::Value::from(name).to_string();
        Self { quoted: quoted(name), key, kind }
    }

    /// The expression over the users table that gives its value.
    pub(crate) fn expression(&self) -> String {
        let Self { quoted, kind, .. } = self;
        match kind {
            Kind::Boolean => format!("{quoted}::boolean"),
            Kind::Integer => format!("{quoted}::bigint"),
            Kind::Text => format!("{quoted}::text"),
            Kind::Uuid => format!("{quoted}::uuid"),
            Kind::Other => format!("to_jsonb({quoted})::text"),
        }
    }

    /// Writes its value in the row.
    fn write(&self, json: &mut String, row: &Row, at: usize) -> Result<(), Fault> {
        let value: Option<Cow<'_, str>> = match self.kind {
            Kind::Boolean => {
                let value = column::<Option<bool>>(row, at)?;
                value.map(|value| if value { "true".into() } else { "false".into() })
            }
            Kind::Integer => {
                column::<Option<i64>>(row, at)?.map(|number| number.to_string().into())
            }
            Kind::Text => match column::<Option<&str>>(row, at)? {
                // Text always is a JSON string.
                Some(text) => serde_json::to_string(text).ok().map(Cow::from),
                None => None,
            },
            Kind::Uuid => column::<Option<Uuid>>(row, at)?.map(|uuid| format!("\"{uuid}\"").into()),
            Kind::Other => column::<Option<&str>>(row, at)?.map(Cow::from),
        };
        json.push_str(value.as_deref().unwrap_or("null"));
        Ok(())
    }
}

/// The object of all columns, the first of which stands at `first`; none if none was asked for.
pub(crate) fn object(
    columns: &[DataColumn],
    row: &Row,
    first: usize,
) -> Result<Option<UserData>, Fault> {
    if columns.is_empty() {
        return Ok(None);
    }
    let mut json = String::with_capacity(64);
    for (place, column) in columns.iter().enumerate() {
        json.push(if place == 0 { '{' } else { ',' });
        json.push_str(&column.key);
        json.push(':');
        column.write(&mut json, row, first + place)?;
    }
    json.push('}');
    Ok(Some(UserData::from_json(json)))
}
