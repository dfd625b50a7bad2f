//! The deployed stacks, and whose turn it is on each.
//!
//! Journeys mostly wait. So `make journeys` deploys the template several times, each to a local AWS of its own: a journey
//! that needs a stack alone does not hold up the others.

use std::sync::{Arc, OnceLock};

use futures_util::{
    FutureExt,
    future::{BoxFuture, select_all},
};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::description::StackDescription;

/// One of the stacks.
struct Place {
    stack: StackDescription,
    turn: Arc<RwLock<()>>,
}

fn places() -> &'static [Place] {
    static PLACES: OnceLock<Vec<Place>> = OnceLock::new();
    PLACES.get_or_init(|| {
        let stacks = StackDescription::load_all().into_iter();
        stacks.map(|stack| Place { stack, turn: Arc::default() }).collect()
    })
}

/// Waits for a stack that no journey uses alone. Prefers the first ones, where journeys share already.
pub(crate) async fn shared() -> (&'static StackDescription, OwnedRwLockReadGuard<()>) {
    let each = places().iter();
    first(each, |turn| turn.read_owned().boxed()).await
}

/// Waits for a stack that no other journey uses. Prefers the last ones.
pub(crate) async fn exclusive() -> (&'static StackDescription, OwnedRwLockWriteGuard<()>) {
    let each = places().iter().rev();
    first(each, |turn| turn.write_owned().boxed()).await
}

/// The stack whose turn comes first, and its guard.
async fn first<G: 'static>(
    places: impl Iterator<Item = &'static Place>,
    take: impl Fn(Arc<RwLock<()>>) -> BoxFuture<'static, G>,
) -> (&'static StackDescription, G) {
    let turns = places.map(|place| {
        let turn = take(Arc::clone(&place.turn));
        turn.map(|guard| (&place.stack, guard)).boxed()
    });
    // The others leave their queues.
    select_all(turns).await.0
}
