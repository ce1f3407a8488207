//! A password change whose logouts commit with it: either both happen, or neither.
//!
//! `cargo run -p logout-all-sqlite --example sqlite_password_change`

use logout_all::{By, EndReason, Guid, SessionStore, UserId};
use logout_all_sqlite::{
    Pending, SqliteStore,
    rusqlite::{Connection, TransactionBehavior},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("app.db");
    let builder = SqliteStore::builder(&file);
    builder.migrate().await?;
    let store = builder.connect().await?;

    let mut connection = Connection::open(&file)?;
    connection.execute_batch(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, hash TEXT NOT NULL);
         INSERT INTO accounts VALUES (42, 'the old hash');",
    )?;

    let (ada, this_device) = (UserId::new(42)?, Guid::random());
    let pending = change_password(&mut connection, &store, &ada, this_device)?;
    println!("{} other sessions ended", pending.ended().len());

    // The fence stands also where nothing was there to end: a login that began with the old
    // password cannot finish.
    assert!(store.epochs(Some(&ada)).await?.epochs.user > 0);
    Ok(())
}

fn change_password(
    connection: &mut Connection,
    store: &SqliteStore,
    user: &UserId,
    this_device: Guid,
) -> Result<Pending, Box<dyn std::error::Error>> {
    // IMMEDIATE: the write lock first, so that nothing that is read here can change before the
    // commit.
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute("UPDATE accounts SET hash = 'the new hash' WHERE id = 42", [])?;
    let by = By::Device(this_device);
    let pending = store.logout_others_in(&tx, user, this_device, EndReason::Password, &by)?;
    tx.commit()?;
    Ok(pending) // for `Sessions::committed`
}
