//! Ctrl-C, for the calls that are in progress.

use std::cell::Cell;

use tokio::sync::watch;

/// Counts how often the operator pressed Ctrl-C.
#[derive(Debug)]
pub(super) struct Stop(watch::Sender<u32>);

/// Sees it.
#[derive(Debug, Clone)]
pub(super) struct Stopping(watch::Receiver<u32>);

impl Stop {
    pub(super) fn new() -> (Self, Stopping) {
        let (stop, stopping) = watch::channel(0);
        (Self(stop), Stopping(stopping))
    }

    pub(super) fn press(&self) {
        self.0.send_modify(|pressed| *pressed += 1);
    }
}

impl Stopping {
    /// Returns once Ctrl-C was pressed `times` times.
    pub(super) async fn pressed(&self, times: u32) {
        // Without a sender, the console has ended.
        let _ = self.0.clone().wait_for(|&pressed| pressed >= times).await;
    }

    /// Each call of it returns at the next press, as `Sweep::interrupted` needs.
    pub(super) fn each_press(&self) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
        let (stopping, asked) = (self.clone(), Cell::new(0));
        move || {
            asked.set(asked.get() + 1);
            let (stopping, times) = (stopping.clone(), asked.get());
            Box::pin(async move { stopping.pressed(times).await })
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_second_press_is_not_the_first_one_again() {
        let (stop, stopping) = Stop::new();
        let interrupted = stopping.each_press();
        let first = interrupted();
        assert_eq!(stopping.pressed(1).now_or_never(), None);
        stop.press();
        first.await;
        assert!(interrupted().now_or_never().is_none(), "one press ended two waits");
        let stopping = stopping.each_press();
        stop.press();
        stopping().await;
        stopping().await;
    }
}
