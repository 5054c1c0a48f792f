//! The faults: what each does, to which requests, and what it may cost.

use chrono::TimeDelta;
use fuelsync::{
    domain::SourceKind,
    sandbox::{
        Sandbox,
        faults::{Fault, Rows, Script},
        wire::{self, Act, Delivery, Framing, Payload, Wire},
    },
};

/// Everything that a body may grow to in a cell.
pub(super) const MOST: u64 = 4 << 20;

/// A second after the first load of every cell, as `Retry-After` tells a date; long gone when windows are read again.
const SOON: &str = "Tue, 20 Oct 2026 12:00:01 GMT";

/// Behind the head of a sandbox's answer, which has 120 to 124 bytes, and before the end of the shortest body.
const INTO_A_SHORT_BODY: u64 = 126;

/// Where a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Requests for rows.
    Rows,
    /// What comes before them: the login, the list of contracts.
    First,
}

/// What it does.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// The sandbox answers otherwise.
    Sandbox(Fault),
    /// The wire breaks the answer.
    Wire(Act),
    /// The servers' clock stands off by so many minutes, step after step, two requests apart.
    Clock(&'static [i64]),
    /// Tokens live a second, and the clock goes on by two, again and again.
    ShortTokens,
}

/// When all is right again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mended {
    /// By the next pass at the latest.
    NextPass,
    /// When its windows are read again.
    Reread,
}

/// What each strike costs beside the request that is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Costs {
    /// The request, once more.
    Request,
    /// A new token and the request.
    TokenAndRequest,
    /// All pages of the stretch: that rows moved is known only at their end.
    Pages,
    /// Every answer given by that clock: none of them can be placed, or it was placed in a time to come. By how much the
    /// clock was off is not known afterwards, so that no window read by it counts as read, however long ago it ended.
    AllSince,
}

/// A fault.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) what: What,
    /// Whether it may go on until the pass ends. What only a longer look can tell from the truth may not.
    pub(super) lasting: bool,
    pub(super) hecone_only: bool,
    pub(super) mended: Mended,
    pub(super) costs: Costs,
    /// Whether it needs a short time limit.
    pub(super) waits: bool,
}

impl Kind {
    fn new(name: impl Into<String>, what: What) -> Self {
        let waits = matches!(&what, What::Wire(Act { delivery: Delivery::Hole(_) | Delivery::Drip(_), .. }));
        Self {
            name: name.into(),
            place: Place::Rows,
            what,
            lasting: true,
            hecone_only: false,
            mended: Mended::NextPass,
            costs: Costs::Request,
            waits,
        }
    }

    fn sandbox(name: &str, fault: Fault) -> Self {
        Self::new(name, What::Sandbox(fault))
    }

    fn status(status: u16, retry_after: Option<&str>) -> Self {
        let name = retry_after.map_or_else(|| status.to_string(), |after| format!("{status} after {after}"));
        Self::new(name, What::Sandbox(Fault::Status { status, retry_after: retry_after.map(str::to_owned) }))
    }

    /// The same before any rows are asked for.
    fn at_first(self) -> Self {
        Self { place: Place::First, name: format!("{} at first", self.name), ..self }
    }

    fn wire(name: impl Into<String>, act: Act) -> Self {
        Self::new(name, What::Wire(act))
    }

    fn rows(name: &str, rows: Rows) -> Self {
        let pages = Self::sandbox(name, Fault::Rows(rows));
        Self { hecone_only: true, lasting: false, costs: Costs::Pages, ..pages }
    }

    fn clock(name: &str, minutes: &'static [i64]) -> Self {
        let costs = if minutes.iter().any(|minutes| *minutes > 0) { Costs::AllSince } else { Costs::Request };
        Self { lasting: false, mended: Mended::Reread, costs, ..Self::new(name, What::Clock(minutes)) }
    }

    /// A part of the path that it strikes.
    pub(super) fn path(&self, source: SourceKind) -> &'static str {
        match (self.place, source) {
            (Place::First, SourceKind::HecOne) => "/login",
            (Place::First, SourceKind::AlexelaCard | SourceKind::AlexelaBonus | SourceKind::AlexelaEv) => {
                "ContractNumbers"
            }
            (Place::Rows, _) => rows_path(source),
        }
    }

    /// How many answers are given by a clock that is off: two by each step, until one sets it right; and where one does, the
    /// rest of the window, of so many pages, that the last of them is in.
    pub(super) fn answered_wrongly(&self, pages: u64) -> u64 {
        match &self.what {
            What::Clock([steps @ .., 0]) => 2 * steps.len() as u64 + pages,
            What::Clock(_) | What::Sandbox(_) | What::Wire(_) | What::ShortTokens => u64::MAX,
        }
    }

    /// Sets it up: after so many requests of its path, so often.
    pub(super) fn set(&self, sandbox: &Sandbox, wire: &Wire, source: SourceKind, after: u64, times: u64) {
        let path = self.path(source).to_owned();
        let faults = sandbox.faults();
        let clock = |after, offset| {
            faults.script(Script { path: path.clone(), after, times: 1, fault: Fault::Clock(offset) });
        };
        match &self.what {
            What::Sandbox(fault) => faults.script(Script { path, after, times, fault: fault.clone() }),
            What::Wire(act) => wire.script(wire::Script { path, after, times, act: act.clone() }),
            What::Clock(steps) => {
                for (step, minutes) in (0..).zip(*steps) {
                    clock(after + 2 * step, TimeDelta::minutes(*minutes));
                }
            }
            What::ShortTokens => (0..times.min(4)).for_each(|step| {
                clock(after + 2 * step, TimeDelta::seconds(2 * i64::try_from(step + 1).unwrap_or(1)));
            }),
        }
    }
}

/// A part of the path of requests for rows; at `HecOne` of a single transaction, too.
pub(super) const fn rows_path(source: SourceKind) -> &'static str {
    match source {
        SourceKind::HecOne => "/hecone/transactions",
        SourceKind::AlexelaCard => "ContractTransactions",
        SourceKind::AlexelaBonus => "GetBonuscardTransactions",
        SourceKind::AlexelaEv => "EvTransactions",
    }
}

/// All of them.
pub(super) fn all() -> Vec<Kind> {
    let mut all: Vec<_> = [429, 500, 502, 503].map(|status| Kind::status(status, None)).into();
    all.extend([(429, "0"), (429, "1"), (503, "0")].map(|(status, after)| Kind::status(status, Some(after))));
    all.push(Kind::sandbox("HTML at 200", Fault::Html));
    all.push(Kind { costs: Costs::TokenAndRequest, lasting: false, ..Kind::sandbox("401", Fault::Forgotten) });
    all.extend([(429, SOON), (503, SOON)].map(|(status, after)| Kind::status(status, Some(after))));
    all.extend([429, 503].map(|status| Kind::status(status, None).at_first()));
    all.push(Kind::sandbox("HTML at 200", Fault::Html).at_first());
    // Where no token was sent yet, none can be renewed: the account rests until the next pass.
    all.push(Kind { lasting: false, ..Kind::sandbox("401", Fault::Forgotten) }.at_first());
    all.push(Kind::wire("cut off", Act::new(Delivery::Cut(INTO_A_SHORT_BODY))).at_first());
    all.push(Kind::wire("black hole", Act::new(Delivery::Hole(0))).at_first());
    all.push(Kind::wire("redirect to another host", Act::sent(Payload::Redirect)).at_first());
    let tokens = Kind::new("tokens of a second", What::ShortTokens);
    all.push(Kind { hecone_only: true, lasting: false, costs: Costs::TokenAndRequest, ..tokens });
    all.push(Kind { mended: Mended::Reread, ..Kind::sandbox("empty by mistake", Fault::Rows(Rows::None)) });
    // At HecOne alone: an Alexela row has no id of its own. Two lines alike are two lines there (a pump paid twice), so
    // that one told twice by mistake cannot be known from the truth, by the program or by anybody.
    all.push(Kind::rows("a row twice in a page", Rows::Doubled));
    all.push(Kind::rows("a row of the page before", Rows::Early(1)));
    all.push(Kind::rows("a row skipped between pages", Rows::Late(1)));
    all.push(Kind::rows("endless pages", Rows::Endless));
    all.push(Kind::clock("clock ten minutes ahead", &[10]));
    all.push(Kind::clock("clock ten minutes behind", &[-10]));
    all.push(Kind::clock("clock stepping", &[10, -10, 0]));
    all.push(Kind::clock("clock 23 hours ahead", &[23 * 60]));
    all.push(Kind::clock("clock 23 hours behind", &[-23 * 60]));
    all.push(Kind::clock("clock a day ahead", &[26 * 60]));
    all.push(Kind { costs: Costs::AllSince, ..Kind::clock("clock a day behind", &[-26 * 60]) });
    for framing in Framing::ALL {
        let name = |what: &str| format!("{what}, {framing:?}").to_lowercase();
        all.push(Kind::wire(name("cut off"), Act { framing, ..Act::new(Delivery::Cut(400)) }));
        all.push(Kind::wire(name("HTML"), Act { framing, ..Act::sent(Payload::html()) }));
    }
    all.push(Kind::wire("closed at once", Act::new(Delivery::Cut(0))));
    all.push(Kind::wire("reset at once", Act::new(Delivery::Reset(0))));
    all.push(Kind::wire("reset in the body", Act::new(Delivery::Reset(400))));
    all.push(Kind::wire("black hole", Act::new(Delivery::Hole(0))));
    all.push(Kind::wire("black hole in the body", Act::new(Delivery::Hole(400))));
    all.push(Kind::wire("slow drip", Act::new(Delivery::Drip(50))));
    all.push(Kind::wire("redirect to another host", Act::sent(Payload::Redirect)));
    all.push(Kind::wire("a thousand levels deep", Act::sent(Payload::deep(1000))));
    let bomb = Act { framing: Framing::Gzip, ..Act::sent(Payload::spaces(4 * (MOST >> 20))) };
    all.push(Kind::wire("gzip bomb", bomb));
    all
}
