//! actix-session on Redis with actix-identity, after the first page of their documentation.

use std::time::Duration;

use actix_identity::{Identity, IdentityMiddleware};
use actix_session::SessionMiddleware;
use actix_session::config::PersistentSession;
use actix_session::storage::RedisSessionStore;
use actix_web::cookie::{Key, time};
use actix_web::web::{Data, Path, get, post};
use actix_web::{App, HttpMessage, HttpRequest, HttpResponse, HttpServer, rt};
use tokio::sync::oneshot;

use crate::users::{self, Table};
use crate::{Outcome, WORKERS, announce};

/// How long a session lasts: a day, from when on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lifetime {
    /// As in the example of actix-identity: each request writes the time of the last visit.
    SinceLastVisit,
    /// As on its first page: no deadline, so a request only reads.
    SinceLogin,
}

/// Serves with sessions in that Redis server and users in memory.
pub(crate) fn with_redis(url: String, lifetime: Lifetime, stop: oneshot::Receiver<()>) -> Outcome {
    rt::System::new().block_on(async {
        // One connection for all workers, as in the documentation, which offers a pool as well.
        let store = RedisSessionStore::new(url).await?;
        let key = Key::generate();
        let users = Data::new(users::table());

        let server = HttpServer::new(move || {
            let sessions = SessionMiddleware::builder(store.clone(), key.clone())
                // Plain HTTP on the loopback.
                .cookie_secure(false)
                .session_lifecycle(
                    PersistentSession::default().session_ttl(time::Duration::days(1)),
                )
                .build();
            App::new()
                .app_data(users.clone())
                .wrap(lifetime.identity())
                .wrap(sessions)
                .route("/login/{id}", post().to(login))
                .route("/me", get().to(me))
        })
        .workers(WORKERS)
        .bind(("127.0.0.1", 0))?;
        for address in server.addrs() {
            announce(address)?;
        }

        // Not a graceful end, which would wait for connections that nobody uses any more.
        tokio::select! {
            ended = server.run() => Ok(ended?),
            _ = stop => Ok(()),
        }
    })
}

async fn login(request: HttpRequest, id: Path<String>, users: Data<Table>) -> HttpResponse {
    if users::find(&users, &id).is_none() {
        return HttpResponse::Unauthorized().finish();
    }
    match Identity::login(&request.extensions(), id.into_inner()) {
        Ok(_) => HttpResponse::NoContent().finish(),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

/// Without a session, the extractor answers 401.
async fn me(identity: Identity, users: Data<Table>) -> HttpResponse {
    match identity.id().ok().and_then(|id| users::find(&users, &id)) {
        Some(user) => HttpResponse::Ok().json(user),
        None => HttpResponse::Unauthorized().finish(),
    }
}

impl Lifetime {
    fn identity(self) -> IdentityMiddleware {
        const DAY: Duration = Duration::from_hours(24);
        match self {
            Self::SinceLastVisit => IdentityMiddleware::builder().visit_deadline(Some(DAY)).build(),
            Self::SinceLogin => IdentityMiddleware::default(),
        }
    }
}
