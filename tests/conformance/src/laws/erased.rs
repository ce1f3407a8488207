//! The port behind `dyn`, so that the laws are compiled once and not once for each store.

use std::{future::Future, pin::Pin, time::Duration};

use logout_all::{
    By, EndReason, Ended, Guid, JournalEntry, Label, RefTokId, SessionRow, SessionStore, Snapshot,
    StoreError, UserId,
    store::{
        DeviceRows, Ending, Inserted, JournalOrder, JournalPage, Lease, NewSession, Polled, Remint,
        Rotation, StoreInfo, Swap, Swept, TicketEpochs, Touch,
    },
};

pub(super) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

macro_rules! any_store {
    ($($verb:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        /// See [`SessionStore`]: the same verbs.
        // Of one lifetime: some verbs borrow arguments beside the store.
        #[allow(clippy::elidable_lifetime_names)]
        pub(super) trait AnyStore: Send + Sync {
            fn info(&self) -> StoreInfo;
            fn journal_order(&self) -> JournalOrder;
            $(fn $verb<'a>(&'a self, $($name: $type),*) -> Answer<'a, $answer>;)*
        }

        #[allow(clippy::elidable_lifetime_names)]
        impl<S: SessionStore> AnyStore for S {
            fn info(&self) -> StoreInfo {
                SessionStore::info(self)
            }
            fn journal_order(&self) -> JournalOrder {
                SessionStore::journal_order(self)
            }
            $(fn $verb<'a>(&'a self, $($name: $type),*) -> Answer<'a, $answer> {
                Box::pin(SessionStore::$verb(self, $($name),*))
            })*
        }
    };
}

any_store! {
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
