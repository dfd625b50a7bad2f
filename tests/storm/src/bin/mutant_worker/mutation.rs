//! The mutations.

/// The rule that is removed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// No rule is removed: the control.
    None,
    /// Rule 1: pacers are created in advance, so that their first wait is over when an invocation begins.
    NoFirstWait,
    /// Rule 2: two tasks share a batch, and each has a pacer of its own.
    PacerPerTask,
    /// Rule 3: a failed attempt is repeated at once under the same permit.
    HiddenRetry,
    /// Rule 3: the SDK's own retries are on, as they are by default.
    SdkRetries,
    /// Rule 4: no attempt ever counts as slower than the slack.
    NoWaitForSlowAttempts,
    /// Rule 5: an invocation does not wait for slow attempts. It returns, and they continue.
    SendsOutliveInvocation,
}

impl Mutation {
    /// Reads `MUTATION`. An unknown name is an error.
    pub(crate) fn from_env() -> Result<Self, lambda_runtime::Error> {
        match std::env::var("MUTATION")?.as_str() {
            "none" => Ok(Self::None),
            "rule-1" => Ok(Self::NoFirstWait),
            "rule-2" => Ok(Self::PacerPerTask),
            "rule-3" => Ok(Self::HiddenRetry),
            "sdk-retries" => Ok(Self::SdkRetries),
            "rule-4" => Ok(Self::NoWaitForSlowAttempts),
            "rule-5" => Ok(Self::SendsOutliveInvocation),
            other => Err(format!("MUTATION: unknown name {other:?}").into()),
        }
    }
}
