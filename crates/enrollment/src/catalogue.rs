//! Writing the catalogue: one version of a course after the other, with the history of its price.

use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    course::Course,
    history::Actor,
    ports::{FindCourse, PutCourse, Replaced},
    price_change::PriceChange,
};

/// Rounds of one write, each after a lost race.
const MAX_ROUNDS: usize = 8;

/// What a writer requires of the course that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    None,
    /// There is one.
    Exists,
    /// There is one of these versions.
    Version(Vec<u32>),
    /// There is none.
    Absent,
}

impl Precondition {
    fn holds(&self, current: Option<&Course>) -> bool {
        match (self, current) {
            (Self::None, _) | (Self::Exists, Some(_)) | (Self::Absent, None) => true,
            (Self::Version(versions), Some(current)) => versions.contains(&current.version),
            (Self::Absent, Some(_)) | (Self::Exists | Self::Version(_), None) => false,
        }
    }
}

/// Who writes, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    pub by: Actor,
    pub at: OffsetDateTime,
}

/// The course as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    Created(Course),
    Replaced(Course),
    /// It was like this already.
    Unchanged(Course),
}

impl Put {
    pub fn course(&self) -> &Course {
        match self {
            Self::Created(course) | Self::Replaced(course) | Self::Unchanged(course) => course,
        }
    }
}

/// Nothing was written, except after `Unavailable`, where a write may have happened: repeat it.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    #[error("the course is not as the request requires")]
    PreconditionFailed { current: Option<Course> },
    #[error("others write this course at the same time")]
    Busy,
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Creates or replaces a course. The version that the wanted one has does not count.
///
/// # Errors
///
/// The precondition does not hold, or the table did not respond.
pub async fn put_course(
    courses: &(impl FindCourse + PutCourse + Sync),
    wanted: Course,
    precondition: &Precondition,
    author: &Author,
) -> Result<Put, PutError> {
    for _ in 0..MAX_ROUNDS {
        let current = courses.find_course_now(&wanted.id).await?;
        let is_met = precondition.holds(current.as_ref());
        let version = current.as_ref().map_or(0, |current| current.version);
        match current {
            // A repeated request whose first response was lost finds its own result, and no conflict (RFC 9110,
            // section 13.1.1, on a change that appears to be applied already).
            Some(current)
                if *precondition != Precondition::Absent
                    && current == (Course { version, ..wanted.clone() }) =>
            {
                return Ok(Put::Unchanged(current));
            }
            current if !is_met => return Err(PutError::PreconditionFailed { current }),
            current => {
                let next = Course { version: version.saturating_add(1), ..wanted.clone() };
                let change = price_change(current.as_ref(), &next, author);
                match courses.put_course(current.as_ref(), &next, change.as_ref()).await? {
                    Replaced::Done if current.is_none() => return Ok(Put::Created(next)),
                    Replaced::Done => return Ok(Put::Replaced(next)),
                    Replaced::Conflict => {}
                }
            }
        }
    }
    Err(PutError::Busy)
}

fn price_change(current: Option<&Course>, next: &Course, author: &Author) -> Option<PriceChange> {
    let old = current.map(|current| current.price);
    (old != Some(next.price)).then(|| PriceChange {
        course_id: next.id.clone(),
        version: next.version,
        at: author.at,
        by: author.by.clone(),
        old,
        new: next.price,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Bank, World};

    fn course(price: u32, title: &str) -> Course {
        serde_json::from_value(json!({
            "course_id": "rust-101", "title": title, "price": price, "currency": "USD", "state": "open",
        }))
        .unwrap()
    }

    fn ada() -> Author {
        let by = "arn:aws:iam::1:user/ada".parse().unwrap();
        Author { by, at: OffsetDateTime::UNIX_EPOCH }
    }

    async fn put(world: &World, wanted: Course, required: Precondition) -> Result<Put, PutError> {
        put_course(world, wanted, &required, &ada()).await
    }

    fn version(put: Result<Put, PutError>) -> u32 {
        put.unwrap().course().version
    }

    #[tokio::test]
    async fn each_change_is_a_version_and_each_price_an_entry_of_the_history() {
        let world = World::new([], Bank::Accepts);
        let created = put(&world, course(4900, "T"), Precondition::None).await.unwrap();
        assert!(matches!(&created, Put::Created(course) if course.version == 1), "{created:?}");
        let again = put(&world, course(4900, "T"), Precondition::None).await.unwrap();
        assert_eq!(again, Put::Unchanged(created.course().clone()), "a repetition");
        let renamed = put(&world, course(4900, "U"), Precondition::None).await.unwrap();
        assert!(matches!(&renamed, Put::Replaced(course) if course.version == 2), "{renamed:?}");
        assert_eq!(version(put(&world, course(5900, "U"), Precondition::None).await), 3);
        let changes = world.price_changes();
        let prices: Vec<_> = changes
            .iter()
            .map(|change| (change.version, change.old, change.new, change.by.as_str()))
            .collect();
        let (cheap, dear) = (course(4900, "T").price, course(5900, "T").price);
        let by = "arn:aws:iam::1:user/ada";
        assert_eq!(prices, [(1, None, cheap, by), (3, Some(cheap), dear, by)]);
    }

    #[tokio::test]
    async fn write_requires_the_version_that_it_names_unless_it_is_a_repetition() {
        let world = World::new([course(0, "T")], Bank::Accepts);
        let of = |versions: &[u32]| Precondition::Version(versions.to_vec());
        let absent = put(&world, course(0, "U"), Precondition::Absent).await;
        assert!(matches!(absent, Err(PutError::PreconditionFailed { current: Some(_) })));
        assert_eq!(
            version(put(&world, course(0, "U"), of(&[0])).await),
            1,
            "of an earlier release"
        );
        let stale = put(&world, course(0, "V"), of(&[0])).await;
        let Err(PutError::PreconditionFailed { current }) = stale else { panic!("{stale:?}") };
        assert_eq!(current.unwrap().version, 1);
        assert_eq!(version(put(&world, course(0, "U"), of(&[0])).await), 1, "it has succeeded");
        assert_eq!(version(put(&world, course(0, "V"), of(&[7, 1])).await), 2);
        assert_eq!(version(put(&world, course(0, "W"), Precondition::Exists).await), 3);

        let empty = World::new([], Bank::Accepts);
        for required in [of(&[0]), Precondition::Exists] {
            let missing = put(&empty, course(0, "T"), required).await;
            assert!(matches!(missing, Err(PutError::PreconditionFailed { current: None })));
        }
        assert_eq!(version(put(&empty, course(0, "T"), Precondition::Absent).await), 1);
    }

    #[tokio::test]
    async fn writers_at_the_same_time_lose_no_entry_of_the_history() {
        let world = World::new([course(100, "T")], Bank::Accepts);
        let prices = [200, 300, 400];
        let puts = prices.map(|price| put(&world, course(price, "T"), Precondition::None));
        for done in futures_util::future::join_all(puts).await {
            done.unwrap();
        }
        let changes = world.price_changes();
        assert_eq!(changes.len(), prices.len());
        assert!(changes.windows(2).all(|pair| pair[1].old == Some(pair[0].new)), "{changes:?}");
    }
}
