//! Looks for values in all their forms.

use std::{collections::BTreeSet, fmt::Write as _};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Something that was written.
pub(super) struct Written {
    what: String,
    pub(super) bytes: Vec<u8>,
}

impl Written {
    pub(super) fn new(what: &str, bytes: Vec<u8>) -> Self {
        Self { what: what.to_owned(), bytes }
    }
}

/// The values looked for, each in all its forms.
pub(super) struct Search {
    canaries: Vec<(String, Vec<String>)>,
}

impl Search {
    pub(super) fn new(canaries: &[String]) -> Self {
        Self { canaries: canaries.iter().map(|canary| (canary.clone(), forms(canary))).collect() }
    }

    /// Forms of one value.
    pub(super) fn forms(&self) -> usize {
        self.canaries.iter().map(|(_, forms)| forms.len()).max().unwrap_or(0)
    }

    /// Where any of them is: one line for each value in each writing. The value itself is not repeated.
    pub(super) fn all(&self, written: &[Written]) -> Vec<String> {
        let mut found = Vec::new();
        for written in written {
            let text = String::from_utf8_lossy(&written.bytes);
            for (canary, forms) in &self.canaries {
                for form in forms {
                    if let Some(at) = text.find(form.as_str()) {
                        found.push(format!("{:.12}… in {}: {}", canary, written.what, around(&text, at)));
                        break;
                    }
                }
            }
        }
        found
    }

    /// Where any of many signatures is, as it is: 44 characters of Base64.
    pub(super) fn signatures(signatures: &BTreeSet<String>, written: &[Written]) -> Vec<String> {
        const LENGTH: usize = 44;
        let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        let mut found = Vec::new();
        for written in written {
            let runs = written.bytes.split(|byte| !is_base64(byte)).filter(|run| run.len() >= LENGTH);
            let is_one = |part: &[u8]| std::str::from_utf8(part).is_ok_and(|part| signatures.contains(part));
            if runs.flat_map(|run| run.windows(LENGTH)).any(is_one) {
                found.push(format!("a signature in {}", written.what));
            }
        }
        found
    }

    /// Whether a value is in a writing.
    pub(super) fn is_in(&self, canary: &str, written: &Written) -> bool {
        let text = String::from_utf8_lossy(&written.bytes);
        self.canaries
            .iter()
            .any(|(known, forms)| known == canary && forms.iter().any(|form| text.contains(form.as_str())))
    }

    /// Whether every form of every value is found where it is.
    pub(super) fn finds_each_form(&self) -> bool {
        self.canaries.iter().all(|(canary, _)| {
            let bytes = canary.as_bytes();
            let shifted = [0, 1, 2].map(|before| [&b"xyz"[..before], bytes, b"tail"].concat());
            let mut texts: Vec<String> =
                shifted.iter().flat_map(|bytes| [STANDARD.encode(bytes), URL_SAFE.encode(bytes)]).collect();
            texts.extend([canary.clone(), percent(canary), hex(bytes), hex(bytes).to_uppercase(), escaped(canary)]);
            texts.iter().all(|text| !self.all(&[Written::new("itself", format!("a {text} b").into_bytes())]).is_empty())
        })
    }
}

/// A value as it is, in JSON, percent-encoded, in hexadecimal, and in Base64 at any place of a longer text.
fn forms(canary: &str) -> Vec<String> {
    let bytes = canary.as_bytes();
    let mut forms = vec![canary.to_owned(), escaped(canary), percent(canary), hex(bytes), hex(bytes).to_uppercase()];
    for before in 0..3 {
        for engine in [&STANDARD, &URL_SAFE] {
            // The characters that depend on what stands before and behind are left out.
            let mut text = engine.encode([&b"\0\0"[..before], bytes].concat());
            text.drain(..[0, 2, 3][before]);
            text.truncate(text.trim_end_matches('=').len().saturating_sub(1));
            forms.push(text);
        }
    }
    forms.sort();
    forms.dedup();
    // A shorter one would meet by accident.
    forms.retain(|form| form.len() >= 8);
    forms
}

fn percent(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// As JSON writes it where it keeps to ASCII.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if c.is_ascii() {
            out.push(c);
        } else {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
        out
    })
}

fn around(text: &str, at: usize) -> String {
    let start = text[..at].char_indices().rev().nth(60).map_or(0, |(start, _)| start);
    text[start..at].replace(['\n', '\r'], " ")
}
