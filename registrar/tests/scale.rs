//! Every output of `registrar plan` in docs/scale.md is what the command prints.
//!
//! `SCALE_UPDATE=1 cargo test -p registrar --test scale` writes the outputs into the page.
#![allow(clippy::unwrap_used)]
#![expect(clippy::disallowed_methods, reason = "a test that can be told to write")]

use std::{env, fmt::Write, fs, process::Command};

use serde_json::Value;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scale.md");

/// What an operator sees.
fn registrar(arguments: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_registrar"));
    let ran = command.args(arguments.split_whitespace()).env_clear().output().unwrap();
    assert!(ran.status.success(), "{arguments}: {ran:?}");
    String::from_utf8(ran.stdout).unwrap()
}

/// The page with the outputs of now, and the number of outputs. A block of code that begins with `$ registrar` has the
/// output of that command.
fn with_outputs(page: &str) -> (String, usize) {
    let mut pieces = page.split("```");
    let mut text = pieces.next().unwrap().to_owned();
    let mut outputs = 0;
    for piece in pieces {
        text.push_str("```");
        match piece.strip_prefix("text\n$ registrar ") {
            Some(block) => {
                let arguments = block.lines().next().unwrap();
                write!(text, "text\n$ registrar {arguments}\n{}", registrar(arguments)).unwrap();
                outputs += 1;
            }
            None => text.push_str(piece),
        }
    }
    (text, outputs)
}

#[test]
fn outputs_in_the_page_are_those_of_the_commands() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (current, outputs) = with_outputs(&page);
    assert!(outputs >= 5, "{outputs} outputs");
    if env::var("SCALE_UPDATE").is_ok() {
        fs::write(PAGE, current).unwrap();
        return;
    }
    for (line, (found, expected)) in page.lines().zip(current.lines()).enumerate() {
        assert_eq!(found, expected, "docs/scale.md, line {}", line + 1);
    }
    assert_eq!(page, current);
}

fn json(arguments: &str) -> Value {
    serde_json::from_str(&registrar(arguments)).unwrap()
}

#[test]
fn load_as_json_has_every_part_with_its_source() {
    let load = json("plan --limit 3000 --load 1000 --json");
    let parts = load["parts"].as_array().unwrap();
    assert!(parts.len() > 15, "{load}");
    for part in parts {
        let (limit, needed) = (&part["limit_per_second"], &part["needed_per_second"]);
        let is_full = needed.as_f64().unwrap() > limit.as_f64().unwrap();
        assert_eq!(part["is_full"], is_full, "{part}");
        let source = part["source"].as_str().unwrap();
        let is_known = ["https://", "template.yaml", "docs/benchmarks.md", "registrar plan"];
        assert!(is_known.iter().any(|known| source.starts_with(known)), "{part}");
    }
    assert!(load["backlog"]["full_after_seconds"].as_u64().unwrap() > 3_600, "{load}");
    assert_eq!(json("plan --limit 3000 --load 10 --json")["backlog"], Value::Null);
}

#[test]
fn cost_as_json_adds_up_and_names_the_page_of_each_price() {
    let cost = json("plan --limit 300 --cost --json");
    for bill in ["enrollments", "emails", "month", "pair_month"] {
        let items = cost[bill]["items"].as_array().unwrap();
        let sum: f64 = items.iter().map(|item| item["usd"].as_f64().unwrap()).sum();
        assert!((sum - cost[bill]["usd"].as_f64().unwrap()).abs() < 1e-9, "{cost}");
        for item in items {
            let of = |key: &str| item[key].as_f64().unwrap();
            assert!((of("usd") - of("quantity") * of("price") / of("per")).abs() < 1e-9, "{item}");
            assert!(item["page"].as_str().unwrap().starts_with("https://"), "{item}");
        }
    }
    // With twice the interval, each email waits twice as long for its permit.
    let worker = |cost: &Value| {
        let items = cost["emails"]["items"].as_array().unwrap().clone();
        let item = items.into_iter().find(|item| item["name"] == "Lambda, the worker").unwrap();
        item["usd"].as_f64().unwrap()
    };
    let half = json("plan --limit 150 --cost --json");
    assert!((worker(&half) / worker(&cost) - 2.0).abs() < 1e-9);
}

#[test]
fn shares_as_json_add_up_to_the_limit() {
    let shares = json("plan --limit 301 --shares eu=2,us,asia --json");
    let stacks = shares["stacks"].as_array().unwrap();
    let limit =
        |stack: &Value| stack["parameters"]["SendLimit"].as_str().unwrap().parse::<u32>().unwrap();
    let names: Vec<_> =
        stacks.iter().map(|stack| (stack["stack"].as_str().unwrap(), limit(stack))).collect();
    assert_eq!(names, [("eu", 151), ("us", 75), ("asia", 75)]);
    let lines = registrar("plan --limit 301 --shares eu=2,us --format parameters");
    assert!(lines.lines().all(|line| line.contains(" SendLimit=")), "{lines}");
}

#[test]
fn limit_that_cannot_be_divided_names_the_stack() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_registrar"));
    let ran =
        command.args(["plan", "--limit", "5", "--shares", "a,b,c"]).env_clear().output().unwrap();
    assert_eq!((ran.status.code(), ran.stdout.len()), (Some(2), 0));
    assert!(
        String::from_utf8(ran.stderr).unwrap().starts_with("error: stack c, with 1 of the limit")
    );
}
