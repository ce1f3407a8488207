//! What the figures were measured on.

use std::fs;

use logout_all_postgres::tokio_postgres::NoTls;

use super::{Bench, fill};
use crate::report::Machine;

pub(super) async fn describe(bench: &Bench) -> anyhow::Result<Machine> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let (sql, connection) = fill::config(&bench.arguments.postgres)?.connect(NoTls).await?;
    tokio::spawn(connection);
    let postgres: String = sql.query_one("SHOW server_version", &[]).await?.get(0);
    let settings = "SELECT string_agg(name || '=' || setting, ' ') FROM pg_settings \
        WHERE name IN ('fsync', 'synchronous_commit', 'shared_buffers')";
    let settings: String = sql.query_one(settings, &[]).await?.get(0);
    let mut redis = redis::Client::open(bench.arguments.redis.as_str())?;
    let redis = redis_version(&mut redis).await?;
    Ok(Machine {
        date: jiff::Zoned::now().strftime("%Y-%m-%d %H:%M %Z").to_string(),
        extent: format!("{:?}", bench.plan.extent).to_lowercase(),
        processor: model.map_or("unknown", |(_, model)| model).to_owned(),
        cores,
        system: format!("Linux {}", kernel.trim()),
        postgres: format!("PostgreSQL {postgres} ({settings})"),
        redis,
    })
}

async fn redis_version(client: &mut redis::Client) -> anyhow::Result<String> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
    let of = |key: &str| {
        info.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("unknown").trim().to_owned()
    };
    Ok(format!("Redis {}", of("redis_version:")))
}
