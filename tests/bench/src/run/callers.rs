//! Work in this process: so many callers at once, each doing one thing after the other.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

/// How often a second the work is done by so many callers. It is given the number of its caller and
/// how often this one did it before.
pub(super) async fn rate<F>(
    callers: u32,
    seconds: f64,
    work: impl Fn(u32, u32) -> F + Send + Sync + 'static,
) -> anyhow::Result<f64>
where
    F: Future<Output = anyhow::Result<()>> + Send,
{
    let (work, begun) = (Arc::new(work), Instant::now());
    let over = Duration::from_secs_f64(seconds);
    let mut all = JoinSet::new();
    for caller in 0..callers {
        let work = Arc::clone(&work);
        all.spawn(async move {
            let mut done = 0;
            while begun.elapsed() < over {
                work(caller, done).await?;
                done += 1;
            }
            anyhow::Ok(done)
        });
    }
    let mut done = 0.0;
    while let Some(one) = all.join_next().await {
        done += f64::from(one??);
    }
    Ok(done / begun.elapsed().as_secs_f64())
}

/// A number that looks random and is the same in each run.
pub(super) fn shuffled(caller: u32, turn: u32) -> u32 {
    let mixed = caller.wrapping_mul(0x9E37_79B9) ^ turn.wrapping_mul(0x85EB_CA6B);
    (mixed ^ (mixed >> 15)).wrapping_mul(0xC2B2_AE35) >> 4
}
