//! The deployed function: the event bus is EventBridge's.

use aws_config::SdkConfig;

use crate::{Announcer, Config, event::Tables, event_bus::EventBridge};

/// All clients share one configuration, and so one HTTP client.
pub fn announcer(sdk: &SdkConfig, config: Config) -> Announcer<EventBridge> {
    let bus = EventBridge::new(aws_sdk_eventbridge::Client::new(sdk), config.event_bus_name);
    let tables = Tables { enrollments: config.enrollments_table, emails: config.emails_table };
    Announcer::new(bus, tables)
}
