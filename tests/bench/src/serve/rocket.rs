//! The servers on Rocket.

use std::{net::SocketAddr, sync::Arc};

use logout_all_rocket::{AuthFairing, AuthRejection, AuthSession};
use rocket::{
    Config, Request,
    config::LogLevel,
    fairing::AdHoc,
    get,
    http::Status,
    request::{FromRequest, Outcome},
    routes,
    serde::json::Json,
};

use super::{
    Me, WORKERS,
    decoder::{Claims, Decoder},
    listening,
    ours::Guard,
};

#[get("/me")]
fn nobody_asks() -> Json<Me> {
    Json(Me::of("42"))
}

#[get("/me")]
#[expect(clippy::needless_pass_by_value, reason = "a guard comes by value")]
fn decoded(claims: Claims) -> Json<Me> {
    Json(Me::of(&claims.sub))
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Claims {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let value = request.headers().get_one("authorization");
        let decoder = request.rocket().state::<Arc<Decoder>>();
        let claims =
            decoder.zip(value).and_then(|(decoder, value)| decoder.claims(value.as_bytes()));
        claims.map_or(Outcome::Error((Status::Unauthorized, ())), Outcome::Success)
    }
}

#[get("/me")]
#[expect(clippy::needless_pass_by_value, reason = "a guard comes by value")]
fn me(session: AuthSession) -> Result<Json<Me>, AuthRejection> {
    Ok(Json(session.user::<Me>()?))
}

pub(super) async fn serve(guard: Guard) -> anyhow::Result<()> {
    let mut config = Config { port: 0, workers: WORKERS, ..Config::release_default() };
    config.log_level = LogLevel::Off;
    let rocket = rocket::custom(config);
    let rocket = match guard {
        Guard::Nothing => rocket.mount("/", routes![nobody_asks]),
        Guard::Decode(decoder) => rocket.manage(decoder).mount("/", routes![decoded]),
        Guard::Sessions(sessions) => {
            rocket.attach(AuthFairing::new(&sessions)).mount("/", routes![me])
        }
    };
    let opened = AdHoc::on_liftoff("opened", |rocket| {
        Box::pin(async move {
            let config = rocket.config();
            listening(SocketAddr::new(config.address, config.port));
        })
    });
    rocket.attach(opened).launch().await.map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(())
}
