//! An application of a test's own, without a socket.

use actix_web::{
    App,
    body::BoxBody,
    dev::{Service, ServiceResponse},
    http::Method,
    test::{TestRequest, init_service},
    web::{Data, ServiceConfig},
};
use logout_all_actix::Sessions;

use std::{future::Future, pin::Pin};

pub(crate) const COOKIE: &str = "__Host-session";

pub(crate) type Answer = ServiceResponse<BoxBody>;

type Answering = Pin<Box<dyn Future<Output = Answer>>>;

pub(crate) struct Application(Box<dyn Fn(TestRequest) -> Answering>);

impl Application {
    /// Its extractors find these sessions.
    pub(crate) async fn start(
        sessions: &Sessions,
        routes: impl FnOnce(&mut ServiceConfig),
    ) -> Self {
        let data = Data::new(sessions.clone());
        Self::configured(|config| routes(config.app_data(data))).await
    }

    /// They find what is configured.
    pub(crate) async fn configured(routes: impl FnOnce(&mut ServiceConfig)) -> Self {
        let service = init_service(App::new().configure(routes)).await;
        Self(Box::new(move |request| {
            let answer = service.call(request.to_request());
            Box::pin(async { answer.await.unwrap().map_into_boxed_body() })
        }))
    }

    pub(crate) async fn send<'a>(
        &self,
        method: &str,
        path: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Answer {
        let request =
            TestRequest::with_uri(path).method(Method::from_bytes(method.as_bytes()).unwrap());
        (self.0)(headers.into_iter().fold(request, TestRequest::append_header)).await
    }
}

pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}
