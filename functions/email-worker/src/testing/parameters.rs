//! Every value that template.yaml accepts: the worker starts, and sends at least one email per invocation, or
//! `registrar plan --check` refuses the values (it calls the same `WorkerSettings::check`) and the worker says why.

use std::{collections::HashMap, sync::LazyLock};

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use lambda::Environment;
use lambda_runtime::{Context, LambdaEvent};
use proptest::prelude::*;

use super::world::{RatesInTurn, job, world};
use crate::{config::Config, handler::handle, pace::Pace};

const TEMPLATE: &str = include_str!("../../../../template.yaml");

/// The messages of a batch, if the batch size allows as many.
const MESSAGES: u64 = 12;

/// The variable that the template sets from each parameter.
const VARIABLES: [(&str, &str); 6] = [
    ("SendLimit", "SEND_LIMIT"),
    ("SendWindowSeconds", "SEND_WINDOW_SECONDS"),
    ("SendSlackMilliseconds", "SEND_SLACK_MILLISECONDS"),
    ("WorkerConcurrency", "WORKER_CONCURRENCY"),
    ("WorkerBatchSize", "WORKER_BATCH_SIZE"),
    ("WorkerTimeout", "WORKER_TIMEOUT_SECONDS"),
];

/// What the template accepts for a parameter.
#[derive(Debug, Clone)]
enum Accepted {
    Range(u64, u64),
    OneOf(Vec<u64>),
}

static ACCEPTED: LazyLock<Vec<Accepted>> =
    LazyLock::new(|| VARIABLES.map(|(parameter, _)| accepted(parameter)).into_iter().collect());

/// Names are indented by two spaces, attributes by four.
fn accepted(parameter: &str) -> Accepted {
    let (_, after) = TEMPLATE.split_once(&format!("\n  {parameter}:\n")).unwrap();
    let lines = after.lines().take_while(|line| line.starts_with("    "));
    let attributes: HashMap<_, _> = lines.filter_map(|line| line.trim().split_once(": ")).collect();
    if let Some(values) = attributes.get("AllowedValues") {
        let values = values.trim_matches(['[', ']']).split(',');
        return Accepted::OneOf(values.map(|value| value.trim().parse().unwrap()).collect());
    }
    let bound = |name: &str| attributes[name].parse().unwrap();
    Accepted::Range(bound("MinValue"), bound("MaxValue"))
}

impl Accepted {
    /// The bounds, these values if they are accepted, and of a list the first, the second and the last.
    fn some(&self, values: &[u64]) -> Vec<u64> {
        match self {
            Self::Range(min, max) => {
                let within = values.iter().copied().filter(|value| (min..=max).contains(&value));
                [*min, *max].into_iter().chain(within).collect()
            }
            Self::OneOf(list) => vec![list[0], list[1], list[list.len() - 1]],
        }
    }

    fn any(&self) -> BoxedStrategy<u64> {
        match self.clone() {
            // Small values decide whether anything can be sent, and are rare in a uniform draw.
            Self::Range(min, max) => {
                let bits = 64 - max.leading_zeros();
                (0..=bits, any::<u64>())
                    .prop_map(move |(bits, n)| (n & ((1 << bits) - 1)).clamp(min, max))
                    .boxed()
            }
            Self::OneOf(list) => proptest::sample::select(list).boxed(),
        }
    }
}

/// Starts a worker with these values of the parameters and invokes it once.
fn try_values(values: [u64; 6]) {
    let config = Config::read(&Environment::new(&|name| {
        let place = VARIABLES.iter().position(|(_, variable)| *variable == name);
        Some(match (place, name) {
            (Some(place), _) => values[place].to_string(),
            (_, "DEFAULT_LANGUAGE") => "en".to_owned(),
            (_, "SENDER_ADDRESS") => "courses@example.com".to_owned(),
            (_, "AT_MOST_ONCE_TEMPLATES" | "SENDER_NAME" | "REPLY_TO" | "SES_TENANT") => {
                String::new()
            }
            _ => "something".to_owned(),
        })
    }));
    let settings = config.expect("the worker starts").settings.expect("it can read its parameters");
    let refusal = settings.check().err();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let world = world();
        let messages = MESSAGES.min(settings.batch_size.into());
        let mut payload = SqsEvent::default();
        payload.records = (0..messages)
            .map(|n| {
                let mut message = SqsMessage::default();
                message.message_id = Some(format!("m-{n}"));
                message.body = Some(job(&n.to_string()).body);
                message
            })
            .collect();
        let pace = Pace::start(Ok(settings), RatesInTurn::new([Ok(None)])).await;
        let event = LambdaEvent { payload, context: Context::default() };
        let began = lambda::clock::instant();
        let returned = handle(&world, &pace, event).await.unwrap().batch_item_failures.len();
        let sent = world.sent().len();
        assert_eq!(sent == 0, refusal.is_some(), "{settings:?}: {refusal:?}");
        assert_eq!(sent + returned, usize::try_from(messages).unwrap(), "{settings:?}");
        let lasted = lambda::clock::instant() - began;
        assert!(lasted < settings.timeout, "{settings:?} lasted {lasted:?}");
    });
}

#[test]
fn worker_sends_with_the_bounds_of_what_the_template_accepts_or_the_plan_refuses_them() {
    let [limits, windows, slacks, slots, batches, timeouts] = &ACCEPTED[..] else { panic!() };
    for limit in limits.some(&[3, 60, 300, 100_000]) {
        for window in windows.some(&[60, 3_600]) {
            for slack in slacks.some(&[250]) {
                for slots in slots.some(&[20]) {
                    for batch in batches.some(&[100]) {
                        for timeout in timeouts.some(&[]) {
                            try_values([limit, window, slack, slots, batch, timeout]);
                        }
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn worker_sends_with_any_values_that_the_template_accepts_or_the_plan_refuses_them(
        limit in ACCEPTED[0].any(),
        window in ACCEPTED[1].any(),
        slack in ACCEPTED[2].any(),
        slots in ACCEPTED[3].any(),
        batch in ACCEPTED[4].any(),
        timeout in ACCEPTED[5].any(),
    ) {
        try_values([limit, window, slack, slots, batch, timeout]);
    }
}
