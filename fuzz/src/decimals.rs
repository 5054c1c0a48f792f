//! Decimals against arithmetic on the digits themselves.

use fuelsync::domain::{Amount, AmountError};

/// Digits that numeric(18,4) holds.
const DIGITS: usize = 18;
/// An exponent beyond this decides by itself, with no more digits than a fuzzer writes.
const ENDLESS: i64 = 100_000;
/// So many zeros behind digits of which one is none.
const FAR: usize = 50_000;

/// A text. What is read is what the digits say, rounded half to even at the fourth decimal; what is shown reads back and
/// is what `numeric(18,4)` prints; sums are exact or refused.
pub fn decimals(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = Amount::parse(text);
    assert_eq!(read.map(|(amount, rounded)| (amount.to_string(), rounded)), naive(text), "{text:?}");
    let Ok((amount, _)) = read else { return };
    assert_eq!(Amount::parse(&amount.to_string()), Ok((amount, false)));
    assert_eq!(Amount::from_ten_thousandths(amount.ten_thousandths()), Some(amount));
    assert_eq!(amount.to_decimal().to_string(), amount.to_string());
    assert_eq!(amount.to_decimal().scale(), 4);
    assert_eq!(amount.is_negative(), amount.to_string().starts_with('-'));
    for other in [amount.ten_thousandths(), -amount.ten_thousandths(), 1, -1] {
        let sum = i128::from(amount.ten_thousandths()) + i128::from(other);
        let added = Amount::from_ten_thousandths(other).and_then(|other| amount.checked_add(other));
        let fits = sum.unsigned_abs() < 10u128.pow(18);
        assert_eq!(added.map(|sum| i128::from(sum.ten_thousandths())), fits.then_some(sum));
    }
}

/// The amount as it is shown, and whether it was rounded.
fn naive(text: &str) -> Result<(String, bool), AmountError> {
    let text = text.trim();
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let mut parts = mantissa.splitn(2, '.');
    let (whole, fraction) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let digits = format!("{whole}{fraction}");
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let exponent = match exponent {
        None => 0,
        Some(text) => {
            let (negative, size) = match text.strip_prefix('-') {
                Some(size) => (true, size),
                None => (false, text.strip_prefix('+').unwrap_or(text)),
            };
            if !is_digits(size) {
                return Err(AmountError::NotANumber);
            }
            let size = size.parse().unwrap_or(ENDLESS).min(ENDLESS);
            if negative { -size } else { size }
        }
    };
    if !is_digits(&digits) {
        return Err(AmountError::NotANumber);
    }
    let zero = || Ok(("0.0000".to_owned(), false));
    if digits.bytes().all(|digit| digit == b'0') {
        return zero();
    }
    // The digits before the place of the ten-thousandths, and those behind it.
    let point = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(exponent + 4);
    let (kept, rest) = match usize::try_from(point) {
        Err(_) => (String::new(), "0".to_owned() + &digits),
        Ok(point) if point > digits.len() + FAR => return Err(AmountError::DoesNotFit),
        Ok(point) => {
            let padded = format!("{digits:0<point$}");
            (padded[..point].to_owned(), padded[point..].to_owned())
        }
    };
    let mut kept: Vec<u8> = kept.trim_start_matches('0').bytes().map(|digit| digit - b'0').collect();
    let rest = rest.trim_end_matches('0');
    let is_odd = kept.last().is_some_and(|digit| digit % 2 == 1);
    let half = "5";
    if rest > half || rest == half && is_odd {
        carry(&mut kept);
    }
    if kept.len() > DIGITS {
        return Err(AmountError::DoesNotFit);
    }
    let shown: String = kept.iter().map(|digit| char::from(digit + b'0')).collect();
    let shown = format!("{shown:0>5}");
    let (whole, fraction) = shown.split_at(shown.len() - 4);
    let sign = if kept.is_empty() { "" } else { sign };
    Ok((format!("{sign}{whole}.{fraction}"), !rest.is_empty()))
}

/// One more.
fn carry(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        *digit += 1;
        if *digit < 10 {
            return;
        }
        *digit = 0;
    }
    digits.insert(0, 1);
}
