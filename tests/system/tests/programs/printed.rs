//! What the program prints at its start, and what it says where it cannot start.

use std::{
    path::Path,
    process::{Command, Output},
};

use logout_all_conformance::client::Request;
use serde_json::Value;

use crate::{
    home::Home,
    program::Program,
    talk::{code, json_of},
};

/// "three curl lines that work", as they are printed.
pub(crate) async fn the_three_printed_lines_work(home: Home) {
    for transport in ["both", "bearer", "cookie"] {
        let server = home.start(&["--transport", transport]);
        let answers = match Command::new("curl").arg("--version").output() {
            Ok(_) => by_shell(home.folder(), &server.commands()),
            Err(_) => by_hand(&server).await,
        };
        let signed_in = &answers[0];
        let devices: Value = serde_json::from_str(&answers[1]).unwrap();
        assert_eq!(devices["devices"].as_array().unwrap().len(), 1, "{transport}: {devices}");
        assert_eq!(devices["devices"][0]["current"], true);
        assert_eq!(answers[2], r#"{"ended":1}"#, "{transport}");
        if transport != "cookie" {
            assert_eq!(code(&server.show(signed_in).await), "session-ended");
        }
    }
}

/// In one shell, since the first line sets a variable for the others.
fn by_shell(folder: &Path, commands: &[&str]) -> Vec<String> {
    let script = commands.join("\necho\n") + "\necho\necho \"$TOKEN\"";
    let output = Command::new("sh").arg("-c").arg(&script).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.trim_end_matches('\n').split('\n').collect();
    let token = *lines.last().unwrap();
    vec![token.to_owned(), lines[1].to_owned(), lines[2].to_owned()]
}

/// Where there is no curl: what it would do with these lines.
async fn by_hand(server: &Program) -> Vec<String> {
    let (mut token, mut cookie) = (String::new(), String::new());
    let mut answers = Vec::new();
    for command in server.commands() {
        let line = command.strip_prefix("TOKEN=$(").unwrap_or(command);
        let line = line.split(" | ").next().unwrap().replace("$TOKEN", &token);
        let host = server.address.to_string();
        let mut request = Request::new("GET", "/").header("Host", &host);
        let mut words = words(&line).into_iter().skip(1);
        while let Some(word) = words.next() {
            request = match word.as_str() {
                "-s" => request,
                "-H" => {
                    let line = words.next().unwrap();
                    let (name, value) = line.split_once(": ").unwrap();
                    request.header(name, value)
                }
                "-X" => request.with_method(&words.next().unwrap()),
                "-c" => {
                    drop(words.next());
                    request
                }
                "-b" => {
                    drop(words.next());
                    request.header("Cookie", &cookie)
                }
                "-d" => request.with_method("POST").body(words.next().unwrap()),
                url => {
                    let path = url.strip_prefix(&format!("http://{host}")).unwrap();
                    request.with_target(path)
                }
            };
        }
        let answer = server.send(request).await;
        if let Some(set) = answer.all("Set-Cookie").next() {
            set.split(';').next().unwrap().clone_into(&mut cookie);
        }
        if let Some(found) = json_of(&answer)["token"].as_str() {
            found.clone_into(&mut token);
        }
        answers.push(String::from_utf8(answer.body().to_vec()).unwrap());
    }
    answers[0] = token;
    answers
}

/// Words as a shell parts them, with both kinds of quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in line.chars() {
        match (letter, quote) {
            ('\'' | '"', None) => quote = Some(letter),
            (_, Some(open)) if letter == open => quote = None,
            (' ', None) => words.push(std::mem::take(&mut word)),
            _ => word.push(letter),
        }
    }
    words.push(word);
    words
}

pub(crate) async fn what_cannot_be_is_said_and_nothing_is_started(home: Home) {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, words) in [
        (&["--listen", "0.0.0.0:0"][..], "--danger-public-listen"),
        (&["--store", "redis://db.example"], "have no TLS"),
        (&["--listen", "127.0.0.1:0", "--store", "redis://127.0.0.1:1"], "Redis cannot be reached"),
        (
            &["--listen", "127.0.0.1:0", "--store", "memory", "--mode", "cached", "--lease", "5m"],
            "lease",
        ),
        (&["--listen", &taken, "--store", "memory"], "cannot listen on"),
        (&["--listen", "127.0.0.1:0", "--store", "sqlite:no/such/folder.db"], "no/such/folder.db"),
        (&["--listen", "127.0.0.1:0", "--store", "memory", "--grace", "1h"], "grace"),
    ] {
        refused(&home.bare_command(arguments).output().unwrap(), words);
    }
    let weak = home.command(&[]).env("SESSION_KEY", "c2hvcnQ=").output().unwrap();
    refused(&weak, "signing key");
    assert!(!String::from_utf8_lossy(&weak.stderr).contains("c2hvcnQ="));
}

#[track_caller]
fn refused(output: &Output, words: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(told.contains(words) && !told.contains("panicked"), "{told}");
}
