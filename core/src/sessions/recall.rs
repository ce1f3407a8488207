//! Cached mode: a verification that is answered from what an earlier one proved, with neither a
//! signature to check nor a store to ask (`docs/consistency.md`, "Cached mode"). Renewal and whatever
//! else writes never comes here.

use std::time::{Duration, SystemTime};

use super::{Proof, Sessions, Verified};
use crate::{
    live::{Cache, CacheState, Entry, Fill, Moment, Purges, Weighs},
    metrics::Verification,
    scheme::{SessionRow, Snapshot, UserId, elapsed, from_seconds, to_micros},
    wire::Transport,
};

/// No entry is older: changes of the user's data that nobody announces are seen by then.
const OLDEST: Duration = Duration::from_secs(10);

impl Sessions {
    /// What this node holds in cached mode; none in strict mode.
    pub fn cache_state(&self) -> Option<CacheState> {
        self.inner.cache.as_ref().map(|cache| cache.state(Moment::now()))
    }

    /// The session of exactly this token, if this node knows it and may answer from memory. None
    /// says nothing: then the store is asked.
    pub(crate) fn recall(&self, token: &[u8], transport: Option<Transport>) -> Option<Verified> {
        let cache = self.inner.cache.as_ref()?;
        cache.stand_on(self.ground());
        // The clock is read during the call, before anything is looked up.
        let now = Moment::now();
        let proof = cache.get(token, now)?;
        let in_grace = proof.header.header.value.is_superseded();
        self.count(if in_grace {
            Verification::RememberedInGrace
        } else {
            Verification::Remembered
        });
        let at = proof.header.header.value.origin.saturating_add(now.as_micros());
        Some(Verified::of(self, proof, transport, at))
    }

    /// Begins a verification that may fill the cache.
    pub(super) fn begin_fill(&self) -> Option<Fill> {
        let cache = self.inner.cache.as_ref()?;
        cache.stand_on(self.ground());
        cache.fill(Moment::now())
    }

    /// Keeps what a verification proved, for as long as it may be believed.
    pub(super) fn keep(
        &self,
        fill: Fill,
        mut proof: Proof,
        token: &[u8],
        snapshot: &Snapshot,
        row: &SessionRow,
    ) -> Entry<Proof> {
        let Some(cache) = &self.inner.cache else { return crate::live::unkept(proof) };
        proof.origin = to_micros(snapshot.now).saturating_sub(fill.began().as_micros());
        let lasts = self.lasts(&proof, snapshot, row);
        let place = self.inner.background.follower().marks().place(&proof.user);
        cache.keep(fill, place, lasts, token, proof)
    }

    /// How long an entry lasts from when its read began. Not past `exp`, nor the end of the row; not
    /// past the grace, as a rotation is not announced; and until the next activity is to be written
    /// down, which the read that comes then does.
    fn lasts(&self, proof: &Proof, snapshot: &Snapshot, row: &SessionRow) -> Duration {
        let now = snapshot.now;
        let grace = self.policy().grace;
        let of_rotation = |at: SystemTime| grace.saturating_sub(elapsed(at, now));
        let of_grace = match row.rotated_at {
            Some(at) if proof.is_superseded() => of_rotation(at),
            _ => grace,
        };
        let granularity = self.granularity(row);
        let seen = elapsed(row.last_seen_at, now);
        // Activity that was due is on its way now.
        let of_activity = if seen >= granularity || proof.is_superseded() {
            granularity
        } else {
            granularity.saturating_sub(seen)
        };
        let end = proof.expires_at.saturating_add(self.policy().leeway.as_secs());
        // On this node's clock, as always.
        let of_token = elapsed(self.inner.clock.now(), from_seconds(end));
        let of_row = elapsed(now, row.expires_at);
        OLDEST.min(of_grace).min(of_activity).min(of_token).min(of_row)
    }

    /// What entries depend on beside the store: the keys that are accepted, and what a test moved
    /// the clock by.
    fn ground(&self) -> [u64; 2] {
        [self.keys().forgotten(), self.inner.clock.offset_micros().cast_unsigned()]
    }

    /// This node is about to know, or does, that something changed for that user: at once, before
    /// the journal says so.
    pub(super) fn forget(&self, user: &UserId) {
        self.inner.background.follower().marks().announce(user);
    }

    /// The same for everybody.
    pub(super) fn forget_everybody(&self) {
        self.inner.background.follower().marks().announce_everybody();
    }
}

impl Weighs for Proof {
    fn weight(&self) -> usize {
        // The count of holders, twice, before each text.
        const COUNTS: usize = 2 * size_of::<usize>();
        let data = self.data.as_ref().map_or(0, |data| data.as_json().len() + COUNTS);
        let claims = if self.app.is_empty() { 0 } else { self.app.bytes() + COUNTS };
        self.user.as_str().len() + COUNTS + claims + data
    }
}

impl Purges for Cache<Proof> {
    fn purge(&self, now: Moment) {
        Self::purge(self, now);
    }

    fn state(&self, now: Moment) -> CacheState {
        Self::state(self, now)
    }
}
