//! A line: the way to the server that has a key, for one purpose. To one server it is one wire, on
//! a cluster one to each node.

use std::{fmt, sync::Arc, time::Duration};

use redis::Value;

use crate::{
    cluster::Routes,
    fault::Fault,
    script::Call,
    server::Reach,
    wire::{Held, Wire},
};

#[derive(Clone)]
pub(crate) enum Line {
    Server(Wire),
    Cluster(Routes),
}

impl Line {
    pub(crate) fn to_server(reach: &Arc<Reach>) -> Self {
        Self::Server(Wire::new(reach))
    }

    /// A connection to the server that has the keys of this call, as far as known.
    pub(crate) async fn hold(&self, call: &Call) -> Result<Held, Fault> {
        match self {
            Self::Server(wire) => wire.hold().await,
            Self::Cluster(routes) => routes.hold(call.slot()).await,
        }
    }

    /// The answer, and the connection over which it came: on a cluster another than the one given
    /// where the keys have moved.
    pub(crate) async fn call_over(
        &self,
        held: Held,
        call: &Call,
        wait: Duration,
    ) -> Result<(Value, Held), Fault> {
        match self {
            Self::Server(_) => {
                let said = held.call(call, wait).await?;
                Ok((held.sorted(said).await?, held))
            }
            Self::Cluster(routes) => routes.call_over(held, call, wait).await,
        }
    }

    pub(crate) async fn call(&self, call: &Call, wait: Duration) -> Result<Value, Fault> {
        let held = self.hold(call).await?;
        self.call_over(held, call, wait).await.map(|(answer, _)| answer)
    }

    /// After a connection failed: asks a cluster which node has what now.
    pub(crate) async fn find_anew(&self) {
        if let Self::Cluster(routes) = self {
            // That it cannot be told now is told by what is asked next.
            drop(routes.refresh().await);
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}
