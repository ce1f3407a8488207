//! The same endings inside the application's own transaction, so that a password change and its
//! logouts commit together.

use std::time::SystemTime;

use logout_all::{
    AuthError, Before, By, EndReason, Guid, Pending, Usage, UserId,
    store::{Ending, Scope},
};
use tokio_postgres::{Transaction, types::Type};

use crate::{PostgresStore, db, end, fault::Fault, instant::Instant, lookup::now, row::column};

/// Endings inside the application's transaction on the same database, over any connection of
/// `tokio-postgres` (deadpool's transactions dereference to it).
///
/// Each is refused, with [`Usage::Transaction`], unless
/// - the transaction is on this store's database and schema,
/// - its isolation level is READ COMMITTED, which is PostgreSQL's default: at a higher one it
///   works on an old picture of the sessions and may fail at the commit.
///
/// The user's epoch row stays locked until the commit: logins and logouts of that user wait for it
/// (and give up after 2 s), those of others do not. Keep such a transaction short, and end several
/// users in one transaction in the order of their ids (as bytes), or two transactions may wait for
/// each other. The journal is written at the commit.
///
/// ```no_run
/// use logout_all::{By, EndReason, UserId};
/// use logout_all_postgres::{Pending, PostgresStore, tokio_postgres::Client};
///
/// async fn change_password(
///     client: &mut Client,
///     store: &PostgresStore,
///     user: &UserId,
///     hash: &str,
/// ) -> Result<Pending, Box<dyn std::error::Error>> {
///     let mut tx = client.transaction().await?;
///     tx.execute("UPDATE accounts SET hash = $2 WHERE id::text = $1", &[&user.as_str(), &hash])
///         .await?;
///     let pending =
///         store.logout_all_in(&mut tx, user, EndReason::Password, &By::Application).await?;
///     tx.commit().await?;
///     Ok(pending)
/// }
/// ```
impl PostgresStore {
    /// Ends every session of the user when the transaction commits.
    ///
    /// # Errors
    /// [`AuthError::Usage`]: the application's mistake, as above; the transaction goes on.
    /// [`AuthError::Store`]: PostgreSQL could not carry it out, and the transaction is aborted.
    pub async fn logout_all_in(
        &self,
        tx: &mut Transaction<'_>,
        user: &UserId,
        reason: EndReason,
        by: &By,
    ) -> Result<Pending, AuthError> {
        self.admit(tx).await?;
        self.end_in(tx, user, Scope::All, reason, by).await
    }

    /// Ends every session of the user but one when the transaction commits.
    ///
    /// # Errors
    /// As [`logout_all_in`](Self::logout_all_in).
    pub async fn logout_others_in(
        &self,
        tx: &mut Transaction<'_>,
        user: &UserId,
        keep: Guid,
        reason: EndReason,
        by: &By,
    ) -> Result<Pending, AuthError> {
        self.admit(tx).await?;
        self.end_in(tx, user, Scope::Others(keep), reason, by).await
    }

    /// Ends one session of the user when the transaction commits.
    ///
    /// # Errors
    /// As [`logout_all_in`](Self::logout_all_in).
    pub async fn logout_device_in(
        &self,
        tx: &mut Transaction<'_>,
        user: &UserId,
        device: Guid,
        reason: EndReason,
        by: &By,
    ) -> Result<Pending, AuthError> {
        self.admit(tx).await?;
        self.end_in(tx, user, Scope::Device(device), reason, by).await
    }

    /// Ends the user's sessions from before an instant when the transaction commits.
    ///
    /// # Errors
    /// As [`logout_all_in`](Self::logout_all_in); also for an instant in the future.
    pub async fn logout_before_in(
        &self,
        tx: &mut Transaction<'_>,
        user: &UserId,
        before: Before,
        reason: EndReason,
        by: &By,
    ) -> Result<Pending, AuthError> {
        let now = self.admit(tx).await?;
        self.end_in(tx, user, before.scope(now)?, reason, by).await
    }

    /// Ends everybody's sessions when the transaction commits.
    ///
    /// # Errors
    /// As [`logout_all_in`](Self::logout_all_in).
    pub async fn logout_everyone_in(
        &self,
        tx: &mut Transaction<'_>,
        reason: EndReason,
        by: &By,
    ) -> Result<Pending, AuthError> {
        self.admit(tx).await?;
        let values: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[
            (&self.offset_us(), Type::INT8),
            (&reason.as_str(), Type::TEXT),
            (&by.to_string(), Type::TEXT),
        ];
        let rows = tx.query_typed(&self.shared.sql.end_everyone, values).await;
        rows.map_err(|error| Fault::Sql(error).told())?;
        Ok(Pending::everyone(reason, by.clone()))
    }

    async fn end_in(
        &self,
        tx: &Transaction<'_>,
        user: &UserId,
        scope: Scope,
        reason: EndReason,
        by: &By,
    ) -> Result<Pending, AuthError> {
        let ending = Ending { user: user.clone(), scope, reason, by: by.clone() };
        let (word, device, instant) = end::scope(scope);
        let rows = tx
            .query_typed(
                &self.shared.sql.end,
                &[
                    (&self.offset_us(), Type::INT8),
                    (&user.as_str(), Type::TEXT),
                    (&word, Type::TEXT),
                    (&device, Type::UUID),
                    (&instant.map(Instant), Type::TIMESTAMPTZ),
                    (&reason.as_str(), Type::TEXT),
                    (&by.to_string(), Type::TEXT),
                ],
            )
            .await
            .map_err(|error| Fault::Sql(error).told())?;
        let ended = end::ended(&rows).map_err(Fault::told)?;
        Ok(Pending::new(ending, ended))
    }

    /// Whether the transaction can carry an ending; the store's clock, if so. None of the questions
    /// can fail, which would abort it.
    async fn admit(&self, tx: &Transaction<'_>) -> Result<SystemTime, AuthError> {
        const ASKED: &str = concat!(
            "SELECT ",
            now!(),
            ", current_setting('transaction_isolation'), to_regclass($2) IS NOT NULL"
        );
        let refuse = |why: &str| Err(Usage::Transaction(why.into()).into());
        let meta = format!("{}.meta", self.home.schema.quoted());
        let values: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
            &[(&self.offset_us(), Type::INT8), (&meta, Type::TEXT)];
        let rows = tx.query_typed(ASKED, values).await;
        let row = rows.map_err(Fault::from).and_then(db::one).map_err(Fault::told)?;
        let isolation: String = column(&row, 1).map_err(Fault::told)?;
        if isolation != "read committed" {
            return refuse(
                "the transaction is not READ COMMITTED: it does not see what other transactions \
                 committed since it began, and would not end all sessions",
            );
        }
        let mut same = column(&row, 2).map_err(Fault::told)?;
        if same {
            let asked = format!("SELECT store_id FROM {meta} WHERE id = 1");
            let found = tx.query_typed(&asked, &[]).await;
            let found = found.map_err(|error| Fault::Sql(error).told())?;
            let id = found.first().map(|row| column::<uuid::Uuid>(row, 0)).transpose();
            same = id.map_err(Fault::told)? == Some(self.home.store_id);
        }
        if !same {
            return refuse(
                "the transaction is on another database than this store's sessions, and would not \
                 end them: use a connection to the same one",
            );
        }
        Ok(column::<Instant>(&row, 0).map_err(Fault::told)?.0)
    }

    fn offset_us(&self) -> i64 {
        self.shared.clock.offset_micros()
    }
}
