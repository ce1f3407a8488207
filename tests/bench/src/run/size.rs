//! What a session takes in PostgreSQL, with all indexes.

use super::{Bench, fill::Database, turns::Rounds};
use crate::report::{Row, Target};

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let sessions = bench.plan.fewer;
    let database = Database::filled(bench, "size", sessions).await?;
    let bytes = async |of: &str| {
        let text = format!("SELECT ({of})::float8 / {sessions}");
        let each: f64 = database.sql.query_one(&text, &[]).await?.get(0);
        anyhow::Ok(each)
    };
    let all = bytes("pg_total_relation_size('logout_all.sessions')").await?;
    let row = bytes("SELECT sum(pg_column_size(s.*)) FROM logout_all.sessions AS s").await?;
    let table = bytes("pg_relation_size('logout_all.sessions')").await?;
    let key = bytes("pg_relation_size('logout_all.sessions_pkey')").await?;
    database.remove().await?;
    let note = format!(
        "the row itself {row:.0}, its page with the free fifth {table:.0}, the key {key:.0}, the \
         other indexes {:.0}",
        all - table - key
    );
    let row = Row::new("a session in PostgreSQL", Rounds(vec![all]), "bytes").note(note);
    Ok(vec![row.target(Target::AtMost(320.0))])
}
