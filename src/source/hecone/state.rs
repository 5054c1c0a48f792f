//! The state of a transaction, derived from its articles and payments by the published rules.
//!
//! The rules overlap and are silent on mixtures; the order in which they are asked here decides.

use crate::domain::State;

/// A transaction's state in the vendor's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// Nothing was consumed yet.
    Created,
    /// Consumption is authorized or going on.
    Pending,
    /// Consumed and not paid.
    Consumed,
    /// Consumed and paid.
    Completed,
    /// Refused.
    Declined,
    /// Failed.
    Error,
}

impl Word {
    /// Reads the vendor's word, case aside; nothing for one that is not published.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word.trim().to_ascii_lowercase().as_str() {
            "created" => Self::Created,
            "pending" => Self::Pending,
            "consumed" => Self::Consumed,
            "completed" => Self::Completed,
            "declined" => Self::Declined,
            "error" => Self::Error,
            _ => return None,
        })
    }

    /// In the warehouse's words.
    pub(crate) const fn state(self) -> State {
        match self {
            Self::Created | Self::Pending | Self::Consumed => State::Provisional,
            Self::Completed => State::Posted,
            Self::Declined => State::Declined,
            Self::Error => State::Error,
        }
    }
}

/// Whether what was collected reaches what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paid {
    /// It does.
    Reached,
    /// It does not.
    Short,
    /// An amount is missing.
    Unknown,
}

/// The state that articles and payments (their states in the vendor's words, lower case) come to; nothing when what is
/// there does not decide.
pub(crate) fn derive(articles: &[Option<String>], payments: &[Option<String>], paid: Paid) -> Option<Word> {
    let any = |states: &[Option<String>], word: &str| states.iter().flatten().any(|state| state == word);
    if any(articles, "error") || any(payments, "error") {
        Some(Word::Error)
    } else if any(articles, "declined") || any(payments, "declined") {
        Some(Word::Declined)
    } else if articles.is_empty() || any(articles, "reserved") {
        Some(Word::Created)
    } else if any(articles, "released") || any(articles, "ongoing") {
        Some(Word::Pending)
    } else if articles.iter().all(|state| state.as_deref() == Some("done")) {
        match paid {
            Paid::Reached => Some(Word::Completed),
            Paid::Short => Some(Word::Consumed),
            Paid::Unknown if any(payments, "open") || any(payments, "reserved") => Some(Word::Consumed),
            Paid::Unknown if any(payments, "collected") => Some(Word::Completed),
            Paid::Unknown => None,
        }
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn derived(articles: &[&str], payments: &[&str], paid: Paid) -> Option<Word> {
        let states = |words: &[&str]| words.iter().map(|w| Some((*w).to_owned())).collect::<Vec<_>>();
        derive(&states(articles), &states(payments), paid)
    }

    #[test]
    fn the_published_rules_hold() {
        for (articles, payments, paid, word) in [
            (&["reserved"][..], &["collected"][..], Paid::Reached, Word::Created),
            (&["released"], &["open"], Paid::Short, Word::Pending),
            (&["ongoing"], &["collected"], Paid::Reached, Word::Pending),
            (&["done"], &["open"], Paid::Short, Word::Consumed),
            (&["done"], &["collected"], Paid::Short, Word::Consumed),
            (&["done"], &["collected"], Paid::Reached, Word::Completed),
            (&["done"], &["declined"], Paid::Short, Word::Declined),
            (&["done"], &["error"], Paid::Short, Word::Error),
            (&[], &[], Paid::Reached, Word::Created),
        ] {
            assert_eq!(derived(articles, payments, paid), Some(word), "{articles:?} {payments:?}");
        }
    }

    #[test]
    fn mixtures_are_decided_in_order() {
        assert_eq!(derived(&["declined", "error"], &[], Paid::Short), Some(Word::Error));
        assert_eq!(derived(&["done"], &["declined", "error"], Paid::Short), Some(Word::Error));
        assert_eq!(derived(&[], &["declined"], Paid::Short), Some(Word::Declined));
        assert_eq!(derived(&["done", "ongoing", "reserved"], &[], Paid::Short), Some(Word::Created));
        assert_eq!(derived(&["done", "ongoing"], &["collected"], Paid::Reached), Some(Word::Pending));
    }

    #[test]
    fn every_published_word_is_read_case_aside_and_has_its_state() {
        for (text, word, state) in [
            ("created", Word::Created, State::Provisional),
            ("Pending", Word::Pending, State::Provisional),
            (" CONSUMED ", Word::Consumed, State::Provisional),
            ("completed", Word::Completed, State::Posted),
            ("declined", Word::Declined, State::Declined),
            ("error", Word::Error, State::Error),
        ] {
            assert_eq!((Word::parse(text), word.state()), (Some(word), state), "{text}");
        }
        assert_eq!((Word::parse("complete"), Word::parse("")), (None, None));
    }

    #[test]
    fn where_an_amount_is_missing_the_payments_state_decides() {
        for payment in ["open", "reserved"] {
            assert_eq!(derived(&["done"], &[payment], Paid::Unknown), Some(Word::Consumed), "{payment}");
            assert_eq!(derived(&["done"], &[payment, "collected"], Paid::Unknown), Some(Word::Consumed), "{payment}");
        }
        assert_eq!(derived(&["done", "done"], &["collected"], Paid::Unknown), Some(Word::Completed));
        assert_eq!(derived(&["done"], &["melted"], Paid::Unknown), None);
    }

    #[test]
    fn what_does_not_decide_is_not_guessed() {
        assert_eq!(derived(&["done", "melted"], &["collected"], Paid::Reached), None);
        assert_eq!(derive(&[None], &[], Paid::Reached), None);
        assert_eq!(derived(&["done"], &[], Paid::Unknown), None);
        assert_eq!(derived(&["done"], &["collected"], Paid::Unknown), Some(Word::Completed));
    }

    proptest! {
        #[test]
        fn an_error_anywhere_is_an_error(
            articles in prop::collection::vec("reserved|released|ongoing|done|declined|error|odd", 0..5),
            payments in prop::collection::vec("open|reserved|collected|declined|error|odd", 0..5),
        ) {
            let a: Vec<_> = articles.iter().cloned().map(Some).collect();
            let p: Vec<_> = payments.iter().cloned().map(Some).collect();
            let has_error = articles.iter().chain(&payments).any(|s| s == "error");
            prop_assert_eq!(derive(&a, &p, Paid::Reached) == Some(Word::Error), has_error);
        }
    }
}
