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
    pub const GENERIC: Self = bank("generic_decline", "Your card was declined.");
    /// The one that students see most.
    pub const INSUFFICIENT_FUNDS: Self =
        bank("insufficient_funds", "Your card has insufficient funds.");
}

const fn bank(code: &'static str, message: &'static str) -> Decline {
    Decline { code: "card_declined", decline_code: Some(code), message }
}

const fn stripe(code: &'static str, message: &'static str) -> Decline {
    Decline { code, decline_code: None, message }
}

/// Number, payment methods, behaviour.
const TEST_CARDS: [(&str, &[&str], Card); 18] = [
    ("4242424242424242", &["pm_card_visa"], Card::Accepted),
    ("5555555555554444", &["pm_card_mastercard"], Card::Accepted),
    (
        "4000000000000002",
        &["pm_card_visa_chargeDeclined", "pm_card_chargeDeclined"],
        Card::Declined(Decline::GENERIC),
    ),
    (
        "4000000000009995",
        &[
            "pm_card_visa_chargeDeclinedInsufficientFunds",
            "pm_card_chargeDeclinedInsufficientFunds",
        ],
        Card::Declined(Decline::INSUFFICIENT_FUNDS),
    ),
    (
        "4000000000009987",
        &["pm_card_visa_chargeDeclinedLostCard", "pm_card_chargeDeclinedLostCard"],
        Card::Declined(bank("lost_card", "Your card was declined.")),
    ),
    (
        "4000000000009979",
        &["pm_card_visa_chargeDeclinedStolenCard", "pm_card_chargeDeclinedStolenCard"],
        Card::Declined(bank("stolen_card", "Your card was declined.")),
    ),
    (
        "4000000000006975",
        &["pm_card_visa_chargeDeclinedVelocityLimitExceeded"],
        Card::Declined(bank("card_velocity_exceeded", "Your card was declined.")),
    ),
    (
        "4000000000000069",
        &["pm_card_chargeDeclinedExpiredCard"],
        Card::Declined(stripe("expired_card", "Your card has expired.")),
    ),
    (
        "4000000000000127",
        &["pm_card_chargeDeclinedIncorrectCvc"],
        Card::Declined(stripe("incorrect_cvc", "Your card's security code is incorrect.")),
    ),
    (
        "4000000000000119",
        &["pm_card_chargeDeclinedProcessingError"],
        Card::Declined(stripe(
            "processing_error",
            "An error occurred while processing your card. Try again in a little bit.",
        )),
    ),
    ("4000000000000341", &["pm_card_chargeCustomerFail"], Card::Declined(Decline::GENERIC)),
    ("4000002500003155", &["pm_card_authenticationRequiredOnSetup"], Card::Authenticated),
    ("4000002760003184", &["pm_card_authenticationRequired"], Card::Authenticated),
    ("4000000000003220", &["pm_card_threeDSecure2Required"], Card::Authenticated),
    (
        "4000008260003178",
        &["pm_card_authenticationRequiredChargeDeclinedInsufficientFunds"],
        Card::AuthenticatedThenDeclined(Decline::INSUFFICIENT_FUNDS),
    ),
    ("4000000000007726", &["pm_card_pendingRefund"], Card::RefundPending),
    ("4000000000005126", &["pm_card_refundFail"], Card::RefundFails),
    // Ours: none of Stripe's test cards stays in `processing`, as payments of other kinds do.
    ("4000000000000000", &["pm_card_processing"], Card::Processing),
];

/// Of a test payment method that everybody shares, such as `pm_card_visa`.
pub(super) fn of_shared(id: &str) -> Option<(Card, &'static str)> {
    let (number, _, card) = TEST_CARDS.iter().find(|(_, ids, _)| ids.contains(&id))?;
    Some((*card, number))
}

/// Of a test card's number.
pub(super) fn of_number(number: &str) -> Option<(Card, &'static str)> {
    let (number, _, card) = TEST_CARDS.iter().find(|(known, _, _)| *known == number)?;
    Some((*card, number))
}
