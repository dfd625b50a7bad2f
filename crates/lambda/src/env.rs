//! Configuration from environment variables, with errors that name the variable.

use std::{fmt::Display, str::FromStr};

/// A variable that is missing or invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name} {problem}")]
pub struct InvalidVariable {
    pub name: &'static str,
    /// What is wrong. Never contains the value.
    pub problem: String,
}

/// The source of the variables: the process's environment, or a closure in tests.
pub struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl<'a> Environment<'a> {
    pub fn new(variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(variable)
    }

    #[expect(clippy::disallowed_methods, reason = "this is where variables are read")]
    pub fn process() -> Environment<'static> {
        Environment(&|name| std::env::var(name).ok())
    }

    /// A variable that must be set. An empty one counts as missing.
    pub fn required<T>(&self, name: &'static str) -> Result<T, InvalidVariable>
    where
        T: FromStr<Err: Display>,
    {
        let value = (self.0)(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| InvalidVariable { name, problem: "is not set".to_owned() })?;
        parse(name, &value)
    }

    /// A variable that may be missing. An empty one counts as missing.
    pub fn optional<T>(&self, name: &'static str) -> Result<Option<T>, InvalidVariable>
    where
        T: FromStr<Err: Display>,
    {
        let value = (self.0)(name).filter(|value| !value.is_empty());
        value.map(|value| parse(name, &value)).transpose()
    }
}

fn parse<T: FromStr<Err: Display>>(name: &'static str, value: &str) -> Result<T, InvalidVariable> {
    value
        .parse()
        .map_err(|why: T::Err| InvalidVariable { name, problem: format!("is invalid: {why}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_names_the_variable_and_not_its_value() {
        let environment = Environment::new(&|name| match name {
            "COUNT" => Some("secret".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        });
        let error = |name| environment.required::<u32>(name).unwrap_err().to_string();
        assert_eq!(
            error("COUNT"),
            "environment variable COUNT is invalid: invalid digit found in string"
        );
        assert_eq!(error("EMPTY"), "environment variable EMPTY is not set");
        assert_eq!(error("NONE"), "environment variable NONE is not set");
    }
}
