//! What comes in as JSON, and what goes out: problems, the page, the headers on everything.

use example_support::{Failure, page, read_json};
use logout_all_rocket::{AuthReply, Problem, presented, read_body};
use rocket::{
    Data, Request, Response, Route, catch,
    data::{FromData, Outcome},
    fairing::AdHoc,
    http::{Header, Method, Status},
    response::{self, Responder},
    route,
};
use serde::de::DeserializeOwned;

/// A JSON body, by the rules of `docs/http.md`; Rocket's own `Json` has other limits and answers.
/// It fails in the handler, since a guard of Rocket that fails can only name a status.
pub(crate) struct Body<T>(Result<T, Problem>);

impl<T> Body<T> {
    pub(crate) fn read(self) -> Result<T, Failed> {
        Ok(self.0?)
    }
}

#[rocket::async_trait]
impl<'r, T: DeserializeOwned> FromData<'r> for Body<T> {
    type Error = std::convert::Infallible;

    async fn from_data(request: &'r Request<'_>, body: Data<'r>) -> Outcome<'r, Self> {
        Outcome::Success(Self(read_json(&presented(request), read_body(body)).await))
    }
}

/// Anything that the application refuses, as a response. Handlers use `?`.
pub(crate) struct Failed(Failure);

impl<E: Into<Failure>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl<'r> Responder<'r, 'static> for Failed {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        AuthReply::from(self.0.into_reply()).respond_to(request)
    }
}

/// What no route has answered. Rocket's router tells no wrong method from a wrong path, and refuses a
/// method that it does not know as a bad request; a handler that panics is an error of ours.
#[catch(default)]
pub(crate) fn unanswered(status: Status, request: &Request<'_>) -> Unanswered {
    match (status.code, allowed(request)) {
        (400 | 404, Some(allow)) => Unanswered::OtherMethods(allow),
        (400 | 404, None) => Unanswered::Problem(Problem::NotFound),
        _ => Unanswered::Problem(Problem::Misconfigured),
    }
}

pub(crate) enum Unanswered {
    /// The path has these.
    OtherMethods(String),
    Problem(Problem),
}

impl<'r> Responder<'r, 'static> for Unanswered {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        match self {
            Self::Problem(problem) => Failed::from(problem).respond_to(request),
            Self::OtherMethods(allow) => {
                let problem = Problem::MethodNotAllowed { allow: "" };
                let mut response = Failed::from(problem).respond_to(request)?;
                response.set_raw_header("Allow", allow);
                Ok(response)
            }
        }
    }
}

/// The methods of this path, if it has any.
fn allowed(request: &Request<'_>) -> Option<String> {
    let is_here = |route: &&Route| {
        let wanted: Vec<&str> = route.uri.path().split('/').skip(1).collect();
        let asked = request.uri().path();
        let asked: Vec<&str> = asked.raw().as_str().split('/').skip(1).collect();
        let fits = |(wanted, asked): (&&str, &&str)| {
            wanted == asked
                || wanted.starts_with('<') && !wanted.ends_with("..>") && !asked.is_empty()
        };
        wanted.len() == asked.len() && wanted.iter().zip(&asked).all(fits)
    };
    let names = |route: &Route| match route.method {
        Method::Get => "GET,HEAD",
        other => other.as_str(),
    };
    let mut methods: Vec<_> = request.rocket().routes().filter(is_here).map(names).collect();
    methods.sort_unstable();
    (!methods.is_empty()).then(|| methods.join(","))
}

/// The files of the devices page.
pub(crate) fn pages() -> Vec<Route> {
    page::FILES.map(|file| Route::new(Method::Get, file.path, Page(file))).into()
}

#[derive(Clone)]
struct Page(page::File);

#[rocket::async_trait]
impl route::Handler for Page {
    async fn handle<'r>(&self, _request: &'r Request<'_>, _body: Data<'r>) -> route::Outcome<'r> {
        let Page(file) = self;
        let mut response = Response::build();
        for (name, value) in page::HEADERS {
            response.header(Header::new(name, value));
        }
        response.raw_header("Content-Type", file.content_type);
        response.sized_body(file.body.len(), std::io::Cursor::new(file.body));
        route::Outcome::Success(response.finalize())
    }
}

/// Nobody on the way keeps an answer, except where the library says otherwise.
pub(crate) fn not_stored() -> AdHoc {
    AdHoc::on_response("not stored", |_, response| {
        Box::pin(async move {
            if !response.headers().contains("Cache-Control") {
                response.set_raw_header("Cache-Control", "no-store");
            }
        })
    })
}
