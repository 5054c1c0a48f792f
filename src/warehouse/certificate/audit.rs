//! Whether lines of the table are what was written, and what their records come to. A function of its arguments.
//!
//! A line is what was written when the digest of its columns and of its record's text is the one that it bears. Where it is
//! not, the record, normalized again, says which columns were altered. A line that bears its right digest and whose record
//! comes to something else today was most likely made by other rules: that is said, and no finding.

use serde::Serialize;

use crate::{
    domain::{Outcome, Record, SourceKind},
    warehouse::{
        copy::{self, ContentHash},
        fields::{self, CONTRACT_NO, OCCURRED_AT},
    },
};

/// What was done to a line by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It is not what was written.
    Altered,
    /// Its record is there and it is not.
    Deleted,
    /// It is there and no record comes to it.
    Invented,
    /// The ledger, or an earlier certificate, says that a window held other lines; nothing says which.
    Unexplained,
}

impl What {
    /// As people read it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Altered => "ALTERED",
            Self::Deleted => "DELETED",
            Self::Invented => "INVENTED",
            Self::Unexplained => "UNEXPLAINED",
        }
    }
}

/// A line of the table.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Its columns, as they are sent.
    pub(super) fields: Vec<u8>,
    /// The digest that they and the record's text come to.
    pub(super) content: ContentHash,
    /// The digest that it bears.
    pub(super) stored: Vec<u8>,
}

/// The lines of one record, and its text; none: there is no such record.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) raw: Option<Vec<u8>>,
    pub(super) lines: Vec<Line>,
}

/// What is said of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) what: What,
    pub(super) line_id: String,
    pub(super) occurred_at: Option<chrono::DateTime<chrono::Utc>>,
    /// When the sale took place by its record, where that is another time.
    pub(super) was_at: Option<chrono::DateTime<chrono::Utc>>,
    /// The contract that it was written for, where it stands under another one.
    pub(super) was_of: Option<String>,
    pub(super) columns: Vec<&'static str>,
    pub(super) why: &'static str,
}

/// What came of a record's lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Audited {
    pub(super) verdicts: Vec<Verdict>,
    /// Lines that bear their right digest, and whose record comes to something else today.
    pub(super) other_rules: u64,
}

impl Line {
    fn line_id(&self) -> &str {
        copy::line_id(&self.fields)
    }

    /// Whether it bears its own digest: it is what was written.
    fn is_itself(&self) -> bool {
        self.content[..] == *self.stored
    }
}

fn verdict(what: What, line: &[u8], columns: Vec<&'static str>, why: &'static str) -> Verdict {
    let line_id = copy::line_id(line).to_owned();
    Verdict { what, line_id, occurred_at: fields::time(line, OCCURRED_AT), was_at: None, was_of: None, columns, why }
}

/// Looks at the lines of one record. `record`: what its text comes to today; none when no rules are at hand for it.
pub(super) fn audit(kind: SourceKind, group: &Group, record: Option<&Record>) -> Audited {
    let mut audited = Audited::default();
    let Some(raw) = &group.raw else {
        let none = "no record of the source comes to it";
        audited.verdicts.extend(group.lines.iter().map(|l| verdict(What::Invented, &l.fields, Vec::new(), none)));
        return audited;
    };
    let made = match record.map(|record| (&record.outcome, record.id == group.id)) {
        Some((Outcome::Lines(made), true)) => made.as_slice(),
        Some((_, false)) => return of_another(group),
        Some((Outcome::Rejected(_), true)) | None => return by_digest_alone(group, record.is_some()),
    };
    let whole = kind.record_is_whole_transaction();
    let made: Vec<(&str, Vec<u8>)> = made
        .iter()
        .map(|line| {
            let mut bytes = Vec::new();
            copy::fields(&mut bytes, &group.id, line);
            (line.line_id.as_str(), bytes)
        })
        .collect();
    let mut met = vec![false; made.len()];
    // Whether today's rules are seen to be those that made the lines.
    let mut same_rules = false;
    let mut nowhere = Vec::new();
    for line in &group.lines {
        let is_it = |name: &str| if whole { line.line_id() == name } else { fields::is_line_of(line.line_id(), name) };
        let Some(at) = made.iter().position(|(name, _)| is_it(name)) else {
            nowhere.push(line);
            continue;
        };
        met[at] = true;
        let then = fields::as_read_then(&made[at].1, &line.fields);
        if line.is_itself() {
            let same = *then == *line.fields;
            same_rules |= same;
            if let Some(was_of) = other_contract(kind, &line.fields, &then) {
                let why = "it stands under another contract than it was written for";
                let said = verdict(What::Altered, &line.fields, vec!["partition"], why);
                audited.verdicts.push(Verdict { was_of: Some(was_of), ..said });
                continue;
            }
            audited.other_rules += u64::from(!same);
            continue;
        }
        let columns = fields::differing(&line.fields, &then);
        let why = if columns.is_empty() {
            "its record's text or its digest is not what was written"
        } else if copy::content_hash(&then, raw)[..] == *line.stored {
            "it is not what was written"
        } else {
            "it is not what was written; the columns are those that today's rules make of its record"
        };
        same_rules |= copy::content_hash(&then, raw)[..] == *line.stored;
        let said = verdict(What::Altered, &line.fields, columns, why);
        let was_at = fields::time(&then, OCCURRED_AT).filter(|was_at| said.occurred_at != Some(*was_at));
        audited.verdicts.push(Verdict { was_at, ..said });
    }
    for line in nowhere {
        if line.is_itself() && !same_rules {
            audited.other_rules += 1;
        } else {
            let why = "its record comes to no such line";
            audited.verdicts.push(verdict(What::Invented, &line.fields, Vec::new(), why));
        }
    }
    if whole && same_rules {
        let gone = made.iter().zip(&met).filter(|(_, met)| !**met);
        let why = "its record comes to this line, and it is not there";
        audited.verdicts.extend(gone.map(|((_, line), _)| verdict(What::Deleted, line, Vec::new(), why)));
    }
    audited
}

/// The contract that a line says it is of, where that is not the one under which it stands: it does not come from the record
/// but from who was asked for it, and the line's digest covers the one and not the other.
fn other_contract(kind: SourceKind, line: &[u8], then: &[u8]) -> Option<String> {
    let [of, stands] = [line, then].map(|fields| fields::text(fields, CONTRACT_NO));
    of.filter(|of| kind == SourceKind::AlexelaCard && stands.is_some_and(|stands| stands != *of)).map(str::to_owned)
}

/// The text is that of another transaction: it was put under this one's key by hand.
fn of_another(group: &Group) -> Audited {
    let why = "the record under its key is of another transaction, or of none";
    let lines = group.lines.iter().map(|line| verdict(What::Invented, &line.fields, Vec::new(), why));
    Audited { verdicts: lines.collect(), other_rules: 0 }
}

/// No lines can be made of the record today.
fn by_digest_alone(group: &Group, has_rules: bool) -> Audited {
    let (altered, itself): (Vec<&Line>, Vec<&Line>) = group.lines.iter().partition(|line| !line.is_itself());
    let why = if has_rules {
        "it is not what was written, and today's rules make no line of its record"
    } else {
        "it is not what was written; no account of the configuration has the rules to say which columns"
    };
    Audited {
        verdicts: altered.into_iter().map(|l| verdict(What::Altered, &l.fields, Vec::new(), why)).collect(),
        other_rules: if has_rules { itself.len() as u64 } else { 0 },
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::{Flag, Kind, Line as Made, State};

    const RAW: &[u8] = b"{\"id\":\"7\"}";

    fn made(line_id: &str, gross: &str) -> Made {
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        Made { gross_amount: gross.parse().ok(), ..Made::new(line_id, Kind::Fuel, State::Posted, at) }
    }

    fn record(lines: Vec<Made>) -> Record {
        Record { id: "7".into(), raw: String::from_utf8(RAW.to_vec()).unwrap().into(), outcome: Outcome::Lines(lines) }
    }

    /// The line of the table that this one was written as.
    fn written(line: &Made) -> Line {
        let mut fields = Vec::new();
        copy::fields(&mut fields, "7", line);
        let content = copy::content_hash(&fields, RAW);
        Line { stored: content.to_vec(), content, fields }
    }

    /// The same with other columns, and the digest that it had.
    fn altered(before: &Made, now: &Made) -> Line {
        Line { stored: written(before).stored, ..written(now) }
    }

    fn group(lines: Vec<Line>) -> Group {
        Group { id: "7".into(), raw: Some(RAW.to_vec()), lines }
    }

    fn said(kind: SourceKind, group: &Group, record: Option<&Record>) -> Vec<(What, String, Vec<&'static str>)> {
        audit(kind, group, record).verdicts.into_iter().map(|v| (v.what, v.line_id, v.columns)).collect()
    }

    #[test]
    fn what_was_written_is_no_finding() {
        let mut twin = made("d#2", "5");
        twin.quality.extend([Flag::IdenticalLines, Flag::FutureTime]);
        let of_one = group(vec![written(&twin)]);
        let record = record(vec![made("d", "5")]);
        assert_eq!(audit(SourceKind::AlexelaCard, &of_one, Some(&record)), Audited::default());
        assert_eq!(audit(SourceKind::AlexelaCard, &of_one, None), Audited::default());
    }

    #[test]
    fn an_altered_line_is_named_with_its_columns() {
        for kind in SourceKind::ALL {
            let group = group(vec![altered(&made("d", "5"), &made("d", "6"))]);
            let record = record(vec![made("d", "5")]);
            assert_eq!(said(kind, &group, Some(&record)), [(What::Altered, "d".into(), vec!["gross_amount"])]);
            assert_eq!(said(kind, &group, None), [(What::Altered, "d".into(), vec![])]);
        }
    }

    #[test]
    fn an_altered_record_or_digest_is_found_too() {
        let mut group = group(vec![Line { stored: vec![0], ..written(&made("d", "5")) }]);
        let record = record(vec![made("d", "5")]);
        assert_eq!(said(SourceKind::HecOne, &group, Some(&record)), [(What::Altered, "d".into(), vec![])]);
        group.raw = None;
        assert_eq!(said(SourceKind::HecOne, &group, None), [(What::Invented, "d".into(), vec![])]);
    }

    #[test]
    fn of_a_whole_transaction_the_line_that_is_gone_and_the_one_that_is_too_many_are_named() {
        let record = record(vec![made("1", "5"), made("2", "6")]);
        let one = group(vec![written(&made("1", "5"))]);
        assert_eq!(said(SourceKind::HecOne, &one, Some(&record)), [(What::Deleted, "2".into(), vec![])]);
        let three = ["1", "2", "3"].map(|id| written(&made(id, if id == "2" { "6" } else { "5" })));
        let three = group(three.to_vec());
        assert_eq!(said(SourceKind::HecOne, &three, Some(&record)), [(What::Invented, "3".into(), vec![])]);
    }

    #[test]
    fn other_rules_are_said_and_no_finding() {
        let record = record(vec![made("1", "5"), made("2", "6")]);
        let written = group(vec![written(&made("1", "5.5"))]);
        let audited = audit(SourceKind::HecOne, &written, Some(&record));
        assert_eq!(audited, Audited { verdicts: Vec::new(), other_rules: 1 });
        let rejected = Record {
            outcome: Outcome::Rejected(crate::domain::Rejection {
                field: "x".into(),
                reason: "is missing".into(),
                nul_removed: false,
            }),
            ..record
        };
        assert_eq!(audit(SourceKind::HecOne, &written, Some(&rejected)).other_rules, 1);
    }

    #[test]
    fn a_line_under_another_contract_than_it_was_written_for_is_altered() {
        let of = |contract: &str| Made { contract_no: Some(contract.into()), ..made("d", "5") };
        let moved = group(vec![written(&of("one"))]);
        let record = |contract| record(vec![of(contract)]);
        let said = |kind, contract| audit(kind, &moved, Some(&record(contract)));
        assert_eq!(said(SourceKind::AlexelaCard, "one"), Audited::default());
        let verdicts = said(SourceKind::AlexelaCard, "two").verdicts;
        let [verdict] = verdicts.as_slice() else { panic!("{verdicts:?}") };
        assert_eq!((verdict.columns.as_slice(), verdict.was_of.as_deref()), (&["partition"][..], Some("one")));
        assert_eq!(said(SourceKind::AlexelaBonus, "two").other_rules, 1, "of others the record may say it");
    }

    #[test]
    fn a_copy_under_another_key_is_invented() {
        let mut copied = group(vec![written(&made("d", "5"))]);
        copied.id = "8".into();
        let record = record(vec![made("d", "5")]);
        assert_eq!(said(SourceKind::AlexelaEv, &copied, Some(&record)), [(What::Invented, "d".into(), vec![])]);
    }
}
