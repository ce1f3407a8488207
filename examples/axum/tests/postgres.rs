//! The program over PostgreSQL: two processes on one database, and what must not be shown of it.
//!
//! The tests need a server (CONTRIBUTING.md, "Servers that the tests start").

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod program;

use std::{
    fs,
    sync::atomic::{AtomicU32, Ordering},
};

use program::{ADA, Server, program};
use tokio_postgres::{Config, NoTls};

const NO_SERVER: &str = "TEST_DATABASE_URL is not set: `cargo xtask test-all` brings a PostgreSQL \
                         server, `cargo xtask services postgres` starts one by hand";

/// 32 bytes, the same for both processes.
const KEY: (&str, &str) = ("SESSION_KEY", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=");

/// A database of the test's own, gone with it.
struct Database {
    server: String,
    name: String,
}

impl Database {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var("TEST_DATABASE_URL").expect(NO_SERVER);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("logout_all_demo_{}_{count}", std::process::id());
        execute(&server, &format!("CREATE DATABASE {name}")).unwrap();
        Self { server, name }
    }

    /// As `--store` takes it, with the password of the server's.
    fn url(&self) -> String {
        let (server, query) = self.server.split_once('?').unwrap_or((&self.server, ""));
        let (scheme, rest) = server.split_once("://").unwrap();
        let authority = rest.split('/').next().unwrap();
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        format!("{scheme}://{authority}/{}{query}", self.name)
    }

    fn password(&self) -> Option<String> {
        let config: Config = self.server.parse().unwrap();
        config.get_password().map(|password| String::from_utf8(password.to_vec()).unwrap())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let dropped = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        if let Err(error) = execute(&self.server, &dropped) {
            eprintln!("the database {} stays behind: {error}", self.name);
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn execute(url: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute(sql).await
}

/// "`demo_accounts` … created by the demo": also by two that start at once on an empty database.
#[test]
fn two_processes_on_one_database_agree() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::new());
    let spawn = || Server::spawn_with(folder.path(), &["--store", &database.url()], &[KEY]);
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
        assert_eq!(two.ask("POST", "/auth/session/renew", token, "").1["code"], "session-ended");
    }

    let token = one.sign_in();
    let (status, locked) = two.ask("POST", "/admin/users/ada/lock", "", "");
    assert_eq!((status, &locked["ended"]), (200, &1.into()), "{locked}");
    assert_eq!(one.ask("GET", "/me", &token, "").1["code"], "session-ended");
    assert_eq!(one.ask("POST", "/login", "", ADA).1["code"], "credentials-invalid");
}

#[test]
fn sessions_and_passwords_survive_a_restart_where_the_key_is_given() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::new());
    let start = || Server::spawn_with(folder.path(), &["--store", &database.url()], &[KEY]).ready();
    let mut server = start();
    let (kept, other) = (server.sign_in(), server.sign_in());
    let change = r#"{"old":"lovelace","new":"byron"}"#;
    let (status, changed) = server.ask("POST", "/password", &kept, change);
    assert_eq!(status, 200, "{changed}");
    let kept = changed["token"].as_str().unwrap().to_owned();
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));

    let server = start();
    assert_eq!(server.ask("GET", "/me", &kept, "").0, 200);
    assert_eq!(server.ask("GET", "/me", &other, "").1["code"], "session-ended");
    assert_eq!(server.ask("POST", "/login", "", ADA).1["code"], "credentials-invalid");
}

/// "No token, refTokID, key or cookie value in any log line … at any level", and no password: neither
/// the database's nor, as the driver would log it on `debug`, a hash of a user's.
#[test]
fn no_secret_is_printed_or_logged_at_any_level() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::new());
    let arguments = ["--log", "trace,tokio_postgres=trace"];
    let url = database.url();
    let mut server =
        Server::spawn_with(folder.path(), &arguments, &[("LOGOUT_ALL_STORE", &url)]).ready();
    let token = server.sign_in();
    let change = r#"{"old":"lovelace","new":"countess-of-l"}"#;
    assert_eq!(server.ask("POST", "/password", &token, change).0, 200);
    assert_eq!(server.ask("POST", "/admin/users/ada/lock", "", "").0, 200);
    assert_eq!(server.ask("POST", "/login", "", ADA).0, 401);
    server.terminate();
    assert!(server.ended().success());

    let announcement = &server.announcement;
    assert!(announcement.contains(&format!("PostgreSQL database {} on", database.name)));
    assert!(announcement.contains("the signing key was made for this run"), "{announcement}");
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("DEBUG"), "nothing is logged: {log}");
    let (_, signature) = token.rsplit_once('.').unwrap();
    let password = database.password().unwrap_or_else(|| "lovelace".to_owned());
    for secret in [&password, &server.admin_token, signature, "lovelace", "countess", "$argon2"] {
        assert!(!log.contains(secret), "the log has {secret}");
    }
    assert!(!announcement.contains(&password));

    let wrong = format!("{}?sslmode=require", url.split('?').next().unwrap());
    let output = program(folder.path(), &["--store", &wrong]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("TLS"), "{told}");
    assert!(!told.contains(&password));
}
