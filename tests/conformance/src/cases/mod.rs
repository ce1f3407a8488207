//! The HTTP contract of `docs/http.md` and the scheme of `docs/scheme.md` as cases: one function
//! each, run over real sockets against a server in any framework, over any store.
//!
//! # What the server must have
//!
//! The suite starts it through [`Cell`]; see there. Its application serves, as the example servers
//! do:
//!
//! | route | what the cases rely on |
//! |---|---|
//! | `POST /login` | JSON `{"username","password","transport"}`, `transport` being `bearer` or `cookie` (default: bearer if that is on); the library's token answer; `credentials-invalid` for a wrong password, and the same for an unknown or locked user |
//! | `GET /me`, `POST /me` | guarded by the extractor; 200 and the user's name somewhere in the body |
//! | `GET /greeting`, `POST /greeting` | guarded by `MaybeSession`: 200 for everybody, with the user's name in the body where somebody is signed in |
//! | `GET /private/report`, `POST /private/report` | guarded by the layer, middleware or fairing; 200 |
//! | `POST /password` | JSON `{"old","new"}`; logs out every other device and answers with a fresh token; a wrong old password is `credentials-invalid` |
//! | `POST /admin/users/{username}/lock`, `…/unlock` | with `X-Admin-Token`; 200 `{"ended":n}` and 204; a wrong token is 403 `forbidden`, an unknown user 404 |
//! | `GET /healthz`, `GET /readyz` | 200 while it runs; 503 while the store cannot be reached or the server drains |
//! | the library's routes | under `/auth` |
//!
//! # A suite of one's own
//!
//! ```no_run
//! use logout_all::MemoryStore;
//! use logout_all_conformance::{
//!     cases::{Cell, Running, Settings},
//!     run_cases,
//! };
//!
//! # #[derive(Clone)]
//! # struct Users;
//! # impl Users {
//! #     fn new() -> Self { Self }
//! #     async fn add(&self, name: String, _password: String) -> Result<String, String> { Ok(name) }
//! # }
//! # impl logout_all::UserDirectory for Users {
//! #     async fn find(
//! #         &self,
//! #         _: &logout_all::UserId,
//! #     ) -> Result<logout_all::UserState, logout_all::StoreError> {
//! #         Ok(logout_all::UserState::Active(None))
//! #     }
//! # }
//! # mod my_server {
//! #     pub async fn serve(_: tokio::net::TcpListener, _: logout_all::Sessions, _: super::Users) {}
//! # }
//! struct OverMemory;
//!
//! impl Cell for OverMemory {
//!     fn name(&self) -> String {
//!         "mine::memory".to_owned()
//!     }
//!
//!     async fn start(&self, settings: Settings) -> Result<Running, String> {
//!         let users = Users::new();
//!         let store = MemoryStore::with_clock(settings.clock());
//!         let builder = settings.sessions(store).users(users.clone());
//!         let sessions = builder.build().await.map_err(|why| why.to_string())?;
//!         let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
//!         let address = listener.local_addr().map_err(|why| why.to_string())?;
//!         let server = tokio::spawn(my_server::serve(listener, sessions.clone(), users.clone()));
//!         let add = move |name, password| {
//!             let users = users.clone();
//!             async move { users.add(name, password).await }
//!         };
//!         Ok(Running::new(address, sessions, "admin", add).keeping(server))
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     run_cases(OverMemory)
//! }
//! ```
//!
//! (`harness = false` in the manifest.) Trials are named
//! `mine::memory::cookie::r2_a_second_renewal_is_replayed`, so that one can be run alone; [`trials`] are for a
//! `main` that runs others beside them.

// A case that is in no list must not go unnoticed.
#![deny(dead_code)]

mod answer;
mod cell;
mod forgery;
mod run;
mod site;
mod token;
mod violation;

pub use crate::client::AUTHORITY;
pub use cell::{COOKIE, Cell, ISSUER, Quirk, Running, Settings};
pub(crate) use run::whole_run;
pub use run::{run, trials};
pub use violation::{Outcome, Violation};
use violation::{ensure, ensure_eq};

use run::{Case, Scope};

/// The list of all cases: under which transports, and which function. A function that is not here
/// is dead code, and fails the build.
macro_rules! cases {
    ($($module:ident { $($scope:ident $name:ident,)* })*) => {
        $(mod $module;)*

        fn all() -> Vec<Case> {
            vec![$($(Case {
                name: stringify!($name),
                scope: Scope::$scope,
                run: |site| Box::pin($module::$name(site)),
            },)*)*]
        }
    };
}

cases! {
    routes {
        Each session_says_who_i_am,
        Each head_is_get_without_a_body,
        Each other_methods_are_405,
        Each other_paths_are_404,
        Each every_guarded_route_wants_a_token,
        Each an_ended_session_is_denied_everywhere,
        Each devices_are_listed,
        Each one_device_is_logged_out,
        Each everything_is_logged_out,
        Each the_others_are_logged_out,
        Each the_journal_says_why_and_by_whom,
        Each sign_out_always_succeeds,
        Each an_unknown_query_changes_nothing,
        Each public_keys_are_published,
    }
    bodies {
        Each devices_are_renamed,
        Each other_media_types_are_415,
        Each long_bodies_are_413,
        Each json_is_told_from_its_shape,
        Each labels_are_1_to_64_characters,
        Each a_body_that_breaks_off_changes_nothing,
    }
    order {
        Each refusals_have_an_order,
        Each forms_are_refused_on_every_route,
    }
    presentation {
        Bearer bearer_in_any_letter_case,
        Bearer a_malformed_bearer_value_is_400,
        Each another_scheme_is_no_presentation,
        Bearer two_authorization_headers_are_400,
        Cookie two_cookies_of_the_name_are_400,
        Cookie another_cookie_is_no_presentation,
        Both both_at_once_are_400,
        BearerAlone a_cookie_is_not_read_where_it_is_off,
        CookieAlone bearer_is_not_read_where_it_is_off,
        Each never_in_a_query_or_a_form,
        Each sign_out_tries_every_token,
        Both sign_out_over_both_ends_both,
        Each broken_requests_do_no_harm,
    }
    cookies {
        Cookie the_cookie_has_exactly_these_attributes,
        Cookie the_default_cookie_is_bound_to_the_host,
        Cookie a_browser_session_has_no_max_age,
        Cookie max_age_never_outlives_the_session,
        Each sign_out_clears_the_cookie_wherever_it_is_on,
        Each ending_oneself_clears_the_cookie_that_was_shown,
        Each nothing_else_clears_the_cookie,
        Both a_bearer_login_clears_the_cookie_that_it_replaces,
    }
    cross_site {
        Cookie the_rule_holds_on_the_librarys_routes,
        Cookie the_rule_holds_on_the_applications_routes,
        Cookie the_rule_holds_for_upgrades,
        Cookie nobody_is_signed_in_by_another_site,
        Bearer bearer_requests_are_never_cross_site,
        BearerAlone nothing_is_cross_site_without_the_cookie,
        Cookie safe_requests_of_other_sites_pass,
        Cookie the_public_authority_is_what_browsers_see,
        Cookie the_rule_can_be_turned_off,
        Cookie a_refused_request_changes_nothing,
    }
    login {
        Each a_login_answers_with_a_token,
        Each the_default_transport_is_bearer_if_that_is_on,
        Each a_transport_that_is_off_is_refused,
        Each a_wrong_password_and_an_unknown_name_look_alike,
        Each a_login_replaces_the_session_that_it_presents,
        Each a_failed_login_replaces_nothing,
        Each odd_tokens_beside_the_credentials_are_ignored,
        Each the_least_recently_seen_device_makes_room,
        Each the_device_limit_can_refuse,
        Each a_logout_overtakes_a_login_under_way,
        Each a_malformed_login_is_4xx,
        Each the_user_agent_is_kept_cleaned_and_cut,
    }
    verification {
        Each v1_what_is_over_is_denied,
        Each v1_an_idle_session_is_over,
        Each v2_activity_is_recorded,
        Each v2_costs_one_read,
        Each v3_the_predecessor_is_accepted_within_the_grace,
        Each v4_an_older_token_is_superseded_and_ends_nothing,
        Each without_grace_the_old_token_stops_at_once,
        Each an_expired_token_costs_nothing,
        Each leeway_is_added_to_exp,
        Each the_users_of_token_and_row_must_agree,
        Each auth_time_stays_through_renewals,
        Each keys_change_while_the_server_runs,
    }
    renewal {
        Each r1_the_current_token_is_rotated,
        Each r1c_a_renewal_too_soon_is_coalesced,
        Each r1c_replaces_an_expired_copy,
        Each r2_a_second_renewal_is_replayed,
        Each r2_counts_from_when_the_successor_was_first_seen,
        Each r2_holds_without_grace,
        Each r2_never_hands_out_a_spent_token,
        Each r3_a_lost_answer_is_recovered,
        Each r3_can_be_narrowed,
        Each an_expired_token_is_renewed,
        Each no_renewal_outlives_the_absolute_limit,
        Each claims_come_from_their_source,
        Each late_answers_cost_nobody_the_session,
    }
    theft {
        Each r4_reuse_ends_the_device_and_only_that,
        Each r4_a_token_two_rotations_old_is_reuse,
        Each r4_a_coalesced_renewal_counts_as_use,
        Each r4_reuse_can_end_everything,
        Each r4_reuse_can_end_nothing,
        Each r4_a_forgery_ends_nothing,
        Each r5_what_is_over_is_not_renewed,
    }
    accounts {
        Each a_password_change_logs_out_the_others,
        Each a_wrong_old_password_changes_nothing,
        Each a_password_change_overtakes_logins_under_way,
        Each a_hash_read_before_the_ticket_does_not_sign_in,
        Each a_locked_user_is_out_and_stays_out,
        Each an_inactive_user_is_denied_and_not_ended,
        Each operators_need_the_admin_token,
    }
    events {
        Each a_stream_of_events_ends_with_the_session,
        Each the_reason_is_told_as_a_client_may_learn_it,
        Each a_thief_learns_no_reason,
        Each the_end_of_everybody_ends_every_stream,
        Each a_session_expires_under_its_stream,
        Each a_session_has_eight_streams_at_most,
        Each head_opens_no_stream,
        Each a_drain_closes_the_streams,
    }
    outage {
        Each an_outage_is_503_and_nobody_is_logged_out,
        Each an_outage_changes_no_other_answer,
        Each a_store_that_cannot_write_says_so,
        Each readiness_is_not_health,
    }
    guards {
        Each guarded_routes_want_a_session,
        Each a_guest_is_who_presents_nothing,
        Each every_guard_denies_alike,
        Cookie a_page_load_renews_in_passing,
        Cookie a_lost_page_is_made_good_and_a_late_one_is_not,
        Each nothing_is_renewed_in_passing_unasked,
        Each the_application_may_answer_denials_itself,
    }
    races {
        Each sixty_four_renewals_have_one_successor,
        Each no_renewal_survives_a_logout,
        Each a_rotation_that_comes_too_late_is_lost,
        Each a_touch_that_comes_too_late_revives_nothing,
        Each logins_race_with_a_logout,
        Each parallel_logins_keep_the_device_limit,
        Each two_logouts_at_once_both_succeed,
    }
    forged_parts {
        Each the_forgeries_are_right_but_for_their_fault,
        Each alg_tricks_are_refused,
        Each a_public_key_is_no_secret,
        Each other_signatures_are_refused,
        Each other_numbers_of_parts_are_refused,
        Each other_encodings_are_refused,
        Each other_headers_are_refused,
        Each another_typ_or_kid_is_refused,
        Each duplicate_header_names_are_refused,
        Each headers_that_are_no_object_are_refused,
    }
    forged_claims {
        Each claims_missing_or_of_another_type_are_refused,
        Each times_that_are_no_times_are_refused,
        Each ids_in_another_form_are_refused,
        Each claims_that_we_never_make_are_refused,
        Each another_audience_is_refused,
        Each duplicate_claims_are_refused,
        Each payloads_that_are_no_object_are_refused,
        Each depth_bombs_are_refused,
        Each tokens_beyond_4096_bytes_are_refused,
    }
}
