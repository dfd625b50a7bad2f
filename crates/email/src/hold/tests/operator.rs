//! What an operator may do besides holding all sending: give a hold an end, hold a template, lower the limit.

use serde_json::json;

use super::*;

fn minutes(n: u64) -> OffsetDateTime {
    NOW + Duration::from_mins(n)
}

fn hold_until(world: &World, until: OffsetDateTime, now: OffsetDateTime) {
    let hold = OperatorHold { until: Some(until), ..operator_hold("for a while", now) };
    alone(hold_by_operator(&world.holds, &world.source, &hold)).unwrap();
}

#[test]
fn hold_with_an_end_ends_by_itself_and_stops_no_worker_after_it() {
    let world = World::default();
    hold_until(&world, minutes(120), NOW);
    let holds = world.watch(minutes(119));
    assert!(holds.in_force() && holds.stops_sending(minutes(119)) && !world.source.is_on_now());
    // A worker does not wait for hold-watch; the event source does.
    assert!(!holds.stops_sending(minutes(120)) && holds.in_force());
    let holds = world.watch(minutes(120));
    assert!(!holds.in_force() && world.source.is_on_now());
    assert_eq!(holds.released_at, None, "nobody has accepted a rate");
}

#[test]
fn renewed_hold_has_the_new_end() {
    let world = World::default();
    hold_until(&world, minutes(10), NOW);
    hold_until(&world, minutes(30), minutes(5));
    assert!(world.watch(minutes(29)).in_force());
    assert!(!world.watch(minutes(30)).in_force());
    hold_until(&world, minutes(60), minutes(40));
    world.hold_by_operator("until somebody looks", minutes(50));
    assert!(world.watch(minutes(10_000)).in_force(), "without an end");
}

#[test]
fn end_of_an_operators_hold_leaves_the_automatic_one() {
    let world = World::default();
    hold_until(&world, minutes(10), NOW);
    world.provider.standing_now().sending_enabled = false;
    world.place(HoldCause::SendingPaused, NOW);
    let holds = world.watch(minutes(10));
    assert!(holds.machine.is_some() && holds.operator.is_none() && !world.source.is_on_now());
    assert_eq!(holds.ending_since, None, "the automatic hold is in force");
    assert!(holds.stops_sending(minutes(10)));
    world.provider.standing_now().sending_enabled = true;
    assert!(!world.watch(minutes(11)).in_force());
    assert!(world.source.is_on_now());
}

#[test]
fn end_is_recorded_although_lambda_is_down_and_carried_out_later() {
    let world = World::default();
    hold_until(&world, minutes(10), NOW);
    world.source.calls.fail();
    let (holds, problems) = world.watch_in_part(minutes(10));
    assert_eq!((holds.unwrap().in_force(), problems), (false, 2), "settled in vain, ended in vain");
    world.source.calls.succeed();
    world.watch(minutes(11));
    assert!(world.source.is_on_now());
}

#[test]
fn template_hold_ends_by_itself_or_by_an_operator_and_leaves_the_event_source_on() {
    let world = World::default();
    let hold = OperatorHold { until: Some(minutes(60)), ..operator_hold("wrong text", NOW) };
    alone(hold_template(&world.holds, "receipt", &hold)).unwrap();
    alone(hold_template(&world.holds, "welcome", &operator_hold("typo", NOW))).unwrap();
    let holds = world.watch(minutes(59));
    assert!(!holds.in_force() && world.source.turns().is_empty());
    assert!(holds.holds_template("receipt", minutes(59)) && holds.holds_template("welcome", NOW));
    assert!(!holds.holds_template("other", NOW) && !holds.holds_template("receipt", minutes(60)));

    let holds = world.watch(minutes(60));
    assert_eq!(holds.templates.keys().collect::<Vec<_>>(), ["welcome"]);
    assert_eq!(holds.ending_since, None, "the event source was never off");
    // Neither a hold of everything nor its end changes it.
    world.hold_by_operator("all", minutes(61));
    world.release_by_operator(minutes(62));
    assert!(world.holds.now().holds_template("welcome", minutes(62)));
    let released = alone(release_template(&world.holds, "welcome")).unwrap();
    assert!(released.into_holds().templates.is_empty());
    let again = alone(release_template(&world.holds, "welcome")).unwrap();
    assert!(matches!(again, Changed::Nothing(_)));
}

#[test]
fn lowered_limit_ends_by_itself_or_by_an_operator() {
    let world = World::default();
    let (first, second) = (lowered(NOW, Some(minutes(60))), lowered(minutes(1), Some(minutes(90))));
    alone(lower_limit(&world.holds, &first)).unwrap();
    alone(lower_limit(&world.holds, &second)).unwrap();
    let holds = world.watch(minutes(89));
    assert_eq!(holds.lowered_at(minutes(89)), Some(&second));
    assert_eq!(holds.lowered_at(minutes(90)), None, "workers do not wait for hold-watch");
    assert_eq!(world.watch(minutes(90)).lowered, None);

    alone(lower_limit(&world.holds, &lowered(NOW, None))).unwrap();
    assert!(world.watch(minutes(1_000_000)).lowered.is_some());
    let reset = alone(reset_limit(&world.holds)).unwrap();
    assert_eq!(reset.into_holds().lowered, None);
    assert!(matches!(alone(reset_limit(&world.holds)).unwrap(), Changed::Nothing(_)));
    assert!(world.source.turns().is_empty());
}

#[test]
fn age_is_that_of_the_oldest_without_an_end() {
    let held = |since, until| OperatorHold { until, ..operator_hold("typo", minutes(since)) };
    let with_end = Holds {
        templates: [("receipt".to_owned(), held(0, Some(minutes(60))))].into(),
        lowered: Some(lowered(NOW, Some(minutes(60)))),
        ..Holds::default()
    };
    for holds in [Holds::default(), with_end.clone()] {
        assert_eq!(holds.template_held_without_end(minutes(10)), None);
        assert_eq!(holds.lowered_without_end(minutes(10)), None);
    }
    let mut holds = Holds { lowered: Some(lowered(minutes(3), None)), ..with_end };
    for (template, since) in [("a", 5), ("b", 1), ("c", 4)] {
        holds.templates.insert(template.to_owned(), held(since, None));
    }
    assert_eq!(holds.template_held_without_end(minutes(10)), Some(Duration::from_mins(9)));
    assert_eq!(holds.lowered_without_end(minutes(10)), Some(Duration::from_mins(7)));
    // The clock that wrote the record is ahead.
    assert_eq!(holds.lowered_without_end(minutes(2)), Some(Duration::ZERO));
}

#[test]
fn record_of_an_earlier_release_is_read_and_fields_of_a_later_one_are_kept() {
    let of_an_earlier_release = json!({
        "operator": {"reason": "because", "since": "1970-01-01T00:00:00Z"}, "version": 3,
    });
    let holds: Holds = serde_json::from_value(of_an_earlier_release.clone()).unwrap();
    assert_eq!(holds.operator, Some(operator_hold("because", NOW)));
    assert!(holds.templates.is_empty() && holds.lowered.is_none());
    assert_eq!(serde_json::to_value(&holds).unwrap(), of_an_earlier_release);

    let of_a_later_release = json!({"quiet_hours": {"from": 22, "to": 6}, "version": 7});
    let world = World::default();
    world.holds.set(serde_json::from_value(of_a_later_release).unwrap());
    alone(lower_limit(&world.holds, &lowered(NOW, None))).unwrap();
    let written = serde_json::to_value(world.holds.now()).unwrap();
    assert_eq!(written["quiet_hours"], json!({"from": 22, "to": 6}));
    assert_eq!(written["lowered"]["limit"], 100);
}
