//! A whole application over the memory store.
//!
//! `cargo run -p logout-all-axum --example whole`, then sign in and look at the devices:
//!
//! ```sh
//! curl -s -d '{"name":"ada","password":"correct horse"}' -H 'content-type: application/json' \
//!      http://127.0.0.1:3000/login
//! curl -s -H "authorization: Bearer $TOKEN" http://127.0.0.1:3000/auth/sessions
//! ```

use axum::{
    Json, Router,
    extract::FromRef,
    routing::{get, post},
};
use logout_all_axum::{
    AuthRejection, AuthReply, AuthSession, Denied, Keys, MemoryStore, Sessions, SignIn, routes,
};

#[derive(Clone, FromRef)]
struct App {
    sessions: Sessions,
}

#[derive(serde::Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

async fn login(signin: SignIn, Json(c): Json<Credentials>) -> Result<AuthReply, AuthRejection> {
    let id = (c.name == "ada").then_some(42); // your users table
    let ticket = signin.begin(id).await?; // before the password hash is read
    if id.is_none() || c.password != "correct horse" {
        return Err(Denied::CredentialsInvalid.into());
    }
    Ok(ticket.finish(&()).await?.into())
}

async fn me(session: AuthSession) -> String {
    format!("hello {}\n", session.user_id())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
    let sessions =
        Sessions::builder(MemoryStore::new(), keys, "https://app.example").build().await?;
    let router = Router::new()
        .route("/login", post(login))
        .route("/me", get(me))
        .nest("/auth", routes(&sessions))
        .with_state(App { sessions: sessions.clone() });

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let drain = sessions.clone();
    let signal = async move {
        let _ = tokio::signal::ctrl_c().await;
        drain.drain();
    };
    axum::serve(listener, router).with_graceful_shutdown(signal).await?;
    sessions.shutdown().await;
    Ok(())
}
