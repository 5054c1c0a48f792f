//! A list server of the figure's own, whose rows move between one page and the next by a seeded schedule.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Path, Query, State},
    http::header::{CONTENT_TYPE, DATE},
    response::IntoResponse,
    routing::{get, post},
};
use chrono::{DateTime, TimeDelta, Utc};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::Run;

/// Account and hour.
pub(super) type Place = (u64, u64);

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) at: DateTime<Utc>,
}

/// What a reader could see of the last round over the pages that a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing: every id once, as many as there were said to be, and never fewer than before.
    Nothing,
    /// That rows moved; in a stretch of a minute, which is accepted all the same.
    Movement { minute: bool },
}

/// What was asked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Served {
    pub(super) pages: u64,
    pub(super) repeated: u64,
    pub(super) halved: u64,
}

/// One round over the pages of a stretch, as it was served.
#[derive(Debug, Clone, Default)]
struct Round {
    number: u64,
    ids: BTreeSet<String>,
    rows: u64,
    repeated: bool,
    shrank: bool,
    total: Option<u64>,
}

/// The list of one window.
#[derive(Debug)]
struct Window {
    rows: Vec<Row>,
    dice: ChaCha8Rng,
    has_total: bool,
    /// Rows of the same time change places: the list is sorted by time, and by this.
    order: u64,
    /// Pages between which rows still move.
    moving: u32,
    /// The chance of a move before a page, in per cent.
    often: u32,
    serial: u32,
    rounds: BTreeMap<(i64, i64), Round>,
}

/// All lists.
#[derive(Debug)]
pub(super) struct Lists {
    start: DateTime<Utc>,
    windows: Mutex<HashMap<Place, Window>>,
    once: Mutex<BTreeSet<(u64, String)>>,
    counts: Mutex<(Served, u64, u64)>,
}

impl Lists {
    pub(super) fn new(run: Run, accounts: u64, hours: u64, start: DateTime<Utc>) -> Arc<Self> {
        let mut windows = HashMap::new();
        let mut once = BTreeSet::new();
        let mut seeds = ChaCha8Rng::seed_from_u64(run.seed);
        for place in (0..hours).flat_map(|hour| (0..accounts).map(move |account| (account, hour))) {
            let mut dice = ChaCha8Rng::seed_from_u64(seeds.next_u64());
            let mut window = Window {
                rows: Vec::new(),
                has_total: dice.random_bool(0.7),
                order: dice.next_u64(),
                moving: dice.random_range(0..24),
                often: dice.random_range(10..90),
                serial: 0,
                rounds: BTreeMap::new(),
                dice,
            };
            let count = window.dice.random_range(3..26);
            for _ in 0..count {
                let row = window.make(place, start);
                once.insert((place.0, row.id.clone()));
                window.rows.push(row);
            }
            windows.insert(place, window);
        }
        Arc::new(Self { start, windows: Mutex::new(windows), once: Mutex::new(once), counts: Mutex::default() })
    }

    /// Every row that is there now.
    pub(super) fn rows(&self) -> Vec<(Place, Row)> {
        let windows = self.windows.lock().expect("not poisoned");
        let rows = windows.iter().flat_map(|(place, window)| window.rows.iter().map(|row| (*place, row.clone())));
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
        rows
    }

    /// Whether a row was ever there.
    pub(super) fn was_there(&self, account: u64, id: &str) -> bool {
        self.once.lock().expect("not poisoned").contains(&(account, id.to_owned()))
    }

    /// What could be seen of the last round that covered this time.
    pub(super) fn seen(&self, place: Place, at: DateTime<Utc>) -> Seen {
        let windows = self.windows.lock().expect("not poisoned");
        let at = at.timestamp();
        let covering = windows[&place].rounds.iter().filter(|((from, to), _)| *from <= at && at < *to);
        let Some(((from, to), round)) = covering.max_by_key(|(_, round)| round.number) else {
            return Seen::Movement { minute: false };
        };
        let fits = round.total.is_none_or(|total| total == round.ids.len() as u64);
        if fits && !round.repeated && !round.shrank {
            Seen::Nothing
        } else {
            Seen::Movement { minute: to - from < 120 }
        }
    }

    /// Lets all rows come to rest, and says how often any moved.
    pub(super) fn rest(&self) -> u64 {
        for window in self.windows.lock().expect("not poisoned").values_mut() {
            window.moving = 0;
        }
        self.counts.lock().expect("not poisoned").1
    }

    pub(super) fn served(&self) -> Served {
        self.counts.lock().expect("not poisoned").0
    }

    fn page(&self, account: u64, from: DateTime<Utc>, to: DateTime<Utc>, offset: usize, limit: usize) -> String {
        let hour = u64::try_from((from - self.start).num_hours()).unwrap_or(0);
        let mut windows = self.windows.lock().expect("not poisoned");
        let mut counts = self.counts.lock().expect("not poisoned");
        counts.0.pages += 1;
        let Some(window) = windows.get_mut(&(account, hour)) else { return empty() };
        if offset > 0 {
            let came = window.moves((account, hour), self.start, &mut counts.1);
            self.once.lock().expect("not poisoned").extend(came.into_iter().map(|id| (account, id)));
        }
        let order = window.order;
        let mut rows: Vec<&Row> = window.rows.iter().filter(|row| from <= row.at && row.at < to).collect();
        rows.sort_by_key(|row| (row.at.timestamp() / 240, mixed(&row.id, order)));
        let total = rows.len() as u64;
        let page: Vec<Row> = rows.into_iter().skip(offset).take(limit).cloned().collect();
        let key = (from.timestamp(), to.timestamp());
        if offset == 0 {
            counts.2 += 1;
            let round = Round { number: counts.2, ..Round::default() };
            if window.rounds.insert(key, round).is_some() {
                counts.0.repeated += u64::from(window.moving > 0);
            } else if window.rounds.len() % 2 == 1 && window.rounds.len() > 1 {
                counts.0.halved += 1;
            }
        }
        let round = window.rounds.entry(key).or_default();
        for row in &page {
            round.repeated |= !round.ids.insert(row.id.clone());
        }
        round.rows += page.len() as u64;
        let said = window.has_total.then_some(total);
        round.shrank |= matches!((round.total, said), (Some(before), Some(now)) if now < before);
        round.total = said;
        document(&page, said)
    }
}

impl Window {
    fn make(&mut self, place: Place, start: DateTime<Utc>) -> Row {
        self.serial += 1;
        // Not on an edge: which side a row on it belongs to is not said.
        let second = self.dice.random_range(0..60i64) * 60 + self.dice.random_range(1..59);
        let at = start + TimeDelta::hours(i64::try_from(place.1).unwrap_or(0)) + TimeDelta::seconds(second);
        Row { id: format!("{}-{}", place.1, self.serial), at }
    }

    /// What happens between two pages; the ids of rows that came.
    fn moves(&mut self, place: Place, start: DateTime<Utc>, moved: &mut u64) -> Vec<String> {
        let mut came = Vec::new();
        if self.moving == 0 {
            return came;
        }
        self.moving -= 1;
        if !self.dice.random_ratio(self.often, 100) {
            return came;
        }
        *moved += 1;
        let kind = self.dice.random_range(0..5);
        // Comes, goes, comes while another goes (the total stays), changes places, or all of it.
        if matches!(kind, 1 | 2 | 4) && self.rows.len() > 1 {
            let goes = self.dice.random_range(0..self.rows.len());
            self.rows.swap_remove(goes);
        }
        if matches!(kind, 0 | 2 | 4) {
            let row = self.make(place, start);
            came.push(row.id.clone());
            self.rows.push(row);
        }
        if matches!(kind, 3 | 4) {
            self.order = self.dice.next_u64();
        }
        came
    }
}

/// A place among rows of one time.
fn mixed(id: &str, order: u64) -> u64 {
    id.bytes().fold(order, |mixed, byte| (mixed ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

fn empty() -> String {
    document(&[], Some(0))
}

fn document(rows: &[Row], total: Option<u64>) -> String {
    let rows: Vec<String> = rows
        .iter()
        .map(|row| {
            format!(
                r#"{{"id":"{}","created_at":"{}","state":"completed","articles":[{{"product":"Diesel","quantity":1,"amount":1.5,"state":"done"}}],"payments":[]}}"#,
                row.id,
                row.at.format("%Y-%m-%dT%H:%M:%SZ")
            )
        })
        .collect();
    let total = total.map_or_else(String::new, |total| format!(r#""total":{total}"#));
    format!(r#"{{"data":[{}],"meta":{{{total}}}}}"#, rows.join(","))
}

/// The server; it ends when dropped.
#[derive(Debug)]
pub(super) struct Server {
    port: u16,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) async fn serve(lists: Arc<Lists>) -> Server {
    let app = Router::new()
        .route("/{account}/login", post(async || json(r#"{"access_token":"t","expires_in":86400}"#.to_owned())))
        .route("/{account}/transactions", get(transactions))
        .with_state(lists);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let task = tokio::spawn(async move { drop(axum::serve(listener, app).await) });
    Server { port, task }
}

async fn transactions(
    State(lists): State<Arc<Lists>>,
    Path(account): Path<u64>,
    Query(asked): Query<HashMap<String, String>>,
) -> impl IntoResponse {
    let time = |name: &str| asked.get(name).and_then(|text| text.parse().ok()).expect("a time");
    let number = |name: &str| asked.get(name).and_then(|text| text.parse().ok()).expect("a number");
    let (from, to) = (time("start_date"), time("end_date"));
    json(lists.page(account, from, to, number("page[offset]"), number("page[limit]")))
}

/// Without a date: the program's clock stands where the figure puts it, and no server's time may correct it.
fn json(body: String) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json"), (DATE, "")], body)
}
