//! `preview`: one page, raw beside normalised; writes nothing.
//!
//! What is shown has passed the privacy rules, as everything that is stored has, and nobody who is forgotten is in it. Who that
//! is, only the database knows: where it cannot be asked, nothing is shown, for a forgotten person's name may stand anywhere in a
//! record. A database without a warehouse knows of nobody.

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::{Exit, Failure, Global, args::PreviewArgs, output, start};
use crate::{
    app::App,
    domain::{Line, Outcome, Partition, Record, SourceKind, StreamId, Window},
    source::{Brought, Disposition, Known, ReadEvent, Source, SourceError, alexela, hecone},
    sync::pass::Account,
};

/// Records shown of each source.
const SHOWN: usize = 5;
/// Stretches before the present that are tried until one has a record, in days.
const STRETCHES: [i64; 3] = [1, 7, 30];

/// One record, raw beside normalised.
#[derive(Debug, Serialize)]
struct Shown {
    id: String,
    raw: Box<RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<serde_json::Map<String, serde_json::Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantined: Option<String>,
    /// Which path of the record fed which field.
    fed: Vec<(String, Vec<String>)>,
    /// Paths that fed nothing; kept in raw.
    unused: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Page {
    source: SourceKind,
    account: String,
    partition: Partition,
    records: Vec<Shown>,
}

pub(super) async fn run(args: PreviewArgs, global: &Global) -> Result<Exit, Failure> {
    let config = global.load_with_accounts()?;
    let select = args.select();
    select.check(&config)?;
    let life = start::lifecycle()?;
    let app = start::app(config)?;
    heed(&app).await?;
    let mut pages = Vec::new();
    for account in app.accounts(|kind, account| select.matches(kind, account)) {
        let configured = app.config.hecone.iter().find(|hecone| hecone.name == account.source.account());
        let pointers = configured.map(|hecone| hecone::Pointers::new(&hecone.fields)).unwrap_or_default();
        for kind in &account.kinds {
            let page = tokio::select! {
                page = page(&account, *kind, &pointers) => page.map_err(|error| failure(&account, *kind, error))?,
                () = life.stopping() => return Ok(life.signal().map_or(Exit::Interrupted, crate::lifecycle::Signal::exit)),
            };
            pages.push(page);
        }
    }
    if global.json {
        output::json(&pages)?;
    } else {
        output::line(&pages.iter().map(text).collect::<Vec<_>>().join("\n\n"))?;
    }
    Ok(Exit::Done)
}

/// Nothing is asked of a vendor before it is known who is forgotten.
async fn heed(app: &App) -> Result<(), Failure> {
    let warehouse = app.warehouse()?;
    let heeded = warehouse.heed_if_any(&app.forgotten).await;
    warehouse.close().await;
    heeded.map_err(|error| {
        Failure::new(Exit::Database, "the database cannot say who is forgotten, so no record is shown")
            .because(error)
            .next("`fuelsync check` looks at the database. Nothing was asked of a vendor.")
    })
}

fn failure(account: &Account, kind: SourceKind, error: SourceError) -> Failure {
    let exit = if error.disposition() == Disposition::StopAccount { Exit::Credentials } else { Exit::SomeStreams };
    Failure::new(exit, format!("{kind}/{} cannot be previewed", account.source.account()))
        .because(error)
        .next("`fuelsync check` looks at the account.")
}

/// The newest records of a source, from the shortest stretch that has any.
async fn page(account: &Account, kind: SourceKind, pointers: &hecone::Pointers) -> Result<Page, SourceError> {
    let source = &account.source;
    let mut page =
        Page { source: kind, account: source.account().to_owned(), partition: Partition::whole(), records: Vec::new() };
    for days in STRETCHES {
        for partition in source.partitions(kind).await? {
            let present = source.present();
            let Some(stretch) = Window::new(present - TimeDelta::days(days), present) else { continue };
            let stream = StreamId::new(kind, source.account(), partition.clone());
            let records = first(&**source, &stream, source.widen(kind, stretch)).await?;
            if !records.is_empty() {
                page.partition = partition;
                page.records = records.into_iter().filter_map(|record| shown(kind, record, pointers)).collect();
                return Ok(page);
            }
        }
    }
    Ok(page)
}

/// The first records of a stretch; the rest is not asked for.
async fn first(source: &dyn Source, stream: &StreamId, stretch: Window) -> Result<Vec<Record>, SourceError> {
    let (events, mut incoming) = mpsc::channel(1);
    let collect = async move {
        let mut records = Vec::new();
        while let Some(event) = incoming.recv().await {
            match event {
                ReadEvent::Records(more) => records.extend(more.into_iter().filter_map(Brought::into_record)),
                ReadEvent::Restart => records.clear(),
                ReadEvent::Complete => break,
            }
            if records.len() >= SHOWN {
                break;
            }
        }
        records.truncate(SHOWN);
        // Dropping the receiver ends the reading.
        records
    };
    let nothing = Known::nothing();
    let (read, records) = tokio::join!(source.read(stream, stretch, &nothing, events), collect);
    match read {
        Ok(_) | Err(SourceError::Stopped) => Ok(records),
        Err(error) if records.is_empty() => Err(error),
        Err(_) => Ok(records),
    }
}

fn shown(kind: SourceKind, record: Record, pointers: &hecone::Pointers) -> Option<Shown> {
    let (fed, unused) = match kind {
        SourceKind::HecOne => {
            let report = hecone::report(&record.raw, pointers);
            (report.fed.into_iter().map(|(field, paths)| (field.to_owned(), paths)).collect(), report.unused)
        }
        SourceKind::AlexelaCard | SourceKind::AlexelaBonus | SourceKind::AlexelaEv => {
            alexela::report(kind, &record.raw)
        }
    };
    let (lines, quarantined) = match &record.outcome {
        Outcome::Lines(lines) => (lines.iter().map(columns).collect(), None),
        Outcome::Rejected(why) => (Vec::new(), Some(format!("{} {}", why.field, why.reason))),
    };
    let raw = RawValue::from_string(record.raw.into_string()).ok()?;
    Some(Shown { id: record.id, raw, lines, quarantined, fed, unused })
}

/// The columns that are known, by their names in `fuel.transaction`.
fn columns(line: &Line) -> serde_json::Map<String, serde_json::Value> {
    line.columns().into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
}

fn text(page: &Page) -> String {
    let stream = format!("{}/{}/{}", page.source, page.account, page.partition);
    if page.records.is_empty() {
        return format!("{stream}: no record in the last 30 days");
    }
    let mut said = vec![format!("{stream}: {} record(s); nothing was written", page.records.len())];
    for record in &page.records {
        said.push(String::new());
        said.push(format!("{}\n{}", if record.id.is_empty() { "(no id)" } else { &record.id }, record.raw.get()));
        if let Some(why) = &record.quarantined {
            said.push(format!("  → quarantine: {why}"));
        }
        for line in &record.lines {
            said.push("  → one line of fuel.transaction".to_owned());
            for (name, value) in line {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                said.push(format!("      {name:<19} {value}"));
            }
        }
        let fed: Vec<_> = record
            .fed
            .iter()
            .filter(|(_, paths)| !paths.is_empty())
            .map(|(field, paths)| format!("{field} ← {}", paths.join(" ")))
            .collect();
        said.push(format!("  fed      {}", fed.join(", ")));
        if !record.unused.is_empty() {
            said.push(format!("  unused   {}  (kept in raw)", record.unused.join(", ")));
        }
    }
    said.join("\n")
}
