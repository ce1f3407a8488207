//! What is measured, by name: one place for every metric of the library (`docs/metrics.md`).
//!
//! It goes through the facade of the crate `metrics`: an application that installs a recorder sees it,
//! and for any other it costs next to nothing. Labels come from closed lists alone. No metric names a
//! user, a session, a token or an address.

mod tally;

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

pub(crate) use tally::{Tally, Verification};

const VERIFICATIONS: &str = "logout_all_verifications_total";
const RENEWALS: &str = "logout_all_renewals_total";
const SIGN_INS: &str = "logout_all_sign_ins_total";
const ENDINGS: &str = "logout_all_endings_total";
const REUSES: &str = "logout_all_reuses_total";
const SETTLING: &str = "logout_all_settle_seconds";
const REVOCATION_LAG: &str = "logout_all_revocation_lag_seconds";
const STORE_ERRORS: &str = "logout_all_store_errors_total";
const LOOKUP_BATCH: &str = "logout_all_lookup_batch_size";
const LOOKUPS_WAITING: &str = "logout_all_lookups_waiting";
const LOOKUPS_REFUSED: &str = "logout_all_lookups_refused_total";
const TOUCH_BATCH: &str = "logout_all_touch_batch_size";
const TOUCHES_WAITING: &str = "logout_all_touches_waiting";
const TOUCHES_DROPPED: &str = "logout_all_touches_dropped_total";
const POLLS: &str = "logout_all_journal_polls_total";
const GAPS: &str = "logout_all_journal_gaps_total";
const LEASE_LEFT: &str = "logout_all_lease_left_seconds";
const LEASES_LOST: &str = "logout_all_leases_lost_total";
const CACHE_ENTRIES: &str = "logout_all_cache_entries";
const CACHE_BYTES: &str = "logout_all_cache_bytes";
const OPEN_SESSIONS: &str = "logout_all_open_sessions";
const OPEN_STREAMS: &str = "logout_all_open_streams";
const SWEPT: &str = "logout_all_swept_total";

/// Tells the recorder that is installed what each of them means.
pub(crate) fn describe() {
    for (name, text) in [
        (VERIFICATIONS, "Verifications by outcome, and by what answered: token, cache or store."),
        (RENEWALS, "Renewals by outcome."),
        (SIGN_INS, "Logins that stored a session."),
        (ENDINGS, "Operations on this node that ended sessions, by reason."),
        (REUSES, "Replaced tokens that were renewed while their successor was in use: copies."),
        (STORE_ERRORS, "Answers that the store failed to give, by what was asked and by failure."),
        (LOOKUPS_REFUSED, "Lookups refused because too many waited."),
        (TOUCHES_DROPPED, "Sights of sessions that are written down nowhere, for want of room."),
        (POLLS, "Polls of the journal by what became of the answer."),
        (GAPS, "Times that what is open was read again, as the journal may have been missed."),
        (LEASES_LOST, "Times that this node went from the cache back to the store."),
        (SWEPT, "Dead sessions and old journal entries that this node removed."),
    ] {
        describe_counter!(name, Unit::Count, text);
    }
    describe_histogram!(
        SETTLING,
        Unit::Seconds,
        "How long an ending waited, after its commit, until no lease could run any more."
    );
    describe_histogram!(
        REVOCATION_LAG,
        Unit::Seconds,
        "From the ending, on the store's clock, until this node knew of it, on its own."
    );
    describe_histogram!(LOOKUP_BATCH, Unit::Count, "Sessions that one lookup of the store read.");
    describe_histogram!(TOUCH_BATCH, Unit::Count, "Sights that one write of the store took.");
    describe_gauge!(LOOKUPS_WAITING, Unit::Count, "Callers that waited when a batch was taken.");
    describe_gauge!(TOUCHES_WAITING, Unit::Count, "Sights that are still to be written, by line.");
    describe_gauge!(LEASE_LEFT, Unit::Seconds, "How long this node may answer from memory now.");
    describe_gauge!(CACHE_ENTRIES, Unit::Count, "Tokens in the cache of this node.");
    describe_gauge!(CACHE_BYTES, Unit::Bytes, "What they take, about.");
    describe_gauge!(OPEN_SESSIONS, Unit::Count, "Sessions whose end something open waits for.");
    describe_gauge!(OPEN_STREAMS, Unit::Count, "Event streams that are open.");
}

pub(crate) fn renewed(outcome: &'static str) {
    counter!(RENEWALS, "outcome" => outcome).increment(1);
}

pub(crate) fn signed_in() {
    counter!(SIGN_INS).increment(1);
}

pub(crate) fn ended(reason: &'static str) {
    counter!(ENDINGS, "reason" => reason).increment(1);
}

pub(crate) fn reused() {
    counter!(REUSES).increment(1);
}

pub(crate) fn settled(after: Duration) {
    histogram!(SETTLING).record(after);
}

pub(crate) fn learned(after: Duration) {
    histogram!(REVOCATION_LAG).record(after);
}

pub(crate) fn store_failed(side: &'static str, kind: &'static str) {
    counter!(STORE_ERRORS, "side" => side, "kind" => kind).increment(1);
}

/// A batch of lookups goes to the store of that name, while so many callers still wait.
pub(crate) fn looking_up(store: &'static str, together: usize, waiting: usize) {
    histogram!(LOOKUP_BATCH, "store" => store).record(float(together));
    gauge!(LOOKUPS_WAITING, "store" => store).set(float(waiting));
}

pub(crate) fn lookup_refused(store: &'static str) {
    counter!(LOOKUPS_REFUSED, "store" => store).increment(1);
}

pub(crate) fn touching(line: &'static str, together: usize) {
    histogram!(TOUCH_BATCH, "line" => line).record(float(together));
}

pub(crate) fn touches_waiting(line: &'static str, waiting: usize) {
    gauge!(TOUCHES_WAITING, "line" => line).set(float(waiting));
}

pub(crate) fn touch_dropped(line: &'static str) {
    counter!(TOUCHES_DROPPED, "line" => line).increment(1);
}

pub(crate) fn polled(outcome: &'static str) {
    counter!(POLLS, "outcome" => outcome).increment(1);
}

pub(crate) fn gap() {
    counter!(GAPS).increment(1);
}

pub(crate) fn lease_lost() {
    counter!(LEASES_LOST).increment(1);
}

pub(crate) fn caching(entries: usize, bytes: usize, lease_left: Duration) {
    gauge!(CACHE_ENTRIES).set(float(entries));
    gauge!(CACHE_BYTES).set(float(bytes));
    gauge!(LEASE_LEFT).set(lease_left.as_secs_f64());
}

pub(crate) fn open(sessions: usize, streams: usize) {
    gauge!(OPEN_SESSIONS).set(float(sessions));
    gauge!(OPEN_STREAMS).set(float(streams));
}

pub(crate) fn swept(sessions: usize, journal: usize) {
    counter!(SWEPT, "what" => "sessions").increment(sessions as u64);
    counter!(SWEPT, "what" => "journal").increment(journal as u64);
}

/// Exact up to four thousand millions, which is more than anything here is bounded by.
fn float(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}
