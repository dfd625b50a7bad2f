//! The oldest letters of those received.

use std::{collections::BTreeMap, num::NonZeroUsize};

use time::OffsetDateTime;

use super::letter::Letter;

/// Keeps so many letters and no more, however many are received.
#[derive(Debug)]
pub(crate) struct Oldest {
    max: NonZeroUsize,
    /// By when they were kept, and by their ids.
    letters: BTreeMap<(Option<OffsetDateTime>, String), Letter>,
    /// Those that were added and are not among the oldest.
    dropped: usize,
}

impl Oldest {
    pub(crate) fn new(max: NonZeroUsize) -> Self {
        Self { max, letters: BTreeMap::new(), dropped: 0 }
    }

    pub(crate) fn add(&mut self, letter: Letter) {
        let key = (letter.kept_at(), letter.message_id().to_owned());
        self.letters.insert(key, letter);
        if self.letters.len() > self.max.get() {
            self.letters.pop_last();
            self.dropped += 1;
        }
    }

    pub(crate) fn dropped(&self) -> usize {
        self.dropped
    }

    /// The oldest first.
    pub(crate) fn into_letters(self) -> impl Iterator<Item = Letter> {
        self.letters.into_values()
    }
}
