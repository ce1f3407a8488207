//! The HTTP contract (`docs/http.md`): the guard of the application's routes, the sign-in, and one
//! router for the library's own. Adapters translate requests into `Presented` and `Reply`s into
//! responses; everything is decided here.

mod answers;
mod body;
mod events;
mod guard;
mod passing;
mod router;
mod routes;
mod sign_in;

pub use body::{BODY_LIMIT, BodyError, read_json};
pub use guard::Refusal;
pub use passing::{Admitted, Anonymous, RenewedCookie};
pub use sign_in::{OpenSignIn, SignInRequest};
