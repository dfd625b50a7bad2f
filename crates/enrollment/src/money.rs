//! Amounts of money.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::fields::Fields;

/// An amount of one currency. In JSON and in the tables it is two fields of the object that has it,
/// `price` and `currency`: flatten it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    #[serde(rename = "price")]
    pub amount: Amount,
    pub currency: Currency,
}

impl Money {
    /// Reads `price` and `currency`.
    pub(crate) fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let units = fields.whole_number("price");
        let currency = fields.text("currency");
        let amount = units.and_then(|units| {
            Amount::try_from(units).map_err(|why| fields.add_error("price", why)).ok()
        });
        Some(Self { amount: amount?, currency: currency? })
    }

    pub fn is_free(self) -> bool {
        self.amount.0 == 0
    }
}

/// An amount in minor units of a currency (cents of a dollar, whole yen); 0 is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Amount(u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is more than {}, the most that can be charged at once", Amount::MAX)]
pub struct AmountTooHigh;

impl Amount {
    /// The highest amount in minor units: Stripe takes at most eight digits (Stripe API reference,
    /// `PaymentIntent.amount`).
    pub const MAX: u32 = 99_999_999;
}

impl TryFrom<u64> for Amount {
    type Error = AmountTooHigh;

    fn try_from(minor_units: u64) -> Result<Self, Self::Error> {
        match u32::try_from(minor_units) {
            Ok(units) if units <= Self::MAX => Ok(Self(units)),
            _ => Err(AmountTooHigh),
        }
    }
}

impl From<Amount> for u64 {
    fn from(amount: Amount) -> Self {
        amount.0.into()
    }
}

/// Three capital letters (ISO 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a currency code of three capital letters (ISO 4217)")]
pub struct InvalidCurrency;

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => Ok(Self(letters)),
            _ => Err(InvalidCurrency),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&letter| write!(f, "{}", char::from(letter)))
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.to_string()
    }
}
