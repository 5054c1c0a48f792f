//! What holds for every record, whatever a vendor sent.

use std::{collections::BTreeSet, sync::LazyLock};

use chrono::{DateTime, Timelike, Utc};
use fuelsync::{
    config::{Privacy, Rule},
    domain::{Flag, Line, Outcome, Partition, Record, SourceKind, StreamId, product::ProductRules},
    privacy::Guard,
    source::Context,
};
use serde_json::value::RawValue;

/// Bytes of a part of a key.
const LONGEST_KEY: usize = 400;

static PRODUCTS: LazyLock<ProductRules> = LazyLock::new(ProductRules::default);

/// What records are normalized with: a source, and the privacy rules that a number stands for.
pub(crate) struct Setting {
    stream: StreamId,
    guard: Guard,
}

impl Setting {
    pub(crate) fn new(source: SourceKind, rules: u8) -> Self {
        let partition = match source {
            SourceKind::AlexelaCard => Partition::contract("22297"),
            SourceKind::AlexelaBonus | SourceKind::AlexelaEv | SourceKind::HecOne => Partition::whole(),
        };
        let rule = |place: u32| [Rule::Keep, Rule::Mask, Rule::Hash, Rule::Drop][usize::from(rules >> (2 * place) & 3)];
        let privacy = Privacy {
            card_number: rule(0),
            driver_name: rule(1),
            license_plate: rule(2),
            receipt_email: rule(3),
            hash_key: Some("a key for tests".to_owned().into()),
        };
        Self { stream: StreamId::new(source, "fuzz", partition), guard: Guard::new(&privacy) }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        let present = DateTime::from_timestamp(1_795_000_000, 0).expect("a time");
        Context { stream: &self.stream, present, products: &PRODUCTS, privacy: &self.guard }
    }
}

/// What holds for a record; `normalize` makes one of a text.
pub(crate) fn check(raw: &str, normalize: impl Fn(&str) -> Record) {
    let record = normalize(raw);
    assert!(is_json(&record.raw), "what is stored casts to json: {}", record.raw);
    assert!(!holds_nul(&record.raw), "the database holds no NUL");
    assert!(record.id.len() <= LONGEST_KEY);
    match &record.outcome {
        Outcome::Rejected(why) => assert!(!why.field.is_empty() && !why.reason.is_empty()),
        Outcome::Lines(lines) => {
            assert!(!record.id.is_empty(), "a row has a key");
            let keys: BTreeSet<_> = lines.iter().map(|line| &line.line_id).collect();
            assert!(!lines.is_empty() && keys.len() == lines.len(), "each line has a key of its own: {keys:?}");
            lines.iter().for_each(check_line);
        }
    }

    // What is stored can be normalized again and comes to the same.
    let again = normalize(&record.raw);
    assert_eq!(again.raw, record.raw, "the rules leave their own results as they are");
    assert_eq!(again.id, record.id);
    match (&record.outcome, &again.outcome) {
        (Outcome::Lines(lines), Outcome::Lines(again)) => {
            let without_nul = |lines: &[Line]| {
                let mut lines = lines.to_vec();
                for line in &mut lines {
                    line.quality.remove(&Flag::NulRemoved);
                }
                lines
            };
            assert_eq!(without_nul(lines), without_nul(again));
        }
        (Outcome::Rejected(why), Outcome::Rejected(again)) => assert_eq!(why.field, again.field),
        (first, again) => panic!("{first:?}, and of what is stored {again:?}"),
    }
}

fn check_line(line: &Line) {
    assert!(!line.line_id.is_empty() && line.line_id.len() <= LONGEST_KEY + "#1000".len());
    let times: [Option<DateTime<Utc>>; 4] = [Some(line.occurred_at), line.started_at, line.status_at, line.invoiced_at];
    assert!(times.iter().flatten().all(|at| at.nanosecond() % 1_000 == 0), "the database keeps microseconds");
    for text in texts(line).into_iter().flatten() {
        assert!(!text.trim().is_empty(), "what is unknown is none, not an empty text");
        assert!(!text.contains('\0'));
    }
    if let Some(currency) = &line.currency {
        assert!(currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase()), "{currency:?}");
    }
}

fn texts(line: &Line) -> [&Option<String>; 23] {
    [
        &line.source_state,
        &line.contract_no,
        &line.site_id,
        &line.site_code,
        &line.site_name,
        &line.terminal_id,
        &line.terminal_name,
        &line.point,
        &line.card_number,
        &line.driver_name,
        &line.driver_no,
        &line.vehicle_no,
        &line.license_plate,
        &line.receipt_no,
        &line.authorization_code,
        &line.invoice_no,
        &line.session_id,
        &line.product_code,
        &line.product_name,
        &line.product_type,
        &line.product,
        &line.payment_method,
        &line.currency,
    ]
}

/// Whether a text is one JSON value.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Whether a JSON text has a NUL in it, escaped or not.
fn holds_nul(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '\0']) {
        if rest.as_bytes()[at] == 0 || rest[at..].starts_with("\\u0000") {
            return true;
        }
        // The character behind a backslash is not one itself.
        rest = rest[at + 1..].get(1..).unwrap_or_default();
    }
    false
}
