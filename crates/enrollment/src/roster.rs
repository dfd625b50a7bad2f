//! A course's roster: its enrollments in any state, in the order in which they began.
//!
//! A course may have any number of students, and many at once. So the places of a roster are spread over shards, each
//! of which is a list of its own, and a page is merged from all of them.

use std::{collections::BTreeSet, fmt, future::Future, ops::Range, str::FromStr};

use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    course::CourseId,
    enrollment::Enrollment,
    page::{Page, PageRequest},
    ports::FindEnrollment,
    student::StudentId,
};

/// Maximum reads of enrollments at the same time.
const MAX_CONCURRENT_READS: usize = 16;

/// Where an enrollment stands in the roster of its course. As a text it has the same order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RosterPlace {
    /// In nanoseconds since 1970.
    created_at: u64,
    student_id: StudentId,
}

impl RosterPlace {
    pub fn new(created_at: OffsetDateTime, student_id: StudentId) -> Self {
        // A clock that is wrong by centuries changes the order, and nothing else.
        let created_at = u64::try_from(created_at.unix_timestamp_nanos()).unwrap_or_default();
        Self { created_at, student_id }
    }

    pub fn student_id(&self) -> &StudentId {
        &self.student_id
    }
}

impl From<&Enrollment> for RosterPlace {
    fn from(enrollment: &Enrollment) -> Self {
        Self::new(enrollment.created_at, enrollment.student.id.clone())
    }
}

impl fmt::Display for RosterPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As many digits as a `u64` may have, so that texts have the order of numbers.
        write!(f, "{:020}#{}", self.created_at, self.student_id)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a place in a roster")]
pub struct InvalidPlace;

impl FromStr for RosterPlace {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (created_at, student_id) = text.split_once('#').ok_or(InvalidPlace)?;
        let is_time = created_at.len() == 20 && created_at.bytes().all(|b| b.is_ascii_digit());
        let created_at = created_at.parse().ok().filter(|_| is_time).ok_or(InvalidPlace)?;
        let student_id = student_id.parse().map_err(|_| InvalidPlace)?;
        Ok(Self { created_at, student_id })
    }
}

pub trait ListRoster {
    const SHARDS: Range<u8>;

    /// A page of the places of one shard. It may lag behind the enrollments.
    fn list_places(
        &self,
        course_id: &CourseId,
        shard: u8,
        page: &PageRequest<RosterPlace>,
    ) -> impl Future<Output = Result<Page<RosterPlace, RosterPlace>, Unavailable>> + Send;
}

/// A page of a course's roster. The enrollments are as they are now; their places may lag behind.
pub async fn list_roster<E: ListRoster + FindEnrollment + Sync>(
    enrollments: &E,
    course_id: &CourseId,
    page: &PageRequest<RosterPlace>,
) -> Result<Page<Enrollment, RosterPlace>, Unavailable> {
    let shards = E::SHARDS.map(|shard| enrollments.list_places(course_id, shard, page));
    let Page { entries, next } = merge(try_join_all(shards).await?, page);
    let read = stream::iter(entries)
        .map(|place| async move { enrollments.find_enrollment(&place.student_id, course_id).await })
        .buffered(MAX_CONCURRENT_READS);
    // One that was deleted in between is left out.
    let entries: Vec<Option<Enrollment>> = read.try_collect().await?;
    Ok(Page { entries: entries.into_iter().flatten().collect(), next })
}

/// One page of several. What lies beyond the end of a page that is not the last of its shard is not known, and places
/// of the others from there on belong to a later page.
fn merge(
    pages: Vec<Page<RosterPlace, RosterPlace>>,
    request: &PageRequest<RosterPlace>,
) -> Page<RosterPlace, RosterPlace> {
    let known_until = pages.iter().filter_map(|page| page.next.as_ref()).min().cloned();
    let places = pages.into_iter().flat_map(|page| page.entries);
    // An enrollment that was made again may be in two shards for a moment.
    let known = places.filter(|place| known_until.as_ref().is_none_or(|end| place <= end));
    let merged: BTreeSet<RosterPlace> = known.collect();
    let size = usize::from(request.size.get());
    let has_more = merged.len() > size;
    let entries: Vec<_> = merged.into_iter().take(size).collect();
    let next = if has_more { entries.last().cloned() } else { known_until };
    Page { entries, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(at: u64, student: &str) -> RosterPlace {
        RosterPlace { created_at: at, student_id: student.parse().unwrap() }
    }

    fn request(size: &str) -> PageRequest<RosterPlace> {
        PageRequest { size: size.parse().unwrap(), after: None }
    }

    #[test]
    fn place_is_read_as_it_was_written() {
        let at = OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap();
        let written = RosterPlace::new(at, "s#1".parse().unwrap());
        assert_eq!(written.to_string(), "01795000000000000000#s#1");
        assert_eq!(written.to_string().parse(), Ok(written));
        for text in
            ["", "1#s", "+1795000000000000000#s", "01795000000000000000", "99999999999999999999#s"]
        {
            assert_eq!(text.parse::<RosterPlace>(), Err(InvalidPlace), "{text:?}");
        }
        let before_1970 = OffsetDateTime::from_unix_timestamp(-1).unwrap();
        assert_eq!(RosterPlace::new(before_1970, "s".parse().unwrap()), place(0, "s"));
    }

    #[test]
    fn place_beyond_the_end_of_a_shards_page_waits_for_a_later_page() {
        let one = Page { entries: vec![place(1, "a"), place(4, "b")], next: Some(place(4, "b")) };
        let other = Page { entries: vec![place(2, "c"), place(5, "d")], next: None };
        let merged = merge(vec![one.clone(), other.clone()], &request("9"));
        assert_eq!(merged.entries, [place(1, "a"), place(2, "c"), place(4, "b")]);
        assert_eq!(merged.next, Some(place(4, "b")));
        let merged = merge(vec![one, other], &request("2"));
        assert_eq!(merged.entries, [place(1, "a"), place(2, "c")]);
        assert_eq!(merged.next, Some(place(2, "c")));
        let last = Page { entries: vec![place(1, "a")], next: None };
        assert_eq!(merge(vec![last.clone(), last], &request("1")).next, None, "full, and the last");
    }

    #[test]
    fn texts_have_the_order_of_places() {
        let times = [0, 9, 10, 1_795_000_000_000_000_000, u64::MAX];
        let students = ["-", "a", "a#", "a-", "aa", "b"];
        let all: Vec<_> =
            times.iter().flat_map(|at| students.map(|student| place(*at, student))).collect();
        for one in &all {
            for other in &all {
                assert_eq!(
                    one.cmp(other),
                    one.to_string().cmp(&other.to_string()),
                    "{one} {other}"
                );
            }
        }
    }

    /// A shard as a table has it: it says that there may be more whenever its page is full.
    fn shard(
        places: &[RosterPlace],
        of: impl Fn(u64) -> bool,
        request: &PageRequest<RosterPlace>,
    ) -> Page<RosterPlace, RosterPlace> {
        let size = usize::from(request.size.get());
        let here = places.iter().filter(|place| of(place.created_at));
        let later = here.filter(|place| request.after.as_ref().is_none_or(|after| *place > after));
        let entries: Vec<_> = later.take(size).cloned().collect();
        let next = (entries.len() == size).then(|| entries.last().cloned()).flatten();
        Page { entries, next }
    }

    #[test]
    fn every_place_is_on_one_page_in_order() {
        for count in 0..40_u64 {
            let places: Vec<_> = (0..count).map(|at| place(at, "s")).collect();
            for size in 1..8_usize {
                // Evenly over three shards, all in one of them, and in runs.
                for of in [|at: u64| at % 3, |_| 1, |at| at / 5 % 3] {
                    let mut request = request(&size.to_string());
                    let mut seen = Vec::new();
                    loop {
                        let shards = (0..3).map(|n| shard(&places, |at| of(at) == n, &request));
                        let page = merge(shards.collect(), &request);
                        assert!(page.entries.len() <= size);
                        seen.extend(page.entries);
                        request.after = page.next;
                        if request.after.is_none() {
                            break;
                        }
                    }
                    assert_eq!(seen, places, "{count} {size}");
                }
            }
        }
    }
}
