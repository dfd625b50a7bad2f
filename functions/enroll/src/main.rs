//! Reads configuration, builds clients once, runs.

use std::sync::Arc;

use adapters::{World, WorldConfig};
use enroll::{course_cache::CachedCourses, router};
use lambda::Environment;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda::telemetry::start();
    let config = WorldConfig::read(&Environment::process())?;
    let sdk = adapters::clients::load_config().await;
    lambda_http::run(router(Arc::new(World::new(&sdk, config, CachedCourses::new)))).await
}
