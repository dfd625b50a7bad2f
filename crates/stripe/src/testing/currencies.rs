//! Currencies and amounts (Stripe docs, "Supported currencies").

use super::errors::Problem;

/// Presentment currencies; the list is the one of Stripe's error for an invalid currency, without those that
/// the euro has replaced, and with XCG, which the documentation lists.
const SUPPORTED: &str = "usd, aed, afn, all, amd, ang, aoa, ars, aud, awg, azn, bam, bbd, bdt, bhd, bif, bmd, bnd, bob, brl, bsd, bwp, byn, bzd, cad, cdf, chf, clp, cny, cop, crc, cve, czk, djf, dkk, dop, dzd, egp, etb, eur, fjd, fkp, gbp, gel, gip, gmd, gnf, gtq, gyd, hkd, hnl, htg, huf, idr, ils, inr, isk, jmd, jod, jpy, kes, kgs, khr, kmf, krw, kwd, kyd, kzt, lak, lbp, lkr, lrd, lsl, mad, mdl, mga, mkd, mmk, mnt, mop, mur, mvr, mwk, mxn, myr, mzn, nad, ngn, nio, nok, npr, nzd, omr, pab, pen, pgk, php, pkr, pln, pyg, qar, ron, rsd, rub, rwf, sar, sbd, scr, sek, sgd, shp, sle, sos, srd, std, szl, thb, tjs, tnd, top, try, ttd, twd, tzs, uah, ugx, uyu, uzs, vnd, vuv, wst, xaf, xcd, xcg, xof, xpf, yer, zar, zmw, btn, ghs";

/// "Minimum charge amount by currency", in minor units. Other currencies have the minimum of the
/// account's settlement currency after conversion, which depends on rates and is not modelled.
const MINIMUMS: &str = "usd 50, aed 200, ars 50, aud 50, brl 50, cad 50, chf 50, cop 50, czk 1500, dkk 250, eur 50, gbp 30, hkd 400, huf 17500, idr 50, ils 50, inr 50, jpy 50, krw 50, mxn 1000, myr 200, nok 300, nzd 50, php 50, pln 200, ron 200, rub 50, sek 300, sgd 50, thb 1000, zar 50";

/// The last digit must be 0 ("Three-decimal currencies").
const THREE_DECIMALS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

/// Two decimals, always `00` ("Special cases").
const WHOLE_UNITS: [&str; 2] = ["isk", "ugx"];

/// Checks an amount in minor units.
pub(super) fn check(amount: &str, currency: &str) -> Result<u64, Problem> {
    let amount: u64 = amount.parse().map_err(|_| {
        Problem::invalid(format!("Invalid integer: {amount}"))
            .code("parameter_invalid_integer")
            .param("amount")
    })?;
    if !SUPPORTED.split(", ").any(|supported| supported == currency) {
        let message = format!(
            "Invalid currency: {currency}. Stripe currently supports these currencies: {SUPPORTED}"
        );
        return Err(Problem::invalid(message).param("currency"));
    }
    let mut minimums = MINIMUMS.split(", ").filter_map(|minimum| minimum.strip_prefix(currency));
    let minimum = minimums.next().and_then(|minimum| minimum.trim().parse().ok()).unwrap_or(1);
    if amount < minimum {
        let message = format!("Amount must be at least {minimum} {currency} in minor units");
        return Err(Problem::invalid(message).code("amount_too_small").param("amount"));
    }
    let maximum = maximum(currency);
    if amount > maximum {
        let message = format!("Amount must be no more than {maximum} {currency} in minor units");
        return Err(Problem::invalid(message).code("amount_too_large").param("amount"));
    }
    let step = match currency {
        _ if THREE_DECIMALS.contains(&currency) => 10,
        _ if WHOLE_UNITS.contains(&currency) => 100,
        _ => 1,
    };
    if !amount.is_multiple_of(step) {
        let message = format!("Invalid amount: {amount} {currency} is not a multiple of {step}");
        return Err(Problem::invalid(message).param("amount"));
    }
    Ok(amount)
}

/// "Maximum charge amounts", the strictest list of that page: eight digits, and more for three
/// currencies. Card networks allow twelve at most, and each may allow less.
fn maximum(currency: &str) -> u64 {
    match currency {
        "idr" => 999_999_999_999,
        "cop" => 9_999_999_999,
        "inr" => 999_999_999,
        _ => 99_999_999,
    }
}

#[cfg(test)]
mod tests {
    use enrollment::money::{Amount, Money};

    use super::*;

    fn refusal(amount: &str, currency: &str) -> (Option<String>, String) {
        let problem = check(amount, currency).unwrap_err();
        assert!(!problem.executed, "a failed validation is not saved");
        let text = |name: &str| problem.error()[name].as_str().map(str::to_owned);
        (text("code"), text("param").unwrap())
    }

    #[test]
    fn amounts_that_stripe_charges_are_taken() {
        for (amount, currency) in
            [("50", "usd"), ("50", "jpy"), ("5120", "kwd"), ("500", "isk"), ("1", "xaf")]
        {
            assert!(check(amount, currency).is_ok(), "{amount} {currency}");
        }
    }

    /// A difference would be a course that no student can buy, or one that could be sold and is refused.
    #[test]
    fn course_has_a_price_exactly_if_it_can_be_charged() {
        let every = || "ABCDEFGHIJKLMNOPQRSTUVWXYZ".chars();
        let codes = every().flat_map(|a| every().map(move |b| (a, b)));
        for code in codes.flat_map(|(a, b)| every().map(move |c| format!("{a}{b}{c}"))) {
            let currency = code.parse().unwrap();
            for units in [1, 29, 30, 49, 50, 99, 100, 199, 200, 249, 250, 299, 300, 399, 400, 999]
                .into_iter()
                .chain([1_000, 1_005, 1_499, 1_500, 12_340, 17_499, 17_500, 99_999_900])
                .chain([99_999_999, 100_000_000, 999_999_999, 1_000_000_000, 9_999_999_999])
                .chain([10_000_000_000, 999_999_999_999])
            {
                let money = Money { amount: Amount::try_from(units).unwrap(), currency };
                let charged = check(&units.to_string(), &code.to_ascii_lowercase()).is_ok();
                assert_eq!(money.check_chargeable().is_ok(), charged, "{units} {code}");
            }
        }
    }

    #[test]
    fn amounts_that_stripe_refuses_are_refused_by_name() {
        let some = |code: &str| Some(code.to_owned());
        assert_eq!(refusal("49", "usd"), (some("amount_too_small"), "amount".to_owned()));
        assert_eq!(refusal("100000000", "usd"), (some("amount_too_large"), "amount".to_owned()));
        assert_eq!(refusal("1.5", "usd"), (some("parameter_invalid_integer"), "amount".to_owned()));
        assert_eq!(refusal("4900", "abc"), (None, "currency".to_owned()));
        assert_eq!(refusal("4900", "USD"), (None, "currency".to_owned()), "lower case only");
        for (amount, currency) in [("12345", "kwd"), ("12345", "isk"), ("12350", "ugx")] {
            assert_eq!(refusal(amount, currency), (None, "amount".to_owned()), "{currency}");
        }
    }
}
