//! What comes in as JSON, and what goes out: problems and the page; and which methods a path has.

use std::{
    fmt,
    future::{Ready, ready},
};

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, ResponseError,
    http::{Method, header::CONTENT_TYPE},
    web::{self, Payload},
};
use example_support::{Failure, page, read_json};
use logout_all_actix::{AuthReply, Problem, presented, read_body};
use serde::de::DeserializeOwned;

/// The methods of a path, and the same as the value of `Allow`.
pub(crate) struct Methods {
    pub(crate) all: &'static [Method],
    pub(crate) allow: &'static str,
}

/// A path whose other methods are answered as `docs/http.md` says.
pub(crate) fn at<F, Arguments>(path: &str, methods: &'static Methods, handler: F) -> Resource
where
    F: Handler<Arguments>,
    Arguments: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let with = move |resource: Resource, method: &Method| {
        resource.route(web::method(method.clone()).to(handler.clone()))
    };
    let resource = methods.all.iter().fold(web::resource(path), with);
    let problem = Problem::MethodNotAllowed { allow: methods.allow };
    resource.default_service(web::to(move || answer(problem)))
}

/// A JSON body, by the rules of `docs/http.md`; Actix's own `Json` has other limits and answers.
/// Read in the handler and not by an extractor: those run side by side, and who asks comes first.
pub(crate) async fn json<T: DeserializeOwned>(
    request: &HttpRequest,
    body: Payload,
) -> Result<T, Failed> {
    Ok(read_json(&presented(request), read_body(body)).await?)
}

/// Anything that the application refuses, as a response. Handlers use `?`.
#[derive(Debug)]
pub(crate) struct Failed(Failure);

impl<E: Into<Failure>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Failed {
    fn error_response(&self) -> HttpResponse {
        AuthReply::from(self.0.clone().into_reply()).into()
    }
}

pub(crate) fn not_found() -> Ready<Result<(), Failed>> {
    answer(Problem::NotFound)
}

fn answer(problem: Problem) -> Ready<Result<(), Failed>> {
    ready(Err(problem.into()))
}

/// A file of the devices page.
pub(crate) fn page(file: page::File) -> Ready<HttpResponse> {
    let mut response = HttpResponse::Ok();
    for header in page::HEADERS {
        response.insert_header(header);
    }
    ready(response.insert_header((CONTENT_TYPE, file.content_type)).body(file.body))
}
