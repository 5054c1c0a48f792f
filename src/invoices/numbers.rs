//! Numbers as suppliers write them: a decimal point or a decimal comma, and whatever divides thousands.

use super::Figure;
use crate::domain::Amount;

const NONE: &str = "is not a decimal number; expected one like 1234.56 or 1234,56";
const AMBIGUOUS: &str = "can be read in two ways, as thousands or as three decimals, and no other number of the file says \
                         which; write it without a mark (1234) or with another number of decimals (1.23, 1.2340)";

/// What stands before the decimals in numbers like these; none where none says so, or they contradict each other.
pub(super) fn decimal_mark<'t>(numbers: impl Iterator<Item = &'t str>) -> Option<char> {
    let mut found = None;
    for number in numbers {
        let number = squeezed(number);
        let is_told = |mark: &char| !is_ambiguous(&number) && number.matches(*mark).count() == 1;
        let Some(mark) = last_mark(&number).filter(is_told) else { continue };
        if found.is_some_and(|before| before != mark) {
            return None;
        }
        found = Some(mark);
    }
    found
}

/// Reads a number. `decimal`: what stands before the decimals where the number itself does not say.
pub(super) fn read(text: &str, decimal: Option<char>) -> Result<Figure, &'static str> {
    let text = squeezed(text);
    let last = last_mark(&text);
    let mark = if is_ambiguous(&text) { Some(decimal.ok_or(AMBIGUOUS)?) } else { last };
    // Several of the one kind divide thousands, and leave none for the decimals.
    if last.is_some_and(|last| text.matches(last).count() > 1) || text.contains(['e', 'E']) {
        return Err(NONE);
    }
    let plain: String = text
        .chars()
        .filter_map(|c| match c {
            c if Some(c) == mark => Some('.'),
            '.' | ',' => None,
            c => Some(c),
        })
        .collect();
    let decimals = plain.split_once('.').map_or(0, |(_, behind)| u32::try_from(behind.len()).unwrap_or(u32::MAX));
    match Amount::parse(&plain) {
        Ok((value, false)) => Ok(Figure { value, decimals }),
        Ok((_, true)) => Err("has more than four decimals"),
        Err(_) => Err(NONE),
    }
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '\'').collect()
}

fn last_mark(number: &str) -> Option<char> {
    number.chars().rfind(|c| matches!(c, '.' | ','))
}

/// Whether it has one mark that may as well divide thousands as stand before three decimals.
fn is_ambiguous(number: &str) -> bool {
    let mut parts = number.trim_start_matches(['-', '+']).split(['.', ',']);
    let (Some(whole), Some(behind), None) = (parts.next(), parts.next(), parts.next()) else { return false };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    (1..=3).contains(&whole.len()) && behind.len() == 3 && digits(whole) && digits(behind) && !whole.starts_with('0')
}
