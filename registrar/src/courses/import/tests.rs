use enrollment::testing::{Bank, World};
use serde_json::json;
use time::OffsetDateTime;

use super::*;

const HEADER: &str = "course_id,title,price,currency,state";

fn world() -> World {
    let course = json!({
        "course_id": "old", "title": "Old", "price": 4900, "currency": "USD", "state": "open",
        "seats": 20, "version": 3,
    });
    World::new([serde_json::from_value(course).unwrap()], Bank::Accepts)
}

fn args(change_prices: bool) -> ImportArgs {
    ImportArgs { file: "courses.csv".into(), change_prices, apply: false }
}

fn sheet(text: &str) -> Sheet {
    Sheet::read(text.as_bytes().to_vec(), &COLUMNS).unwrap()
}

async fn imported(
    world: &World,
    text: &str,
    change_prices: bool,
    apply: bool,
) -> Result<String, ImportError> {
    let author =
        Author { by: "arn:aws:iam::1:user/ada".parse().unwrap(), at: OffsetDateTime::UNIX_EPOCH };
    let mut out = Vec::new();
    let author = apply.then_some(&author);
    run(&args(change_prices), world, &sheet(text), author, &mut out).await?;
    Ok(String::from_utf8(out).unwrap())
}

async fn found(world: &World, id: &str) -> Option<Course> {
    world.find_course_now(&id.parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn difference_is_shown_and_written_only_if_it_is_applied() {
    let world = world();
    let text = format!("{HEADER}\nold,\"Old, again\",4900,USD,closed\nnew,New,0,EUR,open\n");
    let before = found(&world, "old").await;
    let dry = imported(&world, &text, false, false).await.unwrap();
    let expected = "change  old: title from \"Old\" to \"Old, again\"; state from \"open\" to \"closed\"\n\
        new     new: title \"New\"; price 0; currency \"EUR\"; state \"open\"\n";
    assert!(dry.starts_with(expected), "{dry}");
    assert!(dry.ends_with(
        "1 new, 1 changed, 0 the same; nothing was changed, --apply makes the changes\n"
    ));
    assert_eq!((found(&world, "old").await, found(&world, "new").await), (before, None));

    let applied = imported(&world, &text, false, true).await.unwrap();
    assert!(applied.starts_with(expected), "{applied}");
    assert!(applied.ends_with("1 new, 1 changed, 0 the same\n"), "{applied}");
    let old = found(&world, "old").await.unwrap();
    assert_eq!((old.title.as_str(), old.version), ("Old, again", 4));
    assert_eq!(found(&world, "new").await.unwrap().version, 1);
    let again = imported(&world, &text, false, true).await.unwrap();
    assert_eq!(again, "0 new, 0 changed, 2 the same\n");
}

#[tokio::test]
async fn price_is_changed_only_if_that_is_allowed_and_has_a_history() {
    let world = world();
    let text = format!("{HEADER}\nnew,New,0,EUR,open\nold,Old,5900,USD,open\n");
    let refused = imported(&world, &text, false, true).await.unwrap_err().to_string();
    let why =
        "courses.csv: line 3, column price: differs from the course's; --change-prices allows it";
    assert!(refused.starts_with(why), "{refused}");
    assert_eq!(found(&world, "new").await, None, "nothing is written");
    let currency = format!("{HEADER}\nold,Old,4900,EUR,open\n");
    let refused = imported(&world, &currency, false, false).await.unwrap_err().to_string();
    assert!(refused.contains("line 2, column currency"), "{refused}");

    imported(&world, &text, true, true).await.unwrap();
    let changes = world.price_changes();
    let of_old: Vec<_> =
        changes.iter().filter(|change| change.course_id.as_str() == "old").collect();
    assert_eq!((of_old.len(), of_old[0].by.as_str()), (1, "arn:aws:iam::1:user/ada"));
}

#[tokio::test]
async fn column_that_is_missing_changes_nothing_and_an_empty_cell_removes() {
    let world = world();
    let without = format!("{HEADER}\nold,Renamed,4900,USD,open\n");
    imported(&world, &without, false, true).await.unwrap();
    assert_eq!(found(&world, "old").await.unwrap().seats, Some(20_u64.try_into().unwrap()));
    let seats = format!("{HEADER},seats\nold,Renamed,4900,USD,open,\n");
    let shown = imported(&world, &seats, false, true).await.unwrap();
    assert!(shown.starts_with("change  old: seats from 20 to nothing\n"), "{shown}");
    assert_eq!(found(&world, "old").await.unwrap().seats, None);
    let opens = format!("{HEADER},opens_at\nold,Renamed,4900,USD,open,2027-01-31T10:00:00+01:00\n");
    let shown = imported(&world, &opens, false, true).await.unwrap();
    assert!(shown.contains("opens_at from nothing to \"2027-01-31T09:00:00Z\""), "{shown}");
    // The other time is the course's.
    let closes = format!("{HEADER},closes_at\nold,Renamed,4900,USD,open,2026-01-01T00:00:00Z\n");
    let refused = imported(&world, &closes, false, true).await.unwrap_err().to_string();
    assert!(refused.contains("line 2, column closes_at: is not after opens_at"), "{refused}");
}

/// Another operator writes the course between its comparison and its write.
struct Meanwhile(World);

impl FindCourse for Meanwhile {
    async fn find_course(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
        self.find_course_now(id).await
    }

    async fn find_course_now(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
        let found = self.0.find_course_now(id).await?;
        if let Some(mut course) = found.clone() {
            course.version += 1;
            self.0.offer(course);
        }
        Ok(found)
    }
}

impl PutCourse for Meanwhile {
    async fn put_course(
        &self,
        current: Option<&Course>,
        next: &Course,
        change: Option<&enrollment::price_change::PriceChange>,
    ) -> Result<enrollment::ports::Replaced, Unavailable> {
        self.0.put_course(current, next, change).await
    }
}

#[tokio::test]
async fn course_that_others_have_changed_since_is_not_overwritten() {
    let meanwhile = Meanwhile(world());
    let author =
        Author { by: "arn:aws:iam::1:user/ada".parse().unwrap(), at: OffsetDateTime::UNIX_EPOCH };
    let sheet = sheet(&format!("{HEADER}\nold,Mine,4900,USD,open\n"));
    let mut out = Vec::new();
    let refused = run(&args(false), &meanwhile, &sheet, Some(&author), &mut out).await.unwrap_err();
    assert!(refused.to_string().starts_with("course old was changed by others"), "{refused}");
    assert_eq!(found(&meanwhile.0, "old").await.unwrap().title.as_str(), "Old");
}

#[test]
fn columns_are_the_fields_of_a_course() {
    let course = json!({
        "title": "T", "price": 100, "currency": "USD", "state": "open", "seats": 1,
        "opens_at": "2027-01-01T00:00:00Z", "closes_at": "2027-01-02T00:00:00Z",
    });
    let course = Course::from_fields("c".parse().unwrap(), course.as_object().unwrap()).unwrap();
    let mut fields: Vec<_> = fields_of(&course).into_iter().map(|(name, _)| name).collect();
    fields.retain(|name| name != "version");
    let mut columns = COLUMNS.map(|column| column.name.to_owned());
    columns.sort();
    fields.sort();
    assert_eq!(fields, columns);
}
