//! From options to an application that is ready to serve.

use std::path::Path;

use logout_all::{Clock, Grace, Keys, MemoryStore, Sessions, SessionsBuilder};

use crate::{
    Accounts, AdminToken, App, Door, HashCost, Options, StartError, StoreChoice,
    announce::Announcement, metrics, open_postgres, open_redis, open_sqlite,
    options::DEFAULT_DATABASE, signing_key::signing_key,
};

/// The same for every process of the demo, whatever its port: they shall take each other's tokens.
const ISSUER: &str = "logout-all-demo";

/// What a framework serves.
#[derive(Debug)]
pub struct Started {
    /// Reserved, and to be opened by the framework.
    pub door: Door,
    /// The application.
    pub app: App,
    /// What to print when it is open: address, admin token, what to try next.
    pub announcement: String,
}

/// Reserves the port first, since the development cookie is named after it; then opens the store.
///
/// # Errors
/// [`StartError`], with what to do about it.
pub async fn start(options: &Options) -> Result<Started, StartError> {
    metrics::recorder();
    let address = options.listen;
    let door = Door::reserve(address).map_err(|why| StartError::Listen { address, why })?;
    let address = door.address();
    let file = match &options.store {
        StoreChoice::Sqlite(path) => Some(path.as_path()),
        StoreChoice::Memory | StoreChoice::Postgres(_) | StoreChoice::Redis(_) => None,
    };
    if let Some(path) = file.filter(|path| *path == Path::new(DEFAULT_DATABASE)) {
        create_folder(path)?;
    }
    let (building, accounts) = open(&options.store).await?;
    accounts.seed().await?;
    // After the store: a path that cannot be one leaves no key beside it.
    let (keys, key) = signing_key(file)?;
    let sessions = settings(building(keys), options, address.port()).build().await?;

    let admin_token = match &options.admin_token {
        Some(token) => token.clone(),
        None => AdminToken::random()?,
    };
    let announcement = Announcement {
        address,
        admin_token: &admin_token,
        store: &options.store,
        key: &key,
        transport: options.transport,
    }
    .to_string();
    Ok(Started { door, app: App::new(sessions, accounts, admin_token), announcement })
}

fn create_folder(database: &Path) -> Result<(), StartError> {
    let Some(folder) = database.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|why| StartError::File { path: folder.to_owned(), why })
}

/// An open store that waits for its keys.
type Building = Box<dyn FnOnce(Keys) -> SessionsBuilder + Send>;

async fn open(store: &StoreChoice) -> Result<(Building, Accounts), StartError> {
    let (cost, clock) = (HashCost::Default, Clock::system());
    match store {
        StoreChoice::Memory => {
            let accounts = Accounts::memory(cost)?;
            let users = accounts.clone();
            let building = |keys| Sessions::builder(MemoryStore::new(), keys, ISSUER).users(users);
            Ok((Box::new(building), accounts))
        }
        StoreChoice::Sqlite(path) => {
            let (store, accounts) = open_sqlite(path, cost, clock).await?;
            Ok((Box::new(|keys| Sessions::builder(store, keys, ISSUER)), accounts))
        }
        StoreChoice::Postgres(url) => {
            let database = url.config().map_err(StartError::Database)?;
            let (store, accounts) = open_postgres(&database, cost, clock).await?;
            Ok((Box::new(|keys| Sessions::builder(store, keys, ISSUER)), accounts))
        }
        StoreChoice::Redis(url) => {
            let (store, accounts) = open_redis(url.expose(), "logout-all", cost, clock).await?;
            let users = accounts.clone();
            let building = |keys| Sessions::builder(store, keys, ISSUER).users(users);
            Ok((Box::new(building), accounts))
        }
    }
}

/// Only what was said: the defaults are the library's.
fn settings(builder: SessionsBuilder, options: &Options, port: u16) -> SessionsBuilder {
    let set = |builder: SessionsBuilder, option, to: fn(SessionsBuilder, _) -> _| match option {
        Some(value) => to(builder, value),
        None => builder,
    };
    let builder = builder
        .transports(options.transport.into())
        .mode(options.mode())
        // Browsers send cookies to all ports of a host, and a second demo must not sign the first
        // one out.
        .danger_plain_http_cookie(&format!("session-dev-{port}"));
    let builder = set(builder, options.token_ttl, SessionsBuilder::token_lifetime);
    let builder = set(builder, options.min_renewal_interval, SessionsBuilder::min_renewal_interval);
    let builder = set(builder, options.window, SessionsBuilder::window);
    let builder = match options.grace {
        Some(grace) => builder.grace(Grace::of(grace)),
        None => builder,
    };
    match options.device_limit {
        Some(limit) => builder.device_limit(limit.0),
        None => builder,
    }
}
