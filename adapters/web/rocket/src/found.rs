//! What was found out about a request: asked once, whoever asks first, and kept with it.

use std::sync::{Arc, OnceLock};

use logout_all::{
    AuthError, Sessions, Usage,
    http::{Admitted, Anonymous, Refusal},
};
use rocket::Request;
use tokio::sync::OnceCell;

use crate::presented;

/// Kept in the cache of the request.
#[derive(Default)]
pub(crate) struct Found {
    admitted: OnceCell<Result<Admitted, Refusal>>,
    refusal: OnceLock<Refusal>,
}

/// The sessions of the fairing. That they are managed is the proof that it is attached.
pub(crate) struct Attached(pub(crate) Sessions);

impl Found {
    pub(crate) fn of<'a>(request: &'a Request<'_>) -> &'a Self {
        request.local_cache(Self::default)
    }

    /// The first refusal: the fairing puts its answer in place.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.refusal.get()
    }

    pub(crate) fn admitted(&self) -> Option<&Admitted> {
        self.admitted.get()?.as_ref().ok()
    }
}

/// For a guard.
pub(crate) async fn authenticate<'a>(request: &'a Request<'_>) -> Result<&'a Admitted, Refusal> {
    let sessions = attached(request)?;
    let ask = || async {
        let session = sessions.authenticate_if_presented(&presented(request)).await?;
        Ok(Admitted { session, renewed_cookie: None })
    };
    Found::of(request).admitted.get_or_init(ask).await.as_ref().map_err(Clone::clone)
}

/// For a guarded mount, which judges about anonymous requests itself: renews in passing.
pub(crate) async fn admit<'a>(request: &'a Request<'_>) -> Result<&'a Admitted, Refusal> {
    let sessions = attached(request)?;
    let ask = || async { sessions.admit(&presented(request), Anonymous::LetThrough).await };
    Found::of(request).admitted.get_or_init(ask).await.as_ref().map_err(Clone::clone)
}

/// Leaves a refusal for the fairing.
pub(crate) fn refuse(request: &Request<'_>, refusal: Refusal) -> Refusal {
    Found::of(request).refusal.get_or_init(|| refusal.clone());
    refusal
}

pub(crate) fn attached<'a>(request: &'a Request<'_>) -> Result<&'a Sessions, Refusal> {
    let attached = request.rocket().state::<Attached>();
    attached.map(|Attached(sessions)| sessions).ok_or_else(|| {
        let why = "AuthFairing is not attached: `.attach(AuthFairing::new(&sessions))`";
        Refusal::without_sessions(AuthError::from(Usage::NotAttached(Arc::from(why))))
    })
}
