//! On a database that outlives a process: restarts, processes that start at once, and what must
//! not be shown.

use std::fs;

use crate::{
    home::Home,
    program::{Program, Starting},
    servers::Store,
    talk::{code, ended, json_of, login, password_change, token_of},
};

pub(crate) async fn sessions_and_passwords_survive_a_restart_and_a_logout_does_too(home: Home) {
    let mut server = home.start(&[]);
    let kept = sign_in(&server).await;
    let ended = sign_in(&server).await;
    assert_eq!(server.ask(&ended, "DELETE", "/auth/session").await.status(), 204);
    let other = sign_in(&server).await;
    let changed = server.send(password_change(&kept, "lovelace", "byron")).await;
    let kept = token_of(&changed);
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(0));

    let server = home.start(&[]);
    let me = server.show(&kept).await;
    assert_eq!((me.status(), &json_of(&me)["username"]), (200, &"ada".into()), "{me}");
    for token in [&ended, &other] {
        assert_eq!(code(&server.show(token).await), "session-ended");
    }
    assert_eq!(code(&server.send(login("ada", "lovelace")).await), "credentials-invalid");
    #[cfg(unix)]
    if home.store() == Store::Sqlite {
        for secret in ["demo.db", "demo.db.key"] {
            let metadata = fs::metadata(home.folder().join(secret)).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
            assert_eq!(mode & 0o777, 0o600, "{secret}");
        }
    }
}

/// "`demo_accounts` … created by the demo", and the key beside a file: also by two that start at
/// once and find neither.
pub(crate) async fn two_processes_that_start_at_once_agree(home: Home) {
    let both = [home.spawn(&[]), home.spawn(&[])].map(Starting::ready);
    let [one, two] = &both;
    let mut tokens = Vec::new();
    for server in [one, two, one] {
        tokens.push(sign_in(server).await);
    }
    for server in &both {
        for token in &tokens {
            assert_eq!(server.show(token).await.status(), 200);
        }
    }
    assert_eq!(ended(&one.ask(&tokens[0], "DELETE", "/auth/sessions").await), 3);
    for token in &tokens {
        assert_eq!(code(&two.show(token).await), "session-ended");
        assert_eq!(code(&two.renew(token).await), "session-ended");
    }

    let token = sign_in(one).await;
    assert_eq!(ended(&two.lock("ada").await), 1);
    assert_eq!(code(&one.show(&token).await), "session-ended");
    assert_eq!(code(&one.send(login("ada", "lovelace")).await), "credentials-invalid");
}

/// "No token, refTokID, key or cookie value in any log line … at any level", and no password: neither
/// the database's nor, as its driver would log it on `debug`, a hash of a user's.
pub(crate) async fn no_secret_is_printed_or_logged_at_any_level(home: Home) {
    let mut command = home.command(&[
        "--log",
        "trace,tokio_postgres::query=trace,rocket::server=trace,rocket::request=trace",
    ]);
    command.env_remove("SESSION_KEY");
    let mut server = Starting::new(command, home.folder()).ready();
    let token = sign_in(&server).await;
    let fresh = server.send(password_change(&token, "lovelace", "countess-of-l")).await;
    let fresh = token_of(&fresh);
    ended(&server.lock("ada").await);
    assert_eq!(server.send(login("ada", "lovelace")).await.status(), 401);
    assert_eq!(server.show(&fresh).await.status(), 401);
    server.signal("TERM");
    assert!(server.ended().success());

    let log = home.log();
    assert!(log.contains("DEBUG"), "nothing is logged: {log}");
    let mut secrets = vec![signature(&token), signature(&fresh), server.admin_token.clone()];
    secrets.extend(["lovelace", "countess", "$argon2"].map(str::to_owned));
    let announcement = &server.announcement;
    if let Some(database) = home.database() {
        let named = format!("PostgreSQL database {} on", database.name());
        assert!(announcement.contains(&named), "{announcement}");
        assert!(announcement.contains("the signing key was made for this run"));
        if let Some(password) = database.config().get_password() {
            let password = String::from_utf8(password.to_vec()).unwrap();
            assert!(!announcement.contains(&password));
            no_password_in_a_refusal(&home, &database.url(), &password);
            secrets.push(password);
        }
    } else if let Some(redis) = home.redis() {
        assert!(announcement.contains("the Redis server"), "{announcement}");
        assert!(announcement.contains("the signing key was made for this run"));
        let named = redis.url().split_once("://:").and_then(|(_, rest)| rest.split_once('@'));
        if let Some((password, _)) = named {
            assert!(!announcement.contains(password));
            secrets.push(password.to_owned());
        }
    } else {
        let key = fs::read_to_string(home.folder().join("demo.db.key")).unwrap();
        secrets.push(key.trim().to_owned());
    }
    for secret in secrets {
        assert!(!log.contains(&secret), "the log has {secret}");
    }
}

/// A server without TLS, of which the URL demands it.
fn no_password_in_a_refusal(home: &Home, url: &str, password: &str) {
    let wrong = format!("{}?sslmode=require", url.split('?').next().unwrap());
    let output = home.bare_command(&["--store", &wrong]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("TLS"), "{told}");
    assert!(!told.contains(password));
}

fn signature(token: &str) -> String {
    token.rsplit_once('.').unwrap().1.to_owned()
}

async fn sign_in(server: &Program) -> String {
    server.sign_in("ada", "lovelace").await
}
