//! Both vendors' lists, rendered beforehand and served from memory: as fast as loopback carries them. Nothing is checked
//! here, neither signatures nor tokens: the tests do that against the sandbox, whose rows these are.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::header::CONTENT_TYPE,
    response::Response,
};
use chrono::{DateTime, NaiveDate, Utc};
use fuelsync::{
    clock::{Clock as _, SystemClock},
    domain::SourceKind,
    sandbox::{Listed, World, WorldOptions, listing},
};
use url::form_urlencoded;

/// Records of one list, in order of time.
type List = Vec<(DateTime<Utc>, Bytes)>;

/// What is served.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// By contract.
    alexela: BTreeMap<String, List>,
    hecone: List,
}

/// The server.
#[derive(Debug)]
pub(crate) struct Vendor {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    records: Mutex<Arc<Records>>,
    requests: AtomicU64,
    first: Mutex<Option<Instant>>,
}

impl Records {
    /// So many records of a source in `[from, to)`, spread over so many contracts.
    pub(crate) fn render(
        source: SourceKind,
        rows: u64,
        contracts: usize,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Self {
        let options = WorldOptions { sales: rows, from, to, as_of: Some(to), contracts, ..WorldOptions::only(source) };
        let world = World::new(options);
        let mut records = Self::default();
        let numbers = world.contracts();
        let wanted = usize::try_from(rows).expect("a count");
        for Listed { occurred_at, contract, json } in listing(&world, source, to).into_iter().take(wanted) {
            let record = (occurred_at, Bytes::from(json));
            match contract {
                Some(contract) => records.alexela.entry(numbers[contract].clone()).or_default().push(record),
                None => records.hecone.push(record),
            }
        }
        records
    }

    /// The same with every `nth` record changed.
    pub(crate) fn changed(&self, nth: usize) -> Self {
        let change = |list: &List| -> List {
            let changed = list.iter().enumerate().map(|(at, (time, record))| {
                if at % nth != 0 {
                    return (*time, record.clone());
                }
                let text = std::str::from_utf8(record).expect("a record");
                let body = text.strip_suffix('}').expect("an object");
                (*time, Bytes::from(format!("{body},\"correction\":{at}}}")))
            });
            changed.collect()
        };
        Self {
            alexela: self.alexela.iter().map(|(contract, list)| (contract.clone(), change(list))).collect(),
            hecone: change(&self.hecone),
        }
    }

    /// These and, behind them, others.
    pub(crate) fn with(&self, further: &Self) -> Self {
        let mut all = Self { alexela: self.alexela.clone(), hecone: self.hecone.clone() };
        for (contract, list) in &further.alexela {
            let renumbered = list.iter().map(|(at, text)| {
                // The ids of another world count from the same number.
                let text = std::str::from_utf8(text).expect("a record").replace(":71", ":79").replace(":\"71", ":\"79");
                (*at, Bytes::from(text))
            });
            all.alexela.entry(contract.clone()).or_default().extend(renumbered);
        }
        all.hecone.extend(further.hecone.iter().cloned());
        all
    }

    /// The contracts, in order.
    pub(crate) fn contracts(&self) -> Vec<String> {
        self.alexela.keys().cloned().collect()
    }
}

fn between(list: &List, from: DateTime<Utc>, to: DateTime<Utc>) -> &[(DateTime<Utc>, Bytes)] {
    let start = list.partition_point(|(at, _)| *at < from);
    let end = list.partition_point(|(at, _)| *at < to);
    &list[start..end.max(start)]
}

impl Vendor {
    /// Serves these.
    pub(crate) async fn start(records: Records) -> Self {
        let shared = Arc::new(Shared {
            records: Mutex::new(Arc::new(records)),
            requests: AtomicU64::new(0),
            first: Mutex::new(None),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await.expect("the vendor's server") });
        Self { address, shared }
    }

    /// From now on these are served.
    pub(crate) fn serve(&self, records: Arc<Records>) {
        *self.shared.records.lock().unwrap_or_else(PoisonError::into_inner) = records;
    }

    /// What is served.
    pub(crate) fn records(&self) -> Arc<Records> {
        Arc::clone(&self.shared.records.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many requests there were since the last call, and when the first of them came.
    pub(crate) fn asked(&self) -> (u64, Option<Instant>) {
        let first = self.shared.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        (self.shared.requests.swap(0, Ordering::Relaxed), first)
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared.requests.fetch_add(1, Ordering::Relaxed);
    shared.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| SystemClock.monotonic());
    let records = Arc::clone(&shared.records.lock().unwrap_or_else(PoisonError::into_inner));
    let (parts, body) = request.into_parts();
    let pairs: Vec<(String, String)> =
        form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let pair = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let body = match parts.uri.path().rsplit('/').next() {
        Some("login") => Body::from(r#"{"access_token":"token","token_type":"Bearer","expires_in":3600}"#),
        Some("ContractNumbers") => {
            Body::from(serde_json::to_string(&records.alexela.keys().collect::<Vec<_>>()).expect("texts"))
        }
        Some("ContractTransactions") => {
            let body = axum::body::to_bytes(body, 1 << 20).await.expect("a small body");
            let asked: serde_json::Value = serde_json::from_slice(&body).expect("a JSON body");
            let day = |name: &str| asked[name].as_str().and_then(|text| text.parse::<NaiveDate>().ok()).expect("a day");
            let midnight = |day: NaiveDate| day.and_time(chrono::NaiveTime::MIN).and_utc();
            let contract = asked["contractNumbers"][0].as_str().expect("a contract").to_owned();
            let (from, to) = (midnight(day("fromDate")), midnight(day("toDate")));
            let list = records.alexela.get(&contract).map_or(&[][..], |list| between(list, from, to));
            Body::from_stream(joined("[", list, "]"))
        }
        Some("transactions") => {
            let time = |name: &str| pair(name).and_then(|text| text.parse::<DateTime<Utc>>().ok()).expect("a time");
            let number = |name: &str| pair(name).and_then(|text| text.parse::<usize>().ok()).expect("a number");
            let found = between(&records.hecone, time("start_date"), time("end_date"));
            let (offset, limit) = (number("page[offset]").min(found.len()), number("page[limit]"));
            let page = &found[offset..found.len().min(offset + limit)];
            let head = format!(r#"{{"_links":{{}},"meta":{{"total":{}}},"data":["#, found.len());
            Body::from_stream(joined(&head, page, "]}"))
        }
        other => panic!("{other:?} is not served"),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, "application/json".parse().expect("a header"));
    let date = httpdate::fmt_http_date(SystemClock.now().into());
    response.headers_mut().insert("date", date.parse().expect("a header"));
    response
}

/// As much goes to the socket at once.
const CHUNK: usize = 64 * 1024;

/// Records as the elements of an array, in pieces worth sending. Copied once, as any server must.
fn joined(
    head: &str,
    records: &[(DateTime<Utc>, Bytes)],
    tail: &'static str,
) -> impl futures_util::Stream<Item = Result<Bytes, std::convert::Infallible>> + Send + 'static {
    let records = records.to_vec();
    let (mut next, mut piece, mut ended) = (0, head.as_bytes().to_vec(), false);
    futures_util::stream::iter(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        while piece.len() < CHUNK && next < records.len() {
            if next > 0 {
                piece.push(b',');
            }
            piece.extend_from_slice(&records[next].1);
            next += 1;
        }
        if next == records.len() {
            piece.extend_from_slice(tail.as_bytes());
            ended = true;
        }
        Some(Ok(Bytes::from(std::mem::replace(&mut piece, Vec::with_capacity(CHUNK + 4096)))))
    }))
}
