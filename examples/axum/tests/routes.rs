//! The example's own routes, over its router: what each does, and what it refuses.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use example_support::{Accounts, AdminToken, App, HashCost, open_sqlite, page};
use logout_all::{Clock, Keys, MemoryStore, Sessions, SessionsBuilder, Transports};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

const ADMIN: &str = "admin-token-of-this-test";

/// The router over one store, with users and a clock of the test's own.
struct Example {
    router: Router,
    sessions: Sessions,
    clock: Clock,
    _folder: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    json: Value,
}

#[derive(Clone, Copy, PartialEq)]
enum Store {
    Memory,
    Sqlite,
}

const STORES: [Store; 2] = [Store::Memory, Store::Sqlite];

impl Example {
    async fn over(store: Store) -> Self {
        Self::with(store, |builder| builder).await
    }

    async fn with(store: Store, set: impl FnOnce(SessionsBuilder) -> SessionsBuilder) -> Self {
        Self::made(store, HashCost::DangerCheap, set).await
    }

    async fn made(
        store: Store,
        cost: HashCost,
        set: impl FnOnce(SessionsBuilder) -> SessionsBuilder,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, keys) = (Clock::system(), Keys::hs256([b'k', b'e'].repeat(16)).unwrap());
        let (builder, accounts) = match store {
            Store::Memory => {
                let accounts = Accounts::memory(cost).unwrap();
                let store = MemoryStore::with_clock(clock.clone());
                (Sessions::builder(store, keys, "test").users(accounts.clone()), accounts)
            }
            Store::Sqlite => {
                let file = folder.path().join("test.db");
                let (store, accounts) = open_sqlite(&file, cost, clock.clone()).await.unwrap();
                (Sessions::builder(store, keys, "test"), accounts)
            }
        };
        accounts.seed().await.unwrap();
        let sessions = set(builder).danger_clock(clock.clone()).build().await.unwrap();
        let admin = AdminToken::new(ADMIN).unwrap();
        let app = App::with_clock(sessions.clone(), accounts, admin, clock.clone());
        Self { router: example_axum::router(app), sessions, clock, _folder: folder }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        assert!(parts.headers.contains_key("cache-control"), "{:?}", parts.headers);
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, json }
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, token: Option<&str>, body: Value) -> Answer {
        let mut request = Request::post(path).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request.body(body.to_string().into()).unwrap()).await
    }

    async fn login(&self, username: &str, password: &str) -> Answer {
        self.post("/login", None, json!({ "username": username, "password": password })).await
    }

    async fn token(&self, username: &str, password: &str) -> String {
        let answer = self.login(username, password).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        answer.json["token"].as_str().unwrap().to_owned()
    }

    async fn admin(&self, path: &str, tokens: &[&str]) -> Answer {
        let request = Request::post(format!("/admin/users/{path}"));
        let request = tokens.iter().fold(request, |request, t| request.header("x-admin-token", *t));
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

impl Answer {
    #[track_caller]
    fn is(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.json["code"].as_str()), (status, Some(code)));
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

#[tokio::test]
async fn a_signed_in_user_is_known_by_data_and_guid_and_others_are_not() {
    for store in STORES {
        let example = Example::over(store).await;
        let login = example.login("ada", "lovelace").await;
        let token = login.json["token"].as_str().unwrap();
        let me = example.get("/me", token).await;
        assert_eq!(me.json, json!({ "id": 1, "username": "ada", "guid": login.json["guid"] }));
        assert_eq!(example.post("/me", Some(token), json!({})).await.status, 200);
        assert_eq!(example.get("/greeting", token).await.json, json!({ "hello": "ada" }));
        assert_eq!(example.get("/private/report", token).await.json["reader"], "ada");

        example.get("/me", "a.b.c").await.is(401, "token-invalid");
        example.get("/greeting", "a.b.c").await.is(401, "token-invalid");
        let nobody = |path: &str| Request::get(path).body(Body::empty()).unwrap();
        example.send(nobody("/me")).await.is(401, "token-missing");
        example.send(nobody("/private/report")).await.is(401, "token-missing");
        assert_eq!(example.send(nobody("/greeting")).await.json, json!({ "hello": "guest" }));
        for (name, password) in [("ada", "Lovelace"), ("nobody", "lovelace"), ("", "")] {
            example.login(name, password).await.is(401, "credentials-invalid");
        }
    }
}

/// "changes the password and logs out every other device … answers 200 with a fresh token where it
/// was asked; a wrong old password is `credentials-invalid` and leaves the session alone"
#[tokio::test]
async fn a_password_change_logs_out_the_others_and_gives_a_fresh_token() {
    for store in STORES {
        let example = Example::over(store).await;
        let own = example.token("ada", "lovelace").await;
        let other = example.token("ada", "lovelace").await;
        let graces = example.token("grace", "hopper").await;
        let change = |old, new| json!({ "old": old, "new": new });

        let wrong = example.post("/password", Some(&own), change("hopper", "byron")).await;
        wrong.is(401, "credentials-invalid");
        assert_eq!(example.get("/me", &own).await.status, 200);
        assert_eq!(example.get("/me", &other).await.status, 200);
        for bad in [json!({ "old": "lovelace" }), change("lovelace", ""), json!([])] {
            example.post("/password", Some(&own), bad).await.is(422, "unprocessable");
        }
        let long = json!({ "old": "lovelace", "new": "x".repeat(1025) });
        example.post("/password", Some(&own), long).await.is(422, "unprocessable");
        example.post("/password", None, change("lovelace", "byron")).await.is(401, "token-missing");

        let changed = example.post("/password", Some(&own), change("lovelace", "byron")).await;
        assert_eq!(changed.status, 200, "{}", changed.json);
        let fresh = changed.json["token"].as_str().unwrap();
        assert_eq!(example.get("/me", fresh).await.status, 200);
        example.get("/me", &other).await.is(401, "session-ended");
        assert_eq!(example.get("/me", &graces).await.status, 200);
        example.login("ada", "lovelace").await.is(401, "credentials-invalid");
        example.token("ada", "byron").await;

        let history = example.sessions.history(&logout_all::UserId::new(1).unwrap(), 1).await;
        assert_eq!(history.unwrap()[0].reason, logout_all::EndReason::Password);
    }
}

/// "a login under way with the old password cannot survive a password change"
#[tokio::test(flavor = "multi_thread")]
async fn no_login_with_the_old_password_survives_the_change() {
    for store in STORES {
        // With hashes that take their time, or nothing would be under way when the change commits.
        let example = Example::made(store, HashCost::Default, |builder| builder).await;
        let example = std::sync::Arc::new(example);
        let passwords = ["lovelace", "byron", "annabella", "king", "noel"];
        for change in passwords.windows(2) {
            let own = example.token("ada", change[0]).await;
            let body = json!({ "old": change[0], "new": change[1] });
            let logins: Vec<_> = (0..6)
                .map(|_| {
                    let (example, old) = (example.clone(), change[0].to_owned());
                    tokio::spawn(async move { example.login("ada", &old).await })
                })
                .collect();
            let changed = example.post("/password", Some(&own), body).await;
            assert_eq!(changed.status, 200, "{}", changed.json);
            for login in logins {
                let login = login.await.unwrap();
                match login.status.as_u16() {
                    200 => {
                        let token = login.json["token"].as_str().unwrap();
                        example.get("/me", token).await.is(401, "session-ended");
                    }
                    401 => login.is(401, "credentials-invalid"),
                    _ => login.is(409, "login-overtaken"),
                }
            }
            // Those that came too late count as failures.
            example.clock.advance(Duration::from_secs(61));
        }
    }
}

#[tokio::test]
async fn over_the_cookie_the_fresh_token_comes_by_cookie() {
    let plain = |builder: SessionsBuilder| builder.danger_plain_http_cookie("dev");
    let example = Example::with(Store::Sqlite, plain).await;
    let body = json!({ "username": "ada", "password": "lovelace", "transport": "cookie" });
    let login = example.post("/login", None, body).await;
    assert_eq!(login.json.get("token"), None);
    let cookie = login.header("set-cookie").split(';').next().unwrap().to_owned();
    let request = |origin: &str| {
        Request::post("/password")
            .header("content-type", "application/json")
            .header("host", "demo.example")
            .header("origin", origin)
            .header("cookie", &cookie)
            .body(json!({ "old": "lovelace", "new": "byron" }).to_string().into())
            .unwrap()
    };
    example.send(request("http://evil.example")).await.is(403, "cross-site");
    let changed = example.send(request("http://demo.example")).await;
    assert_eq!((changed.status.as_u16(), changed.json.get("token")), (200, None));
    assert!(changed.header("set-cookie").starts_with("dev="));
}

#[tokio::test]
async fn a_transport_that_is_off_or_unknown_is_unprocessable() {
    let login = |transport: Value| json!({ "username": "ada", "password": "lovelace", "transport": transport });
    let example = Example::with(Store::Memory, |b| b.transports(Transports::Bearer)).await;
    for bad in [json!("cookie"), json!("both"), json!(1)] {
        example.post("/login", None, login(bad)).await.is(422, "unprocessable");
    }
    assert_eq!(example.post("/login", None, login(json!("bearer"))).await.status, 200);

    let example = Example::with(Store::Memory, |b| b.transports(Transports::Cookie)).await;
    example.post("/login", None, login(json!("bearer"))).await.is(422, "unprocessable");
    assert!(!example.login("ada", "lovelace").await.header("set-cookie").is_empty());
}

/// "ten failures per name and minute, then 429 `too-many-attempts`, right password or not"
#[tokio::test]
async fn ten_failures_a_minute_close_a_name_and_no_other() {
    let example = Example::over(Store::Memory).await;
    let signed_in = example.token("ada", "lovelace").await;
    for name in ["ada", "nobody"] {
        for _ in 0..10 {
            example.login(name, "wrong").await.is(401, "credentials-invalid");
        }
        let refused = example.login(name, "lovelace").await;
        refused.is(429, "too-many-attempts");
        assert!((1..=60).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    }
    assert_eq!(example.get("/me", &signed_in).await.status, 200);
    example.token("grace", "hopper").await;
    // The signed-in user can change the password while strangers guess, and is bounded as well.
    let wrong = json!({ "old": "wrong", "new": "byron" });
    for _ in 0..10 {
        let answer = example.post("/password", Some(&signed_in), wrong.clone()).await;
        answer.is(401, "credentials-invalid");
    }
    let right = json!({ "old": "lovelace", "new": "byron" });
    example.post("/password", Some(&signed_in), right).await.is(429, "too-many-attempts");

    example.clock.advance(Duration::from_secs(61));
    example.token("ada", "lovelace").await;
}

#[tokio::test]
async fn a_locked_user_is_out_everywhere_at_once() {
    for store in STORES {
        let example = Example::over(store).await;
        let token = example.token("ada", "lovelace").await;
        example.token("ada", "lovelace").await;

        for tokens in [&[][..], &["wrong"], &[""], &[ADMIN, ADMIN], &[ADMIN, "wrong"]] {
            example.admin("ada/lock", tokens).await.is(403, "forbidden");
            example.admin("nobody/lock", tokens).await.is(403, "forbidden");
        }
        assert_eq!(example.get("/me", &token).await.status, 200);
        example.admin("nobody/lock", &[ADMIN]).await.is(404, "not-found");
        example.admin("nobody/unlock", &[ADMIN]).await.is(404, "not-found");

        let locked = example.admin("ada/lock", &[ADMIN]).await;
        assert_eq!((locked.status.as_u16(), locked.json), (200, json!({ "ended": 2 })));
        example.get("/me", &token).await.is(401, "session-ended");
        example.login("ada", "lovelace").await.is(401, "credentials-invalid");
        let again = example.admin("ada/lock", &[ADMIN]).await;
        assert_eq!(again.json, json!({ "ended": 0 }));

        assert_eq!(example.admin("ada/unlock", &[ADMIN]).await.status, 204);
        example.get("/me", &token).await.is(401, "session-ended");
        example.token("ada", "lovelace").await;
    }
}

#[tokio::test]
async fn the_page_is_served_under_its_policy() {
    let example = Example::over(Store::Memory).await;
    for file in page::FILES {
        let request = Request::get(file.path).body(Body::empty()).unwrap();
        let answer = example.send(request).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), file.content_type);
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
    }
    let icon = Request::get("/favicon.ico").body(Body::empty()).unwrap();
    assert_eq!(example.send(icon).await.status, 204);
}

#[tokio::test]
async fn health_is_told_and_a_node_that_drains_is_not_ready() {
    let example = Example::over(Store::Sqlite).await;
    let ask = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    assert_eq!(example.send(ask("/healthz")).await.status, 200);
    assert_eq!(example.send(ask("/readyz")).await.status, 200);
    example.sessions.drain();
    example.send(ask("/readyz")).await.is(503, "store-unavailable");
    assert_eq!(example.send(ask("/healthz")).await.status, 200);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let example = Example::over(Store::Memory).await;
    let ask = |method: Method, path: &str| {
        Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
    };
    example.send(ask(Method::GET, "/nothing")).await.is(404, "not-found");
    let wrong = example.send(ask(Method::DELETE, "/me")).await;
    wrong.is(405, "method-not-allowed");
    assert_eq!(wrong.header("allow"), "GET,HEAD,POST");
    example.send(ask(Method::GET, "/login")).await.is(405, "method-not-allowed");
    example.send(ask(Method::GET, "/auth/nothing")).await.is(404, "not-found");
    example.send(ask(Method::POST, "/login")).await.is(415, "unsupported-media-type");
}
