//! What the commands say, over records in memory.

use email::{
    hold::{HoldCause, LoweredLimit, MachineHold},
    testing::{MemoryEventSource, MemoryHolds},
};

use super::*;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

struct Place {
    record: MemoryHolds,
    source: MemoryEventSource,
    out: Vec<u8>,
}

impl Place {
    fn new(on: bool) -> Self {
        let source = MemoryEventSource::default();
        source.set(on);
        Self { record: MemoryHolds::default(), source, out: Vec::new() }
    }

    async fn hold(&mut self, reason: &str) -> Result<(), Failure> {
        self.hold_until(reason, None).await
    }

    async fn hold_until(
        &mut self,
        reason: &str,
        until: Option<OffsetDateTime>,
    ) -> Result<(), Failure> {
        let hold = OperatorHold { reason: reason.to_owned(), since: NOW, until };
        hold_at(&self.record, &self.source, &hold, &mut self.out).await
    }

    async fn hold_refunds(&mut self) {
        let hold = OperatorHold { reason: "wrong text".to_owned(), since: NOW, until: None };
        let template = TemplateName("enrollment-refund");
        hold_template_at(&self.record, template, &hold, &mut self.out).await.unwrap();
    }

    async fn release_refunds(&mut self) {
        release_template_at(&self.record, "enrollment-refund", &mut self.out).await.unwrap();
    }

    async fn release(&mut self) -> Result<(), Failure> {
        release_at(&self.record, &self.source, NOW, &mut self.out).await
    }

    async fn show(&mut self) -> Result<(), Failure> {
        show_of(&self.record, &self.source, &mut self.out).await
    }

    fn said(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.out)).unwrap()
    }
}

#[tokio::test]
async fn what_is_held_and_released_is_said() {
    let mut place = Place::new(true);
    place.show().await.unwrap();
    assert_eq!(place.said(), "nothing is held\nevent source  on\n");

    place.hold("moving the domain").await.unwrap();
    let held = "held by an operator  since 1970-01-01T00:00Z  moving the domain\n";
    assert!(place.said().starts_with(held));
    place.show().await.unwrap();
    assert_eq!(place.said(), format!("{held}event source  off\n"));

    place.release().await.unwrap();
    assert_eq!(place.said(), format!("ended:\n{held}"));
    place.release().await.unwrap();
    assert_eq!(place.said(), "nothing was held\n");
    place.show().await.unwrap();
    assert_eq!(place.said(), "nothing is held\nevent source  on\n");
}

#[tokio::test]
async fn releasing_the_machines_hold_warns_that_it_may_hold_again() {
    let mut place = Place::new(false);
    let machine = MachineHold::new(HoldCause::DailyQuota, NOW);
    place.record.set(Holds { machine: Some(machine), ..Holds::default() });
    place.release().await.unwrap();
    assert_eq!(
        place.said(),
        "ended:\nheld automatically   since 1970-01-01T00:00Z  the account's daily quota is \
         used up\nIf the provider still refuses emails, the next attempt starts a new hold.\n"
    );
}

#[tokio::test]
async fn hold_that_ses_has_not_reported_shows_when_it_ends() {
    let mut place = Place::new(false);
    let end = NOW + std::time::Duration::from_mins(5);
    let machine =
        MachineHold { earliest_end: Some(end), ..MachineHold::new(HoldCause::NotPermitted, NOW) };
    place.record.set(Holds { machine: Some(machine.clone()), ..Holds::default() });
    place.show().await.unwrap();
    let held = "held automatically   since 1970-01-01T00:00Z  the worker is not permitted to send";
    assert!(place.said().starts_with(&format!("{held}; it ends after 1970-01-01T00:05Z\n")));
    let machine = MachineHold { reported: true, ..machine };
    place.record.set(Holds { machine: Some(machine), ..Holds::default() });
    place.show().await.unwrap();
    assert!(place.said().starts_with(&format!("{held}\n")), "SES's report decides");
}

#[tokio::test]
async fn an_event_source_that_somebody_turned_off_is_told_of() {
    let mut place = Place::new(false);
    place.show().await.unwrap();
    assert!(place.said().contains("turned off by other means"));
    place.release().await.unwrap();
    assert!(place.said().contains("turned off by other means"));
}

#[tokio::test]
async fn a_hold_that_is_only_half_made_says_so() {
    let mut place = Place::new(true);
    place.source.calls.fail_operations(&["turn"]);
    let error = place.hold("reason").await.unwrap_err().to_string();
    assert!(
        error.starts_with("the change is recorded, but the event source could not be turned off"),
        "{error}"
    );
    place.show().await.unwrap();
    assert!(place.said().contains("It should be off"));
}

#[tokio::test]
async fn hold_with_an_end_says_when() {
    let mut place = Place::new(true);
    let period: Period = "2h".parse().unwrap();
    place.hold_until("moving", Some(period.end(NOW))).await.unwrap();
    let held =
        "held by an operator  since 1970-01-01T00:00Z  moving; it ends at 1970-01-01T02:00Z\n";
    let said = place.said();
    assert!(said.starts_with(held), "{said}");
    assert!(said.contains("until 1970-01-01T02:00Z, or until `registrar release`"), "{said}");
}

#[test]
fn hold_that_outlasts_jobs_is_noted() {
    for (period, is_noted) in [(None, false), (Some("7d"), false), (Some("7d1m"), true)] {
        let mut err = Vec::new();
        warn_if_jobs_expire(period.map(|text| text.parse().unwrap()), &mut err).unwrap();
        assert_eq!(!err.is_empty(), is_noted, "{period:?}");
    }
}

#[tokio::test]
async fn template_hold_is_said_and_outlasts_a_release_of_everything() {
    let mut place = Place::new(true);
    place.hold_refunds().await;
    let held = "held template enrollment-refund  since 1970-01-01T00:00Z  wrong text\n";
    assert!(place.said().starts_with(held));
    assert!(place.source.is_on_now());
    place.show().await.unwrap();
    assert_eq!(place.said(), format!("only templates are held\n{held}event source  on\n"));

    place.hold("everything").await.unwrap();
    place.said();
    place.release().await.unwrap();
    assert!(place.said().contains("Jobs of enrollment-refund are still held"));
    place.release_refunds().await;
    assert!(place.said().starts_with(&format!("ended:\n{held}")));
    place.release_refunds().await;
    assert_eq!(place.said(), "that template was not held; held are: none\n");
}

#[tokio::test]
async fn lowered_limit_is_shown_with_the_holds() {
    let mut place = Place::new(true);
    let lowered = LoweredLimit {
        limit: 100.try_into().unwrap(),
        window_seconds: 60.try_into().unwrap(),
        reason: "warming up".to_owned(),
        since: NOW,
        until: None,
    };
    place.record.set(Holds { lowered: Some(lowered), ..Holds::default() });
    place.show().await.unwrap();
    let line = "limit lowered to 100 in any 60 s  since 1970-01-01T00:00Z  warming up\n";
    assert_eq!(place.said(), format!("nothing is held\n{line}event source  on\n"));
}

#[tokio::test]
async fn json_has_the_record_and_the_event_source() {
    let mut place = Place::new(true);
    place.hold_refunds().await;
    place.hold("moving").await.unwrap();
    place.said();
    finish(true, b"text", (&place.record, &place.source), &mut place.out).await.unwrap();
    let state: serde_json::Value = serde_json::from_str(&place.said()).unwrap();
    assert_eq!((&state["held"], &state["event_source_on"]), (&true.into(), &false.into()));
    assert_eq!(state["holds"]["operator"]["reason"], "moving");
    assert_eq!(state["holds"]["templates"]["enrollment-refund"]["reason"], "wrong text");
    finish(false, b"text", (&place.record, &place.source), &mut place.out).await.unwrap();
    assert_eq!(place.said(), "text");
}
