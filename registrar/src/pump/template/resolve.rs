//! The values of a template: its functions and conditions, evaluated with its parameters.
//!
//! A reference to a resource stays as it is, `{"Ref": id}` or `{"Fn::GetAtt": [id, attribute]}`: only a deployment gives it
//! a value. `AWS::NoValue` becomes null.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

/// No template nests its functions and conditions this deeply. A condition that refers to itself does.
const MAX_DEPTH: usize = 64;

/// Why a value is unknown. It is an error only if the value is needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unresolved {
    #[error("the parameter {0} has no value: give it one with --parameter-overrides")]
    Parameter(String),
    #[error("there is no parameter or resource {0}")]
    NoSuchName(String),
    #[error("there is no condition {0}")]
    NoSuchCondition(String),
    #[error("{0} cannot be evaluated here")]
    Function(String),
    #[error("{0} has an argument that it does not accept")]
    Argument(String),
    #[error("it is nested too deeply, or refers to itself")]
    TooDeep,
}

/// A template and what its names mean.
#[derive(Debug)]
pub(crate) struct Scope {
    template: Value,
    /// The values of parameters that have another than their default.
    given: HashMap<String, String>,
    /// The values of pseudo parameters, such as `AWS::Region`, as far as they are known.
    pseudo: HashMap<&'static str, String>,
}

impl Scope {
    pub(crate) fn new(
        template: Value,
        given: HashMap<String, String>,
        pseudo: HashMap<&'static str, String>,
    ) -> Self {
        Self { template, given, pseudo }
    }

    /// The resources, without those whose condition is false.
    pub(crate) fn resources(&self) -> Result<Vec<(&str, &Value)>, Unresolved> {
        let all = self.template["Resources"].as_object();
        let mut present = Vec::new();
        for (name, resource) in all.into_iter().flatten() {
            let is_present = match resource["Condition"].as_str() {
                Some(condition) => self.condition(condition, 0)?,
                None => true,
            };
            if is_present {
                present.push((name.as_str(), resource));
            }
        }
        Ok(present)
    }

    pub(crate) fn resource(&self, name: &str) -> Option<&Value> {
        self.template["Resources"].get(name)
    }

    /// A property that SAM takes from its section `Globals`, unless the function has it itself.
    pub(crate) fn global(&self, property: &str) -> &Value {
        &self.template["Globals"]["Function"][property]
    }

    pub(crate) fn resolve(&self, value: &Value) -> Result<Value, Unresolved> {
        self.value(value, 0)
    }

    fn value(&self, value: &Value, depth: usize) -> Result<Value, Unresolved> {
        if depth > MAX_DEPTH {
            return Err(Unresolved::TooDeep);
        }
        match value {
            Value::Array(items) => {
                items.iter().map(|item| self.value(item, depth + 1)).collect::<Result<_, _>>()
            }
            Value::Object(entries) => match function(entries) {
                Some((name, argument)) => self.function(name, argument, depth + 1),
                None => self.entries(entries, depth + 1),
            },
            plain => Ok(plain.clone()),
        }
    }

    /// An entry without a value is left out.
    fn entries(&self, entries: &Map<String, Value>, depth: usize) -> Result<Value, Unresolved> {
        let mut resolved = Map::new();
        for (name, value) in entries {
            match self.value(value, depth)? {
                Value::Null => {}
                value => drop(resolved.insert(name.clone(), value)),
            }
        }
        Ok(Value::Object(resolved))
    }

    fn function(&self, name: &str, argument: &Value, depth: usize) -> Result<Value, Unresolved> {
        let wrong = || Unresolved::Argument(name.to_owned());
        match (name, argument) {
            ("Ref", Value::String(name)) => self.reference(name),
            ("Fn::GetAtt", Value::Array(path)) if path.len() == 2 => {
                Ok(json!({"Fn::GetAtt": path}))
            }
            // The long form of YAML also accepts one text.
            ("Fn::GetAtt", Value::String(path)) => {
                let (resource, attribute) = path.split_once('.').ok_or_else(wrong)?;
                Ok(json!({"Fn::GetAtt": [resource, attribute]}))
            }
            ("Fn::If", Value::Array(parts)) => {
                let [Value::String(condition), yes, no] = parts.as_slice() else {
                    return Err(wrong());
                };
                self.value(if self.condition(condition, depth)? { yes } else { no }, depth)
            }
            ("Fn::Sub", Value::String(text)) => self.substituted(text, &Map::new(), depth),
            ("Fn::Sub", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(text), Value::Object(names)] => self.substituted(text, names, depth),
                _ => Err(wrong()),
            },
            ("Fn::Join", Value::Array(parts)) => {
                let [separator, items] = self.two(parts, depth)?.ok_or_else(wrong)?;
                let texts: Option<Vec<String>> =
                    items.as_array().ok_or_else(wrong)?.iter().map(text).collect();
                let separator = separator.as_str().ok_or_else(wrong)?;
                Ok(texts.ok_or_else(wrong)?.join(separator).into())
            }
            ("Fn::Split", Value::Array(parts)) => {
                let [separator, whole] = self.two(parts, depth)?.ok_or_else(wrong)?;
                let separator = separator.as_str().ok_or_else(wrong)?;
                Ok(text(&whole).ok_or_else(wrong)?.split(separator).collect())
            }
            ("Fn::Select", Value::Array(parts)) => {
                let [index, items] = self.two(parts, depth)?.ok_or_else(wrong)?;
                let index: usize = text(&index).and_then(|i| i.parse().ok()).ok_or_else(wrong)?;
                items.get(index).cloned().ok_or_else(wrong)
            }
            ("Fn::FindInMap", Value::Array(parts)) => {
                let keys = parts.iter().map(|part| Ok(text(&self.value(part, depth)?)));
                let keys: Option<Vec<String>> = keys.collect::<Result<_, _>>()?;
                let found = keys
                    .ok_or_else(wrong)?
                    .iter()
                    .try_fold(&self.template["Mappings"], |map, key| map.get(key));
                found.cloned().ok_or_else(wrong)
            }
            ("Ref" | "Fn::If" | "Fn::Join" | "Fn::Split" | "Fn::Select" | "Fn::GetAtt", _) => {
                Err(wrong())
            }
            _ => Err(Unresolved::Function(name.to_owned())),
        }
    }

    /// Both resolved, if there are two.
    fn two(&self, parts: &[Value], depth: usize) -> Result<Option<[Value; 2]>, Unresolved> {
        let [first, second] = parts else { return Ok(None) };
        Ok(Some([self.value(first, depth)?, self.value(second, depth)?]))
    }

    fn reference(&self, name: &str) -> Result<Value, Unresolved> {
        if name == "AWS::NoValue" {
            return Ok(Value::Null);
        }
        if let Some(value) = self.pseudo.get(name) {
            return Ok(value.as_str().into());
        }
        if name.starts_with("AWS::") {
            return Err(Unresolved::Function(name.to_owned()));
        }
        if let Some(parameter) = self.template["Parameters"].get(name) {
            return self.parameter(name, parameter);
        }
        match self.resource(name) {
            Some(_) => Ok(json!({"Ref": name})),
            None => Err(Unresolved::NoSuchName(name.to_owned())),
        }
    }

    fn parameter(&self, name: &str, parameter: &Value) -> Result<Value, Unresolved> {
        let of_type = parameter["Type"].as_str().unwrap_or_default();
        // The value names a parameter of Systems Manager, which has the real one.
        if of_type.starts_with("AWS::SSM::Parameter::Value") {
            return Err(Unresolved::Function(format!("the parameter {name} of Systems Manager")));
        }
        let given = self.given.get(name).cloned();
        let value = given.or_else(|| text(&parameter["Default"]));
        let value = value.ok_or_else(|| Unresolved::Parameter(name.to_owned()))?;
        if of_type == "CommaDelimitedList" || of_type.starts_with("List<") {
            return Ok(value.split(',').map(str::trim).collect());
        }
        Ok(value.into())
    }

    /// `${Name}`, `${Resource.Attribute}` and `${!literal}` (CloudFormation User Guide, `Fn::Sub`).
    fn substituted(
        &self,
        pattern: &str,
        names: &Map<String, Value>,
        depth: usize,
    ) -> Result<Value, Unresolved> {
        let (mut whole, mut rest) = (String::new(), pattern);
        while let Some((before, after)) = rest.split_once("${") {
            let closed = after.split_once('}');
            let (name, after) = closed.ok_or_else(|| Unresolved::Argument("Fn::Sub".to_owned()))?;
            whole.push_str(before);
            rest = after;
            if let Some(literal) = name.strip_prefix('!') {
                whole.extend(["${", literal, "}"]);
                continue;
            }
            let value = match (names.get(name), name.split_once('.')) {
                (Some(value), _) => self.value(value, depth)?,
                (None, Some((resource, attribute))) => json!({"Fn::GetAtt": [resource, attribute]}),
                (None, None) => self.reference(name)?,
            };
            match text(&value) {
                Some(text) => whole.push_str(&text),
                // Nothing but one reference.
                None if whole.is_empty() && rest.is_empty() => return Ok(value),
                None => return Err(Unresolved::Function(format!("a text with ${{{name}}}"))),
            }
        }
        whole.push_str(rest);
        Ok(whole.into())
    }

    fn condition(&self, name: &str, depth: usize) -> Result<bool, Unresolved> {
        let condition = self.template["Conditions"].get(name);
        let condition = condition.ok_or_else(|| Unresolved::NoSuchCondition(name.to_owned()))?;
        self.is_true(condition, depth + 1)
    }

    fn is_true(&self, condition: &Value, depth: usize) -> Result<bool, Unresolved> {
        if depth > MAX_DEPTH {
            return Err(Unresolved::TooDeep);
        }
        let entries = condition.as_object();
        let named = entries.filter(|entries| entries.len() == 1).and_then(|e| e.iter().next());
        let (name, argument) =
            named.ok_or_else(|| Unresolved::Argument("a condition".to_owned()))?;
        let wrong = || Unresolved::Argument(name.clone());
        match (name.as_str(), argument) {
            ("Condition", Value::String(other)) => self.condition(other, depth),
            ("Fn::Equals", Value::Array(parts)) => {
                let [one, other] = self.two(parts, depth)?.ok_or_else(wrong)?;
                Ok(one == other || text(&one).is_some_and(|one| text(&other) == Some(one)))
            }
            ("Fn::Not", Value::Array(parts)) => match parts.as_slice() {
                [part] => Ok(!self.is_true(part, depth + 1)?),
                _ => Err(wrong()),
            },
            ("Fn::And", Value::Array(parts)) => self.all(parts, true, depth),
            ("Fn::Or", Value::Array(parts)) => Ok(!self.all(parts, false, depth)?),
            _ => Err(Unresolved::Function(name.clone())),
        }
    }

    /// Whether all of the conditions are `wanted`.
    fn all(&self, conditions: &[Value], wanted: bool, depth: usize) -> Result<bool, Unresolved> {
        for condition in conditions {
            if self.is_true(condition, depth + 1)? != wanted {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The function that an object calls, and its argument.
fn function(entries: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = entries.iter().next().filter(|_| entries.len() == 1)?;
    (name == "Ref" || name.starts_with("Fn::")).then_some((name, argument))
}

/// The text of a scalar. CloudFormation converts numbers and booleans.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
