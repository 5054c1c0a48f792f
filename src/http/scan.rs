//! Finds where one JSON value ends, byte by byte. It looks only at what decides that (quotes, brackets, delimiters); that
//! the value is well-formed is checked once it is whole.

/// Levels that a value may be deep; with the envelope around it a document stays within what JSON readers accept (128).
pub(super) const MAX_DEPTH: u32 = 125;

/// A value being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// A number, `true`, `false`, `null`: ends before the next delimiter.
    Scalar,
    /// A string.
    Text { escaped: bool },
    /// An object or array.
    Nest { depth: u32, in_text: bool, escaped: bool },
}

/// What a stretch of bytes did to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// All of it belongs to the value, which goes on.
    More,
    /// The value ends after so many bytes.
    Ends(usize),
    /// More than [`MAX_DEPTH`] levels.
    TooDeep,
}

impl Scan {
    /// Begins a value at its first byte, which is not consumed.
    pub(super) const fn begin(first: u8) -> Self {
        match first {
            b'"' => Self::Text { escaped: true },
            b'{' | b'[' => Self::Nest { depth: 0, in_text: false, escaped: false },
            _ => Self::Scalar,
        }
    }

    /// Takes the next bytes.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        match self {
            Self::Scalar => bytes
                .iter()
                .position(|b| matches!(b, b',' | b']' | b'}' | b':' | b'"' | b'[' | b'{') || is_space(*b))
                .map_or(Step::More, Step::Ends),
            // The opening quote counts as escaped: it does not end the string.
            Self::Text { escaped } => end_of_text(bytes, escaped).map_or(Step::More, Step::Ends),
            Self::Nest { depth, in_text, escaped } => {
                let mut at = 0;
                while let Some(byte) = bytes.get(at) {
                    if *in_text {
                        let Some(used) = end_of_text(&bytes[at..], escaped) else { return Step::More };
                        *in_text = false;
                        at += used;
                        continue;
                    }
                    at += 1;
                    match byte {
                        b'"' => *in_text = true,
                        b'{' | b'[' => {
                            *depth += 1;
                            if *depth > MAX_DEPTH {
                                return Step::TooDeep;
                            }
                        }
                        b'}' | b']' => {
                            *depth -= 1;
                            if *depth == 0 {
                                return Step::Ends(at);
                            }
                        }
                        _ => {}
                    }
                }
                Step::More
            }
        }
    }
}

/// Looks for the end of a string: how many bytes belong to it when it ends here.
fn end_of_text(bytes: &[u8], escaped: &mut bool) -> Option<usize> {
    let mut at = 0;
    if std::mem::take(escaped) {
        if bytes.is_empty() {
            *escaped = true;
            return None;
        }
        at = 1;
    }
    while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at..]) {
        at += found + 1;
        if bytes[at - 1] == b'"' {
            return Some(at);
        }
        if at == bytes.len() {
            *escaped = true;
            return None;
        }
        at += 1;
    }
    None
}

/// JSON's four kinds of white space.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
