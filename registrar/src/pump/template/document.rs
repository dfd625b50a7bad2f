//! A CloudFormation template as a tree of JSON. The short forms of its functions (`!Ref`, `!GetAtt a.b`) become the
//! long ones (CloudFormation User Guide, "Intrinsic function reference"), so that a template in JSON gives the same tree.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Number, Value, json};

/// Why a text is not a template.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    #[error("is not YAML: {0}")]
    Yaml(#[from] saphyr::ScanError),
    #[error("has no resources")]
    NoResources,
}

pub(crate) fn read(text: &str) -> Result<Value, DocumentError> {
    let documents = Yaml::load_from_str(text)?;
    let template = documents.first().map(tree).unwrap_or_default();
    if template["Resources"].is_object() { Ok(template) } else { Err(DocumentError::NoResources) }
}

fn tree(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(value) => scalar(value),
        Yaml::Sequence(items) => items.iter().map(tree).collect(),
        Yaml::Mapping(entries) => {
            let entries = entries.iter();
            Value::Object(entries.map(|(key, value)| (key_text(key), tree(value))).collect())
        }
        Yaml::Tagged(tag, inner) if tag.handle == "!" => long_form(&tag.suffix, tree(inner)),
        Yaml::Tagged(_, inner) => tree(inner),
        // The loader returns none of these: it parses scalars, and it replaces aliases.
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => Value::Null,
    }
}

fn scalar(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => (*value).into(),
        Scalar::Integer(value) => (*value).into(),
        Scalar::FloatingPoint(value) => {
            Number::from_f64(value.0).map_or(Value::Null, Value::Number)
        }
        Scalar::String(text) => text.as_ref().into(),
    }
}

fn key_text(key: &Yaml<'_>) -> String {
    match tree(key) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn long_form(function: &str, argument: Value) -> Value {
    match (function, &argument) {
        ("Ref" | "Condition", _) => {
            Value::Object(Map::from_iter([(function.to_owned(), argument)]))
        }
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path.split_once('.').unwrap_or((path, ""));
            json!({"Fn::GetAtt": [resource, attribute]})
        }
        _ => Value::Object(Map::from_iter([(format!("Fn::{function}"), argument)])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_of_functions_become_long_ones() {
        let template = read(
            "Resources:\n  A: {Type: T, P: !Ref B, Q: !GetAtt B.C.D, R: !If [X, !Ref B, 7]}\n  \
             B: {Type: T, S: !Sub 'a-${B}', N: 07, D: 2012-10-17, T: 'true', U: true, F: 0.5}\n",
        );
        let template = template.unwrap();
        assert_eq!(
            template["Resources"],
            json!({
                "A": {
                    "Type": "T",
                    "P": {"Ref": "B"},
                    "Q": {"Fn::GetAtt": ["B", "C.D"]},
                    "R": {"Fn::If": ["X", {"Ref": "B"}, 7]},
                },
                "B": {
                    "Type": "T",
                    "S": {"Fn::Sub": "a-${B}"},
                    "N": 7,
                    "D": "2012-10-17",
                    "T": "true",
                    "U": true,
                    "F": 0.5,
                },
            })
        );
    }

    #[test]
    fn template_in_json_is_the_same_tree() {
        let json = r#"{"Resources": {"A": {"Type": "T", "P": {"Fn::GetAtt": ["B", "Arn"]}}}}"#;
        assert_eq!(read(json).unwrap(), serde_json::from_str::<Value>(json).unwrap());
    }

    #[test]
    fn text_that_is_not_a_template_is_an_error() {
        assert!(read("a: [").unwrap_err().to_string().starts_with("is not YAML: "));
        for text in ["", "just text", "Resources: []", "Parameters: {}"] {
            assert_eq!(read(text).unwrap_err().to_string(), "has no resources", "{text}");
        }
    }

    #[test]
    fn alias_that_expands_without_end_is_an_error() {
        let levels: Vec<_> = (1..30)
            .map(|level| format!("b{level}: &a{level} [*a{0}, *a{0}, *a{0}]\n", level - 1))
            .collect();
        assert!(read(&format!("a: &a0 [x]\n{}", levels.concat())).is_err());
    }
}
