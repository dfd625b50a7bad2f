//! Failures that a test injects: for the next call, by rule, or by seeded dice.

use std::{collections::BTreeMap, str::FromStr};

use time::Duration;

use super::exchange::Request;

/// A way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request is lost: no effect, no response.
    SilenceBefore,
    /// The response is lost: the effect remains, and the response is saved under the key.
    SilenceAfter,
    /// Stripe is busy with the request for that long: no response, the key is in use, the object is
    /// locked. Then it takes effect.
    Slow(Duration),
    /// The request is on the network for that long, unknown to Stripe. Then it takes effect.
    Late(Duration),
    /// That status instead of the effect. A 500 is saved under the key; 502 to 504 are a proxy's.
    ErrorBefore(u16),
    /// That status after the effect. A 500 is saved under the key; for 502 to 504 the real response is.
    ErrorAfter(u16),
    /// 429 `rate_limit`.
    RateLimit,
    /// 429 `lock_timeout`.
    LockTimeout,
    /// 424, saved under the key.
    DependencyFailed,
    /// 409 `idempotency_key_in_use`.
    KeyInUse,
    /// 401: the key was rolled.
    Unauthorized,
    /// 403: the key is restricted.
    Forbidden,
}

/// Not a name of a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a fault")]
pub struct NotAFault(String);

impl FromStr for Fault {
    type Err = NotAFault;

    /// In snake case, with the argument after a colon: `error_after:500`, `slow:30` (seconds).
    fn from_str(text: &str) -> Result<Self, NotAFault> {
        let (name, argument) = text.split_once(':').unwrap_or((text, ""));
        let bad = |_| NotAFault(text.to_owned());
        let seconds = || argument.parse().map(Duration::seconds).map_err(bad);
        let status = || argument.parse().map_err(bad);
        Ok(match name {
            "silence_before" => Self::SilenceBefore,
            "silence_after" => Self::SilenceAfter,
            "slow" => Self::Slow(seconds()?),
            "late" => Self::Late(seconds()?),
            "error_before" => Self::ErrorBefore(status()?),
            "error_after" => Self::ErrorAfter(status()?),
            "rate_limit" => Self::RateLimit,
            "lock_timeout" => Self::LockTimeout,
            "dependency_failed" => Self::DependencyFailed,
            "key_in_use" => Self::KeyInUse,
            "unauthorized" => Self::Unauthorized,
            "forbidden" => Self::Forbidden,
            _ => return Err(NotAFault(text.to_owned())),
        })
    }
}

/// Which calls fail, and how.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Fault,
    method: Option<String>,
    path: Option<String>,
    metadata: Option<(String, String)>,
    left: Option<u32>,
}

impl Rule {
    /// The next call, whatever it is.
    pub fn next(fault: Fault) -> Self {
        Self { fault, method: None, path: None, metadata: None, left: Some(1) }
    }

    /// Only this method and path. `*` is any one segment: `/v1/payment_intents/*/confirm`.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.method = Some(method.to_owned());
        self.path = Some(path.to_owned());
        self
    }

    /// Only calls about an intent with this metadata, such as a student's.
    #[must_use]
    pub fn about(mut self, name: &str, value: &str) -> Self {
        self.metadata = Some((name.to_owned(), value.to_owned()));
        self
    }

    /// That many calls.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.left = Some(count);
        self
    }

    /// Every call, until the faults are cleared.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.left = None;
        self
    }

    fn matches(&self, request: &Request, metadata: &BTreeMap<String, String>) -> bool {
        let path = |pattern: &String| {
            let pattern: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
            let segments = request.segments();
            pattern.len() == segments.len()
                && pattern.iter().zip(segments).all(|(part, is)| *part == "*" || *part == is)
        };
        self.method.as_ref().is_none_or(|method| *method == request.method)
            && self.path.as_ref().is_none_or(path)
            && self.metadata.as_ref().is_none_or(|(name, is)| metadata.get(name) == Some(is))
    }
}

/// Rules and dice.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    rules: Vec<Rule>,
    dice: Option<Dice>,
}

#[derive(Debug, Clone)]
struct Dice {
    state: u64,
    per_mille: u64,
    faults: Vec<Fault>,
}

impl Faults {
    pub(super) fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub(super) fn roll(&mut self, seed: u64, per_mille: u16, faults: &[Fault]) {
        let faults = faults.to_vec();
        self.dice = Some(Dice { state: seed, per_mille: per_mille.into(), faults });
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn draw(
        &mut self,
        request: &Request,
        metadata: &BTreeMap<String, String>,
    ) -> Option<Fault> {
        let rule = self.rules.iter().position(|rule| rule.matches(request, metadata));
        let Some(index) = rule else { return self.dice.as_mut().and_then(Dice::draw) };
        let rule = &mut self.rules[index];
        let fault = rule.fault;
        if let Some(left) = &mut rule.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.rules.remove(index);
            }
        }
        Some(fault)
    }
}

impl Dice {
    fn draw(&mut self) -> Option<Fault> {
        let fails = self.next() % 1000 < self.per_mille;
        let count = u64::try_from(self.faults.len()).ok().filter(|count| fails && *count > 0)?;
        let index = usize::try_from(self.next() % count).ok()?;
        self.faults.get(index).copied()
    }

    /// The generator "`SplitMix64`".
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
