//! `registrar enrollment retry`, `resolve`, `grant`, `unenroll`, `refund`, `correct` and `resend`.

use std::io::Write;

use adapters::tables::{EnrollmentsTable, IndexKey};
use email::EmailAddress;
use enrollment::{
    Enrollment,
    enrollment::EnrollmentState,
    history::{Reason, What},
    operator::{self, Action, Details, OperateError, Operated, Place, RefundChoice, Signature},
    resolution::Resolution,
    student::PersonName,
    unfinished::MakeDue,
};
use time::OffsetDateTime;

use crate::{
    aws_call::CallFailed,
    caller::caller,
    outcome::{Failure, Outcome},
    stack::Stack,
};

use super::PlaceArgs;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Resolve a payment that is stuck
    ///
    /// Nothing is charged. An intent that is not charged is cancelled first, so that it cannot be paid later.
    Resolve(ResolveArgs),
    /// Give a student access without a payment
    Grant(GrantArgs),
    /// End a student's access. The student may enroll again
    Unenroll(UnenrollArgs),
    /// Pay back the whole charge, and keep the access. `unenroll --refund full` ends it too
    Refund(RefundArgs),
    /// Correct a student's name or address in this enrollment
    ///
    /// If the confirmation email may be on the queue already, another one follows, with the correction.
    Correct(CorrectArgs),
    /// Send the confirmation email again
    Resend(ResendArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct WhyArgs {
    /// Why. The history keeps it, so write no name, address or card
    #[arg(long, value_name = "TEXT")]
    reason: Reason,
}

#[derive(Debug, clap::Args)]
pub(super) struct ResolveArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    why: WhyArgs,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct HowArgs {
    /// Give access, whatever was charged, and send the confirmation email
    #[arg(long)]
    grant: bool,
    /// Pay back the charge. If nothing was charged, the payment is failed
    #[arg(long)]
    refund: bool,
    /// Record the payment as failed, so that the student may retry. If it was charged, the enrollment stays stuck
    #[arg(long)]
    fail: bool,
}

impl HowArgs {
    fn resolution(&self) -> Resolution {
        if self.grant {
            Resolution::Grant
        } else if self.refund {
            Resolution::Refund
        } else {
            Resolution::Fail
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct DetailsArgs {
    /// The student's name
    #[arg(long)]
    name: Option<PersonName>,
    /// The student's address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<EmailAddress>,
}

impl DetailsArgs {
    fn details(&self) -> Details {
        Details { name: self.name.clone(), email: self.email.clone() }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct GrantArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Needed if the student has no enrollment in the course yet
    #[command(flatten)]
    details: DetailsArgs,
    #[command(flatten)]
    why: WhyArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct AttemptArgs {
    /// The payment attempt that this undoes, as `show` prints it. Needed if there is a payment: so what another
    /// attempt has paid for is never taken away
    #[arg(long, value_name = "NUMBER")]
    attempt: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub(super) struct UnenrollArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    attempt: AttemptArgs,
    /// What is paid back
    #[arg(long, value_enum, default_value_t = Share::None)]
    refund: Share,
    #[command(flatten)]
    why: WhyArgs,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Share {
    None,
    Full,
}

impl From<Share> for RefundChoice {
    fn from(share: Share) -> Self {
        match share {
            Share::None => Self::None,
            Share::Full => Self::Full,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct RefundArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    attempt: AttemptArgs,
    #[command(flatten)]
    why: WhyArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct CorrectArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    details: DetailsArgs,
    #[command(flatten)]
    why: WhyArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct ResendArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    why: WhyArgs,
}

impl Command {
    fn place_and_reason(&self) -> (Place, &Reason) {
        let (place, why) = match self {
            Self::Resolve(args) => (&args.place, &args.why),
            Self::Grant(args) => (&args.place, &args.why),
            Self::Unenroll(args) => (&args.place, &args.why),
            Self::Refund(args) => (&args.place, &args.why),
            Self::Correct(args) => (&args.place, &args.why),
            Self::Resend(args) => (&args.place, &args.why),
        };
        (place.place(), &why.reason)
    }
}

pub(super) async fn run(
    command: &Command,
    stack: &Stack,
    now: OffsetDateTime,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let enrollments = writable(stack)?;
    let (place, reason) = command.place_and_reason();
    let by = caller(stack.sdk()).await?;
    let signature = Signature { by, reason: reason.clone(), at: now };
    let action = match command {
        Command::Grant(args) => {
            let (courses, details) = (stack.courses()?, args.details.details());
            let granted = operator::grant(&courses, &enrollments, &place, details, &signature);
            return report(granted.await, out);
        }
        Command::Resolve(args) => Action::Resolve(args.how.resolution()),
        Command::Unenroll(args) => {
            Action::Unenroll { attempt: args.attempt.attempt, refund: args.refund.into() }
        }
        Command::Refund(args) => Action::Refund { attempt: args.attempt.attempt },
        Command::Correct(args) => Action::Correct(args.details.details()),
        Command::Resend(_) => Action::Resend,
    };
    report(operator::operate(&enrollments, &place, &action, &signature).await, out)
}

/// Only a stack whose functions know the history and the states of operators has the policy for them. During a
/// deployment, CloudFormation reports the outputs of the earlier version until all functions are replaced.
fn writable(stack: &Stack) -> Result<EnrollmentsTable, Failure> {
    stack.payments_operator_policy()?;
    Ok(stack.enrollments()?)
}

pub(super) async fn retry(
    stack: &Stack,
    place: &Place,
    now: OffsetDateTime,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let enrollments = writable(stack)?;
    match operator::retry(&enrollments, place, now).await {
        Ok(due) => {
            writeln!(out, "due now: the resumer takes it up within a minute (`{}`)", due.state)?;
        }
        // The table did not respond, or no enrollment can be read from the item.
        Err(OperateError::Unavailable(error)) => {
            let key = IndexKey {
                student_id: place.student_id.to_string(),
                course_id: place.course_id.to_string(),
                resume_at: String::new(),
            };
            let item = stack.resume_index()?.item(&key).await;
            let unreadable = matches!(item, Ok(Some(item)) if item.unreadable);
            if !unreadable {
                return Err(failure(OperateError::Unavailable(error)));
            }
            let made = enrollments.make_due(&key.student_id, &key.course_id, now).await;
            made.map_err(|error| failure(error.into()))?;
            writeln!(out, "due now: the resumer reads it again within a minute (`unreadable`)")?;
        }
        Err(error) => return Err(failure(error)),
    }
    Ok(Outcome::Fine)
}

fn failure(error: OperateError) -> Failure {
    match error {
        OperateError::Unavailable(error) => {
            CallFailed::other("changing the enrollment", &error).into()
        }
        refused => refused.into(),
    }
}

fn report(
    operated: Result<Operated, OperateError>,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    match operated.map_err(failure)? {
        Operated::Changed(enrollment) => writeln!(out, "{}", done(&enrollment))?,
        Operated::Unchanged(enrollment) => {
            writeln!(out, "nothing to do: {}", as_it_is(&enrollment))?;
        }
    }
    Ok(Outcome::Fine)
}

fn as_it_is(enrollment: &Enrollment) -> String {
    let more = match enrollment.resolution {
        Some(resolution) => {
            format!(", and the resumer carries out the decision `{}`", resolution.as_str())
        }
        None if enrollment.owes_refund() => ", and a refund is in progress".to_owned(),
        None => String::new(),
    };
    format!("the enrollment is `{}`{more}", enrollment.state)
}

/// What the last entry of the history did.
fn done(enrollment: &Enrollment) -> String {
    let Some(entry) = enrollment.history.last() else { return as_it_is(enrollment) };
    let next = match &entry.what {
        What::Granted => "the student has access; the email is enqueued within a minute",
        What::Unenrolled => "the student has no access; nothing is paid back",
        What::UnenrolledWithRefund if enrollment.state == EnrollmentState::Refunded => {
            "the student has no access; the charge was paid back before"
        }
        What::UnenrolledWithRefund => "the student has no access; the resumer pays back the charge",
        What::RefundStarted if enrollment.state == EnrollmentState::Active => {
            "the resumer pays back the charge; the student keeps the access"
        }
        What::RefundStarted => "the resumer pays back the charge",
        What::NameCorrected | What::AddressCorrected | What::NameAndAddressCorrected
            if enrollment.resume_at.is_some() && enrollment.state == EnrollmentState::Active =>
        {
            "an email with the correction is enqueued within a minute"
        }
        What::NameCorrected | What::AddressCorrected | What::NameAndAddressCorrected => {
            "emails that were enqueued before are not changed"
        }
        What::EmailResent => "the email is enqueued within a minute",
        What::ResolvedByGrant | What::ResolvedByRefund | What::ResolvedByFailing => {
            "the resumer carries it out within a minute"
        }
        // Not by an operator.
        What::NotFailed
        | What::NotRefunded
        | What::PartlyRefundedAtProvider
        | What::RefundedAtProvider
        | What::Disputed
        | What::DisputeWon
        | What::DisputeLost
        | What::DisputeLostInPart
        | What::DisputeClosed
        | What::Other(_) => "",
    };
    let attempt = entry.attempt.map_or(String::new(), |attempt| format!(" (attempt {attempt})"));
    format!("{}{attempt}: {next}", entry.what)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use enrollment::{
        history::Actor,
        testing::{Bank, World},
    };
    use serde_json::json;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(subcommand)]
        command: Command,
    }

    fn parse(args: &[&str]) -> Result<Command, String> {
        let args = ["registrar"].iter().chain(args);
        Cli::try_parse_from(args).map(|cli| cli.command).map_err(|error| error.to_string())
    }

    #[test]
    fn resolution_is_one_of_three_and_has_a_reason() {
        let base = ["resolve", "s-1", "rust-101"];
        let with = |more: &[&str]| parse(&[&base, more].concat());
        assert!(matches!(
            with(&["--fail", "--reason", "asked"]),
            Ok(Command::Resolve(args)) if args.how.resolution() == Resolution::Fail
        ));
        assert!(with(&["--reason", "asked"]).unwrap_err().contains("--grant"));
        assert!(with(&["--grant", "--fail", "--reason", "asked"]).unwrap_err().contains("--fail"));
        assert!(with(&["--grant"]).unwrap_err().contains("--reason"));
        let line = with(&["--grant", "--reason", "a\nb"]).unwrap_err();
        assert!(line.contains("has a line break"), "{line}");
        let student = parse(&["resend", "a b", "rust-101", "--reason", "x"]).unwrap_err();
        assert!(student.contains("is not 1 to 255 visible ASCII characters"), "{student}");
    }

    #[tokio::test]
    async fn action_and_its_repetition_say_what_they_did() {
        let course = json!({
            "course_id": "rust-101", "title": "Rust 101", "price": 4900, "currency": "USD", "state": "open",
        });
        let world = World::new([serde_json::from_value(course).unwrap()], Bank::Accepts);
        let place =
            Place { student_id: "s-1".parse().unwrap(), course_id: "rust-101".parse().unwrap() };
        let by: Actor = "arn:aws:iam::1:user/ada".parse().unwrap();
        let at = OffsetDateTime::UNIX_EPOCH;
        let signature = Signature { by, reason: "asked".parse().unwrap(), at };
        let said = |operated| {
            let mut out = Vec::new();
            report(operated, &mut out).map(|_| String::from_utf8(out).unwrap())
        };
        let grant = || async {
            let details = Details {
                name: Some("Ada".parse().unwrap()),
                email: Some("ada@example.com".parse().unwrap()),
            };
            operator::grant(&world, &world, &place, details, &signature).await
        };
        assert!(said(grant().await).unwrap().starts_with("granted: the student has access"));
        let again = said(grant().await).unwrap();
        assert_eq!(again, "nothing to do: the enrollment is `active`\n");
        let refund = Action::Refund { attempt: None };
        let refused = operator::operate(&world, &place, &refund, &signature).await;
        let refused = said(refused).unwrap_err().to_string();
        assert_eq!(refused, "the enrollment has no payment that could be refunded");
        let end = Action::Unenroll { attempt: None, refund: RefundChoice::Full };
        let ended = operator::operate(&world, &place, &end, &signature).await;
        let ended = said(ended).unwrap();
        assert_eq!(ended, "unenrolled: the student has no access; nothing is paid back\n");
    }
}
