//! Reads configuration, builds clients once, runs.

use std::sync::Arc;

use aws::{Environment, World, WorldConfig};
use enroll::{course_cache::CachedCourses, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    aws::telemetry::start();
    let config = WorldConfig::read(&Environment::process())?;
    let sdk = aws::clients::load_config().await;
    lambda_http::run(router(Arc::new(World::new(&sdk, config, CachedCourses::new)))).await
}
