//! The example server on Rocket: `cargo run -p example-rocket -- --help`.

use std::process::ExitCode;

#[rocket::main]
async fn main() -> ExitCode {
    example_support::run(example_rocket::serve).await
}
