//! Servers under load: the bare frameworks, what others do, and this library over each store.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::Context;
use clap::ValueEnum;

use super::{
    Bench, Extent,
    cpu::{self, Family},
    fill::{self, Database},
    peers,
    server::{Server, Turn, Until, Who, load},
    turns::Rounds,
};
use crate::{
    report::{Row, Target},
    serve::{Framework, What},
    world,
};

/// Connections for the comparison with everything.
const USUAL: u32 = 64;
/// And for some of them again.
const MANY: u32 = 256;
/// How long nothing may be at work any more before a turn: what the one before it left to a store is
/// not this one's.
const STILL: Duration = Duration::from_millis(100);
/// The same after all were warmed: longer than activity gathers before it is written down.
const SETTLED: Duration = Duration::from_millis(300);

/// The variants of the peers' program, and what is behind each. actix-identity's documentation has two
/// forms: with a deadline from the last visit, which writes in each request, and without one.
const PEERS: [(&str, Option<Store>); 4] = [
    ("axum-login-memory", None),
    ("axum-login-postgres", Some(Store::Postgres)),
    ("actix-session-redis", Some(Store::Redis)),
    ("actix-session-redis-fixed", Some(Store::Redis)),
];

/// All servers, each with those who ask it; and the servers behind them.
struct Servers {
    all: Vec<Contender>,
    postgres: Option<Family>,
    redis: Option<Family>,
}

struct Contender {
    server: Server,
    who: Who,
    store: Option<Store>,
}

#[derive(Clone, Copy)]
enum Store {
    Postgres,
    Redis,
}

/// What the turns of one server came to.
#[derive(Default)]
struct Figures {
    rates: Rounds,
    medians: Rounds,
    p99s: Rounds,
    /// Microseconds of processor for an answer: the server's, and its store's.
    own: Rounds,
    stores: Rounds,
}

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let plan = bench.plan;
    let database = Database::filled(bench, "http", plan.sessions).await?;
    let servers = Servers::start(bench, &database).await?;
    let mut rows = Vec::new();

    println!("all servers at {USUAL} connections");
    servers.warm().await?;
    let usual = servers.turns(bench, |_| true, USUAL).await?;
    rows.extend(at_usual(&usual));

    println!("{MANY} connections");
    let wanted = |name: &str| name == "axum/literal" || ends(name, &["bare", "postgres"]);
    let many = servers.turns(bench, wanted, MANY).await?;
    for framework in names::<Framework>() {
        let (own, bare) = (format!("{framework}/postgres"), format!("{framework}/bare"));
        rows.extend(at_many(&many, &own, &bare, Target::AtLeast(0.60)));
    }
    rows.extend(at_many(&many, "axum/postgres", "axum/literal", Target::AtLeast(5.0)));

    println!("one connection");
    let wanted = |name: &str| ["axum/select", "axum/postgres"].contains(&name);
    let one = servers.turns(bench, wanted, 1).await?;
    rows.extend(latency(&one));

    println!("processor time of PostgreSQL by the number of connections");
    let few = servers.turns(bench, |name| name == "axum/postgres", 8).await?;
    let by_connections = [(1, &one), (8, &few), (USUAL, &usual), (MANY, &many)];
    rows.extend(cpu_by_load(&by_connections));
    drop(servers);
    database.remove().await?;
    rows.extend(by_size(bench).await?);
    Ok(rows)
}

/// What a verification costs PostgreSQL, and whether that falls as load grows.
fn cpu_by_load(by_connections: &[(u32, &BTreeMap<String, Figures>)]) -> Vec<Row> {
    let what =
        |connections| format!("PostgreSQL's CPU for a verification, {connections} connections");
    let stores: Vec<(u32, &Rounds)> = by_connections
        .iter()
        .filter_map(|(connections, figures)| {
            Some((*connections, &figures.get("axum/postgres")?.stores))
        })
        .collect();
    let alone = stores.iter().map(|(connections, stores)| {
        let row = Row::new(what(*connections), (*stores).clone(), "µs");
        if *connections == USUAL { row.target(Target::AtMost(6.0)) } else { row }
    });
    let growing = stores.windows(2).filter_map(|pair| {
        let [(few, fewer), (many, more)] = pair else { return None };
        let row = Row::new(what(*many), (*more).clone(), "µs");
        Some(row.against(format!("{few} connections"), fewer).target(Target::AtMost(1.0)))
    });
    alone.chain(growing).collect()
}

/// Throughput of PostgreSQL by the number of sessions.
async fn by_size(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let mut sizes = vec![10_000, bench.plan.sessions];
    if bench.plan.extent == Extent::Huge {
        sizes.push(10_000_000);
    }
    let (mut databases, mut all) = (Vec::new(), Vec::new());
    for size in &sizes {
        let database = Database::filled(bench, &format!("size_{size}"), *size).await?;
        let places = vec![format!("--postgres={}", database.url)];
        let server = Server::own(&["axum", "postgres"], &places).await?;
        all.push(Contender { server, who: Who::Sessions(*size), store: Some(Store::Postgres) });
        databases.push(database);
    }
    let mut rates = vec![Rounds::default(); sizes.len()];
    let servers = Servers { all, ..Servers::none(bench, &databases[0]).await? };
    servers.warm().await?;
    for _ in 0..bench.plan.rounds {
        for (contender, rates) in servers.all.iter().zip(&mut rates) {
            servers.rest(&[contender], STILL).await?;
            rates.push(contender.turn(USUAL, bench.plan.turn).await?.rate);
        }
    }
    drop(servers);
    for database in databases {
        database.remove().await?;
    }
    let few = rates[0].clone();
    Ok(sizes[1..]
        .iter()
        .zip(&rates[1..])
        .map(|(size, rates)| {
            Row::new(format!("axum/postgres, {size} sessions"), rates.clone(), "/s")
                .against("10000 sessions", &few)
                .target(Target::AtLeast(0.75))
        })
        .collect())
}

impl Servers {
    async fn start(bench: &Bench, database: &Database) -> anyhow::Result<Self> {
        let (plan, folder) = (bench.plan, bench.folder.path());
        let sqlite = fill::sqlite(folder, "http", plan.fewer).await?;
        fill::redis(&bench.arguments.redis, plan.fewer).await?;
        let places = |sessions: u32| {
            vec![
                format!("--postgres={}", database.url),
                format!("--redis={}", bench.arguments.redis),
                format!("--sqlite={}", sqlite.display()),
                format!("--sessions={sessions}"),
            ]
        };
        let mut all = Vec::new();
        for framework in names::<Framework>() {
            for what in names::<What>() {
                let by_hand = ["select", "literal"].contains(&what.as_str());
                if framework != "axum" && (by_hand || what == "sqlite") {
                    continue;
                }
                println!("starting {framework}/{what}");
                // In memory, Redis and SQLite there are fewer: each server fills its own.
                let sessions = match what.as_str() {
                    "memory" | "redis" | "sqlite" => plan.fewer,
                    _ => plan.sessions,
                };
                let server = Server::own(&[&framework, &what], &places(sessions)).await?;
                let store = match what.as_str() {
                    "postgres" | "cached" | "select" | "literal" => Some(Store::Postgres),
                    "redis" => Some(Store::Redis),
                    _ => None,
                };
                all.push(Contender { server, who: Who::Sessions(sessions), store });
            }
        }
        if let Some(program) = &bench.arguments.peers {
            all.extend(with_peers(bench, program, database, &places(0)).await?);
        }
        Ok(Self { all, ..Self::none(bench, database).await? })
    }

    async fn none(bench: &Bench, database: &Database) -> anyhow::Result<Self> {
        let postgres = cpu::of_postgres(&bench.arguments.postgres, &database.sql).await?;
        let redis = cpu::of_redis(&bench.arguments.redis).await?;
        Ok(Self { all: Vec::new(), postgres, redis })
    }

    /// Lets those of these names take turns.
    async fn turns(
        &self,
        bench: &Bench,
        wanted: impl Fn(&str) -> bool,
        connections: u32,
    ) -> anyhow::Result<BTreeMap<String, Figures>> {
        let mut figures: BTreeMap<String, Figures> = BTreeMap::new();
        let wanted: Vec<&Contender> =
            self.all.iter().filter(|one| wanted(&one.server.name)).collect();
        let mut before: Option<&Contender> = None;
        for _ in 0..bench.plan.rounds {
            for contender in &wanted {
                // What a cache holds, it forgets after ten seconds.
                if ends(&contender.server.name, &["cached"]) {
                    contender.walk().await?;
                }
                let at_work: Vec<&Contender> = before.into_iter().chain([*contender]).collect();
                self.rest(&at_work, STILL).await?;
                let entry = figures.entry(contender.server.name.clone()).or_default();
                self.turn(contender, connections, bench.plan.turn, entry).await?;
                before = Some(contender);
            }
        }
        Ok(figures)
    }

    /// Each active session is used once at each of them: tokens are confirmed, pages are in memory.
    async fn warm(&self) -> anyhow::Result<()> {
        for contender in &self.all {
            contender.walk().await?;
        }
        self.rest(&[], SETTLED).await
    }

    /// Waits until these and all stores are at rest.
    async fn rest(&self, contenders: &[&Contender], still: Duration) -> anyhow::Result<()> {
        let mut families: Vec<Family> = [self.postgres, self.redis].into_iter().flatten().collect();
        for contender in contenders {
            families.push(contender.server.family()?);
        }
        cpu::rest(&families, still).await
    }

    async fn turn(
        &self,
        contender: &Contender,
        connections: u32,
        seconds: f64,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let family = contender.server.family()?;
        let behind = contender.store.and_then(|store| match store {
            Store::Postgres => self.postgres,
            Store::Redis => self.redis,
        });
        let time = || {
            let behind = behind.map_or(Ok(Duration::ZERO), Family::time)?;
            anyhow::Ok((family.time()?, behind))
        };
        let before = time()?;
        let turn = contender.turn(connections, seconds).await?;
        let after = time()?;
        // The requests that warm it up are in the processor's account, too.
        let answers = turn.answers + f64::from(connections) * 4.0;
        let micros = |spent: Duration| spent.as_secs_f64() * 1e6 / answers;
        figures.rates.push(turn.rate);
        figures.medians.push(turn.median * 1e6);
        figures.p99s.push(turn.p99 * 1e3);
        figures.own.push(micros(after.0.saturating_sub(before.0)));
        figures.stores.push(micros(after.1.saturating_sub(before.1)));
        Ok(())
    }
}

impl Contender {
    async fn turn(&self, connections: u32, seconds: f64) -> anyhow::Result<Turn> {
        self.asked(connections, Until::Seconds(seconds)).await
    }

    /// Each of the active sessions is used once.
    async fn walk(&self) -> anyhow::Result<()> {
        self.asked(USUAL, Until::Requests(world::ACTIVE)).await.map(drop)
    }

    async fn asked(&self, connections: u32, until: Until) -> anyhow::Result<Turn> {
        let turn = load(&self.server.address, &self.who, connections, until).await;
        turn.with_context(|| format!("{} was asked", self.server.name))
    }
}

async fn with_peers(
    bench: &Bench,
    program: &Path,
    database: &Database,
    places: &[String],
) -> anyhow::Result<Vec<Contender>> {
    let mut all = Vec::new();
    for (variant, store) in PEERS {
        println!("starting {variant}");
        let folder = bench.folder.path();
        let peer = peers::start(program, variant, &places[..2], folder).await?;
        if variant == "axum-login-postgres" {
            peers::fill(database, bench.plan.sessions).await?;
        }
        all.push(Contender { server: peer.server, who: Who::Cookies(peer.cookies), store });
    }
    Ok(all)
}

/// Everything against its bare framework, and what else the targets name.
fn at_usual(figures: &BTreeMap<String, Figures>) -> Vec<Row> {
    let mut rows = Vec::new();
    for framework in names::<Framework>() {
        rows.extend(figures.get(&format!("{framework}/bare")).map(|bare| {
            Row::new(format!("{framework}/bare"), bare.rates.clone(), "/s").note(note(bare))
        }));
        let targets = [
            ("decode", None),
            ("memory", Some(Target::AtLeast(0.87))),
            ("sqlite", None),
            ("postgres", Some(Target::AtLeast(0.60))),
            ("cached", Some(Target::AtLeast(0.93))),
            ("redis", Some(Target::AtLeast(0.62))),
            ("select", None),
            ("literal", None),
        ];
        for (what, target) in targets {
            rows.extend(row(
                figures,
                &format!("{framework}/{what}"),
                &format!("{framework}/bare"),
                target,
            ));
        }
        let (cached, decode) = (format!("{framework}/cached"), format!("{framework}/decode"));
        rows.extend(row(figures, &cached, &decode, Some(Target::AtLeast(1.03))));
    }
    for (peer, _) in PEERS {
        let own = if peer.starts_with("actix") { "actix/bare" } else { "axum/bare" };
        match row(figures, peer, own, None) {
            Some(row) => rows.push(row),
            None => rows.push(Row::new(peer, Rounds::default(), "NOT RUN")),
        }
    }
    let literal = Some(Target::AtLeast(5.0));
    rows.extend(row(figures, "axum/postgres", "axum/literal", literal));
    let peer = Some(Target::AtLeast(4.0));
    rows.extend(row(figures, "axum/postgres", "axum-login-postgres", peer));
    rows
}

fn at_many(
    figures: &BTreeMap<String, Figures>,
    name: &str,
    base: &str,
    target: Target,
) -> Option<Row> {
    let mut row = row(figures, name, base, Some(target))?;
    row.what = format!("{name}, {MANY} connections");
    Some(row)
}

fn row(
    figures: &BTreeMap<String, Figures>,
    name: &str,
    base: &str,
    target: Option<Target>,
) -> Option<Row> {
    let (own, other) = (figures.get(name)?, figures.get(base)?);
    let mut row = Row::new(name, own.rates.clone(), "/s").against(base, &other.rates);
    row.target = target;
    Some(row.note(note(own)))
}

/// At one connection: how long an answer takes.
fn latency(figures: &BTreeMap<String, Figures>) -> Option<Row> {
    let (own, select) = (figures.get("axum/postgres")?, figures.get("axum/select")?);
    let row = Row::new("axum/postgres, one connection", own.medians.clone(), "µs")
        .against("axum/select", &select.medians);
    Some(row.target(Target::AtMost(1.10)))
}

fn note(figures: &Figures) -> String {
    let store = figures.stores.median();
    let behind = if store > 0.0 { format!(" + {store:.1} store") } else { String::new() };
    format!("p99 {:.1} ms, CPU {:.1} µs{behind}", figures.p99s.median(), figures.own.median())
}

fn ends(name: &str, with: &[&str]) -> bool {
    name.rsplit_once('/').is_some_and(|(_, what)| with.contains(&what))
}

/// The names of all, as the command line takes them.
fn names<V: ValueEnum + 'static>() -> impl Iterator<Item = String> {
    V::value_variants()
        .iter()
        .filter_map(|variant| Some(variant.to_possible_value()?.get_name().to_owned()))
}
