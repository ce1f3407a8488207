//! A whole application over the memory store.
//!
//! `cargo run -p logout-all-actix --example actix_whole`, then sign in and look at the devices:
//!
//! ```sh
//! curl -s -d '{"name":"ada","password":"correct horse"}' -H 'content-type: application/json' \
//!      http://127.0.0.1:3000/login
//! curl -s -H "authorization: Bearer $TOKEN" http://127.0.0.1:3000/auth/sessions
//! ```

use actix_web::{
    App, HttpServer, get, post,
    web::{self, Data, Json},
};
use logout_all_actix::{
    AuthRejection, AuthReply, AuthSession, Denied, Keys, MemoryStore, Sessions, SignIn, routes,
};

#[derive(serde::Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

#[post("/login")]
async fn login(signin: SignIn, c: Json<Credentials>) -> Result<AuthReply, AuthRejection> {
    let id = (c.name == "ada").then_some(42); // your users table
    let ticket = signin.begin(id).await?; // before the password hash is read
    if id.is_none() || c.password != "correct horse" {
        return Err(Denied::CredentialsInvalid.into());
    }
    Ok(ticket.finish(&()).await?.into())
}

#[get("/me")]
async fn me(session: AuthSession) -> String {
    format!("hello {}\n", session.user_id())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
    let sessions =
        Sessions::builder(MemoryStore::new(), keys, "https://app.example").build().await?;
    let (shared, drain) = (sessions.clone(), sessions.clone());
    let signal = async move {
        let _ = tokio::signal::ctrl_c().await;
        drain.drain();
    };
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(shared.clone()))
            .service(login)
            .service(me)
            .service(web::scope("/auth").configure(routes(&shared)))
    })
    .shutdown_signal(signal)
    .bind(("127.0.0.1", 3000))?;
    println!("listening on http://{}", server.addrs()[0]);
    server.run().await?;
    sessions.shutdown().await;
    Ok(())
}
