//! What the database cannot hold, taken out of a JSON text: NUL characters, and halves of surrogate pairs.

use std::borrow::Cow;

/// Takes NULs, escaped or not, out of the strings of a JSON text, and puts U+FFFD for the escape of half a surrogate
/// pair, so that the text survives a cast to `jsonb`. Says whether a NUL was there. All else stays as it is, byte for
/// byte; what is no JSON is not made JSON.
pub(crate) fn clean(text: &str) -> (Cow<'_, str>, bool) {
    // Hardly a record has either, and this is asked of each.
    if memchr::memchr2(b'\\', 0, text.as_bytes()).is_none() || !text.contains("\\u") && !text.contains('\0') {
        return (Cow::Borrowed(text), false);
    }
    let mut out = String::with_capacity(text.len());
    let (mut nul, mut changed, mut in_string) = (false, false, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        let mut put = None;
        match c {
            '"' => in_string = !in_string,
            '\0' if in_string => {
                nul = true;
                put = Some("");
            }
            '\\' if in_string => match escape(rest) {
                Some(0) => {
                    taken = ESCAPE;
                    nul = true;
                    put = Some("");
                }
                Some(0xd800..=0xdbff) if matches!(escape(&rest[ESCAPE..]), Some(0xdc00..=0xdfff)) => taken = 2 * ESCAPE,
                Some(0xd800..=0xdfff) => {
                    taken = ESCAPE;
                    put = Some("\\ufffd");
                }
                Some(_) => taken = ESCAPE,
                None => taken += rest[taken..].chars().next().map_or(0, char::len_utf8),
            },
            _ => {}
        }
        changed |= put.is_some();
        out.push_str(put.unwrap_or(&rest[..taken]));
        rest = &rest[taken..];
    }
    (if changed { Cow::Owned(out) } else { Cow::Borrowed(text) }, nul)
}

/// Length of `\u0000`.
const ESCAPE: usize = 6;

/// The code unit of the `\u` escape that a text begins with.
fn escape(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}
