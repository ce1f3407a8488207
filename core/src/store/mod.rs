//! Where sessions are kept: the port that every store implements, its words, the journal, the
//! users beside it, the memory store, which is the port's executable specification, and for
//! authors of stores the coalescing of lookups and the wake-ups of a server. This folder knows the
//! scheme and no token format.

pub mod coalesce;

mod directory;
mod erased;
mod error;
mod journal;
mod lookups;
mod memory;
mod port;
mod sync;
mod wakes;
mod words;
mod work;

pub use directory::{NoUsers, UserDirectory, Users};
pub(crate) use erased::{DynDirectory, DynStore, erase, erase_directory};
pub use error::{StoreError, StoreErrorKind};
pub use journal::{JournalEntry, JournalPage, Polled};
pub use lookups::{LookupAnswer, LookupAsked, Lookups};
pub use memory::MemoryStore;
pub use port::SessionStore;
pub use wakes::{Heard, Wakes};
pub use words::{
    Admission, Confirm, DeviceRows, Ended, Ending, Inserted, JournalOrder, Lease, NewSession,
    Remint, RemintOf, Rotation, Scope, StoreInfo, Swap, Swept, TicketEpochs, Touch,
};
pub use work::Pace;
