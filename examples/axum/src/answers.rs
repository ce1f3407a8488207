//! What comes in as JSON, and what goes out: problems, the page, the headers on everything.

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use example_support::{Failure, page, read_json};
use logout_all_axum::{AuthReply, Problem};
use logout_all_tower::{presented, read_body};
use serde::{Deserialize, de::DeserializeOwned};

/// A JSON body, by the rules of `docs/http.md`; Axum's own `Json` has other limits and answers.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failed;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failed> {
        let (parts, body) = request.into_parts();
        Ok(Self(read_json(&presented(&parts), read_body(body)).await?))
    }
}

/// The user in the path. What is not UTF-8 is nobody's name: not found, where Axum would say 400.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Username(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Username {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(name)| name).map_err(|_| Problem::NotFound.into())
    }
}

/// Anything that the application refuses, as a response. Handlers use `?`.
pub(crate) struct Failed(Failure);

impl<E: Into<Failure>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        AuthReply::from(self.0.into_reply()).into_response()
    }
}

pub(crate) async fn not_found() -> Failed {
    Problem::NotFound.into()
}

/// The problem that `docs/http.md` has for it; Axum knows best which methods there are, and says so
/// where no `Allow` stands yet.
pub(crate) async fn method_not_allowed() -> Response {
    let mut response = Failed::from(Problem::MethodNotAllowed { allow: "" }).into_response();
    response.headers_mut().remove(header::ALLOW);
    response
}

/// A file of the devices page.
pub(crate) fn page(file: page::File) -> impl IntoResponse {
    (page::HEADERS, [(header::CONTENT_TYPE, file.content_type)], file.body)
}

/// Nobody on the way keeps an answer, except where the library says otherwise.
pub(crate) async fn not_stored(mut response: Response) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(no_store);
    response
}
