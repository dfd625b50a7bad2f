//! An SQS queue in memory, on tokio's paused clock: receives, visibility timeouts, the quota of messages in flight, and
//! fair queues.
#![expect(clippy::disallowed_methods, reason = "tests pause the clock and read it")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hasher},
    time::Duration,
};

use email::retry::MAX_RECEIVES;
use sizing::{NOISY_IN_FLIGHT, WorkerSettings};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::{testing::world::MIDNIGHT, worker::Received};

/// template.yaml's, as a multiple of `WorkerTimeout`.
const VISIBILITY_TIMEOUTS: u32 = 6;

/// SQS's quota of messages that were received and are not deleted. Beyond it, SQS delivers nothing.
pub(super) const MAX_IN_FLIGHT: usize = 120_000;

/// A message's `MessageGroupId`.
pub(super) type Group = Option<&'static str>;

/// A standard queue of SQS, which delivers messages in no particular order, except that it is fair: while a group is
/// noisy, the messages of other groups come first (Amazon SQS Developer Guide, "How Amazon SQS fair queues work").
///
/// SQS also takes a group as noisy that has more than 10% of the recent processing time. How recent is not documented, so
/// this queue is less kind: it counts only the messages in flight.
pub(super) struct Queue {
    began: Instant,
    visible: BTreeMap<Group, Vec<usize>>,
    /// The hidden messages.
    waiting: BTreeSet<(Instant, usize)>,
    /// The number of hidden messages per group.
    in_flight: BTreeMap<Group, usize>,
    pub(super) max_in_flight: usize,
    messages: HashMap<usize, Message>,
    /// The number of messages that were ever put on it.
    put: usize,
    /// Moved to the dead-letter queue after too many receives.
    pub(super) dead: Vec<usize>,
    pub(super) max_receives: u32,
    /// The state of a simple random number generator.
    draws: DefaultHasher,
}

struct Message {
    job: Received,
    group: Group,
    sent_at: Instant,
    visible_at: Instant,
    receives: u32,
    first_received_at: Option<OffsetDateTime>,
}

impl Queue {
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            visible: BTreeMap::new(),
            waiting: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            max_in_flight: 0,
            messages: HashMap::new(),
            put: 0,
            dead: Vec::new(),
            max_receives: 0,
            draws: DefaultHasher::new(),
        }
    }

    /// The messages that are not deleted, hidden or not.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn put(&mut self, group: Group, jobs: impl IntoIterator<Item = Received>) {
        let visible_at = Instant::now();
        for job in jobs {
            let id = self.put;
            self.put += 1;
            self.visible.entry(group).or_default().push(id);
            let message = Message {
                job,
                group,
                sent_at: visible_at,
                visible_at,
                receives: 0,
                first_received_at: None,
            };
            self.messages.insert(id, message);
        }
    }

    pub(super) fn receive(
        &mut self,
        settings: &WorkerSettings,
        at: OffsetDateTime,
    ) -> Vec<(usize, Received)> {
        let batch_size = settings.batch_size as usize;
        let now = Instant::now();
        while let Some(&(at, id)) = self.waiting.first().filter(|(at, _)| *at <= now) {
            self.leave_flight(at, id);
            let group = self.messages[&id].group;
            self.visible.entry(group).or_default().push(id);
        }
        let room = MAX_IN_FLIGHT - self.waiting.len();
        let mut batch = Vec::new();
        for _ in 0..batch_size.min(room) {
            let Some(id) = self.take() else { break };
            self.hide(id, settings.timeout * VISIBILITY_TIMEOUTS);
            let Some(message) = self.messages.get_mut(&id) else { continue };
            message.receives += 1;
            self.max_receives = self.max_receives.max(message.receives);
            if message.receives > MAX_RECEIVES {
                self.dead.push(id);
                self.delete(id);
                continue;
            }
            let received = Received {
                sqs_message_id: id.to_string(),
                receives: message.receives,
                sent_at: Some(MIDNIGHT + message.sent_at.duration_since(self.began)),
                first_received_at: Some(*message.first_received_at.get_or_insert(at)),
                ..message.job.clone()
            };
            batch.push((id, received));
        }
        self.max_in_flight = self.max_in_flight.max(self.waiting.len());
        batch
    }

    /// A random message, of the quiet groups if they have one. If all are noisy: of the one that has the fewest in flight.
    fn take(&mut self) -> Option<usize> {
        let waiting = self.visible.iter().filter(|(_, ids)| !ids.is_empty());
        let groups = waiting.map(|(&group, ids)| (group, ids.len()));
        let (noisy, quiet): (Vec<_>, Vec<_>) = groups.partition(|&(group, _)| self.is_noisy(group));
        let quietest = noisy.into_iter().min_by_key(|&(group, _)| self.in_flight_of(group));
        let from = if quiet.is_empty() { Vec::from_iter(quietest) } else { quiet };
        let count: usize = from.iter().map(|&(_, len)| len).sum();
        self.draws.write_u8(0);
        let draw = usize::try_from(self.draws.finish() >> 32).unwrap_or(0);
        let mut place = draw.checked_rem(count)?;
        let (group, _) = from.into_iter().find(|&(_, len)| {
            let is_here = place < len;
            place -= if is_here { 0 } else { len };
            is_here
        })?;
        Some(self.visible.get_mut(&group)?.swap_remove(place))
    }

    fn is_noisy(&self, group: Group) -> bool {
        let own = self.in_flight_of(group);
        group.is_some() && own >= NOISY_IN_FLIGHT as usize && own * 10 > self.waiting.len()
    }

    fn in_flight_of(&self, group: Group) -> usize {
        self.in_flight.get(&group).copied().unwrap_or_default()
    }

    pub(super) fn hide(&mut self, id: usize, delay: Duration) {
        let Some(&Message { visible_at, group, .. }) = self.messages.get(&id) else { return };
        self.leave_flight(visible_at, id);
        let visible_at = Instant::now() + delay;
        self.messages.entry(id).and_modify(|message| message.visible_at = visible_at);
        self.waiting.insert((visible_at, id));
        *self.in_flight.entry(group).or_default() += 1;
    }

    /// Does nothing if the message is not hidden.
    fn leave_flight(&mut self, visible_at: Instant, id: usize) {
        if self.waiting.remove(&(visible_at, id)) {
            let group = self.messages[&id].group;
            self.in_flight.entry(group).and_modify(|count| *count -= 1);
        }
    }

    pub(super) fn delete(&mut self, id: usize) {
        if let Some(message) = self.messages.get(&id) {
            self.leave_flight(message.visible_at, id);
            self.messages.remove(&id);
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        if self.visible.values().all(Vec::is_empty) {
            self.waiting.first().map(|&(at, _)| at)
        } else {
            Some(Instant::now())
        }
    }
}
