//! A whole application over the memory store.
//!
//! `cargo run -p logout-all-rocket --example rocket_whole`, then sign in and look at the devices:
//!
//! ```sh
//! curl -s -d '{"name":"ada","password":"correct horse"}' -H 'content-type: application/json' \
//!      http://127.0.0.1:8000/login
//! curl -s -H "authorization: Bearer $TOKEN" http://127.0.0.1:8000/auth/sessions
//! ```

use logout_all_rocket::{
    AuthFairing, AuthRejection, AuthReply, AuthSession, Denied, Keys, MemoryStore, Sessions, SignIn,
};
use rocket::{
    get, post, routes,
    serde::{Deserialize, json::Json},
};

#[derive(Deserialize)]
#[serde(crate = "rocket::serde")]
struct Credentials {
    name: String,
    password: String,
}

#[post("/login", data = "<c>")]
async fn login(signin: SignIn, c: Json<Credentials>) -> Result<AuthReply, AuthRejection> {
    let id = (c.name == "ada").then_some(42); // your users table
    let ticket = signin.begin(id).await?; // before the password hash is read
    if id.is_none() || c.password != "correct horse" {
        return Err(Denied::CredentialsInvalid.into());
    }
    Ok(ticket.finish(&()).await?.into())
}

#[get("/me")]
#[allow(clippy::needless_pass_by_value, reason = "what a guard gives comes by value")]
fn me(session: AuthSession) -> String {
    format!("hello {}\n", session.user_id())
}

#[rocket::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
    let sessions =
        Sessions::builder(MemoryStore::new(), keys, "https://app.example").build().await?;
    // At Ctrl-C the fairing has the sessions drain; what is in flight finishes.
    rocket::build()
        .attach(AuthFairing::new(&sessions))
        .mount("/", routes![login, me])
        .mount("/auth", logout_all_rocket::routes(&sessions))
        .launch()
        .await?;
    sessions.shutdown().await;
    Ok(())
}
