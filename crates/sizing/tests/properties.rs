//! Every plan is checked, over the whole range of limits, windows and latencies.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use pacer::{SendLimit, Window};
use proptest::{prelude::*, test_runner::FileFailurePersistence};
use sizing::Plan;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/properties.regressions",
        ))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn plan_passes_its_own_check_or_the_error_names_the_problem(
        limit in 1..=2_000_000_u32,
        window in 1..=100_000_u32,
        latency in 0..=11_000_u64,
    ) {
        let (limit, window) = (SendLimit::new(limit).unwrap(), Window::from_secs(window).unwrap());
        match Plan::new(limit, window, Duration::from_millis(latency)) {
            Err(error) => prop_assert!(!error.problem().is_empty()),
            Ok(plan) => {
                prop_assert_eq!(plan.settings().check(), Ok(plan.share()));
                prop_assert!(plan.share().total() <= limit.get().into());
                prop_assert!(plan.settings().slack.get() > Duration::from_millis(latency));
                let usable = plan.usable().fraction();
                prop_assert!(usable > 0.0 && usable < 1.0, "{usable}");
            }
        }
    }
}
