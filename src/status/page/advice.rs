//! What to do about an error that a stream's last pass ended with.
//!
//! The warehouse keeps an error as the sentence that it was, and a later version may word it differently; so a sentence is
//! known by a part of it. The tests hold the parts against the errors themselves.

/// What is known of an error by its sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Advice {
    /// Whether nothing is expected of the stream until somebody acts: it rests, it does not fail.
    pub(super) rests: bool,
    /// What to do, one sentence or two.
    pub(super) todo: &'static str,
}

/// A part of the sentence, what to do, whether the stream rests. The first that fits is taken.
const KNOWN: [(&str, &str, bool); 22] = [
    (
        "is not enabled for this account",
        "Ask the vendor to enable it, or take the source out of `sources`. It is asked again when fuelsync starts anew.",
        true,
    ),
    (
        "is refused by the vendor",
        "Nothing, when the contract was given up: its rows stay. Otherwise ask the vendor to open it to this account.",
        true,
    ),
    (
        "refuses the credentials",
        "Put the right secret into its file, try it with `fuelsync check`, then restart fuelsync.",
        false,
    ),
    ("this machine's clock", "Set this machine's clock (NTP). Nothing is written until it is right.", false),
    (
        "HTTP 429",
        "Nothing at first: the next pass tries again. If it stays, set a smaller `requests_per_second`.",
        false,
    ),
    (
        "HTTP 5",
        "Nothing at first: the vendor's server has a fault, and each pass tries again. If it stays, tell the vendor.",
        false,
    ),
    ("HTTP 4", "Look at it with `fuelsync preview --source …`; if it stays, send the vendor what it says.", false),
    (
        "cannot connect",
        "See that this machine reaches the vendor: name, route, firewall, `http.proxy`. Each pass tries again.",
        false,
    ),
    (
        "lease was lost",
        "See whether the database is slow, or `database.max_connections` too small for `sync.workers`.",
        false,
    ),
    ("no answer within database.connect_timeout", "See that the database runs and has connections left.", false),
    (
        "the database",
        "See that the database is there and not overloaded; `fuelsync check` says more. Nothing is half-written.",
        false,
    ),
    (
        "no answer within",
        "Nothing at first: the vendor is slow, and each pass tries again. If it stays, set a smaller window.",
        false,
    ),
    ("the connection broke", "Nothing at first: each pass tries again. If it stays, look at the network.", false),
    ("http.max_body", "Set a smaller `window` or `window_days`, or a larger `http.max_body`.", false),
    ("is beyond what is taken", "Set a smaller `window`, `window_days` or `page_limit`, as the error says.", false),
    (
        "is not the document",
        "Look at it with `fuelsync preview --source …`; if it stays, send the vendor what it says.",
        false,
    ),
    (
        "the vendor answered",
        "Look at it with `fuelsync preview --source …`; if it stays, send the vendor what it says.",
        false,
    ),
    ("sync.window_timeout", "Set a smaller `window` or `window_days`, or a longer `sync.window_timeout`.", false),
    (
        "sync.pass_timeout",
        "Nothing, unless each pass says so: what it read is committed, and the next one goes on.",
        false,
    ),
    ("a backfill is reading", "Nothing: the watermark goes on when the backfill is past this window.", false),
    ("no longer serves", "It cannot be read any more: ask the vendor for an export of it.", false),
    ("the temporary file", "See that the folder for temporary files exists and has room.", false),
];

/// What is known of an error.
pub(super) fn on(error: &str) -> Advice {
    KNOWN.into_iter().find(|(part, ..)| error.contains(part)).map_or(
        Advice {
            rests: false,
            todo: "See docs/RUNBOOK.md. Nothing is lost: the stream waits here and each pass tries again.",
        },
        |(_, todo, rests)| Advice { rests, todo },
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{http::HttpError, source::SourceError, sync::window::WindowError, warehouse::WarehouseError};

    fn todo(error: impl std::fmt::Display) -> &'static str {
        on(&error.to_string()).todo
    }

    #[test]
    fn what_rests_is_told_from_what_fails() {
        let withdrawn = SourceError::Withdrawn { contract: "1".into(), seen: "HTTP 403".into() };
        assert!(on(&withdrawn.to_string()).rests && todo(withdrawn).contains("its rows stay"));
        let off = SourceError::NotEnabled("EvTransactions", "HTTP 403".into());
        assert!(on(&off.to_string()).rests && todo(off).contains("sources"));
        assert!(!on(&SourceError::Refused("HTTP 401".into()).to_string()).rests);
    }

    #[test]
    fn each_error_of_a_pass_leads_to_what_can_be_done_about_it() {
        let status = |status| HttpError::Status { status, retry_after: None, said: None };
        assert!(todo(SourceError::Refused("HTTP 401".into())).contains("fuelsync check"));
        assert!(todo(SourceError::ClockOff(-90_000)).contains("NTP"));
        assert!(todo(status(503)).contains("tell the vendor"));
        assert!(todo(status(429)).contains("requests_per_second"));
        assert!(todo(status(404)).contains("preview"));
        assert!(todo(HttpError::Connect("refused".into())).contains("firewall"));
        assert!(todo(HttpError::Timeout(Duration::from_mins(1))).contains("the vendor is slow"));
        assert!(todo(HttpError::TooLarge(1)).contains("http.max_body"));
        assert!(todo(HttpError::Malformed("cut off".into())).contains("preview"));
        assert!(todo(SourceError::Rejected("success: false".into())).contains("preview"));
        assert!(todo(WindowError::Deadline(Duration::from_mins(10))).contains("window_timeout"));
        assert!(todo(WindowError::PassDeadline(Duration::from_hours(6))).contains("the next one goes on"));
        assert!(todo(WindowError::LeaseNotKept(3)).contains("max_connections"));
        assert!(todo(WarehouseError::Timeout("canceling statement".into())).contains("overloaded"));
        assert!(todo(WarehouseError::NoConnection("refused".into())).contains("fuelsync check"));
    }

    #[test]
    fn what_nobody_thought_of_leads_to_the_runbook() {
        assert!(todo("something new").contains("RUNBOOK"));
    }
}
