//! The operator's side: a token that is shown once, at the start, and what it opens.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use logout_all::{By, EndReason, Problem};
use subtle::ConstantTimeEq;

use crate::{App, EndedCount, Failure, Metrics, StartError, accounts::Locked};

/// What an operator shows in `X-Admin-Token`. Its `Debug` is redacted.
#[derive(Clone)]
pub struct AdminToken(String);

impl AdminToken {
    /// A token of one's own.
    ///
    /// # Errors
    /// [`StartError::AdminToken`]: an empty one would let everybody in, and one with spaces would
    /// come back without them.
    pub fn new(text: impl Into<String>) -> Result<Self, StartError> {
        let text = text.into();
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > 255 || !visible {
            return Err(StartError::AdminToken);
        }
        Ok(Self(text))
    }

    /// A random one.
    ///
    /// # Errors
    /// [`StartError::Random`].
    pub fn random() -> Result<Self, StartError> {
        let mut bytes = [0; 24];
        getrandom::fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The one way to the text: for the line that is printed at the start.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// In a time that does not tell how much of it was right.
    fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }
}

impl FromStr for AdminToken {
    type Err = StartError;

    fn from_str(text: &str) -> Result<Self, StartError> {
        Self::new(text)
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(redacted)")
    }
}

/// An operator who has shown the token: the only way to one is [`App::admin`].
#[derive(Debug)]
pub struct Admin<'a>(&'a App);

impl App {
    /// Takes all values of `X-Admin-Token`, in order: there must be one, and it must be right.
    ///
    /// # Errors
    /// [`Problem::Forbidden`].
    pub fn admin<'v>(
        &self,
        values: impl IntoIterator<Item = &'v [u8]>,
    ) -> Result<Admin<'_>, Failure> {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (Some(shown), None) if self.admin_token().is(shown) => Ok(Admin(self)),
            _ => Err(Problem::Forbidden.into()),
        }
    }
}

impl Admin<'_> {
    /// What this process has measured, for Prometheus. Behind the token: it tells how many sign in,
    /// and which attacks are noticed.
    pub fn metrics(&self) -> Metrics {
        Metrics::now()
    }

    /// Locks a user out, now and everywhere: inactive, and every device logged out.
    ///
    /// # Errors
    /// [`Problem::NotFound`]; 503 where the store does not answer, and then repeating is safe.
    pub async fn lock(&self, username: &str) -> Result<EndedCount, Failure> {
        let (accounts, sessions) = (self.0.accounts().clone(), self.0.sessions().clone());
        let username = username.to_owned();
        self.0
            .whole(async move {
                // Locked first: a login that reads the hash after this finds none, and one that
                // has read it before is overtaken by the logout.
                let user = accounts.set_locked(&username, Locked::Yes).await?;
                let user = user.ok_or(Problem::NotFound)?;
                let by = By::operator("admin");
                let ended = sessions.logout_all(&user, EndReason::Locked, by).await?;
                Ok(EndedCount { ended: ended.guids.len() })
            })
            .await
    }

    /// Lets a user sign in again. What was logged out stays so.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    pub async fn unlock(&self, username: &str) -> Result<(), Failure> {
        let (accounts, sessions) = (self.0.accounts().clone(), self.0.sessions().clone());
        let username = username.to_owned();
        self.0
            .whole(async move {
                let user = accounts.set_locked(&username, Locked::No).await?;
                let user = user.ok_or(Problem::NotFound)?;
                // Nodes that remember the user as locked shall ask again.
                Ok(sessions.user_changed(&user, By::operator("admin")).await?)
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_visible_word() {
        for bad in ["", "two words", "line\n", "\u{f6}", &"a".repeat(256)] {
            assert!(AdminToken::new(bad).is_err(), "{bad:?}");
        }
        let random = AdminToken::random().unwrap();
        assert_eq!(random.expose().len(), 32);
        assert!(AdminToken::new(random.expose()).is_ok());
        assert!(!format!("{random:?}").contains(random.expose()));
        assert!(random.is(random.expose().as_bytes()));
        assert!(!random.is(b"") && !random.is(&random.expose().as_bytes()[1..]));
    }
}
