//! Money, prices, quantities and rates: `numeric(18,4)` held exactly, never a float.

use std::{cmp::Ordering, fmt, str::FromStr};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// An amount in ten-thousandths: exactly what `numeric(18,4)` can hold, ±99,999,999,999,999.9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Amount(i64);

/// Why a text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a decimal number as JSON writes it.
    #[error("is not a decimal number")]
    NotANumber,
    /// Has more than 14 digits before the point.
    #[error("does not fit numeric(18,4)")]
    DoesNotFit,
}

const SCALE: i64 = 10_000;
const LIMIT: i64 = 1_000_000_000_000_000_000;

impl Amount {
    /// An amount from its ten-thousandths; nothing when it does not fit `numeric(18,4)`.
    pub const fn from_ten_thousandths(value: i64) -> Option<Self> {
        if -LIMIT < value && value < LIMIT { Some(Self(value)) } else { None }
    }

    /// The value in ten-thousandths.
    pub const fn ten_thousandths(self) -> i64 {
        self.0
    }

    /// Reads the text of a JSON number (or of a string that holds one): sign, digits, fraction, exponent. What has more
    /// than four decimals is rounded half to even; the second part says whether that changed the value.
    pub fn parse(text: &str) -> Result<(Self, bool), AmountError> {
        plain(text).map_or_else(|| Self::parse_any(text), |amount| Ok((amount, false)))
    }

    fn parse_any(text: &str) -> Result<(Self, bool), AmountError> {
        let text = text.trim();
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() || mantissa.ends_with('.') && whole.is_empty() {
            return Err(AmountError::NotANumber);
        }
        let digits = || whole.bytes().chain(fraction.bytes());
        if !digits().all(|d| d.is_ascii_digit()) {
            return Err(AmountError::NotANumber);
        }
        // Digits up to `kept` make the ten-thousandths; those behind decide the rounding.
        let kept = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(exponent).saturating_add(4);
        let mut value: i64 = 0;
        let mut place: i64 = 0;
        let (mut next, mut rest) = (0u8, false);
        for digit in digits().map(|d| d - b'0') {
            match place.cmp(&kept) {
                Ordering::Less => value = push(value, digit)?,
                Ordering::Equal => next = digit,
                Ordering::Greater => rest |= digit != 0,
            }
            place += 1;
        }
        if kept < 0 {
            // The first digit lies beyond the rounding digit.
            rest |= next != 0;
            next = 0;
        }
        while value != 0 && place < kept {
            value = push(value, 0)?;
            place += 1;
        }
        if next > 5 || next == 5 && (rest || value % 2 == 1) {
            value += 1;
        }
        let amount =
            Self::from_ten_thousandths(if negative { -value } else { value }).ok_or(AmountError::DoesNotFit)?;
        Ok((amount, next != 0 || rest))
    }

    /// As a decimal with four places, for calculations.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0, 4)
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The sum, unless it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::from_ten_thousandths(self.0.checked_add(other.0)?)
    }
}

/// An amount as nearly all are written: a few digits, and no more than four behind a point. None for any other text.
fn plain(text: &str) -> Option<Amount> {
    /// So many digits fit, with four zeros behind them.
    const MOST: usize = 14;
    let (mut value, mut digits, mut behind) = (0_i64, 0, None);
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    for byte in unsigned.bytes() {
        match byte {
            b'0'..=b'9' => {
                value = value * 10 + i64::from(byte - b'0');
                digits += 1;
                behind = behind.map(|behind: u32| behind + 1);
            }
            b'.' if behind.is_none() && digits > 0 => behind = Some(0),
            _ => return None,
        }
        if digits > MOST {
            return None;
        }
    }
    // A point with nothing behind it is left to the other way to decide on.
    if digits == 0 || behind == Some(0) {
        return None;
    }
    let value = value * 10_i64.pow(4_u32.checked_sub(behind.unwrap_or(0))?);
    Amount::from_ten_thousandths(if text.len() > unsigned.len() { -value } else { value })
}

fn push(value: i64, digit: u8) -> Result<i64, AmountError> {
    // Ten times what just fits is more than an i64 holds.
    let value = value.checked_mul(10).and_then(|value| value.checked_add(i64::from(digit)));
    value.filter(|value| *value < LIMIT).ok_or(AmountError::DoesNotFit)
}

fn exponent_of(text: &str) -> Result<i64, AmountError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|d| d.is_ascii_digit()) {
        return Err(AmountError::NotANumber);
    }
    // An exponent past a million is as good as endless, and no digit count can balance it within a body's limit.
    let size =
        digits.trim_start_matches('0').get(..7).map_or_else(|| digits.parse().unwrap_or(0), |_| 1_000_000_000_000);
    Ok(if text.starts_with('-') { -size } else { size })
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::parse(s).map(|(amount, _)| amount)
    }
}

impl fmt::Display for Amount {
    /// Always four decimals, as `PostgreSQL` prints `numeric(18,4)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let size = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:04}", size / SCALE.unsigned_abs(), size % SCALE.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<(String, bool), AmountError> {
        Amount::parse(text).map(|(amount, rounded)| (amount.to_string(), rounded))
    }

    #[test]
    fn digits_are_kept_as_sent() {
        for (text, shown) in [
            ("0", "0.0000"),
            ("12.3456", "12.3456"),
            ("-0.0001", "-0.0001"),
            ("1e3", "1000.0000"),
            ("1.5E-2", "0.0150"),
            ("0.10000000", "0.1000"),
            ("99999999999999.9999", "99999999999999.9999"),
            ("00012", "12.0000"),
            ("0e999999999", "0.0000"),
        ] {
            assert_eq!(parsed(text), Ok((shown.to_owned(), false)), "{text}");
        }
    }

    #[test]
    fn a_fifth_decimal_is_rounded_half_to_even_and_said() {
        for (text, shown) in [
            ("0.00005", "0.0000"),
            ("0.00015", "0.0002"),
            ("0.00025", "0.0002"),
            ("0.000250000001", "0.0003"),
            ("-1.23456", "-1.2346"),
            ("5e-5", "0.0000"),
            ("51e-6", "0.0001"),
            ("9e-6", "0.0000"),
            ("1e-400", "0.0000"),
        ] {
            assert_eq!(parsed(text), Ok((shown.to_owned(), true)), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_or_is_no_number_is_refused() {
        for text in [
            "100000000000000",
            "99999999999999.99995",
            "987654321098765.4321",
            "99999999999999999999",
            "1e15",
            "1e99999999999999999999",
        ] {
            assert_eq!(parsed(text), Err(AmountError::DoesNotFit), "{text}");
        }
        for text in ["", "-", ".", "1,5", "abc", "1e", "1e+", "NaN", "0x10", "1.2.3", "- 1"] {
            assert_eq!(parsed(text), Err(AmountError::NotANumber), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(value in -(LIMIT - 1)..LIMIT) {
            let amount = Amount(value);
            prop_assert_eq!(Amount::parse(&amount.to_string()), Ok((amount, false)));
            prop_assert_eq!(amount.to_decimal().to_string(), amount.to_string());
        }

        #[test]
        fn rounding_agrees_with_rust_decimal(whole in 0u32.., fraction in "[0-9]{1,12}", exponent in -6i32..5) {
            let text = format!("{whole}.{fraction}e{exponent}");
            let exact = Decimal::from_scientific(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let rounded = exact.round_dp_with_strategy(4, rust_decimal::RoundingStrategy::MidpointNearestEven);
            let (amount, changed) = Amount::parse(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(amount.to_decimal(), rounded);
            prop_assert_eq!(changed, rounded != exact);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9eE. ]{0,24}") {
            let any = Amount::parse_any(&text);
            if let Some(amount) = plain(&text) {
                prop_assert_eq!(any, Ok((amount, false)));
            }
        }

        #[test]
        fn the_quick_way_is_the_other(text in "-?[0-9]{0,16}(\\.[0-9]{0,5})?") {
            if let Some(amount) = plain(&text) {
                prop_assert_eq!(Amount::parse_any(&text), Ok((amount, false)));
            }
        }
    }
}
