//! The device list: what a user sees of the sessions, never a refTokID or a token.

use std::time::SystemTime;

use super::{AuthError, Sessions};
use crate::scheme::{Guid, Label, SessionRow, UserId};

/// One signed-in device, as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// Which session.
    pub guid: Guid,
    /// What the client says it is, cleaned and cut to 256 bytes.
    pub user_agent: Option<String>,
    /// A readable name such as `Firefox on Linux`: the client's claim, not a fact.
    pub name: Option<String>,
    /// The client's address at the login, where the application keeps it.
    pub ip: Option<String>,
    /// The name that the user gave.
    pub label: Option<String>,
    /// When it signed in.
    pub created_at: SystemTime,
    /// Last activity, as coarse as the granularity (60 s by default).
    pub last_seen_at: SystemTime,
    /// When it is signed out if nothing happens any more.
    pub expires_at: SystemTime,
}

impl Sessions {
    /// The live sessions of a user, newest activity first.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn devices(&self, user: &UserId) -> Result<Vec<Device>, AuthError> {
        let found = self.read(self.store().devices(user).await)?;
        Ok(found.rows.iter().map(Device::of).collect())
    }

    /// Names a device; none clears the name. None back: there is no such live session.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn rename_device(
        &self,
        user: &UserId,
        guid: Guid,
        label: Option<Label>,
    ) -> Result<Option<Device>, AuthError> {
        let row = self.written(self.store().relabel(user, guid, label.as_ref()).await)?;
        Ok(row.as_ref().map(Device::of))
    }
}

impl Device {
    fn of(row: &SessionRow) -> Self {
        Self {
            guid: row.guid,
            user_agent: row.user_agent.as_ref().map(ToString::to_string),
            name: row.user_agent.as_ref().and_then(crate::scheme::UserAgent::device_name),
            ip: row.ip.clone(),
            label: row.label.as_ref().map(ToString::to_string),
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
            expires_at: row.expires_at,
        }
    }
}
