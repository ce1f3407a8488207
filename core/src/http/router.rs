//! One router for the library's routes. An adapter mounts one catch-all under the prefix and hands
//! everything over, so that 404, 405, HEAD and OPTIONS are the same everywhere.

use std::future::Future;

use bytes::Bytes;

use super::{BodyError, Refusal};
use crate::{
    scheme::{Denied, Guid},
    sessions::{Activity, AuthError, Sessions, Verified},
    wire::{Method, Presentation, Presented, Problem, RawToken, Reply},
};

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource {
    Renew,
    Session,
    Sessions,
    Others,
    Device(Guid),
    Keys,
}

/// What a request asks for, once path and method are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Renew,
    ShowSession,
    Logout,
    ListDevices,
    RenameDevice(Guid),
    EndDevice(Guid),
    EndAll,
    EndOthers,
    ShowKeys,
}

/// Why a library route does not do what was asked: by name, or as any guarded route.
pub(super) enum RouteError {
    Problem(Problem),
    Auth(AuthError),
}

impl From<Problem> for RouteError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<AuthError> for RouteError {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}

impl From<Denied> for RouteError {
    fn from(denied: Denied) -> Self {
        Self::Auth(denied.into())
    }
}

impl Resource {
    /// Exactly these paths: a trailing or a doubled slash, or an encoded letter, is another path,
    /// and another path is a 404.
    fn at(tail: &str) -> Option<Self> {
        match tail.strip_prefix('/').unwrap_or(tail) {
            "session/renew" => Some(Self::Renew),
            "session" => Some(Self::Session),
            "sessions" => Some(Self::Sessions),
            "sessions/others" => Some(Self::Others),
            "jwks.json" => Some(Self::Keys),
            path => path.strip_prefix("sessions/").and_then(Guid::parse).map(Self::Device),
        }
    }

    fn operation(self, method: Method) -> Option<Operation> {
        match (self, method) {
            (Self::Renew, Method::Post) => Some(Operation::Renew),
            (Self::Session, Method::Get | Method::Head) => Some(Operation::ShowSession),
            (Self::Session, Method::Delete) => Some(Operation::Logout),
            (Self::Sessions, Method::Get | Method::Head) => Some(Operation::ListDevices),
            (Self::Sessions, Method::Delete) => Some(Operation::EndAll),
            (Self::Others, Method::Delete) => Some(Operation::EndOthers),
            (Self::Device(guid), Method::Patch) => Some(Operation::RenameDevice(guid)),
            (Self::Device(guid), Method::Delete) => Some(Operation::EndDevice(guid)),
            (Self::Keys, Method::Get | Method::Head) => Some(Operation::ShowKeys),
            _ => None,
        }
    }

    fn allow(self) -> &'static str {
        match self {
            Self::Renew => "POST",
            Self::Session | Self::Sessions => "GET, HEAD, DELETE",
            Self::Others => "DELETE",
            Self::Device(_) => "PATCH, DELETE",
            Self::Keys => "GET, HEAD",
        }
    }
}

impl Sessions {
    /// Answers a request to the library's routes. `tail` is the path behind the prefix as it was
    /// sent, not decoded; `body` is awaited only where a body is needed and everything before it
    /// is in order.
    ///
    /// Refusals are decided in this order: path 404, form body 415, method 405, query 400,
    /// cross-site 403, presentation and token, body, then the store.
    pub async fn route(
        &self,
        presented: &Presented<'_>,
        tail: &str,
        body: impl Future<Output = Result<Bytes, BodyError>>,
    ) -> Reply {
        let outcome = match self.operation(presented, tail) {
            Ok(operation) => self.perform(operation, presented, body).await,
            Err(problem) => Err(problem.into()),
        };
        match outcome {
            Ok(reply) => reply,
            Err(RouteError::Problem(problem)) => problem.reply(&self.http().realm),
            Err(RouteError::Auth(error)) => {
                tracing::debug!(%error, "refused");
                Refusal::new(error, self).into_reply()
            }
        }
    }

    fn operation(&self, presented: &Presented<'_>, tail: &str) -> Result<Operation, Problem> {
        let resource = Resource::at(tail)
            .filter(|resource| *resource != Resource::Keys || self.keys().jwks().is_some())
            .ok_or(Problem::NotFound)?;
        // Before the method: frameworks read method overrides from forms.
        if presented.has_form_body() {
            return Err(Problem::UnsupportedMediaType);
        }
        let operation = resource
            .operation(presented.method())
            .ok_or(Problem::MethodNotAllowed { allow: resource.allow() })?;
        // No route has parameters: a typo must not sign anybody out.
        if presented.has_query() {
            return Err(Problem::RequestMalformed);
        }
        if self.is_cross_site(presented) {
            return Err(Problem::CrossSite);
        }
        Ok(operation)
    }

    /// The one token of a library route.
    pub(super) fn route_token<'r>(
        &self,
        presented: &Presented<'r>,
    ) -> Result<RawToken<'r>, Denied> {
        let http = self.http();
        match presented.token(http.transports, &http.cookie) {
            Presentation::Absent => Err(Denied::TokenMissing),
            Presentation::Malformed => Err(Denied::RequestMalformed),
            Presentation::Token(token) => Ok(token),
        }
    }

    pub(super) async fn route_session(
        &self,
        presented: &Presented<'_>,
    ) -> Result<Verified, AuthError> {
        self.route_session_after(presented, async { Ok(()) })
            .await
            .map(|(session, ())| session)
            .map_err(|error| match error {
                RouteError::Auth(error) => error,
                // Unreachable: the step in between cannot fail.
                RouteError::Problem(_) => Denied::RequestMalformed.into(),
            })
    }

    /// Checks the token, does the step in between, then asks the store: a bad body costs no store
    /// access, and a bad token gets no answer about its body.
    pub(super) async fn route_session_after<T>(
        &self,
        presented: &Presented<'_>,
        between: impl Future<Output = Result<T, Problem>>,
    ) -> Result<(Verified, T), RouteError> {
        let token = self.route_token(presented)?;
        let checked = self.check(token.expose())?;
        let read = between.await?;
        let transport = Some(token.transport);
        if let Some(known) = self.recall(token.expose(), transport) {
            return Ok((known, read));
        }
        let client = self.client_of(presented);
        let activity = Activity::Of(&client);
        Ok((self.verify_checked(checked, transport, activity).await?, read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_paths_are_routes() {
        let guid = "6c84fb90-12c4-41e1-840d-725f8ee22f0b";
        assert_eq!(Resource::at("/session"), Some(Resource::Session));
        assert_eq!(Resource::at("sessions/others"), Some(Resource::Others));
        assert!(matches!(Resource::at(&format!("/sessions/{guid}")), Some(Resource::Device(_))));
        for other in [
            "",
            "/",
            "/session/",
            "//session",
            "/Session",
            "/sessions/",
            "/sessions//others",
            "/%73ession",
            "/session%2Frenew",
            "/sessions/..",
            &format!("/sessions/{}", guid.to_uppercase()),
            &format!("/sessions/{guid}/"),
        ] {
            assert_eq!(Resource::at(other), None, "{other:?}");
        }
    }
}
