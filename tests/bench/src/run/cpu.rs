//! Processor time of processes on this machine, from `/proc`.

use std::time::{Duration, Instant};

use anyhow::Context;
use logout_all_postgres::tokio_postgres::Client;
use procfs::process::{Process, all_processes};

/// A server, and the processes that it started for its connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family(pub(crate) i32);

impl Family {
    /// Processor time so far: of the process, of its children, and of those that have ended.
    pub(crate) fn time(self) -> anyhow::Result<Duration> {
        let own = Process::new(self.0).and_then(|process| process.stat());
        let own = own.with_context(|| format!("there is no process {}", self.0))?;
        let mut ticks = own.utime + own.stime;
        ticks += u64::try_from(own.cutime + own.cstime).unwrap_or(0);
        // Another process may end while the list is read.
        let others = all_processes()?.filter_map(|process| process.and_then(|one| one.stat()).ok());
        for child in others.filter(|stat| stat.ppid == self.0) {
            ticks += child.utime + child.stime;
        }
        Ok(Duration::from_secs(ticks) / u32::try_from(procfs::ticks_per_second())?)
    }
}

/// Waits until they have next to nothing to do for so long, or says that they never had.
pub(crate) async fn rest(families: &[Family], still: Duration) -> anyhow::Result<()> {
    const LONGEST: Duration = Duration::from_secs(10);
    let all = || families.iter().map(|family| family.time()).sum::<anyhow::Result<Duration>>();
    let begun = Instant::now();
    loop {
        let before = all()?;
        tokio::time::sleep(still).await;
        let spent = all()?.saturating_sub(before);
        // A tick, or a tenth of a processor: nodes with a cache poll all the while.
        let little =
            (still / 10).max(Duration::from_secs(1) / u32::try_from(procfs::ticks_per_second())?);
        if spent <= little {
            return Ok(());
        }
        if begun.elapsed() > LONGEST {
            println!("a turn begins although a store is at work: not at rest within {LONGEST:?}");
            return Ok(());
        }
    }
}

/// That PostgreSQL, if it runs on this machine.
pub(crate) async fn of_postgres(url: &str, sql: &Client) -> anyhow::Result<Option<Family>> {
    if !is_here(url) {
        return Ok(None);
    }
    let own: i32 = sql.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
    // The parent of a connection's process is the server.
    Ok(Process::new(own)?.stat().ok().map(|stat| Family(stat.ppid)))
}

/// That Redis, if it runs on this machine.
pub(crate) async fn of_redis(url: &str) -> anyhow::Result<Option<Family>> {
    if !is_here(url) {
        return Ok(None);
    }
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
    let id = info.lines().find_map(|line| line.strip_prefix("process_id:"));
    Ok(id.and_then(|id| id.trim().parse().ok()).map(Family))
}

fn is_here(url: &str) -> bool {
    url.contains("@127.0.0.1") || url.contains("//127.0.0.1")
}
