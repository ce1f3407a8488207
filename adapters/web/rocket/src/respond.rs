//! Replies and refusals as responses of Rocket.

use std::fmt;

use logout_all::{AuthError, Denied, Reply, Usage, http::Refusal};
use rocket::{
    Request,
    response::{self, Responder},
};

use crate::translate::response;

/// The library's answer, for a handler to return.
#[derive(Clone, Debug)]
pub struct AuthReply(Reply);

/// A refusal, for a handler to return with `?` or to turn into a response. One that is made from
/// an [`AuthError`] names the default realm in its challenge; one of the guards the configured.
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

impl<'r> Responder<'r, 'static> for AuthReply {
    fn respond_to(self, _request: &'r Request<'_>) -> response::Result<'static> {
        Ok(response(self.0))
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

impl<'r> Responder<'r, 'static> for AuthRejection {
    fn respond_to(self, _request: &'r Request<'_>) -> response::Result<'static> {
        Ok(response(self.0.into_reply()))
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
