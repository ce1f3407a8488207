//! Where sessions are kept: the port that every store implements, its words, the journal, the
//! users beside it, and the memory store, which is the port's executable specification. This
//! folder knows the scheme and no token format.

mod directory;
mod erased;
mod error;
mod journal;
mod memory;
mod port;
mod words;

pub use directory::{NoUsers, UserDirectory, Users};
pub(crate) use erased::{DynDirectory, DynStore, erase, erase_directory};
pub use error::{StoreError, StoreErrorKind};
pub use journal::{JournalEntry, JournalPage};
pub use memory::MemoryStore;
pub use port::SessionStore;
pub use words::{
    Admission, Confirm, DeviceRows, Ended, Ending, Inserted, JournalOrder, Lease, NewSession,
    Remint, RemintOf, Rotation, Scope, StoreInfo, Swap, Swept, TicketEpochs, Touch,
};
