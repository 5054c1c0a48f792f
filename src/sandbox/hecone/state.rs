//! The published state machine: a transaction's state from its articles and payments.

use crate::domain::Amount;

/// States that an article may be set to.
pub(crate) const ARTICLE_STATES: [&str; 6] = ["reserved", "released", "ongoing", "done", "declined", "error"];
/// States that a payment may be set to.
pub(crate) const PAYMENT_STATES: [&str; 5] = ["open", "reserved", "collected", "declined", "error"];

/// The state of a transaction: errors first, then refusals, then how far consumption and payment are. `invoiced` is what
/// is to be paid.
pub(crate) fn derived(articles: &[&str], payments: &[(&str, Amount)], invoiced: Amount) -> &'static str {
    let any = |state: &str| articles.contains(&state) || payments.iter().any(|(s, _)| *s == state);
    if any("error") {
        return "error";
    }
    if any("declined") {
        return "declined";
    }
    if articles.is_empty() || articles.contains(&"reserved") {
        return "created";
    }
    if articles.iter().any(|s| *s == "released" || *s == "ongoing") {
        return "pending";
    }
    let collected = payments.iter().filter(|(s, _)| *s == "collected");
    let paid = collected.clone().try_fold(Amount::default(), |sum, (_, amount)| sum.checked_add(*amount));
    if collected.count() > 0 && paid.is_some_and(|paid| paid >= invoiced) { "completed" } else { "consumed" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(articles: &[&str], payments: &[(&str, &str)], invoiced: &str) -> &'static str {
        let payments: Vec<_> = payments.iter().map(|(s, a)| (*s, a.parse().unwrap())).collect();
        derived(articles, &payments, invoiced.parse().unwrap())
    }

    #[test]
    fn each_published_rule_holds() {
        assert_eq!(state(&["reserved"], &[("collected", "5")], "5"), "created");
        assert_eq!(state(&["released"], &[], "5"), "pending");
        assert_eq!(state(&["ongoing"], &[("collected", "5")], "5"), "pending");
        assert_eq!(state(&["done"], &[("open", "5")], "5"), "consumed");
        assert_eq!(state(&["done"], &[("collected", "4.99")], "5"), "consumed");
        assert_eq!(state(&["done"], &[("collected", "5")], "5"), "completed");
        assert_eq!(state(&["done"], &[("declined", "5")], "5"), "declined");
        assert_eq!(state(&["error"], &[], "5"), "error");
    }

    #[test]
    fn mixtures_are_decided_in_order() {
        assert_eq!(state(&["declined"], &[("error", "1")], "1"), "error");
        assert_eq!(state(&[], &[], "0"), "created");
        assert_eq!(state(&["done", "reserved"], &[], "0"), "created");
        assert_eq!(state(&["done", "ongoing"], &[], "0"), "pending");
        assert_eq!(state(&["done", "done"], &[("collected", "2"), ("collected", "3")], "5"), "completed");
        assert_eq!(state(&["done"], &[], "0"), "consumed");
    }
}
