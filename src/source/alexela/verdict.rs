//! What an error of this vendor means: the published texts, and what a refusal says about whom.

use super::wire::Operation;
use crate::source::SourceError;

/// What to make of an answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The stretch is too long for one request.
    TooLong(String),
    /// The stretch begins before what is still served.
    TooOld(String),
    /// The credentials are refused.
    Refused(String),
    /// The operation is not enabled for this account.
    NotEnabled(String),
    /// The contract is not, or no longer, open to this account.
    Withdrawn(String),
    /// Something else that a repetition does not mend.
    Rejected(String),
}

/// Judges an answer by its status (none when it came with 200 and `success: false`) and the vendor's text. None for what
/// is not about the request: a status of the server's own, that may pass.
pub(super) fn judge(operation: Operation<'_>, status: Option<u16>, said: Option<&str>) -> Option<Verdict> {
    let text = plain(said.unwrap_or_default());
    let seen = match (status, said) {
        (Some(status), Some(said)) => format!("HTTP {status}: {said}"),
        (Some(status), None) => format!("HTTP {status}"),
        (None, Some(said)) => said.to_owned(),
        (None, None) => "success: false, without a reason".to_owned(),
    };
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&[" 60 day", " sixty day"]) {
        return Some(Verdict::TooLong(seen));
    }
    if has(&[" 5 month", " five month"]) {
        return Some(Verdict::TooOld(seen));
    }
    let forbidden = match status {
        Some(403 | 404) => true,
        Some(401) => return Some(Verdict::Refused(seen)),
        Some(..=399 | 408 | 425 | 429 | 500..) => return None,
        Some(_) | None => false,
    };
    if !forbidden && has(&["unauthori", "not authenticated", "authentication", "invalid signature", "access id"]) {
        return Some(Verdict::Refused(seen));
    }
    let denied = forbidden || has(&[" not ", " no ", "unknown", "invalid", "denied", "forbidden", "disabled"]);
    Some(match operation {
        Operation::ContractNumbers if status == Some(403) => Verdict::Refused(seen),
        Operation::ContractTransactions(..) if forbidden || denied && has(&["contract"]) => Verdict::Withdrawn(seen),
        Operation::BonuscardTransactions(_) | Operation::EvTransactions(_) | Operation::DefineBonuscards { .. }
            if forbidden || denied && has(&["enabled", "disabled", "allowed", "permission", "permitted", "access"]) =>
        {
            Verdict::NotEnabled(seen)
        }
        Operation::ContractNumbers
        | Operation::ContractTransactions(..)
        | Operation::BonuscardTransactions(_)
        | Operation::EvTransactions(_)
        | Operation::DefineBonuscards { .. } => Verdict::Rejected(seen),
    })
}

/// Lower case, words one space apart, so that `60-days`, `60  Days` and `60 days` are one.
fn plain(said: &str) -> String {
    let lower = said.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

/// The error that a verdict is, where nothing can be done about it by asking otherwise.
pub(super) fn error(operation: Operation<'_>, verdict: Verdict) -> SourceError {
    match verdict {
        Verdict::Refused(seen) => SourceError::Refused(seen),
        Verdict::NotEnabled(seen) => SourceError::NotEnabled(operation.name(), seen),
        Verdict::Withdrawn(seen) => match operation {
            Operation::ContractTransactions(contract, _) => {
                SourceError::Withdrawn { contract: contract.to_owned(), seen }
            }
            Operation::ContractNumbers
            | Operation::BonuscardTransactions(_)
            | Operation::EvTransactions(_)
            | Operation::DefineBonuscards { .. } => SourceError::Rejected(seen),
        },
        Verdict::TooLong(seen) | Verdict::TooOld(seen) => SourceError::Rejected(seen),
        Verdict::Rejected(seen) => SourceError::Rejected(match operation {
            Operation::ContractNumbers if seen.starts_with("HTTP 404") => {
                format!("{seen}; ContractNumbers is not there, check base_url")
            }
            _ => seen,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Window;

    fn window() -> Window {
        Window::new("2026-11-01T00:00:00Z".parse().unwrap(), "2026-11-02T00:00:00Z".parse().unwrap()).unwrap()
    }

    fn card() -> Operation<'static> {
        Operation::ContractTransactions("22297", window())
    }

    #[test]
    fn the_published_limits_are_known_by_their_words_whatever_the_status() {
        for status in [Some(400), Some(422), Some(500), None] {
            for said in ["Only 60 days of search at one time is supported", "only 60-DAYS  at one time"] {
                assert!(matches!(judge(card(), status, Some(said)), Some(Verdict::TooLong(_))), "{said}");
            }
            for said in ["Only search over last 5 months of transactions is supported", "Last 5 Months only!"] {
                assert!(matches!(judge(card(), status, Some(said)), Some(Verdict::TooOld(_))), "{said}");
            }
        }
        assert!(matches!(judge(card(), Some(400), Some("160 days")), Some(Verdict::Rejected(_))));
        assert!(matches!(judge(card(), Some(400), Some("15 months")), Some(Verdict::Rejected(_))));
    }

    #[test]
    fn a_refusal_is_of_the_contract_the_operation_or_the_account() {
        let ev = Operation::EvTransactions(window());
        for status in [403, 404] {
            assert!(matches!(judge(card(), Some(status), None), Some(Verdict::Withdrawn(_))));
            assert!(matches!(judge(ev, Some(status), None), Some(Verdict::NotEnabled(_))));
        }
        assert!(matches!(judge(card(), None, Some("Contract not found")), Some(Verdict::Withdrawn(_))));
        assert!(matches!(judge(card(), Some(400), Some("Contract 1 is not allowed")), Some(Verdict::Withdrawn(_))));
        assert!(matches!(judge(ev, None, Some("EV transactions are not enabled")), Some(Verdict::NotEnabled(_))));
        assert!(matches!(judge(Operation::ContractNumbers, Some(403), None), Some(Verdict::Refused(_))));
    }

    #[test]
    fn other_errors_are_rejections_and_those_of_the_server_may_pass() {
        for said in [Some("Wrong date format"), Some("contractNumbers is required"), None] {
            assert!(matches!(judge(card(), Some(400), said), Some(Verdict::Rejected(_))), "{said:?}");
            assert!(matches!(judge(card(), None, said), Some(Verdict::Rejected(_))), "{said:?}");
        }
        for status in [302, 408, 429, 500, 503] {
            assert_eq!(judge(card(), Some(status), Some("Wrong date format")), None);
        }
    }
}
