//! What to do about an error that a stream's last pass ended with.
//!
//! The warehouse keeps an error as the sentence that it was, and a later version may word it differently; so a sentence is
//! known by a part of it. The tests hold the parts against the errors themselves.

/// A part of the sentence, and what to do. The first that fits is taken.
const KNOWN: [(&str, &str); 24] = [
    (
        "refuses the credentials",
        "Put the right secret into its file, try it with `fuelsync check`, then restart fuelsync.",
    ),
    (
        "is not enabled for this account",
        "Ask the vendor to enable it, or take the source out of `sources`. It is asked again once a day, and \
         when fuelsync starts anew.",
    ),
    (
        "is refused by the vendor",
        "When the contract was given up, retire it (docs/RUNBOOK.md): its rows stay. Otherwise ask the \
         vendor to open it to this account.",
    ),
    (
        "no longer lists this contract",
        "When the contract was given up, retire it (docs/RUNBOOK.md): its rows stay. Otherwise ask the \
         vendor to open it to this account.",
    ),
    (
        "the list of contracts could not be had",
        "See `fuelsync check --account …`. Contracts known from before are read all the same, unless the \
         credentials are refused; new ones are not found.",
    ),
    ("this machine's clock", "Set this machine's clock (NTP). Nothing is written until it is right."),
    ("HTTP 429", "Nothing at first: the next pass tries again. If it stays, set a smaller `requests_per_second`."),
    (
        "HTTP 5",
        "Nothing at first: the vendor's server has a fault, and each pass tries again. If it stays, tell the vendor.",
    ),
    ("HTTP 4", "Look at it with `fuelsync preview --source …`; if it stays, send the vendor what it says."),
    (
        "cannot connect",
        "See that this machine reaches the vendor: name, route, firewall, `http.proxy`. Each pass tries again.",
    ),
    ("lease was lost", "See whether the database is slow, or `database.max_connections` too small for `sync.workers`."),
    ("no answer within database.connect_timeout", "See that the database runs and has connections left."),
    (
        "the database",
        "See that the database is there and not overloaded; `fuelsync check` says more. Nothing is half-written.",
    ),
    (
        "no answer within",
        "Nothing at first: the vendor is slow, and each pass tries again. If it stays, set a smaller window.",
    ),
    ("the connection broke", "Nothing at first: each pass tries again. If it stays, look at the network."),
    ("http.max_body", "Set a smaller `window` or `window_days`, or a larger `http.max_body`."),
    ("is beyond what is taken", "Set a smaller `window`, `window_days` or `page_limit`, as the error says."),
    (
        "is not the document",
        "Look at it with `fuelsync preview --source …`; if it stays, send the vendor what it says.",
    ),
    (
        "the vendor answered",
        "Look at it with `fuelsync preview --source …`; if it stays, send the vendor what it says.",
    ),
    ("sync.window_timeout", "Set a smaller `window` or `window_days`, or a longer `sync.window_timeout`."),
    ("sync.pass_timeout", "Nothing, unless each pass says so: what it read is committed, and the next one goes on."),
    ("a backfill is reading", "Nothing: the watermark goes on when the backfill is past this window."),
    ("no longer serves", "It cannot be read any more: ask the vendor for an export of it."),
    ("the temporary file", "See that the folder for temporary files exists and has room."),
];

/// What to do about an error, in one sentence or two. How a stream is is never told from this: a sentence may hold the
/// vendor's own words.
pub(super) fn on(error: &str) -> &'static str {
    KNOWN.into_iter().find(|(part, _)| error.contains(part)).map_or(
        "See docs/RUNBOOK.md. Nothing is lost: the stream waits here and each pass tries again.",
        |(_, todo)| todo,
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{http::HttpError, source::SourceError, sync::window::WindowError, warehouse::WarehouseError};

    fn todo(error: impl std::fmt::Display) -> &'static str {
        on(&error.to_string())
    }

    #[test]
    fn what_the_vendor_does_not_give_leads_to_whom_to_ask_and_how_to_retire_it() {
        let withdrawn = SourceError::Withdrawn { contract: "1".into(), seen: "HTTP 403".into() };
        assert!(todo(withdrawn).contains("its rows stay"));
        assert!(todo("the vendor no longer lists this contract; its rows stay as they are").contains("retire"));
        assert!(todo(SourceError::NotEnabled("EvTransactions", "HTTP 403".into())).contains("sources"));
        assert!(todo("the list of contracts could not be had: HTTP 503").contains("new ones are not found"));
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
