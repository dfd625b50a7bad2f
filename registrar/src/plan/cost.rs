//! What enrollments, emails and a month cost, item by item.

use std::{collections::BTreeSet, io::Write};

use capacity::{
    bill::{self, Item},
    prices, usage,
};
use serde_json::{Value, json};
use sizing::Plan;

use super::table::{amount, write_paragraph};
use crate::{Failure, Outcome};

/// A part of the answer, with its heading.
struct Bill {
    key: &'static str,
    heading: String,
    items: Vec<Item>,
}

fn bills(plan: &Plan) -> Vec<Bill> {
    let settings = plan.settings();
    let emails = format!(
        "A million emails of a backlog, at {} in any {} s",
        amount(settings.limit.get().into()),
        settings.window.get().as_secs()
    );
    let bill = |key, heading: &str, items| Bill { key, heading: heading.to_owned(), items };
    vec![
        bill(
            "enrollments",
            "A million enrollments in free courses, without their emails",
            bill::enrollments(),
        ),
        bill("emails", &emails, bill::emails(plan)),
        bill("month", "A month, whatever happens", bill::month()),
        bill("pair_month", "A month of the always-on pair", bill::pair_month()),
    ]
}

pub(super) fn run(plan: &Plan, json: bool, out: &mut impl Write) -> Result<Outcome, Failure> {
    let bills = bills(plan);
    if json {
        writeln!(out, "{}", object(&bills))?;
        return Ok(Outcome::Fine);
    }
    writeln!(
        out,
        "US dollars in us-east-1, without free tiers and taxes. Prices of {}.",
        prices::COLLECTED_ON
    )?;
    for Bill { heading, items, .. } in &bills {
        writeln!(out, "\n{heading}\n")?;
        for item in items {
            write_item(item, out)?;
        }
        writeln!(out, "  {:<78}{:>10.2}", "sum", bill::sum(items))?;
    }
    writeln!(out)?;
    for text in notes() {
        write_paragraph(&text, out)?;
    }
    let pages: BTreeSet<&str> =
        bills.iter().flat_map(|bill| &bill.items).map(|item| item.price.page).collect();
    writeln!(out, "\nPages:")?;
    for page in pages {
        writeln!(out, "- {page}")?;
    }
    Ok(Outcome::Fine)
}

fn write_item(item: &Item, out: &mut impl Write) -> Result<(), Failure> {
    let Item { name, quantity, price } = item;
    let quantity = format!("{} {}", amount(*quantity), price.unit);
    let price = match price.per {
        1.0 => format!("{} each", price.usd),
        per => format!("{} per {}", price.usd, amount(per)),
    };
    writeln!(out, "  {name:<24}{quantity:>24}  at {price:<25}{:>10.2}", item.usd())?;
    Ok(())
}

fn notes() -> [String; 5] {
    let milliseconds = bill::enroll_duration().as_millis();
    [
        format!(
            "- An enrollment is billed {milliseconds} ms: {} calls to DynamoDB of {} ms, one to SQS of {} ms, and {} ms of \
             processor time at {:.0}% of a processor. These durations are assumed.",
            usage::TABLE_WRITE_UNITS,
            usage::DYNAMODB_CALL.as_millis(),
            usage::SQS_CALL.as_millis(),
            bill::RUST_PROCESSOR_TIME.as_secs_f64() * 1e3,
            usage::PROCESSORS * 100.0
        ),
        format!(
            "- Functions in Node make the same calls with {} ms of processor time: a million enrollments are {:.2} instead \
             of {:.2}.",
            bill::NODE_PROCESSOR_TIME.as_millis(),
            bill::sum(&bill::enrollments_in_node()),
            bill::sum(&bill::enrollments())
        ),
        format!(
            "- An account that sent by SES before 2026-07-21 and chose no plan pays {} per {} emails.",
            prices::SES_OLDER.usd,
            amount(prices::SES_OLDER.per)
        ),
        format!(
            "- With EventBusName, the events of a million enrollments and of their emails are {:.2} more.",
            bill::bus_events().usd()
        ),
        format!(
            "- The pair needs the same tables. Instead of its month, this stack pays for API Gateway, Lambda and SQS: the pair \
             is cheaper from {} enrollments per month on.",
            amount(bill::pair_is_cheaper_from())
        ),
    ]
}

fn object(bills: &[Bill]) -> Value {
    let item = |item: &Item| {
        json!({
            "name": item.name,
            "quantity": item.quantity,
            "unit": item.price.unit,
            "price": item.price.usd,
            "per": item.price.per,
            "page": item.price.page,
            "usd": item.usd(),
        })
    };
    let mut object =
        json!({"currency": "USD", "region": "us-east-1", "prices_of": prices::COLLECTED_ON});
    for Bill { key, heading, items } in bills {
        object[*key] = json!({
            "what": heading,
            "items": items.iter().map(item).collect::<Vec<_>>(),
            "usd": bill::sum(items),
        });
    }
    object["enrollments_in_node"] = json!({"usd": bill::sum(&bill::enrollments_in_node())});
    object["pair_is_cheaper_from_enrollments_per_month"] = bill::pair_is_cheaper_from().into();
    object
}
