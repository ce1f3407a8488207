//! The guards: what they refuse, and what Rocket does with a refusal.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
#![allow(clippy::needless_pass_by_value, reason = "what a guard gives comes by value")]

mod server;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use logout_all_rocket::{
    AuthFairing, AuthRejection, AuthReply, AuthSession, ClientAddress, Denied, Guarded,
    MaybeSession, SessionsBuilder, SignIn, StoreError, StoreErrorKind, UserDirectory, UserId,
    UserState, testing::TestSessions,
};
use rocket::{
    Build, Request, Response, Rocket, State, catch, catchers,
    fairing::{AdHoc, Fairing, Info, Kind},
    get,
    http::{Header, Status, uri::Host},
    local::asynchronous::{Client, LocalResponse},
    post,
    request::{FromRequest, Outcome},
    routes,
};
use server::config;

/// How often a handler has run.
#[derive(Default)]
struct Ran(AtomicUsize);

#[get("/me")]
fn me(session: AuthSession, ran: &State<Ran>) -> String {
    ran.0.fetch_add(1, Ordering::SeqCst);
    session.user_id().to_string()
}

/// Another route for the same path: a guard that forwarded would lead here.
#[get("/me", rank = 2)]
fn me_for_anybody() -> &'static str {
    "anybody"
}

#[get("/greeting")]
fn greeting(session: MaybeSession) -> String {
    session.0.map_or("guest".to_owned(), |session| session.user_id().to_string())
}

/// What must not be written.
#[get("/trap")]
fn trap(session: Option<AuthSession>, ran: &State<Ran>) -> (Status, String) {
    ran.0.fetch_add(1, Ordering::SeqCst);
    (Status::Ok, session.map_or("guest".to_owned(), |session| session.user_id().to_string()))
}

/// Nor this.
#[get("/second-trap")]
fn second_trap(session: Result<AuthSession, AuthRejection>, ran: &State<Ran>) -> &'static str {
    ran.0.fetch_add(1, Ordering::SeqCst);
    if session.is_ok() { "user" } else { "guest" }
}

#[get("/panic")]
fn panics(_session: AuthSession) -> &'static str {
    panic!("on purpose")
}

#[post("/login")]
async fn login(sign_in: SignIn) -> Result<AuthReply, AuthRejection> {
    let user = sign_in.client().clone();
    drop(user);
    Ok(sign_in.begin(Some("ada")).await?.finish(&()).await?.into())
}

#[post("/refuses")]
fn refuses(_session: AuthSession) -> Result<(), AuthRejection> {
    Err(Denied::CredentialsInvalid.into())
}

#[catch(default)]
fn own_page(status: Status, _: &Request<'_>) -> (Status, String) {
    (status, "the application's own page".to_owned())
}

fn application(test: &TestSessions) -> Rocket<Build> {
    rocket::custom(config())
        .attach(AuthFairing::new(&test.sessions))
        .manage(Ran::default())
        .mount("/", routes![me, me_for_anybody, greeting, trap, second_trap, panics])
        .mount("/", routes![login, refuses])
        .register("/", catchers![own_page])
}

async fn client(rocket: Rocket<Build>) -> Client {
    Client::untracked(rocket).await.unwrap()
}

async fn get<'c>(client: &'c Client, path: &str, authorization: &str) -> LocalResponse<'c> {
    let request = client.get(path.to_owned());
    request.header(Header::new("Authorization", authorization.to_owned())).dispatch().await
}

fn ran(client: &Client) -> usize {
    client.rocket().state::<Ran>().unwrap().0.swap(0, Ordering::SeqCst)
}

fn header<'a>(response: &'a LocalResponse<'_>, name: &str) -> Vec<&'a str> {
    response.headers().get(name).collect()
}

#[rocket::async_test]
async fn a_refusal_is_the_answer_whatever_is_caught() {
    let test = TestSessions::start().await;
    let client = client(application(&test)).await;
    let bearer = test.bearer("ada").await;
    assert_eq!(get(&client, "/me", &bearer).await.into_string().await.unwrap(), "ada");
    assert_eq!(ran(&client), 1);

    for (authorization, code) in [("Basic eA==", "token-missing"), ("Bearer x", "token-invalid")] {
        let refused = get(&client, "/me", authorization).await;
        assert_eq!(refused.status(), Status::Unauthorized);
        assert_eq!(header(&refused, "Content-Type"), ["application/problem+json"]);
        assert_eq!(header(&refused, "Cache-Control"), ["no-store"]);
        assert_eq!(header(&refused, "Vary"), ["Authorization, Cookie"]);
        assert_eq!(header(&refused, "WWW-Authenticate").len(), 1);
        assert!(refused.into_string().await.unwrap().contains(code));
    }
    assert_eq!(ran(&client), 0, "no handler runs, and no other route");
    let missing = get(&client, "/nothing", &bearer).await;
    assert_eq!(missing.into_string().await.unwrap(), "the application's own page");
    let refused = client.post("/refuses").header(Header::new("Authorization", bearer));
    let refused = refused.dispatch().await;
    assert!(refused.into_string().await.unwrap().contains("credentials-invalid"));
}

/// A directory that can be taken away.
#[derive(Clone, Default)]
struct Directory(Arc<std::sync::atomic::AtomicBool>);

impl UserDirectory for Directory {
    async fn find(&self, _user: &UserId) -> Result<UserState, StoreError> {
        if self.0.load(Ordering::SeqCst) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "taken away by the test"));
        }
        Ok(UserState::Active(None))
    }
}

/// "Their blanket implementations turn a 503 into 'anonymous'": the handler has run, and what it has
/// answered is not told.
#[rocket::async_test]
async fn optional_guards_are_a_trap_whose_answer_stays_the_refusal() {
    let directory = Directory::default();
    let test = TestSessions::with_users(directory.clone()).await;
    let client = client(application(&test)).await;
    let bearer = test.bearer("ada").await;
    for path in ["/trap", "/second-trap"] {
        assert_eq!(get(&client, path, &bearer).await.status(), Status::Ok);
    }
    ran(&client);
    directory.0.store(true, Ordering::SeqCst);
    for path in ["/trap", "/second-trap", "/me", "/greeting"] {
        let answer = get(&client, path, &bearer).await;
        assert_eq!(answer.status(), Status::ServiceUnavailable, "{path}");
        assert_eq!(header(&answer, "Retry-After"), ["1"], "{path}");
        let trapped = usize::from(path.contains("trap"));
        assert_eq!(ran(&client), trapped, "{path}: the handler of a trap has run");
        assert!(answer.into_string().await.unwrap().contains("store-unavailable"));
    }
}

#[rocket::async_test]
async fn a_panic_is_a_500_and_the_next_request_is_served() {
    let test = TestSessions::start().await;
    let client = client(application(&test)).await;
    let bearer = test.bearer("ada").await;
    let answer = get(&client, "/panic", &bearer).await;
    assert_eq!(answer.status(), Status::InternalServerError);
    assert_eq!(answer.into_string().await.unwrap(), "the application's own page");
    assert_eq!(get(&client, "/panic", "").await.status(), Status::Unauthorized);
    assert_eq!(get(&client, "/me", &bearer).await.status(), Status::Ok);
}

/// Headers of other fairings stay on refusals, in whatever order they are attached.
#[rocket::async_test]
async fn other_fairings_keep_their_headers() {
    struct Cors;

    #[rocket::async_trait]
    impl Fairing for Cors {
        fn info(&self) -> Info {
            Info { name: "cors", kind: Kind::Response }
        }

        async fn on_response<'r>(&self, _: &'r Request<'_>, response: &mut Response<'r>) {
            response.set_raw_header("Access-Control-Allow-Origin", "https://pages.example");
            response.adjoin_raw_header("Set-Cookie", "guest=1");
        }
    }

    let test = TestSessions::start().await;
    let mounted = || rocket::custom(config()).mount("/", routes![me]).manage(Ran::default());
    let fairing = || AuthFairing::new(&test.sessions);
    for rocket in
        [mounted().attach(Cors).attach(fairing()), mounted().attach(fairing()).attach(Cors)]
    {
        let client = client(rocket).await;
        let refused = get(&client, "/me", "Bearer x").await;
        assert_eq!(header(&refused, "Access-Control-Allow-Origin"), ["https://pages.example"]);
        assert_eq!(header(&refused, "X-Content-Type-Options"), ["nosniff"], "of Rocket's Shield");
        assert_eq!(header(&refused, "Content-Type"), ["application/problem+json"]);
    }
    let client = client(mounted().attach(Cors).attach(fairing())).await;
    assert_eq!(header(&get(&client, "/me", "").await, "Set-Cookie"), [""; 0]);
}

/// "missing fairing → 500 `misconfigured` … never a panic"; and Rocket does not even start where it
/// can see it.
#[rocket::async_test]
async fn without_the_fairing_nothing_starts_or_everything_is_a_500() {
    struct ByHand;

    #[rocket::async_trait]
    impl<'r> FromRequest<'r> for ByHand {
        type Error = AuthRejection;

        async fn from_request(request: &'r Request<'_>) -> Outcome<Self, AuthRejection> {
            request.guard::<AuthSession>().await.map(|_| Self)
        }
    }

    #[get("/by-hand")]
    fn by_hand(_session: ByHand) -> &'static str {
        "secret"
    }

    #[get("/plain")]
    fn plain() -> &'static str {
        "secret"
    }

    for guards in [routes![me], routes![greeting], routes![login], routes![trap]] {
        let rocket = rocket::custom(config()).manage(Ran::default()).mount("/", guards);
        let error = rocket.ignite().await.err().unwrap();
        assert!(error.to_string().contains("sentinel"), "{error}");
    }
    let rocket = rocket::custom(config())
        .mount("/", routes![by_hand])
        .mount("/guarded", Guarded::new(routes![plain]))
        .mount("/open", Guarded::new(routes![plain]).allow_anonymous());
    let client = client(rocket).await;
    for path in ["/by-hand", "/guarded/plain", "/open/plain"] {
        let answer = client.get(path).dispatch().await;
        assert_eq!(answer.status(), Status::InternalServerError, "{path}");
        assert!(!answer.into_string().await.unwrap().contains("secret"));
    }
}

#[rocket::async_test]
async fn two_fairings_or_other_managed_sessions_do_not_start() {
    let (one, other) = (TestSessions::start().await, TestSessions::start().await);
    let rocket = || rocket::custom(config()).attach(AuthFairing::new(&one.sessions));
    for bad in [
        rocket().attach(AuthFairing::new(&other.sessions)),
        rocket().attach(AuthFairing::new(&one.sessions)),
        rocket().manage(other.sessions.clone()),
    ] {
        assert!(bad.ignite().await.err().unwrap().to_string().contains("fairing"));
    }
    assert!(rocket().manage(one.sessions.clone()).ignite().await.is_ok());
}

#[rocket::async_test]
async fn the_address_is_the_applications_word_and_no_clients() {
    let keeping = |builder: SessionsBuilder| builder.keep_client_address();
    let test = TestSessions::start_with(keeping).await;
    let behind_a_proxy = AdHoc::on_request("address", |request, _| {
        Box::pin(async move {
            if let Some(address) = request.headers().get_one("X-Proxy-Says") {
                ClientAddress(address.parse().unwrap()).keep(request);
            }
        })
    });
    let client = client(application(&test).attach(behind_a_proxy)).await;
    let login = |name: &'static str, value: &'static str| {
        let request = client.post("/login").header(Header::new(name, value));
        request.remote("192.0.2.1:9".parse().unwrap()).dispatch()
    };
    // Rocket's own idea of it is a header that any client can send.
    assert_eq!(login("X-Real-IP", "203.0.113.9").await.status(), Status::Ok);
    assert_eq!(login("X-Proxy-Says", "198.51.100.7").await.status(), Status::Ok);
    let devices = test.sessions.devices(&UserId::new("ada").unwrap()).await.unwrap();
    let mut addresses: Vec<_> = devices.iter().map(|device| device.ip.clone().unwrap()).collect();
    addresses.sort();
    assert_eq!(addresses, ["192.0.2.1", "198.51.100.7"]);
}

/// "The authority of the request target (HTTP/2's `:authority`)": such a request has no `Host`.
#[rocket::async_test]
async fn the_authority_of_http_2_is_the_requests_own() {
    let test = TestSessions::start().await;
    let client = client(application(&test)).await;
    let login = |authority: Option<&'static str>, host: Option<&'static str>| {
        let origin = Header::new("Origin", "https://app.example:8443");
        let mut request = client.post("/login").header(origin);
        if let Some(authority) = authority {
            request.inner_mut().set_host(Host::parse(authority).unwrap());
        }
        let request = host.into_iter().fold(request, |r, host| r.header(Header::new("Host", host)));
        request.dispatch()
    };
    let (own, other) = (Some("app.example:8443"), Some("other.example"));
    for (authority, host, status) in [
        (own, None, Status::Ok),
        (None, own, Status::Ok),
        (other, None, Status::Forbidden),
        (None, other, Status::Forbidden),
        (None, None, Status::Forbidden),
    ] {
        assert_eq!(login(authority, host).await.status(), status, "{authority:?} {host:?}");
    }
}

/// At Rocket's shutdown the node reports itself not ready.
#[tokio::test]
async fn the_shutdown_drains() {
    let test = TestSessions::start().await;
    let server = server::Server::start(application(&test)).await;
    assert!(!test.sessions.is_draining());
    server.end().await;
    assert!(test.sessions.is_draining());
}
