//! Three devices sign in, one logs out everywhere, and none is let in any more.
//!
//! `cargo run -p logout-all --example log_out_everywhere`

use logout_all::{By, ClientInfo, EndReason, Keys, MemoryStore, Sessions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
    let sessions =
        Sessions::builder(MemoryStore::new(), keys, "https://app.example").build().await?;

    let mut tokens = Vec::new();
    for agent in ["Phone/1.0", "Laptop/1.0", "Library/1.0"] {
        let ticket = sessions.begin_login(Some("ada")).await?; // before the password hash is read
        let client = ClientInfo::default().user_agent(agent.as_bytes());
        tokens.push(sessions.login(ticket, client, &()).await?.issued.token);
    }

    let here = sessions.verify(tokens[0].expose().as_bytes()).await?;
    for device in sessions.devices(here.user_id()).await? {
        println!("signed in: {}", device.user_agent.unwrap_or_default());
    }

    let by = By::Device(here.guid());
    let ended = sessions.logout_all(here.user_id(), EndReason::Everywhere, by).await?;
    println!("{} sessions ended", ended.guids.len());
    for token in &tokens {
        match sessions.verify(token.expose().as_bytes()).await {
            Ok(_) => return Err("a token survived".into()),
            Err(refused) => println!("refused: {refused}"),
        }
    }
    for entry in sessions.history(here.user_id(), 10).await? {
        println!("history: {} by {}", entry.reason, entry.by);
    }
    sessions.shutdown().await;
    Ok(())
}
