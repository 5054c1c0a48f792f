//! What can fail at a source, and the one decision on what to do about it.

use chrono::{DateTime, Utc};

use crate::http::HttpError;

/// What failed at a source. No variant holds a URL, a header, a secret or a row.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The exchange itself: connection, time limit, status, size, or a body that is not what it should be. Retries have
    /// been made.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The vendor refuses the credentials, with the clock in order.
    #[error("the vendor refuses the credentials of this account ({0}); check its id and secret")]
    Refused(String),
    /// This machine's clock and the source's are further apart than can be corrected: what was read cannot be placed.
    #[error(
        "this machine's clock is {size} s {how} the vendor's, more than can be corrected; nothing was written; set the clock \
         (NTP)", size = .0.unsigned_abs(), how = if *.0 < 0 { "ahead of" } else { "behind" }
    )]
    ClockOff(i64),
    /// The interface is not enabled for this account.
    #[error(
        "{0} is not enabled for this account at the vendor ({1}); ask the vendor to enable it, or take it out of `sources`"
    )]
    NotEnabled(&'static str, String),
    /// The contract is no longer open to this account.
    #[error("contract {contract} is refused by the vendor ({seen}); its rows stay as they are")]
    Withdrawn {
        /// Which contract.
        contract: String,
        /// What the vendor said.
        seen: String,
    },
    /// The vendor answered with an error of its own that a repetition will not mend.
    #[error("the vendor answered {0}")]
    Rejected(String),
    /// The stretch lies before what the source still serves, whatever was tried.
    #[error("the source no longer serves {from}; it says {seen}")]
    BeyondHorizon {
        /// The oldest instant asked.
        from: DateTime<Utc>,
        /// What the vendor said.
        seen: String,
    },
    /// The one who reads the events is gone: the process is stopping, or the window was given up.
    #[error("reading was stopped")]
    Stopped,
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The window stays unread; its stream waits here until the next pass.
    NextPass,
    /// No stream of this account is asked again in this pass.
    StopAccount,
    /// This stream is not asked again for a day; the others go on.
    SwitchOff,
    /// This stream says so and rests; its rows stay as they are.
    Rest,
    /// The stretch is lost at the source: a gap.
    Gap,
    /// The process is stopping.
    Stop,
}

impl SourceError {
    /// The one decision. Exhaustive on purpose: a new error must be decided on.
    pub const fn disposition(&self) -> Disposition {
        match self {
            Self::Http(_) | Self::Rejected(_) | Self::ClockOff(_) => Disposition::NextPass,
            Self::Refused(_) => Disposition::StopAccount,
            Self::NotEnabled(..) => Disposition::SwitchOff,
            Self::Withdrawn { .. } => Disposition::Rest,
            Self::BeyondHorizon { .. } => Disposition::Gap,
            Self::Stopped => Disposition::Stop,
        }
    }
}
