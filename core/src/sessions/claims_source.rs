//! Where the application's claims of a renewed token come from.

use std::{future::Future, pin::Pin};

use super::AuthError;
use crate::{
    scheme::{UserData, UserId},
    token::AppClaims,
};

/// Makes the application's claims afresh at each renewal, from the user data that the same read
/// brought. Without one, a new token repeats the claims of the presented one: so rights do not
/// belong in claims without a source.
pub trait ClaimsSource: Send + Sync + 'static {
    /// The claims of this user's next token.
    ///
    /// # Errors
    /// Whatever fails the renewal: the presented token then stays current.
    fn claims(
        &self,
        user: &UserId,
        data: Option<&UserData>,
    ) -> impl Future<Output = Result<AppClaims, AuthError>> + Send;
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<AppClaims, AuthError>> + Send + 'a>>;

/// See [`ClaimsSource`].
pub(crate) trait DynClaimsSource: Send + Sync {
    fn claims<'a>(&'a self, user: &'a UserId, data: Option<&'a UserData>) -> Answer<'a>;
}

impl<S: ClaimsSource> DynClaimsSource for S {
    fn claims<'a>(&'a self, user: &'a UserId, data: Option<&'a UserData>) -> Answer<'a> {
        Box::pin(ClaimsSource::claims(self, user, data))
    }
}
