//! The end of the server, as soon as the last request is answered.
//!
//! At its shutdown Rocket looks once whether all connections are closed, and otherwise waits for the
//! whole limit, though an idle connection closes a moment later. It looks after the fairings, so this
//! one holds it back until then.

use std::time::Duration;

use example_support::REQUESTS_LIMIT;
use rocket::{
    Data, Orbit, Request, Rocket,
    fairing::{Fairing, Info, Kind},
};
use tokio::{sync::watch, time};

/// What an idle connection takes to close, and a written answer to be sent.
const MOMENT: Duration = Duration::from_millis(20);

/// Each request holds a receiver of it, in its cache, until its answer is written.
#[derive(Debug)]
pub(crate) struct InFlight(watch::Sender<()>);

impl InFlight {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(()))
    }
}

#[rocket::async_trait]
impl Fairing for InFlight {
    fn info(&self) -> Info {
        Info { name: "requests in flight", kind: Kind::Request | Kind::Shutdown }
    }

    async fn on_request(&self, request: &mut Request<'_>, _body: &mut Data<'_>) {
        request.local_cache(|| self.0.subscribe());
    }

    async fn on_shutdown(&self, _rocket: &Rocket<Orbit>) {
        // The limit is Rocket's as well: then it cuts the connections.
        let _ = time::timeout(REQUESTS_LIMIT, self.0.closed()).await;
        time::sleep(MOMENT).await;
    }
}
