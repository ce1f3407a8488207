//! Endings inside the application's own transaction.

use std::time::Duration;

use logout_all::{
    AuthError, By, Clock, DeviceLimit, EndReason, SessionStore, Usage, store::Inserted,
};
use logout_all_sqlite::{
    Before, Pending, SqliteStore,
    rusqlite::{Connection, Transaction, TransactionBehavior},
};

use crate::{File, is_there, login_of, sign_in, user};

const PASSWORD: EndReason = EndReason::Password;

async fn file() -> File {
    let file = File::migrated().await;
    let accounts = "CREATE TABLE accounts (id TEXT PRIMARY KEY, hash TEXT NOT NULL);
        INSERT INTO accounts VALUES ('ada', 'old');";
    file.sql().execute_batch(accounts).unwrap();
    file
}

fn hash(file: &File) -> String {
    file.sql().query_row("SELECT hash FROM accounts", [], |row| row.get(0)).unwrap()
}

fn immediate(connection: &mut Connection) -> Transaction<'_> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap()
}

fn refusal(answer: Result<Pending, AuthError>) -> String {
    match answer {
        Err(AuthError::Usage(Usage::Transaction(why))) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_password_change_and_its_logouts_commit_together() {
    let (file, ada, by) = (file().await, user("ada"), By::Application);
    let store = file.store().await;
    let (this, that) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
    let under_way = login_of(&store, &ada, DeviceLimit::Unlimited).await;
    let mut connection = file.sql();

    let tx = immediate(&mut connection);
    tx.execute("UPDATE accounts SET hash = 'new'", []).unwrap();
    let pending = store.logout_others_in(&tx, &ada, this.guid, PASSWORD, &by).unwrap();
    assert_eq!(pending.ended(), [that.guid]);
    assert!(is_there(&store, &that).await, "not committed yet");
    tx.rollback().unwrap();
    assert_eq!(hash(&file), "old");
    assert!(is_there(&store, &that).await);
    assert_eq!(store.journal(0, 9).await.unwrap().last_seq, 0);

    let tx = immediate(&mut connection);
    tx.execute("UPDATE accounts SET hash = 'new'", []).unwrap();
    let pending = store.logout_others_in(&tx, &ada, this.guid, PASSWORD, &by).unwrap();
    tx.commit().unwrap();
    assert_send(&pending);
    assert_eq!(hash(&file), "new");
    assert!(!is_there(&store, &that).await);
    let devices = store.devices(&ada).await.unwrap().rows;
    assert_eq!(devices.iter().map(|row| row.guid).collect::<Vec<_>>(), [this.guid]);
    let journal = store.journal(0, 9).await.unwrap().entries;
    assert_eq!(journal.iter().map(|entry| entry.guid).collect::<Vec<_>>(), [Some(that.guid)]);
    assert_eq!(journal[0].reason, PASSWORD);
    // The fence, too.
    assert!(matches!(store.insert(&under_way).await.unwrap(), Inserted::Overtaken));
}

fn assert_send<T: Send + 'static>(_: &T) {}

#[tokio::test]
async fn the_other_endings_end_what_they_say() {
    let file = file().await;
    let clock = Clock::system();
    let store = file.builder().danger_clock(clock.clone()).connect().await.unwrap();
    let (ada, by) = (user("ada"), By::Application);
    let old = sign_in(&store, &ada).await;
    clock.advance(Duration::from_mins(1));
    let middle = clock.now();
    clock.advance(Duration::from_mins(1));
    let (new, other) = (sign_in(&store, &ada).await, sign_in(&store, &ada).await);
    let mut connection = file.sql();
    let tx = immediate(&mut connection);
    let ended = |pending: Pending| pending.ended().to_vec();
    let before = |before| store.logout_before_in(&tx, &ada, before, EndReason::Before, &by);
    assert_eq!(ended(before(Before::SignedIn(middle)).unwrap()), [old.guid]);
    assert_eq!(ended(before(Before::TokenIssued(middle)).unwrap()), []);
    let future = before(Before::SignedIn(clock.now() + Duration::from_mins(1)));
    assert!(matches!(future, Err(AuthError::Usage(Usage::OutOfRange(_)))));
    let one = store.logout_device_in(&tx, &ada, other.guid, EndReason::Logout, &by).unwrap();
    assert_eq!(ended(one), [other.guid]);
    let all = store.logout_all_in(&tx, &ada, EndReason::Everywhere, &by).unwrap();
    assert_eq!(ended(all), [new.guid]);
    tx.commit().unwrap();
    assert!(store.devices(&ada).await.unwrap().rows.is_empty());
    assert_eq!(store.journal(0, 9).await.unwrap().last_seq, 3);
}

#[tokio::test]
async fn a_transaction_that_cannot_carry_it_is_refused() {
    let (file, ada, by) = (file().await, user("ada"), By::Application);
    let store = file.store().await;
    let row = sign_in(&store, &ada).await;
    let logout = |store: &SqliteStore, tx: &Transaction<'_>| {
        store.logout_all_in(tx, &ada, EndReason::Everywhere, &by)
    };

    let mut connection = file.sql();
    let tx = connection.transaction().unwrap();
    assert!(refusal(logout(&store, &tx)).contains("BEGIN IMMEDIATE"));
    let _: i64 = tx.query_row("SELECT count(*) FROM accounts", [], |row| row.get(0)).unwrap();
    assert!(refusal(logout(&store, &tx)).contains("BEGIN IMMEDIATE"), "it has only read");
    tx.execute("UPDATE accounts SET hash = 'new'", []).unwrap();
    drop(logout(&store, &tx).unwrap());
    drop(tx);

    let elsewhere = self::file().await;
    let mut other = elsewhere.sql();
    // Its main database counts, not what is attached to it.
    other.execute("ATTACH ?1 AS app", [file.path().to_str()]).unwrap();
    assert!(refusal(logout(&store, &immediate(&mut other))).contains("another database"));
    let mut memory = Connection::open_in_memory().unwrap();
    assert!(refusal(logout(&store, &immediate(&mut memory))).contains("another database"));

    connection.execute_batch("PRAGMA synchronous = NORMAL").unwrap();
    assert!(refusal(logout(&store, &immediate(&mut connection))).contains("synchronous"));
    assert!(is_there(&store, &row).await);
}

#[cfg(unix)]
#[tokio::test]
async fn another_name_of_the_file_is_the_file() {
    let file = file().await;
    let store = file.store().await;
    let link = file.folder.path().join("link.db");
    std::os::unix::fs::symlink(file.path(), &link).unwrap();
    let mut connection = Connection::open(&link).unwrap();
    let tx = immediate(&mut connection);
    drop(store.logout_all_in(&tx, &user("ada"), PASSWORD, &By::Application).unwrap());
}

/// "A refused or failed one leaves nothing in the transaction."
#[tokio::test]
async fn an_ending_that_fails_leaves_nothing_in_the_transaction() {
    let (file, ada) = (file().await, user("ada"));
    let store = file.store().await;
    let row = sign_in(&store, &ada).await;
    let mut connection = file.sql();
    connection
        .execute_batch(
            "CREATE TEMP TRIGGER broken BEFORE INSERT ON main.logout_all_journal
             BEGIN SELECT RAISE(ABORT, 'no journal today'); END",
        )
        .unwrap();
    let tx = immediate(&mut connection);
    tx.execute("UPDATE accounts SET hash = 'new'", []).unwrap();
    let answer = store.logout_all_in(&tx, &ada, EndReason::Everywhere, &By::Application);
    assert!(matches!(answer, Err(AuthError::Store(_))));
    tx.commit().unwrap();
    assert_eq!(hash(&file), "new");
    assert!(is_there(&store, &row).await);
    assert_eq!(store.epochs(Some(&ada)).await.unwrap().epochs.user, 0);
    // The mark of the library's own deletions went as well: those by hand are still journalled.
    file.sql().execute_batch("DELETE FROM logout_all_sessions").unwrap();
    assert_eq!(store.journal(0, 9).await.unwrap().entries[0].reason, EndReason::ByHand);
}

#[tokio::test]
async fn everybody_ends_with_the_commit_and_not_with_a_rollback() {
    let file = file().await;
    let (store, by) = (file.store().await, By::Application);
    let (ada, bob) = (user("ada"), user("bob"));
    let rows = [sign_in(&store, &ada).await, sign_in(&store, &bob).await];
    let mut connection = file.sql();
    for commit in [false, true] {
        let tx = immediate(&mut connection);
        let pending = store.logout_everyone_in(&tx, EndReason::Everyone, &by).unwrap();
        assert!(pending.ended().is_empty(), "nobody is named");
        if commit { tx.commit() } else { tx.rollback() }.unwrap();
        for row in &rows {
            let found = store.lookup(&row.user, row.guid).await.unwrap();
            let lives = found.row.is_some_and(|row| row.is_live(found.epochs, found.now));
            assert_eq!(lives, !commit);
        }
    }
    assert_eq!(store.journal(0, 9).await.unwrap().last_seq, 1);
}
