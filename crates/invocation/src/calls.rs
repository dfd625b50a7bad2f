//! The time that calls to other services take, added up per service for one invocation.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A service that a function calls. The set is closed, so that the metrics are too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    DynamoDb,
    Sqs,
    Stripe,
}

/// The time per service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallTimes {
    times: [Option<Duration>; 3],
}

impl CallTimes {
    /// `None` if the service was not called. Concurrent calls count separately.
    pub fn of(&self, service: Service) -> Option<Duration> {
        self.times[service as usize]
    }

    fn add(&mut self, service: Service, took: Duration) {
        let time = &mut self.times[service as usize];
        *time = Some(time.unwrap_or_default() + took);
    }
}

tokio::task_local! {
    static CURRENT: Arc<Mutex<CallTimes>>;
}

/// Does some work, and returns the time that its calls took.
pub async fn measured<T>(work: impl Future<Output = T>) -> (T, CallTimes) {
    let times = Arc::<Mutex<CallTimes>>::default();
    let done = CURRENT.scope(Arc::clone(&times), work).await;
    let times = *times.lock().unwrap_or_else(PoisonError::into_inner);
    (done, times)
}

/// Adds a call to those of the work in progress. If nobody measures the work, it does nothing.
pub fn add(service: Service, took: Duration) {
    let _ = CURRENT.try_with(|times| {
        times.lock().unwrap_or_else(PoisonError::into_inner).add(service, took);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_add_up_per_service_and_only_within_the_work() {
        let second = Duration::from_secs(1);
        add(Service::Sqs, second);
        let (done, times) = measured(async {
            add(Service::DynamoDb, second);
            tokio::task::yield_now().await;
            add(Service::DynamoDb, second);
            add(Service::Stripe, Duration::ZERO);
            7
        })
        .await;
        assert_eq!(done, 7);
        assert_eq!(times.of(Service::DynamoDb), Some(2 * second));
        assert_eq!(times.of(Service::Stripe), Some(Duration::ZERO));
        assert_eq!(times.of(Service::Sqs), None);
    }
}
