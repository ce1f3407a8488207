//! The same endings inside the application's own transaction, so that a password change and its
//! logouts commit together.

use std::time::SystemTime;

use deadpool_sqlite::rusqlite::{Transaction, TransactionState};
use logout_all::{
    AuthError, Before, By, EndReason, Guid, Pending, Usage, UserId,
    store::{Ending, Scope},
};

use crate::{SqliteStore, end, fault::Fault};

/// `PRAGMA synchronous`: what a reported logout needs in order to survive a loss of power.
const FULL: i64 = 2;

/// Endings inside the application's transaction on the same file. They are not async: call them
/// where the transaction is, as inside `deadpool_sqlite`'s `interact`.
///
/// Each is refused, with [`Usage::Transaction`], unless
/// - the connection's main database is this store's file,
/// - the transaction holds the write lock already: begin it with `BEGIN IMMEDIATE`
///   (`TransactionBehavior::Immediate`). One that has only read may be unable to write at all by
///   the time it tries,
/// - the connection's `synchronous` is FULL, which is SQLite's default, or EXTRA: otherwise a loss
///   of power could undo a logout that was reported.
///
/// A refused or failed one leaves nothing in the transaction.
///
/// ```
/// use logout_all::{By, EndReason, UserId};
/// use logout_all_sqlite::{
///     Pending, SqliteStore,
///     rusqlite::{Connection, TransactionBehavior},
/// };
///
/// fn change_password(
///     connection: &mut Connection,
///     store: &SqliteStore,
///     user: &UserId,
///     hash: &str,
/// ) -> Result<Pending, Box<dyn std::error::Error>> {
///     let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
///     tx.execute("UPDATE accounts SET hash = ?2 WHERE id = ?1", [user.as_str(), hash])?;
///     let pending = store.logout_all_in(&tx, user, EndReason::Password, &By::Application)?;
///     tx.commit()?;
///     Ok(pending)
/// }
/// ```
impl SqliteStore {
    /// Ends every session of the user when the transaction commits.
    ///
    /// # Errors
    /// [`AuthError::Usage`]: the application's mistake, as above. [`AuthError::Store`]: SQLite could
    /// not carry it out. Nothing of the ending is in the transaction then.
    pub fn logout_all_in(
        &self,
        tx: &Transaction<'_>,
        user: &UserId,
        reason: EndReason,
        by: &By,
    ) -> Result<Pending, AuthError> {
        self.end_in(tx, user, Scope::All, reason, by)
    }

    /// Ends every session of the user but one when the transaction commits.
    ///
    /// # Errors
    /// [`AuthError::Usage`]: the application's mistake, as above. [`AuthError::Store`]: SQLite could
    /// not carry it out. Nothing of the ending is in the transaction then.
    pub fn logout_others_in(
        &self,
        tx: &Transaction<'_>,
        user: &UserId,
        keep: Guid,
        reason: EndReason,
        by: &By,
    ) -> Result<Pending, AuthError> {
        self.end_in(tx, user, Scope::Others(keep), reason, by)
    }

    /// Ends one session of the user when the transaction commits.
    ///
    /// # Errors
    /// [`AuthError::Usage`]: the application's mistake, as above. [`AuthError::Store`]: SQLite could
    /// not carry it out. Nothing of the ending is in the transaction then.
    pub fn logout_device_in(
        &self,
        tx: &Transaction<'_>,
        user: &UserId,
        device: Guid,
        reason: EndReason,
        by: &By,
    ) -> Result<Pending, AuthError> {
        self.end_in(tx, user, Scope::Device(device), reason, by)
    }

    /// Ends the user's sessions from before an instant when the transaction commits.
    ///
    /// # Errors
    /// As [`logout_all_in`](Self::logout_all_in); also for an instant in the future.
    pub fn logout_before_in(
        &self,
        tx: &Transaction<'_>,
        user: &UserId,
        before: Before,
        reason: EndReason,
        by: &By,
    ) -> Result<Pending, AuthError> {
        let scope = before.scope(self.now())?;
        self.end_in(tx, user, scope, reason, by)
    }

    /// Ends everybody's sessions when the transaction commits.
    ///
    /// # Errors
    /// As [`logout_all_in`](Self::logout_all_in).
    pub fn logout_everyone_in(
        &self,
        tx: &Transaction<'_>,
        reason: EndReason,
        by: &By,
    ) -> Result<Pending, AuthError> {
        self.admit(tx)?;
        whole(tx, || end::end_everyone(tx, self.now(), reason, by)).map_err(Fault::told)?;
        Ok(Pending::everyone(reason, by.clone()))
    }

    fn end_in(
        &self,
        tx: &Transaction<'_>,
        user: &UserId,
        scope: Scope,
        reason: EndReason,
        by: &By,
    ) -> Result<Pending, AuthError> {
        self.admit(tx)?;
        let ending = Ending { user: user.clone(), scope, reason, by: by.clone() };
        let ended = whole(tx, || end::end(tx, self.now(), &ending)).map_err(Fault::told)?;
        Ok(Pending::new(ending, ended))
    }

    fn admit(&self, tx: &Transaction<'_>) -> Result<(), AuthError> {
        let refuse = |why: &str| Err(Usage::Transaction(why.into()).into());
        // Asked before the file is looked at: a connection to `:memory:` has the path "".
        let file = tx.path().filter(|path| !path.is_empty());
        let file = file.and_then(|path| std::fs::canonicalize(path).ok());
        if file.as_deref() != Some(&*self.path) {
            return refuse(
                "the transaction is on another database than this store's sessions, and would not \
                 end them: use a connection to the same file",
            );
        }
        let state =
            tx.transaction_state(Some("main")).map_err(|error| Fault::from(error).told())?;
        if state != TransactionState::Write {
            return refuse(
                "the transaction does not hold the write lock: begin it with BEGIN IMMEDIATE \
                 (TransactionBehavior::Immediate)",
            );
        }
        let synchronous: i64 = tx
            .pragma_query_value(None, "synchronous", |row| row.get(0))
            .map_err(|error| Fault::from(error).told())?;
        if synchronous < FULL {
            return refuse(
                "the connection's commits may be lost with the machine's power: set PRAGMA \
                 synchronous = FULL on it, before its transactions",
            );
        }
        Ok(())
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }
}

/// Runs a write in a savepoint of its own, so that an application that goes on after its failure
/// does not commit half of it.
fn whole<T>(tx: &Transaction<'_>, write: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    tx.execute_batch("SAVEPOINT logout_all_in")?;
    let answer = write();
    if answer.is_err() {
        tx.execute_batch("ROLLBACK TO logout_all_in")?;
    }
    tx.execute_batch("RELEASE logout_all_in")?;
    answer
}
