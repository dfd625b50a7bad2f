//! Calls to a store in memory: how long they take, and which of them fail.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use unavailable::Unavailable;

/// A call that is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// The port's method, such as `claim`.
    pub operation: &'static str,
    /// What it is about: a job's id, a recipient's address, or nothing.
    pub key: &'a str,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Succeeds,
    /// It fails and changes nothing.
    Fails,
    /// It takes place, and the caller sees a failure.
    AnswerLost,
}

type Rule = Arc<dyn Fn(&Call<'_>) -> Fate + Send + Sync>;
type Pause = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Decides about calls. A clone decides about the calls of its original too, so stores can share it.
///
/// By default every call succeeds, after it has yielded to all others once.
#[derive(Clone)]
pub struct Calls {
    rule: Arc<Mutex<Rule>>,
    pause: Arc<Mutex<Pause>>,
}

impl Default for Calls {
    fn default() -> Self {
        let rule: Rule = Arc::new(|_| Fate::Succeeds);
        let pause: Pause = Arc::new(|| Box::pin(yield_once()));
        Self { rule: Arc::new(Mutex::new(rule)), pause: Arc::new(Mutex::new(pause)) }
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

impl Calls {
    /// From now on this rule decides. It may panic, as an adapter's bug would.
    pub fn decide_by(&self, rule: impl Fn(&Call<'_>) -> Fate + Send + Sync + 'static) {
        *lock(&self.rule) = Arc::new(rule);
    }

    /// From now on every call succeeds.
    pub fn succeed(&self) {
        self.decide_by(|_| Fate::Succeeds);
    }

    /// From now on every call fails.
    pub fn fail(&self) {
        self.decide_by(|_| Fate::Fails);
    }

    /// From now on the calls of these operations fail, and no others.
    pub fn fail_operations(&self, operations: &'static [&'static str]) {
        self.decide_by(|call| {
            if operations.contains(&call.operation) { Fate::Fails } else { Fate::Succeeds }
        });
    }

    /// From now on every `n`th call fails; with 0, none.
    pub fn fail_every(&self, n: usize) {
        let calls = AtomicUsize::new(0);
        self.decide_by(move |_| {
            let call = calls.fetch_add(1, Ordering::Relaxed) + 1;
            if n > 0 && call.is_multiple_of(n) { Fate::Fails } else { Fate::Succeeds }
        });
    }

    /// The `n`th call from now (from 1) has that fate, and every later one fails; with 0, none fails.
    pub fn fail_from(&self, n: usize, first: Fate) {
        let calls = AtomicUsize::new(0);
        self.decide_by(move |_| match calls.fetch_add(1, Ordering::Relaxed) + 1 {
            _ if n == 0 => Fate::Succeeds,
            call if call < n => Fate::Succeeds,
            call if call == n => first,
            _ => Fate::Fails,
        });
    }

    /// From now on every call waits for this future before it takes place.
    pub fn wait_for<F>(&self, pause: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        *lock(&self.pause) = Arc::new(move || Box::pin(pause()));
    }

    /// Makes a call. Nothing has happened when it first yields; after the pause it takes place in one step.
    /// So its caller can crash before it or after it, but not within.
    pub async fn make<T>(
        &self,
        operation: &'static str,
        key: &str,
        work: impl FnOnce() -> T,
    ) -> Result<T, Unavailable> {
        self.pause().await;
        let rule = lock(&self.rule).clone();
        match rule(&Call { operation, key }) {
            Fate::Succeeds => Ok(work()),
            Fate::Fails => Err(Unavailable::new(operation, "down")),
            Fate::AnswerLost => {
                work();
                Err(Unavailable::new(operation, "the answer was lost"))
            }
        }
    }

    /// What [`wait_for`](Self::wait_for) set.
    pub(super) async fn pause(&self) {
        let pause = lock(&self.pause).clone();
        pause().await;
    }
}

/// Lets all others run first.
async fn yield_once() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Ignores poison: some tests panic under a lock on purpose.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
