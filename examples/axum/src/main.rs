//! The example server on Axum: `cargo run -p example-axum -- --help`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    example_support::run(example_axum::serve).await
}
