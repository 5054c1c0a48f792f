//! Free text of a vendor, made fit for an error or a log.

/// Longest run of digits that says nothing about a card.
const DIGITS: usize = 8;
/// Digits in groups (`7077 1234 5678 9012`) that make a card number.
const GROUPED_DIGITS: usize = 12;
/// Length from which a run of token characters may be a key, a signature or a session.
const TOKEN: usize = 32;
const GONE: &str = "***";

/// Takes out of a text what may be personal or secret: e-mail addresses, runs of eight digits and more, card numbers in
/// groups, long tokens. Control characters become blanks, so that the text stays one line.
pub fn scrub(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut words = Vec::new();
    for word in text.split(' ') {
        words.push(scrub_word(word));
    }
    scrub_groups(&words)
}

fn scrub_word(word: &str) -> String {
    if let Some((name, host)) = word.split_once('@')
        && !name.is_empty()
        && host.contains('.')
    {
        return GONE.to_owned();
    }
    let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-' | '.' | '~');
    let tokens_gone = replace_runs(word, is_token, |run| {
        // A path or a sentence without blanks has no digits; a key has both kinds.
        run.len() >= TOKEN && run.bytes().any(|b| b.is_ascii_digit()) && run.bytes().any(|b| b.is_ascii_alphabetic())
    });
    replace_runs(&tokens_gone, char::is_numeric, |run| run.chars().count() >= DIGITS)
}

/// Replaces each longest run of characters of a kind for which `goes` holds.
fn replace_runs(text: &str, of_kind: impl Fn(char) -> bool, goes: impl Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.find(|c| !of_kind(c)).unwrap_or(rest.len());
        let (head, tail) = rest.split_at(run);
        out.push_str(if goes(head) { GONE } else { head });
        let other = tail.find(&of_kind).unwrap_or(tail.len());
        out.push_str(&tail[..other]);
        rest = &tail[other..];
    }
    out
}

/// Words of digits in a row that together are long enough for a card.
fn scrub_groups(words: &[String]) -> String {
    let is_group = |word: &String| (2..DIGITS).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit());
    let mut out: Vec<&str> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let groups = words[at..].iter().take_while(|w| is_group(w)).count();
        let digits: usize = words[at..at + groups].iter().map(String::len).sum();
        if digits >= GROUPED_DIGITS {
            out.push(GONE);
        } else {
            out.extend(words[at..at + groups].iter().map(String::as_str));
        }
        at += groups;
        if let Some(word) = words.get(at) {
            out.push(word);
            at += 1;
        }
    }
    out.join(" ")
}
