//! The laws of a store, over every store of the workspace, and the twins that they must convict.

use std::path::Path;

use libtest_mimic::{Arguments, Trial};
use logout_all::{Clock, MemoryStore, UserId, Users};
use logout_all_conformance::laws::{self, FactoryError, Fresh, Standing, StoreFactory};
use logout_all_sqlite::{SqliteStore, rusqlite::Connection};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = laws::broken_twins();
    trials.extend(over(Memory, &arguments));
    trials.extend(over(Sqlite, &arguments));
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

struct Sqlite;

impl StoreFactory for Sqlite {
    type Store = SqliteStore;

    fn name(&self) -> String {
        "sqlite".to_owned()
    }

    /// A file of its own for each trial, a second store on it, as another process opens it, and
    /// the application's users table beside the sessions.
    async fn fresh(&self) -> Result<Fresh<SqliteStore>, FactoryError> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("laws.db");
        let clock = Clock::system();
        let people = Users::table("people").active("NOT locked").columns(["name"]);
        let builder = SqliteStore::builder(&path).users(people).danger_clock(clock.clone());
        builder.migrate().await?;
        Connection::open(&path)?.execute_batch(
            "CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT, locked INTEGER NOT NULL)",
        )?;
        let (store, second) = (builder.connect().await?, builder.connect().await?);
        let write = move |user, standing| {
            let path = path.clone();
            async move { write_person(&path, &user, &standing) }
        };
        Ok(Fresh::new(store, clock).second(second).users(write).keep_alive(folder))
    }

    fn rounds(&self) -> usize {
        30
    }
}

fn write_person(path: &Path, user: &UserId, standing: &Standing) -> Result<(), FactoryError> {
    const WRITE: &str = "INSERT INTO people (id, name, locked) VALUES (?1, ?2, ?3) \
                         ON CONFLICT (id) DO UPDATE SET name = ?2, locked = ?3";
    let sql = Connection::open(path)?;
    match standing {
        Standing::Active { name } => sql.execute(WRITE, (user.as_str(), name, false))?,
        Standing::Locked => sql.execute(WRITE, (user.as_str(), "", true))?,
        Standing::Absent => sql.execute("DELETE FROM people WHERE id = ?1", [user.as_str()])?,
    };
    Ok(())
}
