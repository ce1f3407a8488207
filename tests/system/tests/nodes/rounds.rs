//! Rounds over three processes of three frameworks on one store: log in, verify on all nodes so that
//! they know the token, log out on one, verify and renew on all at once after it returned. Meanwhile
//! other clients go on asking, and one of the user's signs in on another node.

use std::time::Duration;

use logout_all_conformance::client::Request;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    behind::three,
    checker,
    client::{Client, Device},
    history::{Call, Outcome, Recorder, What},
    home::Home,
    program::Program,
    servers::{Framework, Store},
};

/// How many users have rounds at once.
const USERS: usize = 16;
/// The rounds of one store and mode, in the suite; `NODES_ROUNDS` says another number.
const ROUNDS: usize = 160;
/// The same under a fault.
pub(crate) const FEW: usize = 64;

/// Three, of three frameworks.
pub(crate) async fn run(store: Store, mode: &str) {
    let home = Home::new(Framework::Axum, store).await;
    let options: &[&str] = match mode {
        "cached" => &["--mode", "cached", "--lease", "200ms"],
        _ => &["--mode", "strict"],
    };
    let nodes = three(&home, options);
    over(&home, &nodes, mode, ROUNDS).await;
    // Told once a second.
    sleep(Duration::from_millis(1500)).await;
    for node in &nodes {
        let from_memory = answered_from_memory(node).await;
        assert_eq!(from_memory > 0, mode == "cached", "{mode}: {from_memory} from memory");
    }
}

/// How many verifications that node answered without the store.
async fn answered_from_memory(node: &Program) -> u64 {
    let request = Request::new("GET", "/metrics").header("X-Admin-Token", &node.admin_token);
    let answer = node.send(request).await.to_text();
    let name = r#"logout_all_verifications_total{outcome="accepted",source="cache"} "#;
    let told = answer.lines().find_map(|line| line.strip_prefix(name));
    told.map_or(0, |number| number.parse().expect("a count"))
}

/// Over these nodes, all of them well.
pub(crate) async fn over(home: &Home, nodes: &[Program], called: &str, rounds: usize) {
    let rounds: usize =
        std::env::var("NODES_ROUNDS").map_or(rounds, |text| text.parse().expect("a number"));
    let (recorder, mut users) = (Recorder::new(), JoinSet::new());
    for number in 0..USERS {
        let name = format!("user{number}");
        home.add_user(&name).await;
        let client = Client::new(name, nodes, recorder.clone());
        users.spawn(async move {
            for turn in 0..rounds.div_ceil(USERS) {
                round(&client, number + turn, turn.is_multiple_of(2)).await;
            }
        });
    }
    while let Some(ended) = users.join_next().await {
        ended.unwrap();
    }

    let history = recorder.history();
    let of = |what: &[What], outcome| {
        history.iter().filter(|call| what.contains(&call.what) && call.outcome == outcome).count()
    };
    let logouts = of(&[What::LogoutAll, What::LogoutDevice], Outcome::Accepted);
    let renewals = of(&[What::Renew], Outcome::Accepted);
    let overtaken = of(&[What::Login], Outcome::Denied);
    println!(
        "{} {called}: {} calls, {logouts} logouts, the slowest took {:?}; {renewals} renewals; \
         {overtaken} logins were overtaken; {:?} in all",
        home.store().name(),
        history.len(),
        slowest_logout(&history),
        recorder.now(),
    );
    assert!(logouts >= rounds, "{logouts} logouts in {rounds} rounds");
    assert!(renewals >= rounds, "{renewals} renewals in {rounds} rounds");
    assert!(overtaken > 0, "no login was under way during a logout");
    let failed = history.iter().find(|call| call.outcome == Outcome::Failed);
    assert!(failed.is_none(), "the store is well: {failed:?}");
    judge(&history);
}

/// The law over the whole history.
pub(crate) fn judge(history: &[Call]) {
    let stale = checker::stale(history);
    assert!(stale.is_empty(), "{} accepted after the end: {:?}", stale.len(), stale.first());
}

pub(crate) fn slowest_logout(history: &[Call]) -> Duration {
    let logouts =
        history.iter().filter(|call| matches!(call.what, What::LogoutAll | What::LogoutDevice));
    logouts.map(|call| call.end.saturating_sub(call.start)).max().unwrap_or_default()
}

async fn round(client: &Client, number: usize, everywhere: bool) {
    let one = client.sign_in(number).await.unwrap();
    let two = client.sign_in(number + 1).await.unwrap();
    for device in [&one, &two] {
        let known = client.everywhere(device, What::Verify).await;
        assert!(known.iter().all(|outcome| *outcome == Outcome::Accepted), "{known:?}");
    }

    // The law is about the session, whichever of its tokens is presented.
    let renewed = client.renewed(number + 2, &one).await.expect("a device that is signed in");
    let known = client.everywhere(&renewed, What::Verify).await;
    assert!(known.iter().all(|outcome| *outcome == Outcome::Accepted), "{known:?}");

    let during = tokio::spawn(ask_until_denied(client.clone(), one.clone()));
    let what = if everywhere { What::LogoutAll } else { What::LogoutDevice };
    // A password is hashed while the logout takes place.
    let (third, ended) = tokio::join!(client.sign_in(number + 1), client.ask(number, &one, what));
    assert_eq!(ended, Outcome::Accepted);
    let (first, second, others, renewals) = tokio::join!(
        client.everywhere(&one, What::Verify),
        client.everywhere(&renewed, What::Verify),
        client.everywhere(&two, What::Verify),
        client.everywhere(&renewed, What::Renew)
    );
    during.await.unwrap();
    if let Some(third) = third {
        client.everywhere(&third, What::Verify).await;
    }
    // The checker speaks of acceptances after the end, this of failures and of the device that
    // stays.
    let answered = |outcome: &Outcome| *outcome != Outcome::Failed;
    let all = [first, second, others.clone(), renewals].concat();
    assert!(all.iter().all(answered), "{all:?}");
    assert!(everywhere || others.iter().all(|it| *it == Outcome::Accepted), "{others:?}");
}

async fn ask_until_denied(client: Client, device: Device) {
    for _ in 0..200 {
        if !client.everywhere(&device, What::Verify).await.contains(&Outcome::Accepted) {
            break;
        }
        sleep(Duration::from_millis(15)).await;
    }
}
