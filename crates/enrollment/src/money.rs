//! Amounts of money.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    /// Reads `price` and `currency` of a price to charge. What Stripe is certain to refuse is an error.
    pub(crate) fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let money = Self::read(fields)?;
        match money.check_chargeable() {
            Ok(()) => Some(money),
            Err(why) => {
                fields.add_error(why.field(), why);
                None
            }
        }
    }

    /// Reads `price` and `currency`, both or neither, to compare them with a price.
    pub(crate) fn from_optional_fields(
        object: &Map<String, Value>,
        fields: &mut Fields<'_>,
    ) -> Option<Self> {
        let given = |field| object.get(field).is_some_and(|value| !value.is_null());
        if given("price") || given("currency") { Self::read(fields) } else { None }
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let units = fields.whole_number("price");
        let currency = fields.text("currency");
        let amount = units.and_then(|units| {
            Amount::try_from(units).map_err(|why| fields.add_error("price", why)).ok()
        });
        Some(Self { amount: amount?, currency: currency? })
    }

    /// Whether it is free, or may be charged. `Err` means that Stripe is certain to refuse it.
    pub fn check_chargeable(self) -> Result<(), NotChargeable> {
        if self.is_free() {
            return Ok(());
        }
        let step = self.currency.step().ok_or(NotChargeable::Currency)?;
        let (minimum, maximum) = (self.currency.minimum(), self.currency.maximum());
        if self.amount.0 < minimum {
            Err(NotChargeable::TooLow { minimum })
        } else if self.amount.0 > maximum {
            Err(NotChargeable::TooHigh { maximum })
        } else if !self.amount.0.is_multiple_of(step) {
            Err(NotChargeable::Fraction { step })
        } else {
            Ok(())
        }
    }

    pub fn is_free(self) -> bool {
        self.amount.0 == 0
    }
}

/// Why Stripe is certain to refuse an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotChargeable {
    #[error("is not a currency that can be charged")]
    Currency,
    #[error("is less than {minimum}, the least that can be charged in this currency")]
    TooLow { minimum: u64 },
    #[error("is more than {maximum}, the most that can be charged in this currency")]
    TooHigh { maximum: u64 },
    #[error("is not a multiple of {step}, which this currency requires")]
    Fraction { step: u64 },
}

impl NotChargeable {
    fn field(self) -> &'static str {
        match self {
            Self::Currency => "currency",
            Self::TooLow { .. } | Self::TooHigh { .. } | Self::Fraction { .. } => "price",
        }
    }
}

/// An amount in minor units of a currency (cents of a dollar, whole yen); 0 is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Amount(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is more than {}, the most that can be charged in any currency", Amount::MAX)]
pub struct AmountTooHigh;

impl Amount {
    /// The highest amount of any currency, in minor units. Most currencies have a lower one.
    pub const MAX: u64 = 999_999_999_999;
}

impl TryFrom<u64> for Amount {
    type Error = AmountTooHigh;

    fn try_from(minor_units: u64) -> Result<Self, Self::Error> {
        if minor_units <= Self::MAX { Ok(Self(minor_units)) } else { Err(AmountTooHigh) }
    }
}

impl From<Amount> for u64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

/// Three capital letters (ISO 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a currency code of three capital letters (ISO 4217)")]
pub struct InvalidCurrency;

/// The currencies that Stripe charges, with two decimals (Stripe docs, "Supported currencies",
/// "Supported presentment currencies"; BTN and GHS are in the list of the API's own error only). The euro
/// has replaced BGN and HRK.
#[rustfmt::skip]
const TWO_DECIMALS: &[&str] = &[
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT",
    "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CNY",
    "COP", "CRC", "CVE", "CZK", "DKK", "DOP", "DZD", "EGP", "ETB", "EUR", "FJD", "FKP", "GBP",
    "GEL", "GHS", "GIP", "GMD", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR",
    "JMD", "KES", "KGS", "KHR", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD", "MDL",
    "MKD", "MMK", "MNT", "MOP", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO",
    "NOK", "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "RUB",
    "SAR", "SBD", "SCR", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "STD", "SZL", "THB", "TJS",
    "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "USD", "UYU", "UZS", "WST", "XCD", "XCG", "YER",
    "ZAR", "ZMW",
];

/// Amounts are whole units (same page, "Zero-decimal currencies").
#[rustfmt::skip]
const NO_DECIMALS: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
];

/// Amounts have three decimals, and the last one must be 0 (same page, "Three-decimal currencies").
const THREE_DECIMALS: &[&str] = &["BHD", "JOD", "KWD", "OMR", "TND"];

/// Without fractions, but written with two decimals, which must be 00 (same page, "Special cases").
/// HUF and TWD are special for payouts only.
const WRITTEN_WITH_TWO_DECIMALS: &[&str] = &["ISK", "UGX"];

/// In minor units (same page, "Minimum and maximum charge amounts"); other currencies have no minimum
/// of their own. The account's settlement currency may set a higher one, which depends on the exchange rate.
#[rustfmt::skip]
const MINIMUMS: &[(&str, u64)] = &[
    ("AED", 200), ("ARS", 50), ("AUD", 50), ("BRL", 50), ("CAD", 50), ("CHF", 50), ("COP", 50),
    ("CZK", 1_500), ("DKK", 250), ("EUR", 50), ("GBP", 30), ("HKD", 400), ("HUF", 17_500),
    ("IDR", 50), ("ILS", 50), ("INR", 50), ("JPY", 50), ("KRW", 50), ("MXN", 1_000),
    ("MYR", 200), ("NOK", 300), ("NZD", 50), ("PHP", 50), ("PLN", 200), ("RON", 200),
    ("RUB", 50), ("SEK", 300), ("SGD", 50), ("THB", 1_000), ("USD", 50), ("ZAR", 50),
];

/// In minor units (same section): twelve, ten and nine digits.
const MAXIMUMS: &[(&str, u64)] =
    &[("IDR", Amount::MAX), ("COP", 9_999_999_999), ("INR", 999_999_999)];

/// In minor units, for all other currencies: eight digits.
const USUAL_MAXIMUM: u64 = 99_999_999;

impl Currency {
    /// Amounts must be a multiple of it. `None`: Stripe does not charge this currency.
    fn step(self) -> Option<u64> {
        let is_in = |codes: &[&str]| codes.iter().any(|code| code.as_bytes() == self.0);
        if is_in(TWO_DECIMALS) || is_in(NO_DECIMALS) {
            Some(1)
        } else if is_in(THREE_DECIMALS) {
            Some(10)
        } else if is_in(WRITTEN_WITH_TWO_DECIMALS) {
            Some(100)
        } else {
            None
        }
    }

    fn minimum(self) -> u64 {
        self.find_in(MINIMUMS).unwrap_or(1)
    }

    fn maximum(self) -> u64 {
        self.find_in(MAXIMUMS).unwrap_or(USUAL_MAXIMUM)
    }

    fn find_in(self, amounts: &[(&str, u64)]) -> Option<u64> {
        amounts.iter().find(|(code, _)| code.as_bytes() == self.0).map(|(_, amount)| *amount)
    }
}

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fields::FieldErrors;

    fn read(price: u64, currency: &str) -> Result<Money, FieldErrors> {
        let Value::Object(object) = json!({"price": price, "currency": currency}) else {
            unreachable!("the literal is an object")
        };
        let mut fields = Fields::new(&object);
        let money = Money::from_fields(&mut fields);
        fields.finish(money)
    }

    #[test]
    fn price_that_stripe_charges_is_accepted() {
        for (price, currency) in [
            (4900, "USD"),
            (50, "USD"),
            (500, "JPY"),
            (50, "KRW"),
            (1, "XAF"),
            (150_000_000, "IDR"),
            (Amount::MAX, "IDR"),
            (999_999_999, "INR"),
            (12_340, "KWD"),
            (500, "ISK"),
            (500, "UGX"),
            (17_500, "HUF"),
            (0, "ABC"),
            (0, "KWD"),
        ] {
            assert!(read(price, currency).is_ok(), "{price} {currency}");
        }
    }

    #[test]
    fn price_that_stripe_is_certain_to_refuse_names_its_field() {
        let errors = |price, currency| read(price, currency).unwrap_err();
        assert_eq!(errors(4900, "ABC")["currency"], "is not a currency that can be charged");
        for (price, currency) in [(12_345, "KWD"), (123_401, "TND"), (550, "ISK"), (1, "UGX")] {
            let why = &errors(price, currency)["price"];
            assert!(why.starts_with("is not a multiple of 1"), "{price} {currency}: {why}");
        }
        for (price, currency) in [(49, "USD"), (29, "GBP"), (49, "JPY"), (1_499, "CZK")] {
            let why = &errors(price, currency)["price"];
            assert!(why.starts_with("is less than "), "{price} {currency}: {why}");
        }
        for (price, currency) in [(100_000_000, "USD"), (1_000_000_000, "INR")] {
            let why = &errors(price, currency)["price"];
            assert!(why.starts_with("is more than "), "{price} {currency}: {why}");
        }
        let why = &errors(Amount::MAX + 1, "IDR")["price"];
        assert!(why.ends_with("the most that can be charged in any currency"), "{why}");
    }

    #[test]
    fn every_currency_is_listed_once() {
        let mut codes: Vec<_> =
            [TWO_DECIMALS, NO_DECIMALS, THREE_DECIMALS, WRITTEN_WITH_TWO_DECIMALS].concat();
        let listed = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), listed);
        assert!(codes.iter().all(|code| code.parse::<Currency>().is_ok()));
        let limited = MINIMUMS.iter().chain(MAXIMUMS).map(|(code, _)| code);
        assert!(limited.into_iter().all(|code| codes.contains(code)));
    }
}
