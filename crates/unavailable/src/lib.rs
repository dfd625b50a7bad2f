//! The error of a failed dependency, shared by the enrollment path and the email path.

use std::{error::Error, fmt, panic::Location};

/// A dependency is down, slow, or refuses a call. A later retry may succeed. After a write, it is unknown
/// whether the write took place.
///
/// The text is for the log only, never for a caller of the API. In one line, it has the operation, every
/// cause, and the place in the code where the error was raised.
#[derive(Debug)]
pub struct Unavailable {
    operation: &'static str,
    raised_at: &'static Location<'static>,
    source: Box<dyn Error + Send + Sync>,
}

impl Unavailable {
    /// `operation` is a noun phrase, such as "reading a course".
    #[track_caller]
    pub fn new(operation: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { operation, raised_at: Location::caller(), source: source.into() }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", self.operation)?;
        let mut cause: Option<&dyn Error> = Some(self.source.as_ref());
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        write!(f, " (at {}:{})", self.raised_at.file(), self.raised_at.line())
    }
}

// No `source`: the text already contains it, and a logger that follows sources would repeat it.
impl Error for Unavailable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::io::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("dispatch failure")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn text_has_the_operation_every_cause_and_the_place() {
        let error = Unavailable::new("reading a course", Outer(std::io::Error::other("timed out")));
        let place = format!("(at {}:{})", file!(), line!() - 1);
        assert_eq!(
            error.to_string(),
            format!("reading a course failed: dispatch failure: timed out {place}")
        );
    }
}
