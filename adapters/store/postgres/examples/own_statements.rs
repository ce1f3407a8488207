//! An application with a pool and statements of its own, of any driver: it reads its password hash
//! and the ticket's epochs in one SELECT, and ends sessions through the SQL functions.
//!
//! `cargo run -p logout-all-postgres --example own_statements -- postgres://localhost/scratch`

use std::time::SystemTime;

use logout_all::{ClientInfo, Keys, LoginTicket, Sessions, UserId};
use logout_all_postgres::{
    PostgresStore,
    tokio_postgres::{self, Client, NoTls},
};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let url = std::env::args().nth(1).ok_or("give the URL of a scratch database")?;
    let builder = PostgresStore::builder(&url);
    builder.migrate().await?;
    let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
    let sessions =
        Sessions::builder(builder.connect().await?, keys, "https://app.example").build().await?;

    let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS example_people (id int PRIMARY KEY, hash text NOT NULL);
             INSERT INTO example_people VALUES (42, 'secret') ON CONFLICT DO NOTHING",
        )
        .await?;

    let token = sign_in(&client, &sessions, 42, "secret").await?;
    let session = sessions.verify(token.as_bytes()).await?;
    println!("signed in as {}", session.user_id());

    change_password(&mut client, &sessions, session.user_id()).await?;
    assert!(sessions.verify(token.as_bytes()).await.is_err());
    println!("and out again");
    client.batch_execute("DROP TABLE example_people").await?;
    sessions.shutdown().await;
    Ok(())
}

/// The epochs come with the hash, of one instant: whoever is logged out after it cannot sign in
/// with what was read before it.
async fn sign_in(
    client: &Client,
    sessions: &Sessions,
    id: i32,
    password: &str,
) -> Result<String, Failure> {
    const SQL: &str = "SELECT p.hash, e.epoch, m.global_epoch, clock_timestamp() \
                       FROM example_people AS p CROSS JOIN logout_all.meta AS m \
                       LEFT JOIN logout_all.users AS e ON e.user_id = p.id::text \
                       WHERE p.id = $1";
    let row = client.query_one(SQL, &[&id]).await?;
    let (user_epoch, global_epoch): (Option<i64>, i64) = (row.get(1), row.get(2));
    let read_at: SystemTime = row.get(3);
    let ticket = LoginTicket::from_epoch(id, user_epoch, global_epoch, read_at)?;
    if row.get::<_, &str>(0) != password {
        return Err("wrong password".into());
    }
    let login = sessions.login(ticket, ClientInfo::default(), &()).await?;
    Ok(login.issued.token.expose().to_owned())
}

/// Any driver can do this much: the function commits or not with the rest of the transaction.
async fn change_password(
    client: &mut Client,
    sessions: &Sessions,
    user: &UserId,
) -> Result<(), Failure> {
    let tx = client.transaction().await?;
    let update = "UPDATE example_people SET hash = 'new' WHERE id::text = $1";
    tx.execute(update, &[&user.as_str()]).await?;
    let logout = "SELECT logout_all.logout_user($1, 'password', 'application')";
    let ended: i64 = tx.query_one(logout, &[&user.as_str()]).await?.get(0);
    tx.commit().await?;
    sessions.settled(user).await?;
    println!("{ended} sessions ended");
    Ok(())
}
