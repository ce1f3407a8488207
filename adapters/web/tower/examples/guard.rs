//! A tower service behind the layer, asked with and without a token.
//!
//! `cargo run -p logout-all-tower --example guard`

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use logout_all_tower::{
    AuthLayer, Authenticated,
    logout_all::{ClientInfo, Keys, MemoryStore, Sessions},
};
use tower::{Layer, ServiceExt, service_fn};

async fn hello(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let session = request.extensions().get::<Authenticated>().and_then(Authenticated::session);
    let name = session.map_or_else(String::new, |session| session.user_id().to_string());
    Ok(Response::new(Full::from(format!("hello {name}"))))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
    let sessions =
        Sessions::builder(MemoryStore::new(), keys, "https://app.example").build().await?;
    let guarded = AuthLayer::new(&sessions).layer(service_fn(hello));

    let ticket = sessions.begin_login(Some("ada")).await?;
    let token = sessions.login(ticket, ClientInfo::default(), &()).await?.issued.token;

    let anonymous = Request::get("/").body(Full::default())?;
    println!("without a token: {}", guarded.clone().oneshot(anonymous).await?.status());
    let bearer = format!("Bearer {}", token.expose());
    let signed_in = Request::get("/").header("authorization", bearer).body(Full::default())?;
    println!("with a token: {}", guarded.oneshot(signed_in).await?.status());
    Ok(())
}
