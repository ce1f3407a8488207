//! The example server on Actix Web: `cargo run -p example-actix -- --help`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    example_support::run(example_actix::serve).await
}
