//! The program of the README compiles, and the README shows it to the letter.

mod users;

#[rustfmt::skip]
#[allow(dead_code)] // `main` starts a server on a fixed port: compiled here, run by the examples
mod axum_program {
    use super::users;
    include!("axum.rs");
}

const PROGRAM: &str = include_str!("axum.rs");
const README: &str = include_str!("../../../../README.md");

#[test]
fn the_readme_shows_the_program_that_compiles() {
    assert!(README.contains(PROGRAM.trim_end()), "README.md shows another program than axum.rs");
}

/// "Keep them this short or shorter."
#[test]
fn the_readme_counts_its_lines() {
    let lines = PROGRAM.lines().filter(|line| !line.trim().is_empty()).count();
    let claim = format!("{lines} lines");
    assert!(README.contains(&claim), "README.md does not say that the program has {claim}");
}
