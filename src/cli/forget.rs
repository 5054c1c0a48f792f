//! `forget`: removes a person everywhere, keeps the amounts, and holds against what is read later.

use std::{collections::BTreeSet, fmt::Write as _, io::BufRead as _, time::Duration};

use serde::Serialize;
use unicode_normalization::UnicodeNormalization as _;

use super::{Exit, Failure, Global, args::ForgetArgs, output, start};
use crate::{
    config::Rule,
    lifecycle::Signal,
    privacy::{Forgotten, Guard, HashKey, Person, Persons, pattern, plain},
    sync::forget::{Purged, purge},
    warehouse::{
        Warehouse, WarehouseError,
        forget::{HashedBy, Purge, Touched},
        grants,
    },
};

/// Times that it is tried to be alone for the moment in which a person is added.
const TRIES: usize = 5;

/// What `--json` prints.
#[derive(Serialize)]
struct Said {
    kind: &'static str,
    dry_run: bool,
    #[serde(flatten)]
    touched: Touched,
    /// Lines that hold only a mask which is that of the value, and of others perhaps; looked at with `--masked`.
    only_masked: u64,
    /// Values of the same class that are hashed by keys which are not configured: whose they are is not told.
    hashed_by_others: Vec<HashedBy>,
    stopped: bool,
}

pub(super) async fn run(args: ForgetArgs, global: &Global) -> Result<Exit, Failure> {
    let (person, given) = args.person();
    let value = value(given)?;
    let life = start::lifecycle()?;
    let app = start::app(global.load()?)?;
    let warehouse = app.warehouse()?;
    warehouse.require_current().await?;
    let limit = app.config.sync.window_timeout;
    start::may_rewrite(&warehouse, grants::FORGETTING).await?;

    let guard = Guard::new(&app.config.privacy);
    let form = |rule| guard.form(rule, person.class(), &value).filter(|form| plain(form) != plain(&value));
    let mask = form(Rule::Mask);
    let mut only_masked = 0;
    if let Some(mask) = mask.as_deref().filter(|_| !args.masked) {
        only_masked = warehouse.lines_with(person.class(), mask, limit).await?;
        if only_masked > 0 && !args.dry_run {
            return Err(confirm(person, only_masked));
        }
    }
    // Letters may have come with their marks or apart from them, and then the hash is another one. Of an earlier version of the
    // program, too.
    let spellings = [value.clone(), value.nfc().collect(), value.nfd().collect()];
    let hashes = spellings.iter().flat_map(|value: &String| {
        let hash = guard.form(Rule::Hash, person.class(), value).filter(|form| plain(form) != plain(value));
        hash.into_iter().chain(guard.former_hash(value))
    });
    let hashes: BTreeSet<String> = hashes.collect();
    // A plate is one with its dots and without.
    let dotless = (matches!(person, Person::Plate) && value.contains('.')).then(|| value.replace('.', ""));
    let mask = mask.filter(|_| args.masked);
    let forms: Vec<String> = [Some(value.clone()), dotless, mask].into_iter().flatten().chain(hashes).collect();
    hold(&warehouse, &app.forgotten, person, &forms, args.dry_run).await?;

    let nobody = Forgotten::default();
    let (pattern, keeping) = (pattern(&forms), Guard::keeping(app.forgotten.clone()));
    let work = Purge {
        pattern: &pattern,
        guard: &keeping,
        normalizers: &|stream| {
            Some((app.keeping_normalizer(stream, &nobody), app.keeping_normalizer(stream, &app.forgotten)))
        },
        dry_run: args.dry_run,
        limit,
    };
    let (Purged { touched, stopped }, ended) = purge(&warehouse, &work, &app.forgotten, &life.token()).await;
    let hashed_by_others = hashed_by_others(&warehouse, person, &guard, limit).await;
    warehouse.close().await;
    if let Err(error) = ended {
        tracing::error!(
            lines = touched.lines,
            versions = touched.versions,
            quarantined = touched.quarantined,
            "forgetting ends here; what it changed is committed, and what is read from now on is held against it"
        );
        return Err(error.into());
    }
    let said = Said { kind: person.as_str(), dry_run: args.dry_run, touched, only_masked, hashed_by_others, stopped };
    if global.json {
        output::json(&said)?;
    } else {
        output::line(&said.text())?;
    }
    Ok(if stopped { life.signal().map_or(Exit::Interrupted, Signal::exit) } else { Exit::Done })
}

impl Said {
    fn text(&self) -> String {
        let Touched { lines, records, versions, quarantined, vehicles, texts } = self.touched;
        let mut what = format!(
            "{lines} line(s), {records} record(s), {versions} earlier image(s), {quarantined} record(s) in quarantine"
        );
        for (count, of) in [(vehicles, "row(s) of fuel.vehicle"), (texts, "other text(s)")] {
            if count > 0 {
                // Writing to a text does not fail.
                let _ = write!(what, ", {count} {of}");
            }
        }
        let mut said = match (self.dry_run, self.stopped) {
            (true, _) => format!("Would take this {} out of {what}. Nothing was changed.", self.kind),
            (false, false) => format!(
                "Took this {} out of {what}; the amounts are as they were. What is read from now on is held against it.",
                self.kind
            ),
            (false, true) => format!(
                "Stopped. Took this {} out of {what}; what is read from now on is held against it. Run it again for the rest.",
                self.kind
            ),
        };
        if self.only_masked > 0 {
            let _ = write!(
                said,
                "\n{} line(s) hold only its mask, which others may share: they are forgotten with --masked.",
                self.only_masked
            );
        }
        for HashedBy { key_id, values } in &self.hashed_by_others {
            let by = key_id.as_ref().map_or_else(
                || "do not say by which key they are hashed".to_owned(),
                |id| format!("are hashed by the key {id}, which is not the configured one"),
            );
            let _ = write!(
                said,
                "\n{values} value(s) {by}: run it again with each earlier key (docs/PRIVACY.md) where this {} may be among them.",
                self.kind
            );
        }
        said
    }
}

/// What is hashed by other keys. What cannot be counted is said in the log: forgetting has been done all the same.
async fn hashed_by_others(warehouse: &Warehouse, person: Person, guard: &Guard, limit: Duration) -> Vec<HashedBy> {
    let key_id = guard.hash_key().map(HashKey::id);
    warehouse.hashed_by_others(person.class(), key_id, limit).await.unwrap_or_else(|error| {
        tracing::warn!(error = %error, "hashes by other keys could not be counted");
        Vec::new()
    })
}

/// The value itself: as given, or the first line of standard input, where no list of processes shows it.
fn value(given: &str) -> Result<String, Failure> {
    let value = if given == "-" {
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(|e| Failure::usage("standard input cannot be read").because(e))?;
        line
    } else {
        given.to_owned()
    };
    let value = value.trim().to_owned();
    if plain(&value).is_empty() {
        return Err(Failure::usage("the value to forget has no letter and no digit").next("Nothing was changed."));
    }
    Ok(value)
}

fn confirm(person: Person, lines: u64) -> Failure {
    let what = match person {
        Person::Card => "card",
        Person::Plate => "plate",
        Person::Driver => "driver",
    };
    Failure::usage(format!(
        "of this {what} {lines} line(s) hold only a mask, which others may share; nothing was changed"
    ))
    .next(
        "Add --masked to forget every line with that mask and to drop what has it from now on; with --dry-run it says first \
         how many those are.",
    )
}

/// Makes this process heed the value; and, unless it is only tried, every other that writes to the warehouse.
async fn hold(
    warehouse: &Warehouse,
    forgotten: &Forgotten,
    person: Person,
    forms: &[String],
    dry_run: bool,
) -> Result<(), Failure> {
    let persons = warehouse.forgotten().await?;
    if dry_run {
        forgotten.set(forms.iter().fold(persons, |persons: Persons, form| persons.and(person, form)));
        return Ok(());
    }
    let digests: Vec<_> = forms.iter().filter_map(|form| persons.digest(form)).collect();
    let mut tried = 1;
    loop {
        match warehouse.forget(person, &digests).await {
            Ok(()) => break,
            Err(WarehouseError::Timeout(_)) if tried < TRIES => {
                tracing::info!(attempt = tried, "a window is being written; waiting for it");
                tried += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(warehouse.heed(forgotten).await?)
}
