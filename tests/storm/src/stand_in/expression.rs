//! DynamoDB's condition and update expressions: the part of the language that the ledger uses.
//!
//! The ledger's own expressions are evaluated, so that a storm finds a mistake in one. Everything outside this
//! part of the language is an error.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

/// Attributes in DynamoDB's JSON: `{"job_id": {"S": "a-1"}, "attempts": {"N": "1"}}`.
pub(super) type Item = Map<String, Value>;

/// A part of an expression, or of a request, that is not supported here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsupported(pub(super) String);

/// The meaning of each `#name` and `:value`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) names: &'a Value,
    pub(super) values: &'a Value,
}

/// Whether the condition is true of the item. An item that does not exist is empty.
pub(super) fn holds(condition: &str, scope: Scope<'_>, item: &Item) -> Result<bool, Unsupported> {
    let mut reader = Reader::new(condition, scope, item);
    let holds = reader.any()?;
    reader.end()?;
    Ok(holds)
}

/// The item after the update.
pub(super) fn updated(update: &str, scope: Scope<'_>, item: &Item) -> Result<Item, Unsupported> {
    let mut reader = Reader::new(update, scope, item);
    let mut after = item.clone();
    while let Some(section) = reader.next() {
        loop {
            let name = reader.name()?;
            match section {
                "SET" => {
                    reader.expect("=")?;
                    let value = reader.new_value()?;
                    after.insert(name, value);
                }
                "REMOVE" => {
                    after.remove(&name);
                }
                "ADD" => {
                    let sum = number(item.get(&name)).unwrap_or(0)
                        + number(reader.value()?).ok_or_else(|| reader.unsupported())?;
                    after.insert(name, json!({"N": sum.to_string()}));
                }
                _ => return Err(reader.unsupported()),
            }
            if !reader.take(",") {
                break;
            }
        }
    }
    Ok(after)
}

/// Evaluates an expression while reading it from left to right.
struct Reader<'a> {
    words: Vec<&'a str>,
    at: usize,
    scope: Scope<'a>,
    item: &'a Item,
}

impl<'a> Reader<'a> {
    fn new(expression: &'a str, scope: Scope<'a>, item: &'a Item) -> Self {
        Self { words: words(expression), at: 0, scope, item }
    }

    fn any(&mut self) -> Result<bool, Unsupported> {
        let mut holds = self.all()?;
        while self.take("OR") {
            holds |= self.all()?;
        }
        Ok(holds)
    }

    fn all(&mut self) -> Result<bool, Unsupported> {
        let mut holds = self.one()?;
        while self.take("AND") {
            holds &= self.one()?;
        }
        Ok(holds)
    }

    fn one(&mut self) -> Result<bool, Unsupported> {
        if self.take("(") {
            let holds = self.any()?;
            self.expect(")")?;
            return Ok(holds);
        }
        if self.take("attribute_not_exists") {
            self.expect("(")?;
            let name = self.name()?;
            self.expect(")")?;
            return Ok(!self.item.contains_key(&name));
        }
        let left = self.value()?;
        let comparison = self.next().ok_or_else(|| self.unsupported())?;
        let order = compare(left, self.value()?);
        match comparison {
            "=" => Ok(order == Some(Ordering::Equal)),
            "<=" => Ok(order.is_some_and(Ordering::is_le)),
            _ => Err(self.unsupported()),
        }
    }

    /// The value on the right of `SET`.
    fn new_value(&mut self) -> Result<Value, Unsupported> {
        let value = if self.take("if_not_exists") {
            self.expect("(")?;
            let name = self.name()?;
            self.expect(",")?;
            let otherwise = self.value()?;
            self.expect(")")?;
            self.item.get(&name).or(otherwise)
        } else {
            self.value()?
        };
        value.cloned().ok_or_else(|| self.unsupported())
    }

    /// The value of a `:value`, or of an attribute if the item has it.
    fn value(&mut self) -> Result<Option<&'a Value>, Unsupported> {
        if let Some(word) = self.peek().filter(|word| word.starts_with(':')) {
            self.at += 1;
            return self.scope.values.get(word).map(Some).ok_or_else(|| self.unsupported());
        }
        let name = self.name()?;
        Ok(self.item.get(&name))
    }

    fn name(&mut self) -> Result<String, Unsupported> {
        let word = self.next().ok_or_else(|| self.unsupported())?;
        if word.starts_with('#') {
            let name = self.scope.names.get(word).and_then(Value::as_str);
            return name.map(ToOwned::to_owned).ok_or_else(|| self.unsupported());
        }
        if word.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
            Ok(word.to_owned())
        } else {
            Err(self.unsupported())
        }
    }

    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    fn next(&mut self) -> Option<&'a str> {
        let word = self.peek()?;
        self.at += 1;
        Some(word)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Result<(), Unsupported> {
        if self.take(word) { Ok(()) } else { Err(self.unsupported()) }
    }

    fn end(&self) -> Result<(), Unsupported> {
        if self.at == self.words.len() { Ok(()) } else { Err(self.unsupported()) }
    }

    fn unsupported(&self) -> Unsupported {
        let read = self.words[..self.words.len().min(self.at + 1)].join(" ");
        Unsupported(format!("an expression that begins {read:?}"))
    }
}

/// Names, values and keywords. Commas and parentheses are words of their own.
fn words(expression: &str) -> Vec<&str> {
    expression
        .split_ascii_whitespace()
        .flat_map(|part| part.split_inclusive(['(', ')', ',']))
        .flat_map(|part| {
            let (word, mark) = part.split_at(part.trim_end_matches(['(', ')', ',']).len());
            [word, mark]
        })
        .filter(|word| !word.is_empty())
        .collect()
}

fn number(value: Option<&Value>) -> Option<i64> {
    value?.get("N")?.as_str()?.parse().ok()
}

/// `None` if a value is missing or the types differ.
fn compare(left: Option<&Value>, right: Option<&Value>) -> Option<Ordering> {
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        return Some(left.cmp(&right));
    }
    let text = |value: Option<&'_ Value>| Some(value?.get("S")?.as_str()?.to_owned());
    Some(text(left)?.cmp(&text(right)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(value: Value) -> Item {
        let Value::Object(item) = value else { unreachable!("tests give objects") };
        item
    }

    fn scope<'a>(names: &'a Value, values: &'a Value) -> Scope<'a> {
        Scope { names, values }
    }

    #[test]
    fn expression_is_split_into_words_and_marks() {
        assert_eq!(
            words("SET #a = :b, c = if_not_exists(c, :d) REMOVE e, f"),
            [
                "SET",
                "#a",
                "=",
                ":b",
                ",",
                "c",
                "=",
                "if_not_exists",
                "(",
                "c",
                ",",
                ":d",
                ")",
                "REMOVE",
                "e",
                ",",
                "f"
            ]
        );
        assert_eq!(words("((a))"), ["(", "(", "a", ")", ")"]);
    }

    #[test]
    fn condition_compares_attributes_with_values() {
        let names = json!({"#state": "state"});
        let values = json!({":sending": {"S": "sending"}, ":now": {"N": "9"}});
        let condition = "attribute_not_exists(job_id) OR (#state = :sending AND until <= :now)";
        let holds = |entry| holds(condition, scope(&names, &values), &item(entry)).unwrap();
        assert!(holds(json!({})));
        // Numbers: as strings, "10" would come before "9".
        assert!(!holds(json!({"job_id": {}, "state": {"S": "sending"}, "until": {"N": "10"}})));
        assert!(holds(json!({"job_id": {}, "state": {"S": "sending"}, "until": {"N": "9"}})));
        assert!(!holds(json!({"job_id": {}, "state": {"S": "sent"}, "until": {"N": "9"}})));
        assert!(
            !holds(json!({"job_id": {}, "state": {"S": "sending"}})),
            "a missing attribute is not less"
        );
    }

    #[test]
    fn update_sets_removes_and_adds_attributes() {
        let names = json!({});
        let values = json!({":new": {"S": "new"}, ":one": {"N": "1"}});
        let after = updated(
            "SET a = :new, b = if_not_exists(b, :new), c = if_not_exists(c, :new) \
             REMOVE d, e ADD n :one, m :one",
            scope(&names, &values),
            &item(json!({"b": {"S": "old"}, "d": {"S": "x"}, "n": {"N": "41"}})),
        )
        .unwrap();
        let expected = json!({
            "a": {"S": "new"}, "b": {"S": "old"}, "c": {"S": "new"},
            "n": {"N": "42"}, "m": {"N": "1"},
        });
        assert_eq!(Value::Object(after), expected);
    }

    #[test]
    fn unsupported_expression_is_an_error() {
        let none = json!({});
        for condition in ["", "a", "a <> a", "begins_with(a, a)", "a = :unknown", "a = a a"] {
            assert!(holds(condition, scope(&none, &none), &Item::new()).is_err(), "{condition}");
        }
        for update in ["DELETE a a", "SET a", "SET a = b + b", "SET a = b", "ADD a b"] {
            assert!(updated(update, scope(&none, &none), &Item::new()).is_err(), "{update}");
        }
    }
}
