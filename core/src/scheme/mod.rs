//! The scheme itself: ids, rows and the two decisions (is this token accepted, what does a
//! renewal do) as pure functions. This folder knows no store, no token format and no HTTP.

mod denial;
mod ids;
mod policy;
mod reason;
mod rotation;
mod row;
mod snapshot;
mod text;
mod time;
mod usage;

pub use denial::Denied;
pub use ids::{Guid, RefTokId, UserId};
pub use policy::{
    DeviceLimit, Grace, Limits, Overflow, Persistence, Policy, PolicyDraft, Recovery, Reuse,
};
pub use reason::{By, EndReason};
pub use rotation::{Renewal, RenewalKind, TokenTimes, Verdict};
pub(crate) use rotation::{live_row, may_rotate, renewal, verdict};
pub use row::SessionRow;
pub use snapshot::{Epochs, Snapshot, UserData, UserState};
pub use text::{Label, UserAgent};
pub use time::{Clock, from_micros, to_micros, whole_seconds};
pub(crate) use time::{elapsed, from_seconds, later};
pub use usage::Usage;
