//! Where the extractors find their sessions, what they take from the middleware, and the trap that
//! Actix sets with `Option`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod application;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use actix_web::{
    HttpMessage, Responder,
    body::to_bytes,
    dev::Service,
    http::StatusCode,
    web::{self, Data, ServiceConfig},
};
use application::{Application, COOKIE, header};
use logout_all_actix::{
    AuthMiddleware, AuthRejection, AuthReply, AuthSession, ClientAddress, MaybeSession, Sessions,
    SessionsBuilder, SignIn, StoreError, StoreErrorKind, UserDirectory, UserId, UserState,
    Verified, testing::TestSessions,
};

async fn me(session: AuthSession) -> String {
    session.user_id().to_string()
}

async fn trapped(session: Option<AuthSession>) -> String {
    session.map_or("hello guest".to_owned(), |session| session.user_id().to_string())
}

async fn greeting(MaybeSession(session): MaybeSession) -> String {
    session.map_or("hello guest".to_owned(), |session| session.user_id().to_string())
}

async fn login(sign_in: SignIn) -> Result<AuthReply, AuthRejection> {
    Ok(sign_in.begin(Some("ada")).await?.finish(&()).await?.into())
}

async fn devices(session: AuthSession, sessions: Data<Sessions>) -> Result<String, AuthRejection> {
    let addresses: Vec<_> =
        sessions.devices(session.user_id()).await?.into_iter().filter_map(|it| it.ip).collect();
    Ok(addresses.join(" "))
}

/// Users that nobody can ask for.
struct Out;

impl UserDirectory for Out {
    async fn find(&self, _user: &UserId) -> Result<UserState, StoreError> {
        Err(StoreError::new(StoreErrorKind::Unavailable, "out"))
    }
}

/// "`Option<AuthSession>` does not compile on Axum, and the docs of the other two say why it must not
/// be used (their blanket implementations turn a 503 into "anonymous")": this is what they say.
#[tokio::test]
async fn an_option_makes_a_guest_of_everybody_in_an_outage() {
    let test = TestSessions::with_users(Out).await;
    let app = Application::start(&test.sessions, |config| {
        config
            .route("/trapped", web::get().to(trapped))
            .route("/greeting", web::get().to(greeting));
    })
    .await;
    let bearer = test.bearer("ada").await;
    let get = async |path| app.send("GET", path, [("authorization", &*bearer)]).await;

    let trapped = get("/trapped").await;
    assert_eq!(trapped.status(), StatusCode::OK);
    assert_eq!(to_bytes(trapped.into_body()).await.unwrap(), "hello guest");
    assert_eq!(get("/greeting").await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn sessions_are_found_as_data_or_as_they_are() {
    let test = TestSessions::start().await;
    let bearer = test.bearer("ada").await;
    let found_in = async |give: fn(&mut ServiceConfig, Sessions)| {
        let app = Application::configured(|config| {
            give(config, test.sessions.clone());
            config.route("/me", web::get().to(me));
        })
        .await;
        app.send("GET", "/me", [("authorization", &*bearer)]).await.status()
    };
    let data = found_in(|config, sessions| _ = config.app_data(Data::new(sessions))).await;
    let plain = found_in(|config, sessions| _ = config.app_data(sessions)).await;
    assert_eq!((data, plain), (StatusCode::OK, StatusCode::OK));
}

/// A user's session must not open what is the operators', whichever way these were given.
#[tokio::test]
async fn two_different_sessions_are_a_mistake_and_not_a_guess() {
    let (users, operators) = (TestSessions::start().await, TestSessions::start().await);
    let app = Application::start(&users.sessions, |config| {
        let operators = web::scope("/operators").app_data(operators.sessions.clone());
        config.service(operators.route("/me", web::get().to(me)));
    })
    .await;
    for bearer in [users.bearer("ada").await, operators.bearer("grace").await] {
        let answer = app.send("GET", "/operators/me", [("authorization", &*bearer)]).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}

/// The application's mistake is a 500 for the client and a line in the log, and no panic.
#[tokio::test]
async fn without_sessions_the_application_is_misconfigured() {
    let app = Application::configured(|config| {
        config
            .route("/me", web::get().to(me))
            .route("/greeting", web::get().to(greeting))
            .route("/login", web::post().to(login));
    })
    .await;
    for (method, path) in [("GET", "/me"), ("GET", "/greeting"), ("POST", "/login")] {
        let answer = app.send(method, path, []).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        let body = to_bytes(answer.into_body()).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains(r#""code":"misconfigured""#), "{body:?}");
    }
}

/// Handlers that ask for nobody are guarded too, and what is no route.
#[tokio::test]
async fn the_middleware_alone_guards_a_scope() {
    let test = TestSessions::start().await;
    let guard = AuthMiddleware::new(&test.sessions);
    let app = Application::start(&test.sessions, |config| {
        let scope = web::scope("/admin").wrap(guard);
        config.service(scope.route("/stats", web::get().to(async || "ok")));
    })
    .await;
    let bearer = test.bearer("ada").await;
    for (path, status) in [("/admin/stats", 200), ("/admin/nothing", 404), ("/admin", 404)] {
        assert_eq!(app.send("GET", path, []).await.status(), 401, "{path}");
        let answer = app.send("GET", path, [("authorization", &*bearer)]).await;
        assert_eq!(answer.status(), status, "{path}");
    }
}

/// Users that are counted when they are asked for.
struct Counted(Arc<AtomicU32>);

impl UserDirectory for Counted {
    async fn find(&self, _user: &UserId) -> Result<UserState, StoreError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(UserState::Active(None))
    }
}

/// "An extractor inside a layer uses what the layer found: one read per request."
#[tokio::test]
async fn an_extractor_asks_nobody_again() {
    let count = Arc::new(AtomicU32::new(0));
    let test = TestSessions::with_users(Counted(count.clone())).await;
    let guard = AuthMiddleware::new(&test.sessions);
    let app = Application::start(&test.sessions, |config| {
        config.service(web::scope("/my").wrap(guard).route("/me", web::get().to(me)));
    })
    .await;
    let bearer = test.bearer("ada").await;
    let before = count.load(Ordering::Relaxed);
    let answer = app.send("GET", "/my/me", [("authorization", &*bearer)]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(count.load(Ordering::Relaxed) - before, 1);
}

/// An application may have other sessions for its operators: what one middleware found is nothing
/// to the other's handlers.
#[tokio::test]
async fn a_session_of_others_is_none() {
    let (users, operators) = (TestSessions::start().await, TestSessions::start().await);
    let guard = AuthMiddleware::new(&users.sessions);
    let app = Application::start(&operators.sessions, |config| {
        config.service(web::scope("/my").wrap(guard).route("/me", web::get().to(me)));
    })
    .await;
    let bearer = users.bearer("ada").await;
    let answer = app.send("GET", "/my/me", [("authorization", &*bearer)]).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

/// "The core is given *all* values of a header, in order, as bytes; no adapter picks one."
#[tokio::test]
async fn every_value_of_a_header_is_handed_over() {
    let test = TestSessions::start().await;
    let bearer = test.bearer("ada").await;
    let app = Application::start(&test.sessions, |config| {
        config.route("/me", web::get().to(me));
    })
    .await;
    for (first, second) in [(&*bearer, "Basic YTpi"), ("Basic YTpi", &*bearer)] {
        let twice = [("authorization", first), ("authorization", second)];
        let answer = app.send("GET", "/me", twice).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }
    let cookie = bearer.replace("Bearer ", &format!("{COOKIE}="));
    let listed = [("cookie", "a=b"), ("cookie", &*cookie)];
    assert_eq!(app.send("GET", "/me", listed).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_applications_word_on_the_address_counts() {
    let test = TestSessions::start_with(SessionsBuilder::keep_client_address).await;
    let address: IpAddr = "2001:db8::7".parse().unwrap();
    let app = Application::start(&test.sessions, |config| {
        let scope = web::scope("").wrap_fn(move |request, service| {
            request.extensions_mut().insert(ClientAddress(address));
            service.call(request)
        });
        let scope = scope.route("/login", web::post().to(login));
        config.service(scope.route("/devices", web::get().to(devices)));
    })
    .await;
    let answer = app.send("POST", "/login", []).await;
    assert_eq!(header(&answer, "cache-control"), Some("no-store"));
    let bearer = test.bearer("ada").await;
    let answer = app.send("GET", "/devices", [("authorization", &*bearer)]).await;
    let body = to_bytes(answer.into_body()).await.unwrap();
    assert_eq!(body, "2001:db8::7");
}

/// What handlers hand to other tasks, keep in their state, and give back.
#[test]
fn what_users_share_can_be_shared() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn answers<T: Responder>() {}
    shared::<(AuthSession, MaybeSession, SignIn, AuthReply)>();
    shared::<(AuthRejection, AuthMiddleware, ClientAddress, Verified)>();
    answers::<Result<AuthReply, AuthRejection>>();
}
