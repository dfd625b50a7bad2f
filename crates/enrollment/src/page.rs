//! Pages of a list: how many entries, and where the next page begins.
//!
//! Every list has an order, most of them that of course ids. So a page begins after a position, such as a course id, and
//! not after a number of entries: an entry that is added or removed in between neither repeats nor hides another.

use std::{fmt::Display, num::NonZeroU8, str::FromStr};

use sha2::{Digest, Sha256};

use crate::{
    course::{CourseId, CourseState},
    fields::Fields,
    student::StudentId,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a whole number from 1 to {}", PageSize::MAX)]
pub struct InvalidPageSize;

/// The maximum number of entries on a page: 1 to [`PageSize::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(NonZeroU8);

impl PageSize {
    /// An item has a few kilobytes, and a query of DynamoDB reads at most 1 MB (DynamoDB Developer Guide,
    /// "Paginating table query results").
    pub const MAX: u8 = 100;

    pub fn get(self) -> u8 {
        self.0.get()
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(const { NonZeroU8::new(50).unwrap() })
    }
}

impl FromStr for PageSize {
    type Err = InvalidPageSize;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let size = text.parse::<NonZeroU8>().map_err(|_| InvalidPageSize)?;
        if size.get() <= Self::MAX { Ok(Self(size)) } else { Err(InvalidPageSize) }
    }
}

/// Which entries of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest<P = CourseId> {
    pub size: PageSize,
    /// The entries after this position; the first page if `None`.
    pub after: Option<P>,
}

impl<P> Default for PageRequest<P> {
    fn default() -> Self {
        Self { size: PageSize::default(), after: None }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, P = CourseId> {
    /// In the order of their positions. It may have fewer than the page's size although there are more.
    pub entries: Vec<T>,
    /// Where the next page begins; `None` if this one is the last.
    pub next: Option<P>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not a `next` of this list; every page of a list has the same parameters, except `limit`"
)]
pub struct InvalidCursor;

/// A list that has cursors of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List<'a> {
    EnrollmentsOf(&'a StudentId),
    /// In one state, or in any.
    Courses(Option<CourseState>),
    RosterOf(&'a CourseId),
}

/// Of the digest of a list, in bytes: enough to tell lists apart by accident.
const TAG_BYTES: usize = 8;

impl List<'_> {
    /// The text by which a caller gets the page after this position.
    ///
    /// It grants nothing: what a query reads follows from its own parameters, and the cursor only says where in
    /// them it begins. So it is checked, but not signed.
    pub fn cursor(self, after: &impl Display) -> String {
        hex::encode([&self.tag(), after.to_string().as_bytes()].concat())
    }

    /// Reads a cursor of this list.
    ///
    /// # Errors
    ///
    /// The text is not a cursor, or is one of another list.
    pub fn read_cursor<P: FromStr>(self, cursor: &str) -> Result<P, InvalidCursor> {
        let bytes = hex::decode(cursor).map_err(|_| InvalidCursor)?;
        let after = bytes.strip_prefix(&self.tag()).ok_or(InvalidCursor)?;
        let after = std::str::from_utf8(after).map_err(|_| InvalidCursor)?;
        after.parse().map_err(|_| InvalidCursor)
    }

    fn tag(self) -> [u8; TAG_BYTES] {
        let (kind, of) = match self {
            Self::EnrollmentsOf(student_id) => ("enrollments", student_id.as_str()),
            Self::Courses(None) => ("courses", "any"),
            Self::Courses(Some(state)) => ("courses", state.as_str()),
            Self::RosterOf(course_id) => ("roster", course_id.as_str()),
        };
        let digest = Sha256::digest(format!("{kind} {of}"));
        std::array::from_fn(|at| digest[at])
    }
}

impl<P: FromStr> PageRequest<P> {
    /// Reads `limit` and `after`, which are optional. `list` is `None` if its own parameters are wrong.
    pub fn from_fields(fields: &mut Fields<'_>, list: Option<List<'_>>) -> Self {
        let size = fields.optional_text("limit").unwrap_or_default();
        let cursor: Option<String> = fields.optional_text("after");
        let after = match list.zip(cursor).map(|(list, cursor)| list.read_cursor(&cursor)) {
            None => None,
            Some(Ok(after)) => Some(after),
            Some(Err(why)) => {
                fields.add_error("after", why);
                None
            }
        };
        Self { size, after }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fields::FieldErrors;

    fn student(id: &str) -> StudentId {
        id.parse().unwrap()
    }

    fn read(query: Value, list: List<'_>) -> Result<PageRequest, FieldErrors> {
        let Value::Object(query) = query else { unreachable!("tests give objects") };
        let mut fields = Fields::new(&query);
        let page = PageRequest::from_fields(&mut fields, Some(list));
        fields.finish(Some(page))
    }

    #[test]
    fn page_size_is_1_to_100() {
        for text in ["", "0", "101", "256", "-1", "1.5", "ten", " 5"] {
            assert_eq!(text.parse::<PageSize>(), Err(InvalidPageSize), "{text:?}");
        }
        for text in ["1", "100"] {
            assert_eq!(text.parse::<PageSize>().unwrap().get().to_string(), text);
        }
        assert_eq!(InvalidPageSize.to_string(), "is not a whole number from 1 to 100");
    }

    #[test]
    fn parameters_are_optional_and_each_wrong_one_is_named() {
        let student = student("s-1");
        let list = List::EnrollmentsOf(&student);
        assert_eq!(read(json!({}), list).unwrap(), PageRequest::default());
        let after: CourseId = "rust-101".parse().unwrap();
        let page = read(json!({"limit": "7", "after": list.cursor(&after)}), list).unwrap();
        assert_eq!((page.size.get(), page.after), (7, Some(after)));
        let errors = read(json!({"limit": "0", "after": "00"}), list).unwrap_err();
        assert_eq!(errors["limit"], InvalidPageSize.to_string());
        assert_eq!(errors["after"], InvalidCursor.to_string());
    }

    #[test]
    fn cursor_of_another_list_is_refused() {
        let (ada, bob) = (student("s-1"), student("s-2"));
        let after: CourseId = "rust-101".parse().unwrap();
        // Its name is that of another list.
        let any = student("any");
        let states = [None, Some(CourseState::Open), Some(CourseState::Closed)];
        let lists = [&ada, &bob, &any].map(List::EnrollmentsOf);
        let rosters = ["s-1", "any"].map(|id| id.parse().unwrap());
        let rosters = rosters.iter().map(List::RosterOf);
        let lists: Vec<_> =
            lists.into_iter().chain(states.map(List::Courses)).chain(rosters).collect();
        for one in lists.clone() {
            for &other in &lists {
                let read = other.read_cursor(&one.cursor(&after));
                let expected = if one == other { Ok(after.clone()) } else { Err(InvalidCursor) };
                assert_eq!(read, expected, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn text_that_is_not_a_cursor_is_refused() {
        let student = student("s-1");
        let list = List::EnrollmentsOf(&student);
        let cursor = list.cursor(&"a");
        for text in ["", "a", "rust-101", "é", &cursor[..16], &cursor[1..], &format!("{cursor}2f")]
        {
            assert_eq!(list.read_cursor::<CourseId>(text), Err(InvalidCursor), "{text:?}");
        }
    }
}
