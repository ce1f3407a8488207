//! Coalescing: while one query is under way, the questions that arrive wait for the next one, which
//! takes them all. It knows neither a database nor a session.
//!
//! **A question is only ever answered by a query that was sent after the question arrived.** So a
//! [`Batch`] that was taken takes nobody in any more; whoever asks the same again waits for the next.
//! Within what waits, equal questions are asked once. First come, first served.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    fmt,
    hash::Hash,
    sync::{Arc, PoisonError},
};

use tokio::sync::{Notify, oneshot};

use super::sync::{Mutex, MutexGuard};

/// Where callers ask. Dropping it ends the work: [`Batches::next`] gives none.
///
/// ```
/// use logout_all::store::coalesce::{Bounds, Callers};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (callers, batches) = Callers::new(Bounds { waiting: 1000, together: 100 });
/// tokio::spawn(async move {
///     while let Some(batch) = batches.next().await {
///         // One query for the whole batch goes here.
///         for asked in batch {
///             let answer = asked.question() * 2;
///             asked.answer(answer);
///         }
///     }
/// });
/// assert_eq!(callers.ask(21).await, Ok(42));
/// # }
/// ```
pub struct Callers<Q: Eq + Hash + Clone, A: Clone> {
    shared: Arc<Shared<Q, A>>,
}

/// Where workers take what waits. Once the last clone is dropped, callers are refused
/// ([`Refused::Stopped`]).
pub struct Batches<Q: Eq + Hash + Clone, A: Clone> {
    shared: Arc<Shared<Q, A>>,
}

/// How much may wait, and how much goes together.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How many callers may wait; whoever comes then is refused ([`Refused::Full`]).
    pub waiting: usize,
    /// How many different questions one batch has at most.
    pub together: usize,
}

/// A batch that is taken, for who watches.
#[derive(Clone, Copy, Debug)]
pub struct Taking {
    /// How many different questions it has.
    pub together: usize,
    /// How many callers still wait for the next one.
    pub waiting: usize,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Too many callers waited already.
    Full,
    /// Nobody works any more, or whoever did dropped the question, as by a panic.
    Stopped,
}

/// What one query answers: different questions, in the order of their first callers.
#[derive(Debug)]
pub struct Batch<Q, A>(Vec<Asked<Q, A>>);

/// One question of a batch, with all who wait for its answer. Dropping it refuses them.
pub struct Asked<Q, A> {
    question: Q,
    callers: Vec<oneshot::Sender<A>>,
    /// How many of them have not given up.
    waiting: usize,
}

impl<Q: Eq + Hash + Clone, A: Clone> Callers<Q, A> {
    /// A place to ask, and the one to work at.
    pub fn new(bounds: Bounds) -> (Self, Batches<Q, A>) {
        Self::watched(bounds, |_| {})
    }

    /// The same, and each batch that is taken is told to `watch`, which is to be quick.
    pub fn watched(
        bounds: Bounds,
        watch: impl Fn(Taking) + Send + Sync + 'static,
    ) -> (Self, Batches<Q, A>) {
        let queue = Queue {
            asked: BTreeMap::new(),
            turns: HashMap::new(),
            next_turn: 0,
            waiting: 0,
            workers: 1,
            closed: false,
        };
        let (queue, watch) = (Mutex::new(queue), Box::new(watch));
        let shared = Arc::new(Shared { queue, arrived: Notify::new(), bounds, watch });
        (Self { shared: Arc::clone(&shared) }, Batches { shared })
    }

    /// Waits for the answer of a query that is sent after this call. A caller that gives up, by
    /// dropping this future, leaves the queue and disturbs nobody.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn ask(&self, question: Q) -> Result<A, Refused> {
        let mut place = self.shared.queue_up(question)?;
        let answer = (&mut place.answer).await;
        place.given_up = false;
        answer.map_err(|_| Refused::Stopped)
    }

    /// How many callers wait and are in no batch yet.
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting
    }
}

impl<Q: Eq + Hash + Clone, A: Clone> Batches<Q, A> {
    /// Waits for questions and takes them. None once the [`Callers`] are gone.
    ///
    /// Any number of workers may take batches at the same time. Send a batch's query after it was
    /// taken, never before.
    pub async fn next(&self) -> Option<Batch<Q, A>> {
        loop {
            match self.shared.take() {
                Taken::Batch(batch) => return Some(batch),
                Taken::Closed => {
                    // The other workers are to end as well.
                    self.shared.arrived.notify_one();
                    return None;
                }
                // Whoever came since the look has left a permit, and this does not wait.
                Taken::Nothing => self.shared.arrived.notified().await,
            }
        }
    }
}

impl<Q, A> Batch<Q, A> {
    /// The questions, in order.
    pub fn questions(&self) -> impl ExactSizeIterator<Item = &Q> {
        self.0.iter().map(Asked::question)
    }
}

impl<Q, A> IntoIterator for Batch<Q, A> {
    type Item = Asked<Q, A>;
    type IntoIter = std::vec::IntoIter<Asked<Q, A>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<Q, A> Asked<Q, A> {
    /// What is asked.
    pub fn question(&self) -> &Q {
        &self.question
    }
}

impl<Q, A: Clone> Asked<Q, A> {
    /// Answers everybody who asked this. Those who gave up meanwhile hear nothing.
    pub fn answer(self, answer: A) {
        let mut callers = self.callers.into_iter().filter(|caller| !caller.is_closed());
        let Some(first) = callers.next() else { return };
        for caller in callers {
            let _ = caller.send(answer.clone());
        }
        let _ = first.send(answer);
    }
}

struct Shared<Q, A> {
    queue: Mutex<Queue<Q, A>>,
    arrived: Notify,
    bounds: Bounds,
    watch: Box<dyn Fn(Taking) + Send + Sync>,
}

struct Queue<Q, A> {
    /// What waits, by its turn: that of its first caller.
    asked: BTreeMap<u64, Asked<Q, A>>,
    /// The turn of each question that waits.
    turns: HashMap<Q, u64>,
    next_turn: u64,
    waiting: usize,
    workers: usize,
    closed: bool,
}

enum Taken<Q, A> {
    Batch(Batch<Q, A>),
    Nothing,
    Closed,
}

impl<Q: Eq + Hash + Clone, A: Clone> Shared<Q, A> {
    fn queue_up(&self, question: Q) -> Result<Place<'_, Q, A>, Refused> {
        let (caller, answer) = oneshot::channel();
        let mut guard = self.lock();
        let queue = &mut *guard;
        if queue.workers == 0 {
            return Err(Refused::Stopped);
        }
        if queue.waiting >= self.bounds.waiting {
            return Err(Refused::Full);
        }
        let turn = match queue.turns.entry(question) {
            Entry::Occupied(there) => *there.get(),
            Entry::Vacant(free) => {
                let (question, turn) = (free.key().clone(), queue.next_turn);
                queue.next_turn += 1;
                let asked = Asked { question, callers: Vec::with_capacity(1), waiting: 0 };
                queue.asked.insert(turn, asked);
                *free.insert(turn)
            }
        };
        if let Some(asked) = queue.asked.get_mut(&turn) {
            asked.callers.push(caller);
            asked.waiting += 1;
            queue.waiting += 1;
        }
        drop(guard);
        self.arrived.notify_one();
        Ok(Place { shared: self, turn, answer, given_up: true })
    }

    fn take(&self) -> Taken<Q, A> {
        let mut guard = self.lock();
        let queue = &mut *guard;
        let mut batch = Vec::new();
        while batch.len() < self.bounds.together {
            let Some((_, asked)) = queue.asked.pop_first() else { break };
            // From here on, whoever asks the same waits for the next batch.
            queue.turns.remove(&asked.question);
            queue.waiting -= asked.waiting;
            batch.push(asked);
        }
        if !batch.is_empty() {
            let taking = Taking { together: batch.len(), waiting: queue.waiting };
            drop(guard);
            (self.watch)(taking);
            Taken::Batch(Batch(batch))
        } else if queue.closed {
            Taken::Closed
        } else {
            Taken::Nothing
        }
    }

    /// A caller gave up. In a batch already, its question is asked all the same.
    fn leave(&self, turn: u64) {
        let mut guard = self.lock();
        let queue = &mut *guard;
        let Some(asked) = queue.asked.get_mut(&turn) else { return };
        asked.waiting -= 1;
        queue.waiting -= 1;
        if asked.waiting == 0 {
            if let Some(asked) = queue.asked.remove(&turn) {
                queue.turns.remove(&asked.question);
            }
        } else if asked.callers.len() > 2 * asked.waiting + 8 {
            // Now and then, so that giving up costs the same however many wait.
            asked.callers.retain(|caller| !caller.is_closed());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<Q, A>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller's place in the queue, left when it is dropped before the answer.
struct Place<'a, Q: Eq + Hash + Clone, A: Clone> {
    shared: &'a Shared<Q, A>,
    turn: u64,
    answer: oneshot::Receiver<A>,
    given_up: bool,
}

impl<Q: Eq + Hash + Clone, A: Clone> Drop for Place<'_, Q, A> {
    fn drop(&mut self) {
        if self.given_up {
            self.answer.close();
            self.shared.leave(self.turn);
        }
    }
}

impl<Q: Eq + Hash + Clone, A: Clone> Drop for Callers<Q, A> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.arrived.notify_one();
    }
}

impl<Q: Eq + Hash + Clone, A: Clone> Clone for Batches<Q, A> {
    fn clone(&self) -> Self {
        self.shared.lock().workers += 1;
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<Q: Eq + Hash + Clone, A: Clone> Drop for Batches<Q, A> {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.workers -= 1;
        if queue.workers == 0 {
            queue.turns.clear();
            queue.waiting = 0;
            let refused = std::mem::take(&mut queue.asked);
            drop(queue);
            drop(refused);
        }
    }
}

impl<Q: Eq + Hash + Clone, A: Clone> fmt::Debug for Callers<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callers").field("bounds", &self.shared.bounds).finish_non_exhaustive()
    }
}

impl<Q: Eq + Hash + Clone, A: Clone> fmt::Debug for Batches<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches").field("bounds", &self.shared.bounds).finish_non_exhaustive()
    }
}

impl<Q: fmt::Debug, A> fmt::Debug for Asked<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Asked");
        shown.field("question", &self.question).field("callers", &self.callers.len());
        shown.finish_non_exhaustive()
    }
}
