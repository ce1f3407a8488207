//! The exact law of strict mode, over short windows of a history: there is one order of all calls, in
//! which each took place at one instant between its start and its end, and every answer is the one that
//! a single server with one list of sessions would have given (linearizability). Cached mode promises
//! less, and `checker.rs` has that: while a logout is under way, one node may let in whom another has
//! just denied.

use std::{collections::BTreeMap, time::Duration};

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

/// One of the user's sign-ins, counted.
pub(crate) type Device = usize;

#[derive(Clone, Debug)]
pub(crate) enum Asked {
    SignIn(Device),
    Verify(Device),
    /// With the token of the sign-in, or of a renewal.
    Renew(Device),
    LogoutDevice(Device),
    /// Asked for with the token of that device.
    LogoutAll(Device),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    Well,
    /// A renewal's token.
    Token(String),
    Denied,
}

/// One call of one client, whose calls follow one another.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) client: usize,
    pub(crate) asked: Asked,
    pub(crate) answered: Answered,
    pub(crate) start: Duration,
    pub(crate) end: Duration,
}

/// A user on a single server: the live devices, and what each has been renewed to. A window is shorter
/// than the least interval between two rotations, so that there is one at most; and than the grace, so
/// that the first token goes on being good.
#[derive(Clone, Debug, Default)]
struct User {
    live: BTreeMap<Device, Option<String>>,
}

impl SequentialSpec for User {
    type Op = Asked;
    type Ret = Answered;

    /// What it would answer; which token a rotation makes, is open (`is_valid_step`).
    fn invoke(&mut self, asked: &Asked) -> Answered {
        match asked {
            Asked::SignIn(device) => {
                self.live.insert(*device, None);
                Answered::Well
            }
            Asked::Verify(device) if self.live.contains_key(device) => Answered::Well,
            Asked::Renew(device) => match self.live.get(device) {
                Some(renewed) => Answered::Token(renewed.clone().unwrap_or_default()),
                None => Answered::Denied,
            },
            Asked::LogoutDevice(device) => {
                self.live.remove(device);
                Answered::Well
            }
            Asked::LogoutAll(_) => {
                self.live.clear();
                Answered::Well
            }
            Asked::Verify(_) => Answered::Denied,
        }
    }

    fn is_valid_step(&mut self, asked: &Asked, answered: &Answered) -> bool {
        match (asked, answered) {
            // It asks who it is first, and ends in a second step: another end may come between.
            // `asks_who_it_is` has the first.
            (Asked::LogoutAll(device), Answered::Denied) => !self.live.contains_key(device),
            (Asked::Renew(device), Answered::Token(token)) => match self.live.get_mut(device) {
                None => false,
                Some(Some(renewed)) => renewed == token,
                Some(renewed) => {
                    *renewed = Some(token.clone());
                    true
                }
            },
            _ => self.invoke(asked) == *answered,
        }
    }
}

/// Whether no logout of everything was accepted that began after its own device's end had returned.
fn asks_who_it_is(window: &[Call]) -> bool {
    let well = |call: &&Call| call.answered == Answered::Well;
    let ended = |device: Device, at: Duration| {
        window.iter().filter(well).any(|call| match call.asked {
            Asked::LogoutDevice(other) => other == device && call.end < at,
            Asked::LogoutAll(_) => call.end < at,
            Asked::SignIn(_) | Asked::Verify(_) | Asked::Renew(_) => false,
        })
    };
    window.iter().filter(well).all(|call| match call.asked {
        Asked::LogoutAll(device) => !ended(device, call.start),
        _ => true,
    })
}

/// Whether there is such an order.
///
/// # Panics
/// A client whose calls overlap: the recorder is wrong.
pub(crate) fn is_linearizable(window: &[Call]) -> bool {
    if !asks_who_it_is(window) {
        return false;
    }
    // What ends when another begins has not ended before it.
    let mut events: Vec<(Duration, bool, &Call)> = window
        .iter()
        .flat_map(|call| [(call.start, false, call), (call.end, true, call)])
        .collect();
    events.sort_by_key(|(at, is_end, _)| (*at, *is_end));
    let mut tester = LinearizabilityTester::new(User::default());
    for (_, is_end, call) in events {
        let told = if is_end {
            tester.on_return(call.client, call.answered.clone()).map(drop)
        } else {
            tester.on_invoke(call.client, call.asked.clone()).map(drop)
        };
        told.unwrap_or_else(|why| panic!("{call:?}: {why}"));
    }
    tester.is_consistent()
}
