//! What the command does and says, over a record in memory.

use email::testing::MemoryHolds;

use super::*;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn deployed() -> WorkerSettings {
    WorkerSettings {
        limit: "300".parse().unwrap(),
        window: "60".parse().unwrap(),
        slack: "250".parse().unwrap(),
        slots: "2".parse().unwrap(),
        batch_size: 100,
        timeout: Duration::from_mins(1),
    }
}

async fn lower_to(record: &MemoryHolds, limit: u32, period: Option<&str>) -> Result<(), Failure> {
    let (limit, reason) = (SendLimit::new(limit).unwrap(), "warming up".parse().unwrap());
    let until = period.map(|text| text.parse::<Period>().unwrap().end(NOW));
    let lowered = lowered(&deployed(), limit, &reason, NOW, until);
    lower(record, &deployed(), limit, &lowered).await
}

fn said(record: &MemoryHolds, rate: Option<f64>, now: OffsetDateTime) -> String {
    let limits = Limits::new(deployed(), rate, &record.now(), now).unwrap();
    let mut out = Vec::new();
    write_limits(&limits, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn lowest_of_the_limits_is_effective() {
    let record = MemoryHolds::default();
    assert_eq!(
        said(&record, None, NOW),
        "deployed   300 in any 60 s\nlowered    no\naccount    unknown, or without a rate\n\
         effective  299 per minute at most\n"
    );
    lower_to(&record, 101, Some("2h")).await.unwrap();
    let minutes = |n| NOW + Duration::from_mins(n);
    let lowered = said(&record, Some(14.0), minutes(119));
    let line =
        "lowered    101 in any 60 s, since 1970-01-01T00:00Z, until 1970-01-01T02:00Z: warming up";
    assert!(lowered.contains(line), "{lowered}");
    // Two shares of 50, in 60.25 s.
    assert!(lowered.ends_with("effective  100 per minute at most\n"), "{lowered}");
    assert!(said(&record, Some(1.0), minutes(1)).ends_with("effective  60 per minute at most\n"));
    assert!(said(&record, None, minutes(120)).contains("lowered    no"), "its time is over");
}

#[tokio::test]
async fn limit_can_be_changed_and_reset() {
    let record = MemoryHolds::default();
    lower_to(&record, 100, Some("2h")).await.unwrap();
    lower_to(&record, 200, None).await.unwrap();
    assert!(
        said(&record, None, NOW).contains("200 in any 60 s, since 1970-01-01T00:00Z, until `reg")
    );
    assert!(reset(&record).await.unwrap());
    assert!(said(&record, None, NOW).contains("lowered    no"));
    assert!(!reset(&record).await.unwrap(), "it was not lowered");
}

#[tokio::test]
async fn limit_that_is_not_lower_or_at_which_nothing_can_be_sent_is_refused() {
    let record = MemoryHolds::default();
    for limit in [300, 301] {
        let error = lower_to(&record, limit, None).await.unwrap_err().to_string();
        let expected = format!("{limit} is not below the deployed limit of 300 in any 60 s.");
        assert!(error.starts_with(&expected), "{error}");
        assert!(error.contains(&format!("registrar plan --limit {limit}")), "{error}");
    }
    let error = lower_to(&record, 3, None).await.unwrap_err().to_string();
    assert!(error.contains("3 is too low"), "{error}");
    assert!(error.ends_with("the lowest limit is 4. To stop sending: `registrar hold`"), "{error}");
    assert_eq!(record.now(), Holds::default());
}

#[tokio::test]
async fn json_has_all_limits() {
    let record = MemoryHolds::default();
    lower_to(&record, 100, None).await.unwrap();
    let limits = Limits::new(deployed(), Some(14.0), &record.now(), NOW).unwrap();
    let json = json(&limits);
    assert_eq!((&json["deployed"], &json["window_seconds"]), (&300.into(), &60.into()));
    assert_eq!(json["lowered"]["limit"], 100);
    assert_eq!(
        (&json["account_per_second"], &json["emails_per_minute"]),
        (&14.0.into(), &100.into())
    );
}
