//! HTTP as text and bytes: what a request presents, what a reply says, the cookie, the cross-site
//! rule and the table of problems. Pure functions over values; this folder knows no framework, no
//! store and no session.

mod config;
mod cookie;
mod cross_site;
mod pieces;
mod presented;
mod problem;
mod reply;

pub(crate) use config::StorePeer;
pub use config::{HttpConfig, PassingRenewal, Transport, Transports};
pub use cookie::CookieName;
pub use cross_site::{CrossSite, Origin};
pub(crate) use cross_site::{Provenance, is_refused, provenance};
pub use pieces::Pieces;
pub use presented::{Method, Presentation, Presented, RawToken};
pub use problem::Problem;
pub use reply::{Body, Reply};
