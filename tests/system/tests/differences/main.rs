//! The same requests to the example servers of all frameworks: their answers are equal, in status,
//! headers and body, but for what `docs/differences.md` lists. A difference that is not listed
//! fails, and so does one that is listed and is none.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[path = "../database/mod.rs"]
mod database;
#[path = "../keys/mod.rs"]
mod keys;
#[path = "../servers/mod.rs"]
mod servers;

mod answer;
mod ask;
mod client;
mod malformed;
mod script;
mod table;

use std::{collections::BTreeMap, fmt::Write as _};

use answer::Answer;
use client::Client;
use servers::{Framework, Store};
use table::Table;

/// What one framework answered to each request of the script, by the request's name.
type Answers = BTreeMap<String, Answer>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_frameworks_answer_alike_but_for_what_the_page_lists() {
    // Side by side: some requests are answered only when a server's patience ends.
    let servers = Framework::ALL.map(|framework| {
        tokio::spawn(async move {
            let setup = client::Set::default();
            let server = servers::start(framework, Store::Memory, &setup).await.unwrap();
            (framework.name(), ask_all(Client::new(server)).await)
        })
    });
    let mut columns = Vec::new();
    for server in servers {
        columns.push(server.await.unwrap());
    }
    let table = Table::read();
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    assert_eq!(table.frameworks, names, "the columns of docs/differences.md");

    let mut report = String::new();
    for name in columns[0].1.keys() {
        let answers: Vec<&Answer> = columns.iter().map(|(_, answers)| &answers[name]).collect();
        let seen = answer::told_apart(&answers);
        if seen == table.row(name) {
            continue;
        }
        match seen {
            Some(cells) => writeln!(report, "| {name} | {} | … |", cells.join(" | ")).unwrap(),
            None => writeln!(report, "is listed and makes no difference any more: {name}").unwrap(),
        }
        for (framework, answers) in &columns {
            writeln!(report, "    {framework}: {}", answers[name]).unwrap();
        }
    }
    for name in table.names().filter(|name| !columns[0].1.contains_key(*name)) {
        writeln!(report, "is listed and is no request of the script: {name}").unwrap();
    }
    assert!(report.is_empty(), "docs/differences.md should say:\n{report}");
}

/// One after the other, each by a user of its own, so that no answer depends on another request.
async fn ask_all(mut client: Client) -> Answers {
    let mut answers = Answers::new();
    for (name, request) in script::requests() {
        let actor = client.actor().await;
        let answer = client.ask(&request, &actor).await;
        assert!(answers.insert(name.clone(), answer).is_none(), "two requests are named {name}");
    }
    assert!(answers.len() > 150, "only {} requests were made", answers.len());
    answers
}
