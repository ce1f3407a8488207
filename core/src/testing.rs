//! A ready `Sessions` for the tests of an application: three lines from a user's name to a request
//! that is signed in, with a clock to move. Feature `testing`; never turned on in production.

use std::{fmt, time::Duration};

use crate::{
    ClientInfo, Clock, Guid, Keys, MemoryStore, Sessions, SessionsBuilder, UserDirectory,
    token::Token,
};

/// What an application's test needs: sessions in memory, a clock, bearers for any user.
///
/// ```
/// # #[tokio::main]
/// # async fn main() {
/// use logout_all::testing::TestSessions;
///
/// let test = TestSessions::start().await;
/// let authorization = test.bearer("ada").await; // for the `Authorization` header
/// test.clock.advance(std::time::Duration::from_secs(3600)); // the token has expired now
/// # assert!(authorization.starts_with("Bearer "));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TestSessions {
    /// To hand to the application.
    pub sessions: Sessions,
    /// To move: both the store's clock and the node's.
    pub clock: Clock,
    /// The store behind the sessions.
    pub store: MemoryStore,
}

impl TestSessions {
    /// With the defaults, and every user active without data.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub async fn start() -> Self {
        Self::start_with(|builder| builder).await
    }

    /// With these users.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub async fn with_users(users: impl UserDirectory) -> Self {
        Self::start_with(|builder| builder.users(users)).await
    }

    /// With settings of the test's own.
    ///
    /// # Panics
    /// Outside of a Tokio runtime, or if the settings contradict each other.
    pub async fn start_with(settings: impl FnOnce(SessionsBuilder) -> SessionsBuilder) -> Self {
        let clock = Clock::system();
        let store = MemoryStore::with_clock(clock.clone());
        let sessions = node(&store, &clock, settings).await;
        Self { sessions, clock, store }
    }

    /// Another node on the same store, with settings of its own.
    ///
    /// # Panics
    /// As [`start_with`](Self::start_with).
    pub async fn another(
        &self,
        settings: impl FnOnce(SessionsBuilder) -> SessionsBuilder,
    ) -> Sessions {
        node(&self.store, &self.clock, settings).await
    }

    /// Signs a user in and gives the value of an `Authorization` header.
    ///
    /// # Panics
    /// If the user's id cannot be one.
    pub async fn bearer(&self, user: impl fmt::Display) -> String {
        format!("Bearer {}", self.sign_in(user).await.1.expose())
    }

    /// Signs a user in.
    ///
    /// # Panics
    /// If the user's id cannot be one.
    pub async fn sign_in(&self, user: impl fmt::Display) -> (Guid, Token) {
        let ticket = unwrapped(self.sessions.begin_login(Some(user)).await);
        let login = self.sessions.login(ticket, ClientInfo::default(), &()).await;
        let issued = unwrapped(login).issued;
        (issued.guid, issued.token)
    }

    /// Moves the clock until a token that was made just now has expired.
    pub fn expire_tokens(&self) {
        self.clock.advance(self.sessions.policy().token_lifetime() + Duration::from_secs(1));
    }
}

async fn node(
    store: &MemoryStore,
    clock: &Clock,
    settings: impl FnOnce(SessionsBuilder) -> SessionsBuilder,
) -> Sessions {
    let builder = Sessions::builder(store.clone(), keys(), "https://test.example");
    unwrapped(settings(builder.danger_clock(clock.clone())).build().await)
}

/// The key of tests: known to everybody, and accepted by no one else.
fn keys() -> Keys {
    unwrapped(Keys::hs256(b"a key for the tests of applications"))
}

/// A test that cannot be set up has failed.
#[allow(clippy::panic)]
fn unwrapped<T, E: fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the test sessions cannot be set up: {error}"),
    }
}
