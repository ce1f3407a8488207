//! An application on sqlx: it signs in with one SELECT of its own, and its password change and the
//! logouts commit together, through the SQL functions of the schema (`docs/postgres.md`).
//!
//! `cargo run -p logout-all-postgres --example sqlx -- postgres://localhost/scratch`

use logout_all::{ClientInfo, Guid, Keys, LoginTicket, Sessions, UserId, scheme::from_micros};
use logout_all_postgres::PostgresStore;
use sqlx::{PgPool, Row};

/// In an application this is the crate `sqlx` itself, with its features `postgres`,
/// `runtime-tokio` and `uuid`.
mod sqlx {
    pub(crate) use sqlx_core::{query::query, row::Row};
    pub(crate) use sqlx_postgres::PgPool;
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let url = std::env::args().nth(1).ok_or("give the URL of a scratch database")?;
    let builder = PostgresStore::builder(&url);
    builder.migrate().await?;
    let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
    let sessions =
        Sessions::builder(builder.connect().await?, keys, "https://app.example").build().await?;

    let pool = PgPool::connect(&url).await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS sqlx_people (id int PRIMARY KEY, hash text NOT NULL)")
        .execute(&pool)
        .await?;
    sqlx::query("INSERT INTO sqlx_people VALUES (42, 'secret') ON CONFLICT DO NOTHING")
        .execute(&pool)
        .await?;

    let phone = sign_in(&pool, &sessions, 42, "secret").await?;
    let laptop = sign_in(&pool, &sessions, 42, "secret").await?;
    let here = sessions.verify(laptop.as_bytes()).await?;
    change_password(&pool, &sessions, here.user_id(), here.guid(), "new").await?;
    assert!(sessions.verify(phone.as_bytes()).await.is_err(), "the other device is out");
    assert!(sessions.verify(laptop.as_bytes()).await.is_ok(), "this one stays");
    println!("the password is changed, and every other device is signed out");

    sqlx::query("DROP TABLE sqlx_people").execute(&pool).await?;
    sessions.shutdown().await;
    Ok(())
}

/// The hash, both epochs and the server's clock in one statement: of one instant, so that no logout
/// can come between the hash and the ticket.
async fn sign_in(
    pool: &PgPool,
    sessions: &Sessions,
    id: i32,
    password: &str,
) -> Result<String, Failure> {
    const SQL: &str = "SELECT p.hash, e.epoch, m.global_epoch, \
                       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS read_at \
                       FROM sqlx_people AS p CROSS JOIN logout_all.meta AS m \
                       LEFT JOIN logout_all.users AS e ON e.user_id = p.id::text WHERE p.id = $1";
    let row = sqlx::query(SQL).bind(id).fetch_one(pool).await?;
    let read_at = from_micros(row.try_get("read_at")?);
    let ticket =
        LoginTicket::from_epoch(id, row.try_get("epoch")?, row.try_get("global_epoch")?, read_at)?;
    let hash: String = row.try_get("hash")?;
    if hash != password {
        return Err("wrong password".into()); // a real one compares with Argon2
    }
    let login = sessions.login(ticket, ClientInfo::default(), &()).await?;
    Ok(login.issued.token.expose().to_owned())
}

async fn change_password(
    pool: &PgPool,
    sessions: &Sessions,
    user: &UserId,
    keep: Guid,
    new: &str,
) -> Result<(), Failure> {
    let id: i32 = user.as_str().parse()?;
    let mut tx = pool.begin().await?;
    sqlx::query("UPDATE sqlx_people SET hash = $1 WHERE id = $2")
        .bind(new)
        .bind(id)
        .execute(&mut *tx)
        .await?;
    sqlx::query("SELECT logout_all.logout_others($1, $2, 'password', 'application')")
        .bind(user.as_str())
        .bind(*keep.as_uuid())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    // Only now is it final on every node.
    sessions.settled(user).await?;
    Ok(())
}
