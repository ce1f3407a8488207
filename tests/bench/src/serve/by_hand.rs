//! Two servers without this library, as one writes them by hand on Axum: one prepared SELECT for
//! each request, and the scheme taken literally.

use std::sync::Arc;

use anyhow::Context;
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::get,
};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use logout_all_postgres::tokio_postgres::{Config, NoTls};

use super::{
    Me, Places, What,
    decoder::{Claims, Decoder},
};

/// As many as deadpool takes on two cores, and a few more: fewer wait for one another.
const CONNECTIONS: usize = 8;

/// The session of the token, with its user, if it is current and the user is active.
const FIND: &str = "SELECT a.id, a.email FROM by_hand AS s JOIN accounts AS a ON a.id = s.user_id \
    WHERE s.user_id = $1 AND s.guid = $2 AND s.ref_tok_id = $3 AND NOT a.locked \
    AND s.expires_at > now()";

/// What the literal scheme writes in each request.
const SEEN: &str = "UPDATE by_hand SET last_seen_at = now() WHERE user_id = $1 AND guid = $2";

struct ByHand {
    decoder: Decoder,
    pool: Pool,
    what: What,
}

pub(super) fn router(what: What, places: &Places) -> anyhow::Result<Router> {
    let url = places.postgres.as_deref().context("--postgres is missing")?;
    let config: Config = url.parse()?;
    // Fast: nothing is sent over a connection before it is lent.
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config, NoTls, manager);
    let pool = Pool::builder(manager).max_size(CONNECTIONS).build()?;
    let by_hand = Arc::new(ByHand { decoder: Decoder::new(), pool, what });
    Ok(Router::new().route("/me", get(me)).with_state(by_hand))
}

async fn me(
    State(by_hand): State<Arc<ByHand>>,
    headers: HeaderMap,
) -> Result<Json<Me>, StatusCode> {
    let value = headers.get(header::AUTHORIZATION).ok_or(StatusCode::UNAUTHORIZED)?;
    let claims = by_hand.decoder.claims(value.as_bytes()).ok_or(StatusCode::UNAUTHORIZED)?;
    let found = by_hand.find(&claims).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    found.map(Json).ok_or(StatusCode::UNAUTHORIZED)
}

impl ByHand {
    async fn find(&self, claims: &Claims) -> anyhow::Result<Option<Me>> {
        let client = self.pool.get().await?;
        let find = client.prepare_cached(FIND).await?;
        let found =
            client.query_opt(&find, &[&claims.sub, &claims.guid, &claims.ref_tok_id]).await?;
        if self.what == What::Literal && found.is_some() {
            let seen = client.prepare_cached(SEEN).await?;
            client.execute(&seen, &[&claims.sub, &claims.guid]).await?;
        }
        Ok(found.map(|row| Me { id: row.get(0), email: row.get(1) }))
    }
}
