//! What the connections of a lane are for: how long they wait, and what each is told when it is new.

use std::time::Duration;

/// How long a whole verb takes at most, whatever the network does; a poll's is shorter.
pub(crate) const VERB_WAIT: Duration = Duration::from_secs(4);
/// How long one connection may be silent about what may be asked again over another: a little longer
/// than its `statement_timeout`.
const SILENT: Duration = Duration::from_millis(2250);
/// The same for polls: what they answer is worth less with each millisecond, and the next one comes.
const POLL_WAIT: Duration = Duration::from_millis(1500);
const POLL_SILENT: Duration = Duration::from_millis(600);

/// What the connections of a lane are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Verifications, all together in one statement.
    Lookup,
    /// Other reads.
    Read,
    /// Polls of the journal. They wait for no request, and none waits for them.
    Poll,
    Write,
    End,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Read => "read",
            Self::Poll => "poll",
            Self::Write => "write",
            Self::End => "end",
        }
    }

    /// How long a whole verb takes at most, and how long one connection may be silent.
    pub(super) fn waits(self) -> (Duration, Duration) {
        match self {
            Self::Poll => (POLL_WAIT, POLL_SILENT),
            _ => (VERB_WAIT, SILENT),
        }
    }

    /// Said once on each new connection, in one round trip that also asks what the server is.
    pub(super) fn set_up(self) -> &'static str {
        match self {
            // One plan for every user and every number of them, made once and never by guesses
            // about small or unanalysed tables: all that such a connection reads, it reads by a
            // key. (A statement over arrays would else be planned anew each time, and a plan from
            // when the epochs were few would read all of them for each session.)
            Self::Lookup | Self::Read => {
                "SET statement_timeout = 2000; SET idle_in_transaction_session_timeout = 5000; \
                 SET default_transaction_isolation = 'read committed'; SET timezone = 'UTC'; \
                 SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
                 SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; \
                 SET jit = off; SELECT pg_is_in_recovery()"
            }
            // Each poll says all that it needs, and is planned anew: behind a proxy that moves
            // connections between transactions none of this is there. Where it is, a journal that
            // has grown since the server looked at it last is not read from end to end.
            Self::Poll => {
                "SET statement_timeout = 500; SET enable_seqscan = off; \
                 SET enable_bitmapscan = off; SET jit = off; SELECT pg_is_in_recovery()"
            }
            Self::Write | Self::End => {
                "SET statement_timeout = 2000; SET idle_in_transaction_session_timeout = 5000; \
                 SET default_transaction_isolation = 'read committed'; SET timezone = 'UTC'; \
                 SET jit = off; SELECT pg_is_in_recovery()"
            }
        }
    }
}
