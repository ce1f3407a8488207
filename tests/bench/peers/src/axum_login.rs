//! axum-login on tower-sessions, after the example `sqlite` that its README recommends.

use std::error::Error;
use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend, login_required};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tower_sessions::cookie::time;
use tower_sessions::{ExpiredDeletion, Expiry, MemoryStore, SessionManagerLayer, SessionStore};
use tower_sessions_sqlx_store::PostgresStore;
use tower_sessions_sqlx_store::sqlx::{self, PgPool};

use crate::users::{self, Table, User};
use crate::{Outcome, WORKERS, announce};

/// Serves with sessions and users in memory.
pub(crate) fn with_memory(stop: oneshot::Receiver<()>) -> Outcome {
    runtime()?.block_on(serve(Backend::Memory(users::table()), MemoryStore::default(), stop))
}

/// Serves with sessions and users in that database.
pub(crate) fn with_postgres(url: &str, stop: oneshot::Receiver<()>) -> Outcome {
    runtime()?.block_on(async {
        // The pool as it comes, as in the documentation: ten connections, each tried before use.
        let pool = PgPool::connect(url).await?;
        let store = PostgresStore::new(pool.clone()).with_schema_name("peers")?;
        store.migrate().await?;
        // The documentation's task and interval, without which the table grows for ever.
        let sweep = tokio::spawn(store.clone().continuously_delete_expired(Duration::from_mins(1)));

        let served = serve(Backend::Postgres(pool.clone()), store, stop).await;
        sweep.abort();
        pool.close().await;
        served
    })
}

fn runtime() -> Result<Runtime, Box<dyn Error>> {
    Ok(Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?)
}

async fn serve<Store>(backend: Backend, store: Store, stop: oneshot::Receiver<()>) -> Outcome
where
    Store: SessionStore + Clone,
{
    let sessions = SessionManagerLayer::new(store)
        // Plain HTTP on the loopback.
        .with_secure(false)
        .with_expiry(Expiry::OnInactivity(time::Duration::days(1)));
    let router = Router::new()
        .route("/me", get(me))
        .route_layer(login_required!(Backend))
        .route("/login/{id}", post(login))
        .layer(AuthManagerLayerBuilder::new(backend, sessions).build());

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?)?;
    // As for all servers that are compared.
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    // Not a graceful end, which would wait for connections that nobody uses any more.
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        _ = stop => Ok(()),
    }
}

type AuthSession = axum_login::AuthSession<Backend>;

async fn login(mut session: AuthSession, Path(id): Path<String>) -> StatusCode {
    let user = match session.authenticate(id).await {
        Ok(Some(user)) => user,
        Ok(None) => return StatusCode::UNAUTHORIZED,
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR,
    };
    match session.login(&user).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn me(session: AuthSession) -> Response {
    match session.user {
        Some(user) => Json(user).into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// Where the users are. One type for both, as `login_required!` takes no type parameter; shared,
/// as axum-login clones it for each request.
#[derive(Clone, Debug)]
enum Backend {
    Memory(Table),
    Postgres(PgPool),
}

impl Backend {
    async fn find(&self, id: &str) -> sqlx::Result<Option<User>> {
        let pool = match self {
            Self::Memory(table) => return Ok(users::find(table, id)),
            Self::Postgres(pool) => pool,
        };
        let row = sqlx::query_as("select id, email, locked from accounts where id = $1")
            .bind(id)
            .fetch_optional(pool)
            .await?;
        let user = row.map(|(id, email, locked)| User { id, email, locked });
        Ok(user.filter(|user| !user.locked))
    }
}

impl AuthnBackend for Backend {
    type User = User;
    /// The id alone: the benchmark measures no password hash.
    type Credentials = String;
    type Error = sqlx::Error;

    async fn authenticate(&self, id: String) -> sqlx::Result<Option<User>> {
        self.find(&id).await
    }

    async fn get_user(&self, id: &String) -> sqlx::Result<Option<User>> {
        self.find(id).await
    }
}

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.id.clone()
    }

    /// The documentation takes the password's hash; this has the form of one from Argon2, as the
    /// session carries it and each request compares it. It costs no read from the database.
    fn session_auth_hash(&self) -> &[u8] {
        b"$argon2id$v=19$m=19456,t=2,p=1$c2FsdCBvZiB0aGUgcGVlcg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
    }
}
