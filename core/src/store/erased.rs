//! The private dyn twin of the port, so that `Sessions` needs no type parameter while authors of
//! stores write plain `async fn`s. Nothing but forwarding happens here.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use super::{
    DeviceRows, Ended, Ending, Inserted, JournalEntry, JournalOrder, JournalPage, Lease,
    NewSession, Polled, Remint, Rotation, SessionStore, StoreError, StoreInfo, Swap, Swept,
    TicketEpochs, Touch, UserDirectory,
};
use crate::scheme::{
    By, EndReason, Guid, Label, RefTokId, SessionRow, Snapshot, UserId, UserState,
};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

pub(crate) fn erase(store: impl SessionStore) -> Arc<dyn DynStore> {
    Arc::new(store)
}

pub(crate) fn erase_directory(directory: impl UserDirectory) -> Arc<dyn DynDirectory> {
    Arc::new(directory)
}

macro_rules! dyn_twin {
    ($($verb:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        /// See [`SessionStore`]: the same verbs.
        #[allow(clippy::elidable_lifetime_names)] // the argument types name it
        pub(crate) trait DynStore: Send + Sync {
            fn info(&self) -> StoreInfo;
            fn journal_order(&self) -> JournalOrder;
            fn woken(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
            $(fn $verb<'a>(&'a self, $($name: $type),*) -> Answer<'a, $answer>;)*
        }

        #[allow(clippy::elidable_lifetime_names)]
        impl<S: SessionStore> DynStore for S {
            fn info(&self) -> StoreInfo {
                SessionStore::info(self)
            }
            fn journal_order(&self) -> JournalOrder {
                SessionStore::journal_order(self)
            }
            fn woken(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
                Box::pin(SessionStore::woken(self))
            }
            $(fn $verb<'a>(&'a self, $($name: $type),*) -> Answer<'a, $answer> {
                Box::pin(SessionStore::$verb(self, $($name),*))
            })*
        }
    };
}

dyn_twin! {
    ping() -> ();
    epochs(user: Option<&'a UserId>) -> TicketEpochs;
    insert(login: &'a NewSession) -> Inserted;
    lookup(user: &'a UserId, guid: Guid) -> Snapshot;
    rotate(rotation: &'a Rotation) -> Swap;
    remint(remint: &'a Remint) -> Swap;
    touch(touches: &'a [Touch]) -> Vec<RefTokId>;
    relabel(user: &'a UserId, guid: Guid, label: Option<&'a Label>) -> Option<SessionRow>;
    devices(user: &'a UserId) -> DeviceRows;
    end(ending: &'a Ending) -> Ended;
    end_everyone(reason: EndReason, by: &'a By) -> ();
    announce_changed(user: &'a UserId, by: &'a By) -> ();
    lease() -> Lease;
    journal(after: u64, limit: usize) -> JournalPage;
    poll(after: Option<u64>, limit: usize) -> Polled;
    raise_lease(to: Duration) -> Lease;
    lower_given(to: Duration) -> Lease;
    lower_waited(seen: Lease) -> bool;
    history(user: &'a UserId, limit: usize) -> Vec<JournalEntry>;
    sweep(limit: usize) -> Swept;
}

/// See [`UserDirectory`].
pub(crate) trait DynDirectory: Send + Sync {
    fn find<'a>(&'a self, user: &'a UserId) -> Answer<'a, UserState>;
}

impl<D: UserDirectory> DynDirectory for D {
    fn find<'a>(&'a self, user: &'a UserId) -> Answer<'a, UserState> {
        Box::pin(UserDirectory::find(self, user))
    }
}
