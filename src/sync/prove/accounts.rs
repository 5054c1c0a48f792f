//! Whether lines that were named account for a window that the table has otherwise than the ledger. Pure.
//!
//! It goes by numbers: so many lines went, so many came, so many may be sales or not. Lines that cannot have made the difference
//! do not account for it, and so hide no other.

use chrono::{DateTime, Utc};

use crate::{
    domain::{StreamId, Window},
    warehouse::certificate::{Finding, Findings, What},
};

/// How many lines that were named lie in a window, by what was done to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Named {
    deleted: u64,
    invented: u64,
    hidden: u64,
    altered: u64,
    /// Of those altered, the ones that came into the window by it.
    came: u64,
    /// And those that left it.
    left: u64,
    /// Of those altered, the ones that may have become sales of the window by it, or ceased to be.
    turned: u64,
    /// Of all of them, those that can make other sums.
    in_sums: u64,
}

/// Columns that sums are made of, beside those that make a line a sale of a window of a stream.
const IN_SUMS: [&str; 7] = ["product", "currency", "unit", "quantity", "net_amount", "vat_amount", "gross_amount"];

impl Named {
    /// One more, of a window of a stream.
    fn with(mut self, finding: &Finding, (stream, window): (&StreamId, Window)) -> Self {
        let touches = |names: &[&str]| finding.columns.is_empty() || finding.columns.iter().any(|c| names.contains(c));
        let (count, in_sums) = match finding.what {
            What::Deleted => (&mut self.deleted, true),
            What::Invented => (&mut self.invented, true),
            What::Altered if finding.columns == ["missing_since"] => (&mut self.hidden, true),
            What::Altered => {
                let [is, was] = places(finding).map(|place| lies(place, stream, window));
                let turned = touches(&["state"]);
                self.came += u64::from(is && !was);
                self.left += u64::from(was && !is);
                self.turned += u64::from(turned && is == was);
                (&mut self.altered, turned || is != was || touches(&IN_SUMS))
            }
            What::Unexplained => return self,
        };
        *count += 1;
        self.in_sums += u64::from(in_sums);
        self
    }

    /// Whether there are any.
    pub(super) const fn are_any(&self) -> bool {
        self.deleted + self.invented + self.hidden + self.altered > 0
    }

    /// Whether they make of so many lines that there were the `now` that there are. One that was moved may have been so before
    /// the ledger was written.
    pub(super) const fn account_for_lines(&self, then: u64, now: u64) -> bool {
        let (with_all, least) = (now + self.deleted + self.hidden + self.left, now + self.deleted + self.hidden);
        let (most, without) = (then + self.invented + self.came, then + self.invented);
        with_all >= without && least <= most && self.are_any()
    }

    /// Whether they can make the sums of so many sales those of the `now` that there are; and so many lines of which nobody can
    /// say what they were: those that the ledger may have beyond these, and those that it may lack.
    pub(super) const fn account_for_sums(&self, then: u64, now: u64, (fewer, more): (u64, u64)) -> bool {
        let most_gone = self.deleted + self.hidden + self.left + self.turned + fewer;
        let most_come = self.invented + self.came + self.turned + more;
        self.in_sums + fewer + more > 0 && now + most_gone >= then && now <= then + most_come
    }
}

/// What can be said of a window that the table has otherwise than the ledger, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Settled {
    /// Lines that were named account for it.
    Explained,
    /// Its sums differ, and lines of which nobody can say what they were may be why.
    Unsure,
    /// Nothing accounts for it.
    Unexplained,
}

/// The lines that were named, to account for windows. Of one whose contract is not known it is not known whose window it can
/// account for: it does so for that of one contract.
#[derive(Debug)]
pub(super) struct Accounts {
    named: Vec<Finding>,
    /// For whose each of them was needed.
    spent: Vec<Option<StreamId>>,
}

impl Accounts {
    /// Of lines named in the stretch, and beyond it.
    pub(super) fn of(findings: &Findings, beyond: &Findings) -> Self {
        let named: Vec<_> = findings.named.iter().chain(&beyond.named).cloned().collect();
        Self { spent: vec![None; named.len()], named }
    }

    /// What can be said of a window of a stream, where `by` says how far some named lines account for it. Of those that may be
    /// of another contract it takes as few as it needs, and none where all do not suffice.
    pub(super) fn settle(&mut self, stream: &StreamId, window: Window, by: impl Fn(Named) -> Settled) -> Settled {
        let is_free = |at: usize| self.spent[at].as_ref().is_none_or(|of| of == stream);
        let here = (0..self.named.len()).filter(|at| is_free(*at) && is_of(&self.named[*at], stream, window));
        let (placed, unplaced): (Vec<_>, Vec<_>) = here.partition(|at| self.named[*at].partition.is_some());
        let mut named =
            placed.into_iter().fold(Named::default(), |named, at| named.with(&self.named[at], (stream, window)));
        let mut settled = by(named);
        for (number, at) in unplaced.iter().enumerate() {
            if settled != Settled::Unexplained {
                break;
            }
            named = named.with(&self.named[*at], (stream, window));
            settled = by(named);
            if settled != Settled::Unexplained {
                unplaced[..=number].iter().for_each(|at| self.spent[*at] = Some(stream.clone()));
            }
        }
        settled
    }
}

/// Where and when a line's sale took place, as it stands and as it was written.
fn places(finding: &Finding) -> [(Option<&str>, Option<DateTime<Utc>>); 2] {
    let (of, at) = (finding.partition.as_deref(), finding.occurred_at);
    [(of, at), (finding.was_of.as_deref().or(of), finding.was_at.or(at))]
}

/// Whether a place is in a window of a stream, as far as is known.
fn lies((of, at): (Option<&str>, Option<DateTime<Utc>>), stream: &StreamId, window: Window) -> bool {
    of.is_none_or(|of| of == stream.partition.as_str()) && at.is_some_and(|at| window.contains(at))
}

/// Whether a finding is of a window of a stream, as far as is known, or is by what was written.
fn is_of(finding: &Finding, stream: &StreamId, window: Window) -> bool {
    finding.source == stream.source.as_str()
        && finding.account == stream.account
        && places(finding).into_iter().any(|place| lies(place, stream, window))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Partition, SourceKind};

    fn day(day: u32) -> DateTime<Utc> {
        format!("2026-05-{day:02}T12:00:00Z").parse().unwrap()
    }

    fn window() -> Window {
        Window::new("2026-05-03T00:00:00Z".parse().unwrap(), "2026-05-05T00:00:00Z".parse().unwrap()).unwrap()
    }

    fn stream(contract: &str) -> StreamId {
        StreamId::new(SourceKind::AlexelaCard, "fleet", Partition::contract(contract))
    }

    fn finding(what: What, columns: &[&'static str]) -> Finding {
        Finding {
            what,
            source: "alexela_card".into(),
            account: "fleet".into(),
            partition: Some("one".into()),
            source_transaction_id: Some("7".into()),
            line_id: Some("d".into()),
            occurred_at: Some(day(4)),
            was_at: None,
            was_of: None,
            columns: columns.to_vec(),
            why: String::new(),
        }
    }

    /// What some findings come to in the window.
    fn named(findings: &[Finding]) -> Named {
        findings.iter().fold(Named::default(), |named, finding| named.with(finding, (&stream("one"), window())))
    }

    #[test]
    fn lines_that_went_and_came_account_for_as_many() {
        let gone = finding(What::Deleted, &[]);
        let hidden = finding(What::Altered, &["missing_since"]);
        let invented = finding(What::Invented, &[]);
        let all = named(&[gone.clone(), hidden, invented]);
        assert!(all.account_for_lines(9, 8) && all.account_for_sums(9, 8, (0, 0)));
        assert!(!all.account_for_lines(9, 7), "another one went");
        let one = named(std::slice::from_ref(&gone));
        assert!(
            one.account_for_sums(9, 8, (0, 0))
                && !one.account_for_sums(9, 7, (0, 0))
                && !one.account_for_sums(9, 10, (0, 0))
        );
        assert!(one.account_for_sums(9, 9, (0, 0)), "it need not have been a sale");
        assert!(!named(&[]).account_for_sums(9, 9, (0, 0)) && !named(&[]).account_for_lines(9, 9));
    }

    #[test]
    fn an_altered_line_accounts_for_what_its_columns_can_make() {
        let driver = named(&[finding(What::Altered, &["driver_name"])]);
        assert!(driver.account_for_lines(9, 9) && !driver.account_for_sums(9, 9, (0, 0)));
        let amount = named(&[finding(What::Altered, &["gross_amount"])]);
        assert!(amount.account_for_sums(9, 9, (0, 0)) && !amount.account_for_sums(9, 8, (0, 0)));
        let state = named(&[finding(What::Altered, &["state"])]);
        assert!(
            state.account_for_sums(9, 8, (0, 0))
                && state.account_for_sums(9, 10, (0, 0))
                && !state.account_for_sums(9, 7, (0, 0))
        );
        assert!(!state.account_for_lines(9, 8));
        assert!(
            named(&[finding(What::Altered, &[])]).account_for_sums(9, 8, (0, 0)),
            "of which nobody can say the columns"
        );
    }

    #[test]
    fn a_line_whose_time_was_altered_accounts_for_the_window_that_it_left_and_for_the_one_that_it_is_in() {
        let moved = |from, to| Finding {
            occurred_at: Some(day(to)),
            was_at: Some(day(from)),
            ..finding(What::Altered, &["occurred_at"])
        };
        for (from, to, then, now) in [(4, 20, 9, 8), (20, 4, 9, 10)] {
            let moved = moved(from, to);
            assert!(is_of(&moved, &stream("one"), window()));
            let moved = named(&[moved]);
            assert!(moved.account_for_lines(then, now) && moved.account_for_sums(then, now, (0, 0)));
            let (one_more, one_less) = (now + u64::from(then < now), now - u64::from(now < then));
            assert!(one_less == now || !moved.account_for_lines(then, one_less), "another one went");
            assert!(one_more == now || !moved.account_for_lines(then, one_more), "another one came");
        }
        let came = named(&[moved(20, 4)]);
        assert!(!came.account_for_lines(9, 8) && !came.account_for_sums(9, 8, (0, 0)), "it hides none that went");
        let within = named(&[moved(3, 4)]);
        assert!(!within.account_for_lines(9, 8) && !within.account_for_sums(9, 8, (0, 0)));
        assert!(!is_of(&moved(19, 20), &stream("one"), window()));
        // The same of contracts.
        let moved = Finding { was_of: Some("two".into()), ..finding(What::Altered, &["partition"]) };
        for (contract, then, now) in [("one", 9, 10), ("two", 9, 8)] {
            assert!(is_of(&moved, &stream(contract), window()));
            let named = Named::default().with(&moved, (&stream(contract), window()));
            assert!(named.account_for_lines(then, now) && named.account_for_sums(then, now, (0, 0)));
        }
        assert!(!is_of(&moved, &stream("three"), window()));
    }

    #[test]
    fn lines_of_which_nobody_can_say_what_they_were_account_for_as_many_sales() {
        let none = named(&[]);
        assert!(none.account_for_sums(9, 8, (1, 0)) && none.account_for_sums(9, 9, (1, 0)));
        assert!(!none.account_for_sums(9, 7, (1, 0)) && !none.account_for_sums(9, 8, (0, 5)));
        assert!(none.account_for_sums(9, 10, (0, 1)) && !none.account_for_sums(9, 10, (5, 0)));
    }

    #[test]
    fn a_line_that_may_be_of_any_contract_accounts_for_one_window() {
        let nobody = Finding { partition: None, ..finding(What::Deleted, &[]) };
        let mut findings = Findings::default();
        findings.add(nobody.clone());
        let mut accounts = Accounts::of(&findings, &Findings::default());
        let one_gone =
            |named: Named| if named.account_for_sums(9, 8, (0, 0)) { Settled::Explained } else { Settled::Unexplained };
        let two_gone =
            |named: Named| if named.account_for_sums(9, 7, (0, 0)) { Settled::Explained } else { Settled::Unexplained };
        assert_eq!(accounts.settle(&stream("two"), window(), two_gone), Settled::Unexplained, "and it is not spent");
        for _ in 0..2 {
            assert_eq!(accounts.settle(&stream("one"), window(), one_gone), Settled::Explained, "always for the same");
            assert_eq!(accounts.settle(&stream("two"), window(), one_gone), Settled::Unexplained);
        }
        // One that is known to be of it comes first.
        findings.add(finding(What::Deleted, &[]));
        let mut accounts = Accounts::of(&findings, &Findings::default());
        assert_eq!(accounts.settle(&stream("one"), window(), one_gone), Settled::Explained);
        assert_eq!(accounts.settle(&stream("two"), window(), one_gone), Settled::Explained);
    }
}
