//! The program on Rocket, as people start it: all that is true of the one on Axum.

#[path = "../../axum/tests/process.rs"]
mod process;
