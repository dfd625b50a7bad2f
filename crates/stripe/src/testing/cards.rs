//! What a card does when it is charged (Stripe docs, "Test your integration": test card numbers and
//! the payment methods that stand for them).

/// A decline, as the bank and Stripe word it (Stripe docs, "Decline codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decline {
    /// `card_declined`, or a code of its own such as `expired_card`.
    pub code: &'static str,
    /// The bank's code; only with `card_declined`.
    pub decline_code: Option<&'static str>,
    /// For the cardholder.
    pub message: &'static str,
}

/// What a card does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card {
    /// Pays.
    Accepted,
    /// Is declined.
    Declined(Decline),
    /// Asks for 3-D Secure, then pays.
    Authenticated,
    /// Asks for 3-D Secure, then is declined.
    AuthenticatedThenDeclined(Decline),
    /// Stays in `processing` until it is settled.
    Processing,
    /// Pays; its refunds are pending, and succeed later.
    RefundPending,
    /// Pays; its refunds succeed, and fail later.
    RefundFails,
}

impl Decline {
    /// Without a reason.
    pub const GENERIC: Self = Self::bank("generic_decline", DECLINED);
    /// The one that students see most.
    pub const INSUFFICIENT_FUNDS: Self =
        Self::bank("insufficient_funds", "Your card has insufficient funds.");

    const fn bank(code: &'static str, message: &'static str) -> Self {
        Self { code: "card_declined", decline_code: Some(code), message }
    }
}

const DECLINED: &str = "Your card was declined.";
const CVC: &str = "Your card's security code is incorrect.";
const ERROR: &str = "An error occurred while processing your card. Try again in a little bit.";

const fn bank(code: &'static str) -> Card {
    Card::Declined(Decline::bank(code, DECLINED))
}

const fn stripe(code: &'static str, message: &'static str) -> Card {
    Card::Declined(Decline { code, decline_code: None, message })
}

const POOR: Card = Card::Declined(Decline::INSUFFICIENT_FUNDS);
const AUTHENTICATED_POOR: Card = Card::AuthenticatedThenDeclined(Decline::INSUFFICIENT_FUNDS);

/// Number, behaviour, and the payment method that stands for it: `pm_card_` and this name, with or
/// without `visa_` before it.
#[rustfmt::skip] // A table.
const TEST_CARDS: [(&str, Card, &str); 18] = [
    ("4242424242424242", Card::Accepted, "visa"),
    ("5555555555554444", Card::Accepted, "mastercard"),
    ("4000000000000002", bank("generic_decline"), "chargeDeclined"),
    ("4000000000009995", POOR, "chargeDeclinedInsufficientFunds"),
    ("4000000000009987", bank("lost_card"), "chargeDeclinedLostCard"),
    ("4000000000009979", bank("stolen_card"), "chargeDeclinedStolenCard"),
    ("4000000000006975", bank("card_velocity_exceeded"), "chargeDeclinedVelocityLimitExceeded"),
    ("4000000000000069", stripe("expired_card", "Your card has expired."), "chargeDeclinedExpiredCard"),
    ("4000000000000127", stripe("incorrect_cvc", CVC), "chargeDeclinedIncorrectCvc"),
    ("4000000000000119", stripe("processing_error", ERROR), "chargeDeclinedProcessingError"),
    ("4000000000000341", bank("generic_decline"), "chargeCustomerFail"),
    ("4000002500003155", Card::Authenticated, "authenticationRequiredOnSetup"),
    ("4000002760003184", Card::Authenticated, "authenticationRequired"),
    ("4000000000003220", Card::Authenticated, "threeDSecure2Required"),
    ("4000008260003178", AUTHENTICATED_POOR, "authenticationRequiredChargeDeclinedInsufficientFunds"),
    ("4000000000007726", Card::RefundPending, "pendingRefund"),
    ("4000000000005126", Card::RefundFails, "refundFail"),
    // Ours: none of Stripe's test cards stays in `processing`, as payments of other kinds do.
    ("4000000000000000", Card::Processing, "processing"),
];

/// Of a test payment method that everybody shares, such as `pm_card_visa`.
pub(super) fn of_shared(id: &str) -> Option<(Card, &'static str)> {
    let name = id.strip_prefix("pm_card_")?;
    let name = name.strip_prefix("visa_").unwrap_or(name);
    TEST_CARDS.iter().find(|(_, _, known)| *known == name).map(|(number, card, _)| (*card, *number))
}

/// Of a test card's number.
pub(super) fn of_number(number: &str) -> Option<(Card, &'static str)> {
    TEST_CARDS.iter().find(|(is, _, _)| *is == number).map(|(number, card, _)| (*card, *number))
}
