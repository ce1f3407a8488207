//! The servers on Actix Web.

use std::sync::Arc;

use actix_web::{
    App, HttpRequest, HttpServer,
    error::ErrorUnauthorized,
    http::header,
    web::{self, Data, Json},
};
use logout_all_actix::{AuthRejection, AuthSession};

use super::{Me, WORKERS, decoder::Decoder, listening, ours::Guard};

async fn nobody_asks() -> Json<Me> {
    Json(Me::of("42"))
}

async fn decoded(decoder: Data<Decoder>, request: HttpRequest) -> actix_web::Result<Json<Me>> {
    let value = request.headers().get(header::AUTHORIZATION);
    let claims = value.and_then(|value| decoder.claims(value.as_bytes()));
    let claims = claims.ok_or_else(|| ErrorUnauthorized("no token"))?;
    Ok(Json(Me::of(&claims.sub)))
}

async fn me(session: AuthSession) -> Result<Json<Me>, AuthRejection> {
    Ok(Json(session.user::<Me>()?))
}

pub(super) async fn serve(guard: Guard) -> anyhow::Result<()> {
    let guard = Arc::new(guard);
    let server = HttpServer::new(move || {
        let app = App::new();
        match &*guard {
            Guard::Nothing => app.route("/me", web::get().to(nobody_asks)),
            Guard::Decode(decoder) => {
                app.app_data(Data::from(Arc::clone(decoder))).route("/me", web::get().to(decoded))
            }
            Guard::Sessions(sessions) => {
                app.app_data(Data::new(sessions.clone())).route("/me", web::get().to(me))
            }
        }
    });
    let server = server.workers(WORKERS).bind(("127.0.0.1", 0))?;
    for address in server.addrs() {
        listening(address);
    }
    Ok(server.run().await?)
}
