//! A password change whose logouts commit with it: either both happen, or neither.
//!
//! `cargo run -p logout-all-postgres --example postgres_password_change -- postgres://localhost/scratch`

use logout_all::{By, EndReason, Guid, SessionStore, UserId};
use logout_all_postgres::{
    Pending, PostgresStore,
    tokio_postgres::{self, Client, NoTls},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("give the URL of a scratch database")?;
    let builder = PostgresStore::builder(&url);
    builder.migrate().await?;
    let store = builder.connect().await?;
    println!("PostgreSQL {}, {}", store.info().version, store.info().connections);

    let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS example_accounts (id int PRIMARY KEY, hash text NOT NULL);
             INSERT INTO example_accounts VALUES (42, 'the old hash') ON CONFLICT DO NOTHING",
        )
        .await?;

    let (ada, this_device) = (UserId::new(42)?, Guid::random());
    let pending = change_password(&mut client, &store, &ada, this_device).await?;
    println!("{} other sessions ended", pending.ended().len());

    // The fence stands also where nothing was there to end: a login that began with the old
    // password cannot finish.
    assert!(store.epochs(Some(&ada)).await?.epochs.user > 0);
    client.batch_execute("DROP TABLE example_accounts").await?;
    Ok(())
}

async fn change_password(
    client: &mut Client,
    store: &PostgresStore,
    user: &UserId,
    this_device: Guid,
) -> Result<Pending, Box<dyn std::error::Error>> {
    let mut tx = client.transaction().await?;
    let update = "UPDATE example_accounts SET hash = 'the new hash' WHERE id::text = $1";
    tx.execute(update, &[&user.as_str()]).await?;
    let by = By::Device(this_device);
    let why = EndReason::Password;
    let pending = store.logout_others_in(&mut tx, user, this_device, why, &by).await?;
    tx.commit().await?;
    Ok(pending) // for `Sessions::committed`
}
