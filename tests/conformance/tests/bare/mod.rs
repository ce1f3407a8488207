//! A fourth framework: HTTP/1.1 over Tokio in a few hundred lines, with nothing between the socket
//! and the core. It shows what an adapter has to do, and runs the cases where no framework can be
//! blamed.

mod app;
mod http;
mod users;

use std::sync::Arc;

use logout_all::MemoryStore;
use logout_all_conformance::cases::{Cell, Running, Settings};
use tokio::net::TcpListener;

use app::App;
use users::Users;

/// How a server is broken on purpose: for each, some case must convict it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twin {
    /// It is not.
    Sound,
    /// It clears the cookie on every 401.
    ClearsTheCookieOn401,
    /// It hands over the first `Authorization` header alone.
    ReadsOneAuthorization,
    /// It answers an outage with 401.
    SaysOutageIs401,
    /// An optional session is none on any error.
    TakesOutagesForGuests,
    /// It folds a trailing slash away.
    FoldsSlashes,
    /// It decodes the path before it is routed.
    DecodesPaths,
    /// It hands over no query.
    DropsQueries,
    /// It forgets `Vary` on denials.
    ForgetsVary,
    /// It hands over neither `Origin` nor `Sec-Fetch-Site`.
    HidesTheOrigin,
    /// It sends a body in answer to HEAD.
    SendsBodiesToHead,
    /// It says that a body which is too long broke off.
    MistakesLongBodies,
    /// It tells unknown names from wrong passwords.
    TellsUnknownNames,
    /// Its lock ends no session.
    LocksWithoutLogout,
    /// Its password change logs nobody out.
    KeepsOthersThroughPasswords,
    /// It is always ready.
    IsAlwaysReady,
    /// It remembers whom it let in.
    RemembersVerifications,
    /// It begins a login when the password is checked.
    BeginsLoginsLate,
}

/// The bare server over the memory store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bare(pub(crate) Twin);

impl Cell for Bare {
    fn name(&self) -> String {
        "bare::memory".to_owned()
    }

    async fn start(&self, settings: Settings) -> Result<Running, String> {
        let users = Users::default();
        let store = MemoryStore::with_clock(settings.clock());
        let builder = settings.sessions(store).users(users.clone());
        let sessions = builder.build().await.map_err(|why| why.to_string())?;
        let app = Arc::new(App::new(sessions.clone(), users.clone(), "open sesame", self.0));

        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|why| why.to_string())?;
        let address = listener.local_addr().map_err(|why| why.to_string())?;
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(http::serve(stream, app.clone()));
            }
        });
        let add = move |name, password| std::future::ready(Ok(users.add(name, password)));
        let stop = StopOnDrop(server.abort_handle());
        Ok(Running::new(address, sessions, "open sesame", add).keeping(stop))
    }
}

struct StopOnDrop(tokio::task::AbortHandle);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
