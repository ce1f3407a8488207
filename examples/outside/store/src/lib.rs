//! A session store of one's own, as a tutorial: everything stands in one JSON file, and every verb
//! is *lock, read, decide, write, rename*. It uses the published API of `logout-all` alone, and all
//! the laws of `logout-all-conformance` hold over it (`tests/file_laws.rs`).
//!
//! What makes it right:
//!
//! - **One lock around everything.** No verb sees another half done (L4, L20 to L24, L40, L60 to
//!   L63), whichever process it runs in. The store's clock is read under the lock as well (L3, L30).
//! - **A rename.** A verb takes effect when the new file takes the old one's name: wholly, or not at
//!   all (L1). It runs on a thread of its own, so a future that is dropped stops nothing half way.
//! - **A wait with an end.** Who does not get the lock within [`LONGEST_WAIT`] fails with an error (L2).
//! - **No decision of its own.** Whether a login is admitted, who makes room, what an ending takes and
//!   what a rotation writes is said by the core.
//!
//! Its limits: one machine (a network's file system may not keep locks or renames), and slow: each
//! verb reads the whole file, each change writes it and waits for the disk. For a few users, not for
//! a site. The file holds token ids and addresses of users: keep it in a folder that nobody else may
//! read.

mod file;
mod format;
mod store;

pub use file::{FileStore, LONGEST_WAIT};
