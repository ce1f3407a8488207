//! The program itself, as people start it: what it prints, restarts, two processes on one file,
//! and the signals.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod program;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use program::{ADA, Server, exchange, program, status_of};
use serde_json::Value;

/// "three curl lines that work", as they are printed.
#[test]
fn the_three_printed_lines_work() {
    for transport in ["both", "bearer", "cookie"] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), &["--store", "memory", "--transport", transport]);
        let answers = match Command::new("curl").arg("--version").output() {
            Ok(_) => by_shell(folder.path(), &server.commands()),
            Err(_) => by_hand(&server),
        };
        let signed_in = &answers[0];
        let devices: Value = serde_json::from_str(&answers[1]).unwrap();
        assert_eq!(devices["devices"].as_array().unwrap().len(), 1, "{transport}: {devices}");
        assert_eq!(devices["devices"][0]["current"], true);
        assert_eq!(answers[2], r#"{"ended":1}"#, "{transport}");
        if transport != "cookie" {
            let (status, problem) = server.ask("GET", "/me", signed_in, "");
            assert_eq!((status, &problem["code"]), (401, &"session-ended".into()));
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
fn by_hand(server: &Server) -> Vec<String> {
    let (mut token, mut cookie) = (String::new(), String::new());
    let mut answers = Vec::new();
    for command in server.commands() {
        let line = command.strip_prefix("TOKEN=$(").unwrap_or(command);
        let line = line.split(" | ").next().unwrap().replace("$TOKEN", &token);
        let (mut method, mut body, mut path) = ("GET".to_owned(), String::new(), String::new());
        let mut headers = Vec::new();
        let mut words = words(&line).into_iter().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "-s" => {}
                "-H" => headers.push(words.next().unwrap()),
                "-X" => method = words.next().unwrap(),
                "-c" => drop(words.next()),
                "-b" => {
                    drop(words.next());
                    headers.push(format!("Cookie: {cookie}"));
                }
                "-d" => (method, body) = ("POST".to_owned(), words.next().unwrap()),
                url => {
                    url.strip_prefix(&format!("http://{}", server.address))
                        .unwrap()
                        .clone_into(&mut path);
                }
            }
        }
        let (head, answer) = exchange(&server.address, &method, &path, &headers, &body);
        if let Some((_, set)) = head.split_once("set-cookie: ") {
            set.split(';').next().unwrap().clone_into(&mut cookie);
        }
        let json: Value = serde_json::from_str(&answer).unwrap();
        if let Some(found) = json["token"].as_str() {
            found.clone_into(&mut token);
        }
        answers.push(answer);
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

#[test]
fn sessions_survive_a_restart_and_a_logout_does_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = ["--store", "sqlite:demo.db"];
    let mut server = Server::start(folder.path(), &store);
    let (kept, ended) = (server.sign_in(), server.sign_in());
    assert_eq!(server.ask("DELETE", "/auth/session", &ended, "").0, 204);
    let change = r#"{"old":"lovelace","new":"byron"}"#;
    let (status, changed) = server.ask("POST", "/password", &kept, change);
    assert_eq!(status, 200);
    let kept = changed["token"].as_str().unwrap().to_owned();
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));

    let server = Server::start(folder.path(), &store);
    let (status, me) = server.ask("GET", "/me", &kept, "");
    assert_eq!((status, &me["username"]), (200, &"ada".into()), "{me}");
    assert_eq!(server.ask("GET", "/me", &ended, "").1["code"], "session-ended");
    assert_eq!(server.ask("POST", "/login", "", ADA).1["code"], "credentials-invalid");
    for secret in ["demo.db", "demo.db.key"] {
        let mode = fs::metadata(folder.path().join(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
}

/// "two processes on one file agree", also when they start at once and there is no key yet.
#[test]
fn two_processes_on_one_file_agree() {
    let folder = tempfile::tempdir().unwrap();
    let spawn = || Server::spawn(folder.path(), &["--store", "sqlite:demo.db"]);
    let (one, two) = (spawn(), spawn());
    let (one, two) = (one.ready(), two.ready());
    let tokens: Vec<String> = [&one, &two, &one].into_iter().map(Server::sign_in).collect();
    for server in [&one, &two] {
        for token in &tokens {
            assert_eq!(server.ask("GET", "/me", token, "").0, 200);
        }
    }
    let (status, ended) = one.ask("DELETE", "/auth/sessions", &tokens[0], "");
    assert_eq!((status, &ended["ended"]), (200, &3.into()));
    for token in &tokens {
        assert_eq!(two.ask("GET", "/me", token, "").1["code"], "session-ended");
    }

    let token = one.sign_in();
    let (status, locked) = two.ask("POST", "/admin/users/ada/lock", "", "");
    assert_eq!((status, &locked["ended"]), (200, &1.into()), "{locked}");
    assert_eq!(one.ask("GET", "/me", &token, "").1["code"], "session-ended");
    assert_eq!(one.ask("POST", "/login", "", ADA).1["code"], "credentials-invalid");
}

/// "SIGTERM and Ctrl-C let requests in flight finish … and end with status 0"
#[test]
fn a_request_in_flight_finishes_after_the_signal() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &["--store", "memory"]);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (begin, end) = ADA.split_at(10);
    let (address, length) = (&server.address, ADA.len());
    write!(
        stream,
        "POST /login HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    )
    .unwrap();
    // The handler asks for the body: the request is in flight.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(begin.as_bytes()).unwrap();
    server.terminate();
    while TcpStream::connect(&server.address).is_ok() {
        std::thread::sleep(Duration::from_millis(10));
    }
    stream.write_all(end.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(status_of(&answer), 200, "{answer}");
    assert_eq!(server.ended().code(), Some(0));
}

/// "No token, refTokID, key or cookie value in any log line … at any level"
#[test]
fn no_secret_is_logged_at_any_level() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--store", "sqlite:demo.db", "--log", "trace"];
    let mut server = Server::start(folder.path(), &arguments);
    let token = server.sign_in();
    let change = r#"{"old":"lovelace","new":"countess-of-l"}"#;
    assert_eq!(server.ask("POST", "/password", &token, change).0, 200);
    assert_eq!(server.ask("POST", "/admin/users/ada/lock", "", "").0, 200);
    assert_eq!(server.ask("POST", "/login", "", ADA).0, 401);
    assert_eq!(server.ask("GET", "/me", &token, "").0, 401);
    server.terminate();
    assert!(server.ended().success());

    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("DEBUG"), "nothing is logged: {log}");
    let key = fs::read_to_string(folder.path().join("demo.db.key")).unwrap();
    let (_, signature) = token.rsplit_once('.').unwrap();
    for secret in [&server.admin_token, key.trim(), signature, "lovelace", "countess", "$argon2"] {
        assert!(!log.contains(secret), "the log has {secret}");
    }
}

#[test]
fn what_cannot_be_is_said_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, words) in [
        (&["--listen", "0.0.0.0:0"][..], "--danger-public-listen"),
        (&["--store", "redis://localhost"], "not in this version"),
        (&["--mode", "cached"], "not in this version"),
        (&["--listen", &taken, "--store", "memory"], "cannot listen on"),
        (&["--listen", "127.0.0.1:0", "--store", "sqlite:no/such/folder.db"], "no/such/folder.db"),
        (&["--listen", "127.0.0.1:0", "--store", "memory", "--grace", "1h"], "grace"),
    ] {
        let output = program(folder.path(), arguments).output().unwrap();
        refused(&output, words);
    }
    let arguments = ["--listen", "127.0.0.1:0", "--store", "memory"];
    let weak = program(folder.path(), &arguments).env("SESSION_KEY", "c2hvcnQ=").output().unwrap();
    refused(&weak, "signing key");
    assert!(!String::from_utf8_lossy(&weak.stderr).contains("c2hvcnQ="));
}

#[track_caller]
fn refused(output: &Output, words: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(told.contains(words) && !told.contains("panicked"), "{told}");
}
