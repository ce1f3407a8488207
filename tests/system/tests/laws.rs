//! The laws of a store, over every store of the workspace, and the twins that they must convict.

use libtest_mimic::{Arguments, Trial};
use logout_all::{Clock, MemoryStore};
use logout_all_conformance::laws::{self, FactoryError, Fresh, StoreFactory};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = laws::broken_twins();
    trials.extend(over(Memory, &arguments));
    libtest_mimic::run(&arguments, trials).exit();
}

/// The trials over one store, and its version for the closing table.
fn over(factory: impl StoreFactory, arguments: &Arguments) -> Vec<Trial> {
    if !arguments.list {
        match laws::version(&factory) {
            Ok(line) => println!("{line}"),
            // The trials will fail, each with the reason.
            Err(why) => println!("version: {} unknown: {why}", factory.name()),
        }
    }
    laws::trials(factory)
}

struct Memory;

impl StoreFactory for Memory {
    type Store = MemoryStore;

    fn name(&self) -> String {
        "memory".to_owned()
    }

    async fn fresh(&self) -> Result<Fresh<MemoryStore>, FactoryError> {
        let clock = Clock::system();
        let store = MemoryStore::with_clock(clock.clone());
        let second = store.clone();
        Ok(Fresh::new(store, clock).second(second))
    }

    fn rounds(&self) -> usize {
        200
    }
}
