//! Words of a product name, folded so that one spelling stands for many.

/// Cuts a text into its words: lower case, without diacritics, and with letters apart from digits, so that `95E10`,
/// `A-95` and `Bensiin 95` all hold the word `95`, and `95123` does not.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = Class::Other;
    for c in text.chars().flat_map(char::to_lowercase) {
        let class = Class::of(c);
        if class != Class::Other {
            if class != last {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                fold(c, word);
            }
        }
        // A combining mark belongs to the letter before it.
        if !('\u{300}'..='\u{36f}').contains(&c) {
            last = class;
        }
    }
    words
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    Other,
}

impl Class {
    fn of(c: char) -> Self {
        if c.is_ascii_digit() {
            Self::Digit
        } else if c.is_alphabetic() {
            Self::Letter
        } else {
            Self::Other
        }
    }
}

fn fold(c: char, word: &mut String) {
    match c {
        'ä' | 'å' | 'ā' | 'ą' | 'á' | 'à' => word.push('a'),
        'č' | 'ć' | 'ç' => word.push('c'),
        'ē' | 'ę' | 'ė' | 'é' | 'è' => word.push('e'),
        'ģ' => word.push('g'),
        'ī' | 'į' | 'í' => word.push('i'),
        'ķ' => word.push('k'),
        'ļ' | 'ł' => word.push('l'),
        'ņ' | 'ń' | 'ñ' => word.push('n'),
        'ö' | 'õ' | 'ó' | 'ø' | 'ō' => word.push('o'),
        'ŗ' => word.push('r'),
        'š' | 'ś' => word.push('s'),
        'ü' | 'ū' | 'ų' | 'ú' => word.push('u'),
        'ž' | 'ź' | 'ż' => word.push('z'),
        'ß' => word.push_str("ss"),
        'æ' => word.push_str("ae"),
        _ => word.push(c),
    }
}

/// Whether the words of a pattern (`ad blue`, `diisel*`; a star for any ending) stand in a row among `words`.
pub(super) fn holds(words: &[String], pattern: &str) -> bool {
    (0..words.len()).any(|from| {
        let mut here = words[from..].iter();
        pattern.split(' ').all(|wanted| here.next().is_some_and(|word| is(word, wanted)))
    })
}

fn is(word: &str, wanted: &str) -> bool {
    if let Some(end) = wanted.strip_prefix('*') {
        word.ends_with(end)
    } else {
        wanted.strip_suffix('*').map_or(word == wanted, |start| word.starts_with(start))
    }
}
