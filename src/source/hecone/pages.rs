//! Reads a stretch page by page until it is known to be whole.
//!
//! Rows can appear or go while pages are read, and then others move from page to page: one is met twice, another is
//! skipped. A stretch counts when no id was met twice, as many were met as the last page says there are, and no page said
//! fewer than the one before it (a row that went lets another move to a page already read). Else it is read again, then
//! in halves, and at one minute wide it is accepted as it is and its rows are flagged.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::{
    answer::{Page, follow, page},
    client::Client,
    wire::{Operation, Prepared},
};
use crate::{
    domain::{Flag, Outcome, StreamId, Window},
    failpoint::{Bug, planted},
    source::{
        Brought, Known, Normalizer, ReadEnd, ReadEvent, SourceError,
        known::Marker,
        recognize::{Recognizer, Text},
    },
};

/// Records go on in batches of so many, or of so many bytes.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 1024 * 1024;
/// Records of one minute that are held back until it is known whether they must be flagged: of so many bytes.
const HELD: usize = 16 * 1024 * 1024;
/// A stretch is not halved below this.
const NARROWEST: Duration = Duration::from_mins(1);
/// A stretch whose pages moved is read again so often before it is halved.
const READ_AGAIN: u32 = 3;
/// Pages in a row that may bring nothing new before paging is taken not to advance.
const STALE_PAGES: u32 = 3;
/// Rows beyond twice the first total before the pages are taken to be endless.
const BEYOND: u64 = 100_000;
/// Rows of one stretch, whatever its total.
const MOST_ROWS: u64 = 1_000_000;

/// One read of one stream.
pub(super) struct Reading<'a> {
    client: &'a Client,
    /// What normalizes, and what marks the texts for it.
    by: (&'a Normalizer, &'a Marker),
    stream: &'a StreamId,
    known: &'a Known,
    events: mpsc::Sender<ReadEvent>,
}

/// How one round over all pages of a stretch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// All there, each once.
    Whole,
    /// Rows moved while it was read.
    Moved,
    /// The pages do not come to an end: the same again and again.
    Endless,
    /// More rows than are taken.
    TooMany,
}

/// What has been met in one round.
#[derive(Default)]
struct Met {
    /// A digest of each id: the ids themselves would grow with the window.
    ids: HashSet<u64>,
    before_page: usize,
    rows: u64,
    /// An id was met twice, or the total shrank.
    moved: bool,
    stale_pages: u32,
    first_total: Option<u64>,
    total: Option<u64>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        client: &'a Client,
        by: (&'a Normalizer, &'a Marker),
        stream: &'a StreamId,
        known: &'a Known,
        events: mpsc::Sender<ReadEvent>,
    ) -> Self {
        Self { client, by, stream, known, events }
    }

    /// Reads the stretch, in parts where its pages move.
    pub(super) async fn run(self, stretch: Window) -> Result<ReadEnd, SourceError> {
        let begun = self.client.link.begin();
        let mut left = VecDeque::from([stretch]);
        let mut complete = true;
        while let Some(part) = left.pop_front() {
            let halves = part.halves(NARROWEST);
            match self.part(part, halves.is_none()).await? {
                Round::Whole => {}
                Round::Moved => {
                    if let Some((first, second)) = halves {
                        tracing::info!(stream = %self.stream, window = %part, "pages keep moving, halving the window");
                        left.push_front(second);
                        left.push_front(first);
                    } else {
                        complete = false;
                        tracing::warn!(
                            stream = %self.stream,
                            window = %part,
                            "pages kept moving in a window of one minute; its rows are kept and flagged unstable_window"
                        );
                    }
                }
                Round::Endless => {
                    return Err(SourceError::Rejected(
                        "pages without end, or the same page again and again".to_owned(),
                    ));
                }
                Round::TooMany => {
                    return Err(SourceError::Rejected(format!(
                        "more rows than are taken of one window ({MOST_ROWS}, or twice what it said there were), or pages \
                         without end; nothing of it was written; set `window` of this account smaller"
                    )));
                }
            }
        }
        Ok(ReadEnd { present: self.client.link.placed(begun), complete, served_from: None })
    }

    /// Reads one part until it is whole, at most four times. `accept`: it is too narrow to be halved, so what the last
    /// round brought is kept even though its pages moved.
    async fn part(&self, part: Window, accept: bool) -> Result<Round, SourceError> {
        let mut ended = Round::Moved;
        for round in 0..=READ_AGAIN {
            // Whether rows must be flagged is known only at the end of a round; only one minute is ever held back.
            let mut held = (accept && round == READ_AGAIN).then(Vec::new);
            ended = self.round(part, &mut held).await?;
            match (ended, held) {
                (Round::TooMany, _) => return Ok(ended),
                (Round::Whole, None) => {}
                (Round::Whole, Some(records)) => self.send(ReadEvent::Records(records)).await?,
                (Round::Moved, Some(mut records)) => {
                    records.iter_mut().for_each(flag);
                    self.send(ReadEvent::Records(records)).await?;
                    self.send(ReadEvent::Complete).await?;
                    return Ok(ended);
                }
                (Round::Moved | Round::Endless, _) => {
                    self.send(ReadEvent::Restart).await?;
                    continue;
                }
            }
            self.send(ReadEvent::Complete).await?;
            return Ok(ended);
        }
        Ok(ended)
    }

    /// One round over all pages of a part. Sends the records of each page when it is whole, or holds them back.
    async fn round(&self, part: Window, held: &mut Option<Vec<Brought>>) -> Result<Round, SourceError> {
        let nothing = Known::nothing();
        // What may have to be flagged must be at hand.
        let known = if held.is_some() { &nothing } else { self.known };
        let recognizer = Recognizer::new(self.by.0, self.by.1, self.stream, known);
        let mut met = Met::default();
        let mut next = None;
        let (mut followed, mut held_bytes) = (HashSet::new(), 0);
        let limit = self.client.config.page_limit;
        loop {
            let operation = match &next {
                Some(url) => Operation::Next(url),
                None => Operation::Page { window: part, offset: met.rows, limit },
            };
            let url = Prepared::new(&self.client.config, operation)?.url;
            let reading = |body| page(body, |bytes| recognizer.text(bytes), Text::length);
            let Page { rows, total, next: link } = self.client.ask(operation, reading).await?;
            let present = self.client.link.present();
            let count = rows.len() as u64;
            let (mut batch, mut bytes) = (Vec::new(), 0);
            for text in rows {
                let record = recognizer.of_text(present, text);
                met.record(&record, known);
                if let Some(held) = held {
                    held_bytes += record.size();
                    if held_bytes > HELD && !planted(Bug::NoLimits) {
                        return Ok(Round::TooMany);
                    }
                    held.push(record);
                    continue;
                }
                bytes += record.size();
                batch.push(record);
                if batch.len() >= BATCH || bytes >= BATCH_BYTES {
                    bytes = 0;
                    self.send(ReadEvent::Records(std::mem::take(&mut batch))).await?;
                }
            }
            if !batch.is_empty() {
                self.send(ReadEvent::Records(batch)).await?;
            }
            met.page(count, total);
            if let Some(ended) = met.ended(count == 0) {
                return Ok(ended);
            }
            next =
                link.and_then(|link| follow(&link, &url, met.rows)).filter(|url| followed.insert(digest(url.as_str())));
        }
    }

    async fn send(&self, event: ReadEvent) -> Result<(), SourceError> {
        self.events.send(event).await.map_err(|_| SourceError::Stopped)
    }
}

impl Met {
    fn record(&mut self, record: &Brought, known: &Known) {
        let key = match record {
            // What has no id counts by its text.
            Brought::New(record, _) if record.id.is_empty() => &*record.raw,
            Brought::New(record, _) => record.id.as_str(),
            Brought::Known(place) => known.record(*place).id,
        };
        self.moved |= !self.ids.insert(digest(key));
    }

    /// The records of a page have been met; `rows` of them.
    fn page(&mut self, rows: u64, total: Option<u64>) {
        let stale = rows > 0 && self.ids.len() == self.before_page;
        self.stale_pages = if stale { self.stale_pages + 1 } else { 0 };
        self.before_page = self.ids.len();
        self.rows += rows;
        self.moved |= matches!((self.total, total), (Some(before), Some(now)) if now < before);
        self.total = total;
        self.first_total = self.first_total.or(total);
    }

    /// Whether the round is over. A short page proves nothing: only the total does, or an empty page.
    fn ended(&self, empty_page: bool) -> Option<Round> {
        let beyond = self.first_total.map_or(MOST_ROWS, |total| total.saturating_mul(2).saturating_add(BEYOND));
        if empty_page || self.total.is_some_and(|total| self.rows >= total) {
            let all = self.total.is_none_or(|total| total == self.ids.len() as u64);
            // Planted: the pages are taken as they came.
            Some(if all && !self.moved || planted(Bug::PagesTrusted) { Round::Whole } else { Round::Moved })
        } else if self.rows > beyond.min(MOST_ROWS) && !planted(Bug::NoLimits) {
            Some(Round::TooMany)
        } else if self.stale_pages >= STALE_PAGES {
            Some(Round::Endless)
        } else {
            None
        }
    }
}

/// Of an id or a link. Should two be equal by accident, the stretch is read again, and no more.
fn digest(text: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(text)[..8]);
    u64::from_be_bytes(first)
}

fn flag(record: &mut Brought) {
    match record {
        Brought::New(record, _) => match &mut record.outcome {
            Outcome::Lines(lines) => lines.iter_mut().for_each(|line| _ = line.quality.insert(Flag::UnstableWindow)),
            Outcome::Rejected(_) => {}
        },
        // Where flags may be needed, none is taken as known.
        Brought::Known(_) => {}
    }
}
