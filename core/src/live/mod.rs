//! What goes on beside the requests: activity on its way to the store, the wait that makes a
//! logout final, the sweeper. Everything here runs on the runtime that built `Sessions`, never on
//! a caller's: on Actix a worker's runtime may stall or stop.

mod background;
mod settle;
mod sweep;
mod touches;

pub(crate) use background::Background;
pub(crate) use settle::settle;
pub(crate) use touches::Touches;
