//! The laws of a store: every numbered sentence of the port (`logout_all::SessionStore`), and what
//! the scheme asks of a store beside them.
//!
//! Each law is one private function whose doc comment quotes the sentence that it proves. The list
//! below is the only way in: a law or twin that it does not name is dead code and fails the build.
//! Beside each law stand its *broken twins*, stores with one verb broken on purpose, which the law
//! must convict by its own finding ([`broken_twins`]).
//!
//! A store of your own, in a test target with `harness = false`:
//!
//! ```no_run
//! use logout_all::{Clock, MemoryStore};
//! use logout_all_conformance::{
//!     laws::{FactoryError, Fresh, StoreFactory},
//!     run_laws,
//! };
//!
//! struct Memory;
//!
//! impl StoreFactory for Memory {
//!     type Store = MemoryStore;
//!
//!     fn name(&self) -> String {
//!         "memory".to_owned()
//!     }
//!
//!     async fn fresh(&self) -> Result<Fresh<MemoryStore>, FactoryError> {
//!         let clock = Clock::system();
//!         let store = MemoryStore::with_clock(clock.clone());
//!         // Another node's handle on the same data. A store with a database opens it again.
//!         let second = store.clone();
//!         Ok(Fresh::new(store, clock).second(second))
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     run_laws(Memory)
//! }
//! ```
//!
//! [`trials`] are for a `main` that runs other trials beside them.

#![deny(dead_code)]

mod bench;
mod ending;
mod erased;
mod factory;
mod fence;
mod journal;
mod lease;
mod limit;
mod login;
mod races;
mod rotation;
mod rows;
mod sweep;
mod touch;
mod trials;
mod twins;
mod whole;

use std::sync::Arc;

use libtest_mimic::Trial;
use logout_all::SessionStore;

use crate::report::{Planned, Subject};

use factory::ROUNDS;
pub use factory::{FactoryError, Fresh, Standing, StoreFactory};

/// The list. `theme::law => twins that it must convict;`
macro_rules! laws {
    ($($theme:ident::$law:ident => $($twin:ident),+;)*) => {
        /// One trial for each law, named `<store>::<law>`, over a fresh store each.
        ///
        /// A law that needs what the factory does not give (a second handle, a users table) is
        /// reported as ignored, with the reason.
        pub fn trials<F: StoreFactory>(factory: F) -> Vec<Trial> {
            planned(factory).into_iter().map(Planned::trial).collect()
        }

        fn planned<F: StoreFactory>(factory: F) -> Vec<Planned> {
            let factory = Arc::new(factory);
            vec![$(trials::holds(&factory, stringify!($law), |bench| {
                Box::pin($theme::$law(bench))
            })),*]
        }

        /// One trial for each broken twin, named `broken::<law>::<twin>`, which passes if the law
        /// convicts the twin; and one for each law, named `unbroken::<law>`, over what lies under
        /// the twins with nothing broken, which passes if the law holds.
        pub fn broken_twins() -> Vec<Trial> {
            let mut trials = Vec::new();
            $(
                let law: trials::Law = |bench| Box::pin($theme::$law(bench));
                trials.extend(twins::acquitted(stringify!($law), law).map(Planned::trial));
                $(trials.push(twins::convicted::<twins::$twin>(
                    stringify!($law),
                    stringify!($twin),
                    law,
                ));)+
            )*
            trials
        }
    };
}

laws! {
    whole::l01_a_dropped_ending_is_whole_or_nothing => EndsOneByOne;
    whole::l01_a_dropped_login_is_whole_or_nothing => MakesRoomFirst;
    whole::l02_every_verb_answers => NeverAnswers;
    whole::l03_every_read_tells_the_same_time => TellsAnotherTime, KeepsMilliseconds;
    whole::l03_a_row_dies_at_its_instant => ReadsTheClockLater, EndsRowsEarly;
    whole::l04_two_handles_see_the_same => RemembersLookups;

    login::l10_reading_creates_no_epoch => CreatesEpochsByReading;
    login::l11_nobody_reads_like_a_stranger => AnswersForNobody;
    login::l20_a_moved_epoch_overtakes_the_login =>
        InsertsUnfenced, ComparesTheUserAlone, SkipsTheFenceOfNothing;
    login::l20_first_logins_at_once_all_get_in => SeedsTheEpochAtLogin;
    login::l20_a_device_logout_overtakes_no_login => FencesAtEachLogout;
    login::l20_a_ticket_lives_ten_minutes => TakesOldTickets;
    login::l20_no_login_survives_an_ending_it_began_before => ChecksThenInserts;
    login::l25_an_id_in_use_is_an_error => InsertsByUpsert;

    limit::l21_device_limit_holds_under_parallel_logins => CountsThenInserts;
    limit::l21_the_least_recently_seen_make_room => EvictsTheFirstToSignIn;
    limit::l21_the_new_one_is_never_evicted => InsertsThenEvicts;
    limit::l21_dead_rows_take_no_room => CountsTheDead;
    limit::l22_a_refused_login_changes_nothing => ReplacesThenRefuses;
    limit::l22_refusal_holds_under_parallel_logins => CountsThenInserts;
    limit::l23_replaced_sessions_end_before_the_count => CountsTheReplaced;
    limit::l24_evicted_and_replaced_are_journalled => EvictsWithoutSayingSo;

    rows::row_every_field_reads_back => KeepsMilliseconds, CutsTheUserAgent;
    rows::row_is_dated_at_the_ticket => DatesAtTheInsert;
    rows::row_limits_are_fixed_at_login => GivesAllTheSameLimits;
    rows::row_dies_at_its_limits => ForgetsExtensions;
    rows::row_odd_user_ids_are_kept_apart => FoldsUserIds;
    rows::l30_a_lookup_is_one_read => ReadsInTwoSteps;
    rows::l31_a_guid_of_another_user_is_absent => LooksUpByGuidAlone, RotatesByGuidAlone;
    rows::l31_one_guid_under_two_users_is_two_sessions => KnowsSessionsByGuidAlone;
    rows::l32_without_users_nobody_is_asked => VouchesForUsers;
    rows::l32_joined_users_are_as_they_are_now => RemembersUsers, ServesTheAbsent;

    rotation::l40_of_64_rotations_at_once_one_is_done => RotatesByLoadAndSave;
    rotation::l41_what_is_dead_stays_dead => RotatesTheDead, TouchesTheDead;
    rotation::l41_no_rotation_undoes_an_ending => RotatesByLoadAndSave;
    rotation::l42_a_rotation_does_what_it_says => LeavesItConfirmed;
    rotation::l43_a_remint_moves_the_times_alone => RemintMovesRotatedAt;
    rotation::l43_a_confirmed_token_is_not_recovered => RecoversTheConfirmed;
    rotation::l43_recovery_and_confirmation_have_an_order => ChecksThenRecovers;
    touch::l43_no_remint_undoes_an_ending => RemintsByLoadAndSave;

    touch::l50_only_the_current_token_touches => TouchesAnyToken;
    touch::l50_each_touch_of_a_batch_counts_alone => StopsAtTheFirstMisfit, PassesOverTheGone;
    touch::l50_no_touch_undoes_an_ending => TouchesByUpsert;
    touch::l51_a_touch_moves_nothing_back => TouchesBackwards, ConfirmsAnew;
    touch::l52_a_relabel_changes_the_label_alone => RelabelTouches;
    touch::l52_no_relabel_undoes_an_ending => RelabelsByLoadAndSave;
    touch::l53_devices_are_the_live_ones_newest_first => ListsTheDead, ListsTheOldestFirst;

    ending::l60_a_scope_takes_what_it_names =>
        EndsAtTheInstantToo, MistakesLoginForToken, LeavesEndedRowsBehind;
    ending::l60_nothing_comes_back => TouchesFromMemory;
    fence::l61_a_fence_bumps_the_epoch => SkipsTheFenceOfNothing, CountsEpochsFromOne;
    fence::l61_sessions_that_stay_are_restamped => ForgetsToRestamp;
    fence::l61_no_older_token_is_left => KeepsThePredecessor, JudgesByTheLastMint;
    fence::l61_a_restamp_revives_none => RestampsTheExpired, RestampsWhatEveryoneEnded;
    fence::l61_a_clock_set_back_revives_nothing => EpochIsTheClock;
    rotation::l61_rotations_and_restamps_lose_nothing => RotatesByLoadAndSave;
    ending::l62_a_repetition_ends_none => CountsAgain;
    ending::l62_endings_at_once_count_each_session_once => CountsThenEnds;
    ending::l63_dead_rows_go_uncounted => CountsDeadRows, LeavesDeadRows;
    ending::l63_each_ending_is_written_down => WritesNothingForNothing;
    ending::l63_ending_and_entry_are_seen_together => WritesTheEntryLater;
    fence::l64_everyone_is_everyone => EndsEveryoneItKnows;
    login::l64_no_login_survives_the_end_of_everyone => ChecksThenInserts;

    journal::l70_the_journal_is_gapless_for_a_follower => NumbersWithGaps, CommitsOutOfOrder;
    journal::l70_pages_are_what_was_asked_for => EndsWithThePage;
    journal::l70_entries_tell_who_what_why_and_when => ForgetsOperators;
    journal::l70_a_change_of_data_ends_nothing => ChangesEndSessions;
    journal::l71_no_part_is_told_for_the_whole => DisownsItsJournal, TellsAPart, SaysItIsAway;
    journal::l72_a_users_own_entries_are_in_order => TellsTheOldestFirst, CountsUsersTogether;
    journal::history_is_about_the_user_and_everybody => LeavesEverybodyOut, TellsTheOldest;
    journal::lease_is_zero_until_somebody_asks => BeginsWithALease;

    lease::l73_a_poll_begins_with_what_is_known =>
        TellsTheNewAlone, CountsTheKnown, TellsNewcomersAll;
    lease::l73_a_poll_is_of_one_instant => ReadsTheCounterLater, PollsBehind;
    lease::l73_nobody_follows_a_part => FollowsAPart;
    lease::l74_a_raise_never_lowers => ReadsThenRaises, SetsTheLease, RaisesWhatIsGiven;
    lease::l74_there_is_an_entry_to_know => RaisesOverNothing, AnnouncesEveryRaise;
    lease::l75_a_raise_stands_against_a_lowering =>
        LowersBothAtOnce, LowersOverARaise, ComparesOneLength;

    sweep::l80_the_dead_go_in_small_batches => SweepsWithoutLimit, SweepsTheLiving, JournalsSweeps;
    sweep::l80_rows_behind_an_epoch_go_too => SweepsTheExpiredAlone;
    sweep::l80_the_journal_is_kept_for_thirty_days => SweepsTheJournalEmpty, KeepsTheJournalForADay;
    sweep::l80_no_epoch_is_forgotten => ForgetsEpochs;
    sweep::l81_sweeps_at_once_remove_each_row_once =>
        CountsThenSweeps, FailsBesideAnother, KeepsTheTurn;
}

/// A whole run: what it is about, and its trials.
pub(crate) fn whole_run<F: StoreFactory>(factory: F) -> (Subject, Vec<Planned>) {
    let over = match about(&factory) {
        Ok(over) => over,
        // The trials will fail, each with the reason.
        Err(_) => factory.name(),
    };
    let rounds = factory.rounds();
    let fewer = (rounds < ROUNDS).then(|| format!("rounds of each race: {}", rounds.max(1)));
    let subject = Subject { what: "laws", over, remarks: fewer.into_iter().collect() };
    (subject, planned(factory))
}

/// The line that a test table takes the store's version from: `version: NAME VERSION`.
///
/// # Errors
/// If the factory gives no store.
pub fn version<F: StoreFactory>(factory: &F) -> Result<String, FactoryError> {
    Ok(format!("version: {}", about(factory)?))
}

/// Its name, and the version that the store tells.
fn about<F: StoreFactory>(factory: &F) -> Result<String, FactoryError> {
    let fresh = trials::block_on(factory.fresh())??;
    Ok(format!("{} {}", factory.name(), fresh.store.info().version))
}
