//! A certificate as it is shown: the document that `--json` prints.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::{
    pieces::{Cover, Piece},
    unlike::Unlike,
};
use crate::{
    domain::{StreamId, Window},
    warehouse::{
        certificate::{
            Digest, Dropped, Earlier, Finding, Findings, LedgerWindow, LeftOver, Lines, Since, Stream, digest,
        },
        sums::Sums,
    },
};

/// What a certificate says of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Read, and not read again.
    Final,
    /// Read, and may still change.
    Provisional,
    /// Read, and records of it are in quarantine.
    Quarantined,
    /// Not read.
    Missing,
    /// Not to be read: a gap, before the start, after the watermark, or the stream is no longer read.
    NotCovered,
}

impl State {
    /// The word in `fuel.certificate_window`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Provisional => "provisional",
            Self::Quarantined => "quarantined",
            Self::Missing => "missing",
            Self::NotCovered => "not_covered",
        }
    }

    /// Whether it was read.
    pub const fn is_read(self) -> bool {
        match self {
            Self::Final | Self::Provisional | Self::Quarantined => true,
            Self::Missing | Self::NotCovered => false,
        }
    }
}

/// A window, cut to the stretch.
#[expect(clippy::struct_excessive_bools, reason = "facts of a window, each its own")]
#[derive(Debug, Clone, Serialize)]
pub struct ProvedWindow {
    /// Which.
    #[serde(flatten)]
    pub window: Window,
    /// What is known of it.
    pub state: State,
    /// Why, in words.
    pub why: String,
    /// Whether its stream is no longer read, and had not been read so far: nobody waits for it.
    #[serde(skip)]
    pub(super) is_behind_end: bool,
    /// Open records in quarantine of the whole window.
    pub quarantined: u64,
    /// Whether it was read and the ledger has no digest of what the table had then: it cannot show that a line which is no
    /// sale went with all that belongs to it.
    pub without_ledger_digest: bool,
    /// Whether it was read and the ledger does not have what its sales came to then: without the digest it cannot show either
    /// that a sale went.
    pub without_ledger_sums: bool,
    /// Whether the ledger's sums differ from what the table had when it was read, and lines of which nobody can say what they
    /// were then may be why: no finding.
    pub unsure_ledger_sums: bool,
    /// What the table has of it.
    #[serde(flatten)]
    pub lines: Lines,
}

impl ProvedWindow {
    pub(super) fn of(piece: Piece, entry: Option<&LedgerWindow>, lines: Lines) -> Self {
        let quarantined = entry.map_or(0, |entry| entry.quarantined);
        let (state, why) = match (piece.cover, entry) {
            (Cover::Read(_), _) if quarantined > 0 => {
                (State::Quarantined, format!("{quarantined} record(s) cannot be normalized"))
            }
            (Cover::Read(_), Some(entry)) if entry.gone_from_quarantine > 0 => {
                let gone =
                    "record(s) that its last read could not normalize went from the quarantine, and came to no line";
                (State::Quarantined, format!("{} {gone}: backfill --again", entry.gone_from_quarantine))
            }
            (Cover::Read(_), Some(entry)) if entry.unstable => {
                let again = if entry.is_final { ", and it is not read again: verify --repair" } else { "" };
                (State::Provisional, format!("the source's pages kept moving while it was read{again}"))
            }
            (Cover::Read(_), Some(entry)) if entry.is_final && lines.unsettled > 0 => {
                let never = "line(s) were not settled by the source when it was read last, and it is not read again";
                (State::Provisional, format!("{} {never}", lines.unsettled))
            }
            (Cover::Read(_), Some(entry)) if entry.is_final => (State::Final, "not read again".to_owned()),
            (Cover::Read(_), _) if lines.open > 0 => {
                (State::Provisional, format!("{} line(s) can still change", lines.open))
            }
            (Cover::Read(_), _) => (State::Provisional, "it will be read again".to_owned()),
            (Cover::Unread, _) => (State::Missing, "not read".to_owned()),
            (Cover::Gap, _) => (State::NotCovered, "lost at the source before it was read".to_owned()),
            (Cover::BeforeStart, _) => (State::NotCovered, "before the account's start".to_owned()),
            (Cover::AfterWatermark, _) => (State::NotCovered, "after the watermark".to_owned()),
            (Cover::Ended, _) => (State::NotCovered, "no longer read".to_owned()),
        };
        let is_behind_end = piece.cover == Cover::Ended;
        // Where a read brought nothing and nothing is there, there is nothing to hold against it.
        let without = |lacks: fn(&LedgerWindow) -> bool| {
            entry.is_some_and(|entry| lacks(entry) && (entry.fetched > 0 || lines.rows > 0))
        };
        let without_ledger_digest = without(|entry| entry.held.is_none());
        let without_ledger_sums = without(|entry| entry.sums.is_unknown());
        Self {
            window: piece.window,
            state,
            why,
            is_behind_end,
            quarantined,
            without_ledger_digest,
            without_ledger_sums,
            unsure_ledger_sums: false,
            lines,
        }
    }

    /// Whether it is folded into the root: what was not read and holds nothing says nothing.
    fn counts(&self) -> bool {
        self.state.is_read() || self.lines.rows > 0
    }
}

/// What changed since an earlier certificate.
#[derive(Debug, Clone, Serialize)]
pub struct SinceEarlier {
    /// Its number.
    pub certificate: Uuid,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// What changed.
    #[serde(flatten)]
    pub since: Since,
    /// Windows that hold other lines.
    #[serde(skip)]
    pub(super) unlike: Vec<Window>,
}

impl SinceEarlier {
    pub(super) fn of(earlier: &Earlier, since: Since, windows: &[ProvedWindow]) -> Self {
        let of = |now: &&ProvedWindow| {
            let then = earlier.windows.iter().find(|(window, _)| *window == now.window);
            then.is_some_and(|(_, digest)| *digest != now.lines.digest)
        };
        let unlike = windows.iter().filter(of).map(|now| now.window).collect();
        Self { certificate: earlier.id, made_at: earlier.made_at, since, unlike }
    }
}

/// One stream's part.
#[derive(Debug, Clone, Serialize)]
pub struct Proved {
    /// Source, account, partition.
    #[serde(flatten)]
    pub stream: StreamId,
    /// How far it has been read.
    pub watermark: Option<DateTime<Utc>>,
    /// Whether an account of the configuration has the rules by which its records are normalized again.
    pub has_rules: bool,
    /// Why it is no longer read; none when it is. What it was not read of is then waited for by nobody.
    pub ended: Option<&'static str>,
    /// Up to when it has been read.
    pub read_until: Option<DateTime<Utc>>,
    /// Open records in quarantine whose window is not known, or none of the ledger's: of this month or of another.
    pub quarantined_elsewhere: u64,
    /// Records that were dropped by hand, of this stretch or of no known time: nothing of them is in the table.
    pub dropped: Vec<Dropped>,
    /// Its windows, in order of time.
    pub windows: Vec<ProvedWindow>,
    /// What changed since the last certificate; none when there was none.
    pub since: Option<SinceEarlier>,
    /// Windows of the ledger that the table has otherwise.
    #[serde(skip)]
    pub(super) unlike: Vec<Unlike>,
}

impl Proved {
    pub(super) fn new(stream: &Stream, ended: Option<&'static str>, left: LeftOver, has_rules: bool) -> Self {
        Self {
            stream: stream.id.clone(),
            watermark: stream.watermark,
            has_rules,
            ended,
            read_until: stream.read_until,
            quarantined_elsewhere: left.open,
            dropped: left.dropped,
            windows: Vec::new(),
            since: None,
            unlike: Vec::new(),
        }
    }

    /// Whether all of it that anybody waits for is final, and nothing of it is in quarantine.
    fn is_complete(&self) -> bool {
        let is_settled =
            |window: &ProvedWindow| window.state == State::Final || window.is_behind_end && window.lines.rows == 0;
        self.quarantined_elsewhere == 0 && self.windows.iter().all(is_settled)
    }

    /// Whether it is no longer read, and was not read to the end of the stretch.
    pub fn is_cut_short(&self) -> bool {
        self.windows.iter().any(|window| window.is_behind_end)
    }

    /// The digests that are folded into the root, in order.
    pub(super) fn digests(&self) -> impl Iterator<Item = Digest> {
        self.windows.iter().filter(|window| window.counts()).map(|window| window.lines.digest)
    }

    /// How many windows are in each state.
    pub fn states(&self) -> BTreeMap<State, u64> {
        self.windows.iter().fold(BTreeMap::new(), |mut states, window| {
            *states.entry(window.state).or_default() += 1;
            states
        })
    }
}

/// The certificate.
#[derive(Debug, Clone, Serialize)]
pub struct Certificate {
    /// Its number.
    pub certificate: Uuid,
    /// What it is about.
    #[serde(flatten)]
    pub stretch: Window,
    /// The moment of the tables, by the database's clock.
    pub made_at: DateTime<Utc>,
    /// Whether all of the stretch is final but for what streams that are no longer read had not been read of, no record is in
    /// quarantine or without a place in time, the tables have no unknown source, and nothing was found.
    pub complete: bool,
    /// Streams that are no longer read, and were not read to the end of the stretch: what is behind their ends is waited for by
    /// nobody, and does not stand against `complete`.
    pub cut_short: u64,
    /// Windows that were read and of which the ledger has no digest: see there.
    pub without_ledger_digest: u64,
    /// Windows that were read and of which the ledger has no sums.
    pub without_ledger_sums: u64,
    /// Windows whose sums in the ledger differ, and lines of which nobody can say what they were then may be why.
    pub unsure_ledger_sums: u64,
    /// Over all windows.
    #[serde(serialize_with = "in_hex")]
    pub root: Digest,
    /// Lines, without those marked missing.
    pub rows: u64,
    /// How many windows are in each state.
    pub states: BTreeMap<State, u64>,
    /// Of the lines that count as sales.
    pub sums: Sums,
    /// Each stream.
    pub streams: Vec<Proved>,
    /// What is not what the records and the ledger say.
    #[serde(serialize_with = "named")]
    pub findings: Findings,
    /// How many of these there are, those that are not named too.
    pub found: u64,
    /// Lines that are what was written, and whose records come to something else by today's rules.
    pub other_rules: u64,
    /// Records without a line that nobody can place in time.
    pub unplaced: u64,
    /// Sources of which this version knows nothing, and of which the tables have something.
    pub unknown_sources: Vec<String>,
}

fn in_hex<S: Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&digest::hex(digest))
}

fn named<S: Serializer>(findings: &Findings, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(findings.named.iter())
}

impl Certificate {
    pub(super) fn of(
        certificate: Uuid,
        stretch: Window,
        made_at: DateTime<Utc>,
        root: Digest,
        streams: Vec<Proved>,
        findings: Findings,
        unknown_sources: Vec<String>,
    ) -> Self {
        let (mut states, mut sums, mut rows) = (BTreeMap::new(), Sums::default(), 0);
        let (mut without_ledger_digest, mut without_ledger_sums, mut unsure_ledger_sums) = (0, 0, 0);
        for window in streams.iter().flat_map(|stream| &stream.windows) {
            *states.entry(window.state).or_default() += 1;
            sums += &window.lines.sums;
            rows += window.lines.rows;
            without_ledger_digest += u64::from(window.without_ledger_digest);
            without_ledger_sums += u64::from(window.without_ledger_sums);
            unsure_ledger_sums += u64::from(window.unsure_ledger_sums);
        }
        let cut_short = streams.iter().filter(|stream| stream.is_cut_short()).count() as u64;
        let complete = findings.count == 0
            && findings.unplaced == 0
            && unknown_sources.is_empty()
            && states.contains_key(&State::Final)
            && streams.iter().all(Proved::is_complete);
        Self {
            certificate,
            stretch,
            made_at,
            complete,
            cut_short,
            without_ledger_digest,
            without_ledger_sums,
            unsure_ledger_sums,
            root,
            rows,
            states,
            sums,
            streams,
            found: findings.count,
            other_rules: findings.other_rules,
            unplaced: findings.unplaced,
            findings,
            unknown_sources,
        }
    }

    /// Its windows, as they are kept.
    pub(super) fn kept(&self) -> Vec<(&StreamId, Window, &'static str, u64, &Lines)> {
        let mut all = Vec::new();
        for stream in &self.streams {
            let windows = &stream.windows;
            all.extend(windows.iter().map(|w| (&stream.stream, w.window, w.state.as_str(), w.quarantined, &w.lines)));
        }
        all
    }

    /// The findings by name.
    pub fn named(&self) -> &[Finding] {
        &self.findings.named
    }
}
