//! The HTTP cases over a server without a framework, and over servers that are broken on purpose:
//! each must be convicted, or its case proves nothing.

// A test without a harness is a test all the same.
#![allow(clippy::unwrap_used)]

mod bare;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use logout_all::Transports;
use logout_all_conformance::cases::{run, trials};

use bare::{Bare, Twin};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut all = trials(Bare(Twin::Sound));
    for (twin, transports, case) in TWINS {
        let name = format!("twins::{twin:?}::{case}");
        all.push(Trial::test(name, move || convict(twin, transports, case)));
    }
    libtest_mimic::run(&arguments, all).exit_code()
}

/// What is broken, under which transports, and the case that must notice. The same cases pass over
/// the sound server above.
const TWINS: [(Twin, Transports, &str); 22] = [
    (Twin::ClearsTheCookieOn401, Transports::Cookie, "nothing_else_clears_the_cookie"),
    (Twin::ClearsTheCookieOn401, Transports::Cookie, "an_ended_session_is_denied_everywhere"),
    (Twin::ReadsOneAuthorization, Transports::Bearer, "two_authorization_headers_are_400"),
    (Twin::SaysOutageIs401, Transports::Both, "an_outage_is_503_and_nobody_is_logged_out"),
    (Twin::TakesOutagesForGuests, Transports::Bearer, "an_outage_is_503_and_nobody_is_logged_out"),
    (Twin::TakesOutagesForGuests, Transports::Bearer, "a_guest_is_who_presents_nothing"),
    (Twin::FoldsSlashes, Transports::Bearer, "other_paths_are_404"),
    (Twin::DecodesPaths, Transports::Bearer, "other_paths_are_404"),
    (Twin::DropsQueries, Transports::Bearer, "an_unknown_query_changes_nothing"),
    (Twin::DropsQueries, Transports::Cookie, "refusals_have_an_order"),
    (Twin::ForgetsVary, Transports::Bearer, "every_guard_denies_alike"),
    (Twin::HidesTheOrigin, Transports::Cookie, "the_rule_holds_on_the_librarys_routes"),
    (Twin::HidesTheOrigin, Transports::Both, "nobody_is_signed_in_by_another_site"),
    (Twin::SendsBodiesToHead, Transports::Bearer, "head_is_get_without_a_body"),
    (Twin::MistakesLongBodies, Transports::Bearer, "long_bodies_are_413"),
    (
        Twin::TellsUnknownNames,
        Transports::Bearer,
        "a_wrong_password_and_an_unknown_name_look_alike",
    ),
    (Twin::LocksWithoutLogout, Transports::Bearer, "a_locked_user_is_out_and_stays_out"),
    (
        Twin::KeepsOthersThroughPasswords,
        Transports::Cookie,
        "a_password_change_logs_out_the_others",
    ),
    (
        Twin::KeepsOthersThroughPasswords,
        Transports::Bearer,
        "a_password_change_overtakes_logins_under_way",
    ),
    (Twin::IsAlwaysReady, Transports::Bearer, "readiness_is_not_health"),
    (Twin::RemembersVerifications, Transports::Bearer, "everything_is_logged_out"),
    (Twin::BeginsLoginsLate, Transports::Bearer, "a_hash_read_before_the_ticket_does_not_sign_in"),
];

fn convict(twin: Twin, transports: Transports, case: &str) -> Result<(), Failed> {
    let runtime = tokio::runtime::Runtime::new()?;
    match runtime.block_on(run(Bare(twin), transports, case)) {
        Ok(()) => Err(format!("{case} does not notice that the server {twin:?}").into()),
        // Not for another reason than that.
        Err(violation) if violation.to_string().contains("asked:") => Ok(()),
        Err(violation) if violation.to_string().contains("expected:") => Ok(()),
        Err(other) => Err(other.into()),
    }
}
