//! The one race that every changing verb must survive.

use std::{future::Future, time::Duration};

use logout_all::{SessionRow, store::Scope};

use super::bench::{Bench, Store, Verdict, ending, user};

/// Changes of one session in a loop, over both handles, against the end of that device or of all:
/// when all have returned there is no row.
pub(super) async fn nothing_undoes_an_ending<C, F>(bench: &Bench, change: C) -> Verdict
where
    C: Fn(Store, SessionRow) -> F,
    F: Future<Output = Verdict> + Send + 'static,
{
    for round in 0..bench.rounds {
        let ada = user(format!("ada {}", round / 4))?;
        let row = bench.sign_in(&ada).await?;
        let scope = if round % 2 == 0 { Scope::Device(row.guid) } else { Scope::All };
        let end = |store: Store| {
            let ending = ending(&ada, scope);
            async move {
                tokio::time::sleep(Duration::from_millis(round as u64 % 4)).await;
                store.end(&ending).await?;
                Ok(())
            }
        };
        // A future of one type for both kinds of work.
        let work = |store: Store, number: usize| {
            let changing = (number > 0).then(|| change(store.clone(), row.clone()));
            let ending = (number == 0).then(|| end(store));
            async move {
                match (changing, ending) {
                    (Some(changing), _) => changing.await,
                    (None, Some(ending)) => ending.await,
                    (None, None) => Ok(()),
                }
            }
        };
        bench.at_once(4, work).await?;
        bench.is_gone(&ada, row.guid).await?;
        bench.only_these_live(&ada, &[]).await?;
    }
    Ok(())
}
