//! A vendor's own error text, fit for a log: no control characters, no numbers that could be a card, no tokens, no
//! addresses, and short.

use serde_json::Value;

const LONGEST: usize = 200;
/// As many digits in a row are a card, an account or an id.
const DIGITS: usize = 8;
/// As many characters of Base64 or hexadecimal in a row are a key or a signature.
const TOKEN: usize = 24;

/// The error text of a JSON error body: `error`, `message` and what others call them. Nothing for what is not JSON: a
/// gateway's page tells an operator less than its status.
pub fn said_in(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    text_of(&body, 3).map(|text| scrub(&text)).filter(|text| !text.is_empty())
}

fn text_of(value: &Value, depth: u8) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Array(values) if depth > 0 => values.iter().find_map(|v| text_of(v, depth - 1)),
        Value::Object(members) if depth > 0 => {
            ["error", "message", "error_description", "detail", "title", "errors", "Message"]
                .iter()
                .filter_map(|name| members.get(*name))
                .find_map(|v| text_of(v, depth - 1))
        }
        _ => None,
    }
}

/// A vendor's text, masked and cut to 200 characters.
pub fn scrub(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<String> = clean.split_whitespace().map(scrub_word).collect();
    let shown = mask_groups(&words);
    match shown.char_indices().nth(LONGEST) {
        None => shown,
        Some((end, _)) => format!("{}…", &shown[..end]),
    }
}

fn scrub_word(word: &str) -> String {
    if word.contains('@') || word.contains("://") {
        return "***".to_owned();
    }
    let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_' | '.');
    let word = mask_runs(word, is_token, |run| {
        run.len() >= TOKEN && run.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
    });
    mask_runs(&word, |c| c.is_ascii_digit(), |run| run.len() >= DIGITS)
}

/// Digits in groups (`1234 5678 9012 3456`) are one number.
fn mask_groups(words: &[String]) -> String {
    let is_group = |word: &&String| {
        let digits = word.trim_matches(|c: char| !c.is_ascii_digit());
        digits.len() >= 3 && digits.split('-').all(|part| part.len() >= 3 && part.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut shown: Vec<&str> = Vec::with_capacity(words.len());
    let mut rest = words;
    while let Some(first) = rest.first() {
        let groups = rest.iter().take_while(is_group).count();
        let digits: usize = rest[..groups].iter().map(|w| w.bytes().filter(u8::is_ascii_digit).count()).sum();
        if digits >= 12 {
            shown.push("***");
            rest = &rest[groups..];
        } else {
            let take = groups.max(1);
            if groups == 0 {
                shown.push(first);
            } else {
                shown.extend(rest[..groups].iter().map(String::as_str));
            }
            rest = &rest[take..];
        }
    }
    shown.join(" ")
}

fn mask_runs(text: &str, belongs: impl Fn(char) -> bool, is_secret: impl Fn(&str) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let (head, tail) = rest.split_at(run);
        shown.push_str(if is_secret(head) { "***" } else { head });
        let other = tail.find(&belongs).unwrap_or(tail.len());
        shown.push_str(&tail[..other]);
        rest = &tail[other..];
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_published_texts_come_through_as_they_are() {
        for text in [
            "Wrong date format",
            "Only 60 days of search at one time is supported",
            "Only search over last 5 months of transactions is supported",
            "Contract 22297 is not allowed from 2026-11-21 to 2026-12-21T00:00:00Z",
        ] {
            assert_eq!(scrub(text), text);
        }
    }

    #[test]
    fn cards_tokens_addresses_and_control_characters_are_masked() {
        for (text, shown) in [
            ("card 7012345678901234 unknown", "card *** unknown"),
            ("card 7012 3456 7890 1234 unknown", "card *** unknown"),
            ("card 7012-3456-7890-1234, unknown", "card *** unknown"),
            ("bad signature M2uWkNsHyzcGUn15JeHg+JmdFFAqHBMtPLLQUgju8dA=", "bad signature ***"),
            ("key 0123456789abcdef0123456789abcdef!", "key ***!"),
            ("write to mari.maasikas@example.ee", "write to ***"),
            ("see https://x.example/?client_secret=s", "see ***"),
            ("a\u{1b}[31m\nb\0c", "a [31m b c"),
        ] {
            assert_eq!(scrub(text), shown, "{text}");
        }
        assert_eq!(scrub(&"ä ".repeat(500)).chars().count(), 201);
    }

    #[test]
    fn the_text_is_found_under_its_usual_names() {
        for body in [
            r#"{"success":false,"data":null,"error":"Wrong Date format","message":null}"#,
            r#"{"message":"Wrong Date format"}"#,
            r#"{"error":{"code":7,"message":"Wrong Date format"}}"#,
            r#"{"errors":[{"detail":"Wrong Date format"}]}"#,
        ] {
            assert_eq!(said_in(body.as_bytes()).as_deref(), Some("Wrong Date format"), "{body}");
        }
        for body in ["<html>Bad gateway</html>", "{}", "[]", r#"{"error":true}"#, ""] {
            assert_eq!(said_in(body.as_bytes()), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_long_number_comes_through(text in "[0-9 a-z,;:#*]{0,120}") {
            let shown = scrub(&text);
            prop_assert!(shown.split(|c: char| !c.is_ascii_digit()).all(|run| run.len() < DIGITS), "{}", shown);
        }
    }
}
