//! The operations behind the example's own routes. A handler reads the request, calls one of them
//! and turns the answer into its framework's.

use std::{fmt, future::Future, sync::Arc};

use logout_all::{
    AuthError, Clock, Denied, Problem, Reply, Sessions, Transport, Usage, UserId, Verified,
    http::SignInRequest,
};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::{
    Accounts, AdminToken, Failure, Password,
    accounts::Replaced,
    limiter::{Counter, Limiter},
    metrics,
    password::{Outcome, Turn},
};

/// The longest new password, in bytes: a bound, since a body has one too, and no advice.
const PASSWORD_BYTES: usize = 1024;

/// The application: sessions, accounts, and who may administer them. Cheap to clone; all clones are
/// one.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    sessions: Sessions,
    accounts: Accounts,
    admin_token: AdminToken,
    limiter: Limiter,
    /// Where the application was made. A worker of Actix has a runtime of its own, which takes
    /// along what was spawned on it when it ends.
    home: Handle,
}

/// The body of `POST /login`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    username: String,
    password: Password,
    transport: Option<String>,
}

/// The body of `POST /password`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    old: Password,
    new: Password,
}

/// A user, as the store joins it to the session or the directory finds it.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct User {
    id: i64,
    username: String,
}

/// The answer of `/me`.
#[derive(Clone, Debug, Serialize)]
pub struct Me {
    #[serde(flatten)]
    user: User,
    guid: String,
}

/// The answer of `/greeting`.
#[derive(Clone, Debug, Serialize)]
pub struct Hello {
    hello: String,
}

/// The answer of `/private/report`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    report: &'static str,
    reader: String,
}

/// How many devices an operator has logged out.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct EndedCount {
    pub(crate) ended: usize,
}

impl App {
    /// An application over sessions whose user data are these accounts'.
    ///
    /// # Panics
    /// Outside of a Tokio runtime. It must outlive the requests.
    pub fn new(sessions: Sessions, accounts: Accounts, admin_token: AdminToken) -> Self {
        Self::with_clock(sessions, accounts, admin_token, Clock::system())
    }

    /// The same, and the minute of the failed attempts passes on a clock that a test can move.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn with_clock(
        sessions: Sessions,
        accounts: Accounts,
        admin_token: AdminToken,
        clock: Clock,
    ) -> Self {
        metrics::recorder();
        let (limiter, home) = (Limiter::new(clock), Handle::current());
        Self { inner: Arc::new(Inner { sessions, accounts, admin_token, limiter, home }) }
    }

    /// The sessions, for the adapter's extractors and routes.
    pub fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    /// The accounts.
    pub fn accounts(&self) -> &Accounts {
        &self.inner.accounts
    }

    pub(crate) fn admin_token(&self) -> &AdminToken {
        &self.inner.admin_token
    }

    /// `POST /login`.
    ///
    /// The order is the point: the ticket is taken **before the password hash is read**, so that a
    /// login with the old password cannot outlive a password change in between.
    ///
    /// # Errors
    /// `credentials-invalid`, `too-many-attempts`, `overloaded`; `unprocessable` for a transport
    /// that is unknown or off; and what the library refuses.
    pub async fn login(
        &self,
        request: SignInRequest,
        credentials: Credentials,
    ) -> Result<Reply, Failure> {
        let Credentials { username, password, transport } = credentials;
        let request = match transport.as_deref() {
            None => request,
            Some("bearer") => request.over(Transport::Bearer),
            Some("cookie") => request.over(Transport::Cookie),
            Some(_) => return Err(Problem::Unprocessable.into()),
        };
        let counter = Counter::SignIn(&username);
        self.inner.limiter.check(counter)?;

        let user = self.accounts().id_of(&username).await?;
        let sign_in = request.begin(user.as_ref()).await.map_err(transport_off)?;
        let turn = self.turn(counter).await?;
        self.authenticate(&turn, counter, user.as_ref(), password).await?;
        drop(turn); // nobody waits for a core while this waits for the store
        Ok(sign_in.finish(&()).await?)
    }

    /// `POST /password`: changes the password, logs out every other device, and answers with a
    /// fresh token over the transport on which the old one came.
    ///
    /// # Errors
    /// `unprocessable` for a new password of no or more than 1024 bytes; `credentials-invalid` for a
    /// wrong old one, and the session stays; as [`login`](Self::login).
    pub async fn change_password(
        &self,
        session: &Verified,
        NewPassword { old, new }: NewPassword,
    ) -> Result<Reply, Failure> {
        if !(1..=PASSWORD_BYTES).contains(&new.expose().len()) {
            return Err(Problem::Unprocessable.into());
        }
        let user = session.user_id();
        let counter = Counter::PasswordChange(user);
        self.inner.limiter.check(counter)?;

        let turn = self.turn(counter).await?;
        let shown = self.authenticate(&turn, counter, Some(user), old).await?;
        let fresh = turn.hash(new).await?;
        drop(turn);

        let (accounts, by) = (self.accounts().clone(), session.clone());
        let replaced = self
            .whole(async move { Ok(accounts.replace_password(&by, shown, fresh).await?) })
            .await?;
        match replaced {
            Replaced::Yes => Ok(session.reauthenticated().await?),
            // Another change, or a lock, was faster: the old password is none any more.
            Replaced::Overtaken => Err(Denied::CredentialsInvalid.into()),
        }
    }

    /// `/me`: the user's data, which the read of the session brought along.
    ///
    /// # Errors
    /// `misconfigured`, if nobody joins any.
    pub fn me(&self, session: &Verified) -> Result<Me, Failure> {
        Ok(Me { user: session.user()?, guid: session.guid().to_string() })
    }

    /// `/greeting`, for guests too.
    ///
    /// # Errors
    /// As [`me`](Self::me).
    pub fn greeting(&self, session: Option<&Verified>) -> Result<Hello, Failure> {
        let hello = match session {
            Some(session) => session.user::<User>()?.username,
            None => "guest".to_owned(),
        };
        Ok(Hello { hello })
    }

    /// `/private/report`.
    ///
    /// # Errors
    /// As [`me`](Self::me).
    pub fn report(&self, session: &Verified) -> Result<Report, Failure> {
        let reader = session.user::<User>()?.username;
        Ok(Report { report: "for the eyes of those who are signed in", reader })
    }

    /// `/readyz`.
    ///
    /// # Errors
    /// `store-unavailable`: the store does not answer, or this node is shutting down.
    pub async fn ready(&self) -> Result<(), Failure> {
        Ok(self.sessions().ready().await?)
    }

    /// A core to hash on. Asked again afterwards whether it is worth it, for while this waited the
    /// others of a flood of guesses may have failed.
    async fn turn(&self, counter: Counter<'_>) -> Result<Turn, Failure> {
        let turn = self.accounts().turn().await?;
        self.inner.limiter.check(counter)?;
        Ok(turn)
    }

    /// Reads the hash, compares and counts; gives the hash that was right.
    async fn authenticate(
        &self,
        turn: &Turn,
        counter: Counter<'_>,
        user: Option<&UserId>,
        password: Password,
    ) -> Result<String, Failure> {
        let stored = self.accounts().password_hash(user).await?;
        let outcome = turn.verify(password, stored.clone()).await?;
        self.inner.limiter.judge(counter, outcome)?;
        match (outcome, stored) {
            (Outcome::Right, Some(stored)) => Ok(stored),
            _ => Err(Denied::CredentialsInvalid.into()),
        }
    }

    /// Runs a change in a task of its own: a handler whose client disconnects is dropped half way,
    /// and a password must not be changed without its logouts.
    pub(crate) async fn whole<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        self.inner.home.spawn(change).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a change was stopped; repeating it is safe");
            Err(Problem::StoreUnavailable.into())
        })
    }
}

/// The transport comes from the request here, so one that is off is the client's mistake.
fn transport_off(error: AuthError) -> Failure {
    match error {
        AuthError::Usage(Usage::TransportOff(_)) => Problem::Unprocessable.into(),
        other => other.into(),
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("sessions", &self.inner.sessions)
            .field("accounts", &self.inner.accounts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use logout_all::testing::TestSessions;
    use tokio::sync::oneshot;

    use super::*;
    use crate::HashCost;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_change_outlives_the_worker_that_began_it() {
        let accounts = Accounts::memory(HashCost::DangerCheap).unwrap();
        let test = TestSessions::with_users(accounts.clone()).await;
        let app = App::new(test.sessions.clone(), accounts, AdminToken::new("t").unwrap());
        let (open, gate) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let worker = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let change = app.whole(async move {
                    gate.await.unwrap();
                    tell.send(()).unwrap();
                    Ok(())
                });
                tokio::select! {
                    biased;
                    _ = change => {}
                    () = tokio::task::yield_now() => {}
                }
            });
        });
        worker.join().unwrap();
        open.send(()).expect("the change ended with the worker");
        told.await.unwrap();
    }
}
