//! The laws over the file store: the whole program.

use std::process::ExitCode;

use example_file_store::FileStore;
use logout_all::Clock;
use logout_all_conformance::laws::{FactoryError, Fresh, StoreFactory};

struct Files;

impl StoreFactory for Files {
    type Store = FileStore;

    fn name(&self) -> String {
        "file".to_owned()
    }

    async fn fresh(&self) -> Result<Fresh<FileStore>, FactoryError> {
        let folder = tempfile::tempdir()?;
        let clock = Clock::system();
        let open = || FileStore::with_clock(folder.path().join("sessions.json"), clock.clone());
        // The second handle is another node's: here, another process on the same file.
        let (store, second) = (open()?, open()?);
        Ok(Fresh::new(store, clock).second(second).keep_alive(folder))
    }

    fn rounds(&self) -> usize {
        5 // every change waits for the disk
    }
}

fn main() -> ExitCode {
    logout_all_conformance::run_laws(Files)
}
