//! The rules: what a fact means, and how to fix it.

use std::time::Duration;

use email::retry::MAX_RECEIVES;
use pacer::{SendLimit, Share, Slack, Slots, Window};
use serde_json::Value;

use crate::account::Account;

use super::finding::Finding;

/// Lambda keeps at least this much of an account's concurrency unreserved (Lambda Developer Guide,
/// "Configuring reserved concurrency").
const MIN_UNRESERVED: u32 = 100;

const DAY: Duration = Duration::from_hours(24);

/// SES's view of the identity that covers the sender's address. `None`: SES does not know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) verified: bool,
    pub(crate) dkim_works: bool,
    /// Whether SES would send with the MAIL FROM domain, if there is one.
    pub(crate) mail_from_works: bool,
}

pub(crate) fn identity(name: &str, identity: Option<Identity>) -> Finding {
    const CHECK: &str = "SES identity";
    let Some(identity) = identity else {
        return Finding::wrong(
            CHECK,
            format!("SES has no identity {name} in this region"),
            "verify the domain or the address in SES, or leave SenderIdentity empty",
        );
    };
    if !identity.verified {
        return Finding::wrong(
            CHECK,
            format!("{name} is not verified, so SES refuses every email"),
            "open the link that SES mailed to the address, or add the DNS records that SES shows",
        );
    }
    if !identity.mail_from_works {
        return Finding::wrong(
            CHECK,
            format!("SES refuses emails of {name}: its MAIL FROM domain has no MX record"),
            "add the MX record that SES shows, or let SES use its own domain if it is missing",
        );
    }
    if !identity.dkim_works {
        return Finding::warning(
            CHECK,
            format!("emails of {name} are not signed with DKIM, and may be taken for spam"),
            "enable DKIM for the identity in SES, and add its DNS records",
        );
    }
    Finding::fine(CHECK, format!("{name} is verified and signs with DKIM"))
}

pub(crate) fn account(account: &Account) -> Finding {
    const CHECK: &str = "SES account";
    if account.is_shut_down {
        return Finding::wrong(CHECK, "SES has suspended it", "open a case in the SES console");
    }
    if !account.sending_enabled {
        let remedy = "aws sesv2 put-account-sending-attributes --sending-enabled";
        return Finding::wrong(CHECK, "sending is paused", remedy);
    }
    if account.is_in_sandbox {
        return Finding::wrong(
            CHECK,
            "it is in the sandbox: an email to an unverified recipient is rejected",
            "request production access in the SES console",
        );
    }
    Finding::fine(CHECK, "it is out of the sandbox and may send")
}

/// The parameters that the limit consists of, as far as they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SendSettings {
    pub(crate) limit: SendLimit,
    pub(crate) window: Window,
    pub(crate) slack: Slack,
    pub(crate) slots: Slots,
}

pub(crate) fn limit(settings: SendSettings) -> Finding {
    const CHECK: &str = "send limit";
    let SendSettings { limit, window, slack, slots } = settings;
    match Share::new(limit, window, slots, slack) {
        Ok(share) => Finding::fine(
            CHECK,
            format!("{slots} workers have {} emails per window each", share.quota()),
        ),
        Err(error) => Finding::wrong(
            CHECK,
            error.to_string(),
            "`registrar plan --limit N` chooses parameters that fit each other",
        ),
    }
}

pub(crate) fn quota(settings: SendSettings, account: &Account) -> Vec<Finding> {
    let per_second = f64::from(settings.limit.get()) / settings.window.get().as_secs_f64();
    [rate_quota(per_second, account), daily_quota(per_second, account)].into()
}

fn rate_quota(per_second: f64, account: &Account) -> Finding {
    const CHECK: &str = "SES rate";
    let Some(rate) = account.max_send_rate else {
        return Finding::not_checked(CHECK, "SES reports no rate");
    };
    if per_second > rate {
        return Finding::warning(
            CHECK,
            format!("the limit is {per_second:.1} emails per second, and SES allows {rate}"),
            "request a higher rate in Service Quotas, or deploy the SendLimit that the rate allows",
        );
    }
    Finding::fine(CHECK, format!("SES allows {rate} per second, the limit is {per_second:.1}"))
}

fn daily_quota(per_second: f64, account: &Account) -> Finding {
    const CHECK: &str = "SES daily quota";
    let Some(quota) = account.daily_quota else {
        return Finding::fine(CHECK, "the account has none");
    };
    let per_day = per_second * DAY.as_secs_f64();
    if per_day > quota {
        return Finding::warning(
            CHECK,
            format!("a day at the limit is {per_day:.0} emails, and SES allows {quota:.0}"),
            "request a higher quota in Service Quotas if a day may have that many; otherwise emails \
             wait for the next day",
        );
    }
    Finding::fine(CHECK, format!("SES allows {quota:.0}, a day at the limit is {per_day:.0}"))
}

/// The account's Lambda concurrency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Concurrency {
    pub(crate) total: u32,
    pub(crate) unreserved: u32,
}

/// Before a deployment: whether the worker's concurrency can be reserved.
pub(crate) fn can_reserve(concurrency: Concurrency, slots: Slots, reserves: bool) -> Finding {
    const CHECK: &str = "Lambda concurrency";
    let Concurrency { total, unreserved } = concurrency;
    let left = unreserved.saturating_sub(slots.get());
    if reserves && left < MIN_UNRESERVED {
        return Finding::wrong(
            CHECK,
            format!(
                "of {total}, {unreserved} are unreserved, and Lambda keeps {MIN_UNRESERVED} of them: \
                 {slots} cannot be reserved"
            ),
            "deploy with ReserveConcurrency=false, or request a higher quota of concurrent executions",
        );
    }
    if !reserves {
        return Finding::warning(
            CHECK,
            "nothing is reserved for the worker: do not invoke it manually, or the limit is exceeded",
            "request a higher quota of concurrent executions, then deploy with ReserveConcurrency=true",
        );
    }
    Finding::fine(CHECK, format!("{slots} of {unreserved} unreserved can be reserved"))
}

/// After a deployment. The limit depends on it.
pub(crate) fn reserved(found: Option<u32>, slots: Slots, wanted: bool) -> Finding {
    const CHECK: &str = "reserved concurrency";
    match found {
        Some(found) if found == slots.get() => {
            Finding::fine(CHECK, format!("{found}, as WorkerConcurrency"))
        }
        None if !wanted => Finding::warning(
            CHECK,
            "nothing is reserved for the worker: do not invoke it manually, or the limit is exceeded",
            "request a higher quota of concurrent executions, then deploy with ReserveConcurrency=true",
        ),
        found => {
            let found = found.map_or_else(|| "nothing".to_owned(), |found| found.to_string());
            Finding::wrong(
                CHECK,
                format!(
                    "{found} is reserved, and WorkerConcurrency is {slots}: the limit is not kept"
                ),
                "deploy again, or `aws lambda put-function-concurrency` with WorkerConcurrency",
            )
        }
    }
}

pub(crate) fn maximum_concurrency(maximum: Option<i32>, slots: Slots) -> Finding {
    const CHECK: &str = "event source";
    if maximum.and_then(|maximum| u32::try_from(maximum).ok()) == Some(slots.get()) {
        return Finding::fine(CHECK, format!("at most {slots} workers at once"));
    }
    Finding::wrong(
        CHECK,
        format!("its maximum concurrency is not WorkerConcurrency ({slots})"),
        "deploy again",
    )
}

/// `policy` is the queue's attribute `RedrivePolicy`.
pub(crate) fn redrive(policy: Option<&str>, dead_letter_queue_arn: Option<&str>) -> Finding {
    const CHECK: &str = "dead-letter queue";
    const REMEDY: &str = "deploy again; nobody should change the queue by other means";
    let policy = policy.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let Some(policy) = policy else {
        let what =
            "the email queue has no dead-letter queue: a message that kills workers never ends";
        return Finding::wrong(CHECK, what, REMEDY);
    };
    if policy["deadLetterTargetArn"].as_str() != dead_letter_queue_arn {
        return Finding::wrong(CHECK, "the email queue uses another dead-letter queue", REMEDY);
    }
    // SQS returns the number as a number or as text.
    let receives = &policy["maxReceiveCount"];
    let receives = receives.as_u64().or_else(|| receives.as_str()?.parse().ok());
    if receives != Some(u64::from(MAX_RECEIVES)) {
        let what =
            format!("a message is moved after another number of receives than {MAX_RECEIVES}");
        return Finding::wrong(CHECK, what, REMEDY);
    }
    Finding::fine(CHECK, format!("after {MAX_RECEIVES} receives"))
}

/// `None`: SES does not know it.
pub(crate) fn configuration_set(name: &str, sends: Option<bool>) -> Finding {
    const CHECK: &str = "configuration set";
    match sends {
        Some(true) => Finding::fine(CHECK, "it exists and may send"),
        Some(false) => Finding::wrong(
            CHECK,
            format!("sending is paused for {name}"),
            "aws sesv2 put-configuration-set-sending-options --sending-enabled",
        ),
        None => Finding::wrong(CHECK, format!("SES has no {name}"), "deploy again"),
    }
}

/// Whether Stripe's key moves money.
pub(crate) fn stripe_key(api_key: &str) -> Finding {
    const CHECK: &str = "Stripe secret";
    // Stripe docs, "API keys": sk_ and rk_, each with live_ or test_.
    let mode = api_key.strip_prefix("sk_").or_else(|| api_key.strip_prefix("rk_"));
    match mode {
        Some(key) if key.starts_with("live_") => Finding::fine(CHECK, "a key of the live mode"),
        Some(key) if key.starts_with("test_") => Finding::warning(
            CHECK,
            "the key is of the test mode: no money is moved",
            "put the live key into the secret when you go live",
        ),
        _ => Finding::wrong(
            CHECK,
            "`api_key` is not a secret or restricted key of Stripe",
            "put a key that begins with sk_ or rk_ into the secret",
        ),
    }
}
