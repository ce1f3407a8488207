//! Replies and refusals as Actix responses.

use std::fmt;

use actix_web::{
    HttpRequest, HttpResponse, Responder, ResponseError, body::BoxBody, http::StatusCode,
};
use logout_all::{AuthError, Denied, Reply, Usage, http::Refusal};

use crate::translate::response;

/// The library's answer, for a handler to return.
#[derive(Clone, Debug)]
pub struct AuthReply(Reply);

/// A refusal, for a handler to return with `?` or to turn into a response. One that is made from
/// an [`AuthError`] names the default realm in its challenge; one of the extractors the configured.
#[derive(Clone, Debug)]
pub struct AuthRejection(Refusal);

impl AuthRejection {
    /// Why.
    pub fn error(&self) -> &AuthError {
        self.0.error()
    }
}

impl From<Reply> for AuthReply {
    fn from(reply: Reply) -> Self {
        Self(reply)
    }
}

impl From<AuthReply> for HttpResponse {
    fn from(reply: AuthReply) -> Self {
        response(reply.0)
    }
}

impl Responder for AuthReply {
    type Body = BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        self.into()
    }
}

impl From<Refusal> for AuthRejection {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl From<AuthError> for AuthRejection {
    fn from(error: AuthError) -> Self {
        Self(Refusal::without_sessions(error))
    }
}

impl From<Denied> for AuthRejection {
    fn from(denied: Denied) -> Self {
        AuthError::from(denied).into()
    }
}

impl From<Usage> for AuthRejection {
    fn from(usage: Usage) -> Self {
        AuthError::from(usage).into()
    }
}

impl ResponseError for AuthRejection {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.reply().status()).unwrap_or_default()
    }

    fn error_response(&self) -> HttpResponse {
        response(self.0.reply().clone())
    }
}

impl fmt::Display for AuthRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for AuthRejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
