//! Ctrl-C and its kin end the running part with everything below it and the servers, then this
//! program.
//!
//! Each part is in a process group of its own, which the terminal's Ctrl-C does not reach.

/// Starts to watch for signals, until the program ends.
#[cfg(unix)]
pub(crate) fn watch() -> Result<(), String> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])
        .map_err(|error| format!("cannot watch for signals: {error}"))?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            crate::group::end_current();
            crate::services::end_all();
            // The shells' convention for a program that a signal ended.
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Elsewhere there are no groups, and the console reaches every process by itself.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the Unix twin can fail")]
pub(crate) fn watch() -> Result<(), String> {
    Ok(())
}
