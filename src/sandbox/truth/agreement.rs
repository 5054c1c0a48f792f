//! The program's normalizers against the truth: two independent readings of the contract must come to the same rows.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat, Utc};

use super::{COLUMNS, Scope, TruthRow, quality};
use crate::{
    config::{Privacy, Rule},
    domain::{Amount, Flag, Line, Outcome, Partition, Record, SourceKind, StreamId, product::ProductRules},
    privacy::Guard,
    sandbox::{
        alexela::rows::{card_row, ev_row},
        hecone::rows::hecone_row,
        world::{World, WorldOptions},
    },
    source::{Context, alexela, hecone},
};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn columns(id: &str, line: &Line, flags: &[Flag]) -> Vec<(&'static str, Option<String>)> {
    let time = |t: Option<DateTime<Utc>>| t.map(|t| t.to_rfc3339_opts(SecondsFormat::Micros, true));
    let amount = |a: Option<Amount>| a.map(|a| a.to_string());
    let word = |text: &str| Some(text.to_owned());
    vec![
        ("source_transaction_id", word(id)),
        ("kind", word(line.kind.as_str())),
        ("state", word(line.state.as_str())),
        ("source_state", line.source_state.clone()),
        ("occurred_at", time(Some(line.occurred_at))),
        ("started_at", time(line.started_at)),
        ("status_at", time(line.status_at)),
        ("invoiced_at", time(line.invoiced_at)),
        ("contract_no", line.contract_no.clone()),
        ("site_id", line.site_id.clone()),
        ("site_code", line.site_code.clone()),
        ("site_name", line.site_name.clone()),
        ("terminal_id", line.terminal_id.clone()),
        ("terminal_name", line.terminal_name.clone()),
        ("point", line.point.clone()),
        ("card_number", line.card_number.clone()),
        ("driver_name", line.driver_name.clone()),
        ("driver_no", line.driver_no.clone()),
        ("vehicle_no", line.vehicle_no.clone()),
        ("license_plate", line.license_plate.clone()),
        ("odometer_km", line.odometer_km.map(|km| km.to_string())),
        ("receipt_no", line.receipt_no.clone()),
        ("authorization_code", line.authorization_code.clone()),
        ("invoice_no", line.invoice_no.clone()),
        ("session_id", line.session_id.clone()),
        ("product_code", line.product_code.clone()),
        ("product_name", line.product_name.clone()),
        ("product_type", line.product_type.clone()),
        ("product", line.product.clone()),
        ("quantity", amount(line.quantity)),
        ("unit", line.unit.map(|u| u.as_str().to_owned())),
        ("net_unit_price", amount(line.net_unit_price)),
        ("unit_discount", amount(line.unit_discount)),
        ("unit_price", amount(line.unit_price)),
        ("net_amount", amount(line.net_amount)),
        ("vat_rate", amount(line.vat_rate)),
        ("vat_amount", amount(line.vat_amount)),
        ("gross_amount", amount(line.gross_amount)),
        ("paid_amount", amount(line.paid_amount)),
        ("payment_method", line.payment_method.clone()),
        ("currency", line.currency.clone()),
        ("quality", Some(quality(flags))),
    ]
}

/// A line as the truth names it, before rows of one key are numbered and compared with each other.
fn shown(source: SourceKind, id: &str, line: &Line) -> String {
    let flags: Vec<_> = line.quality.iter().copied().filter(|f| *f != Flag::IdenticalLines).collect();
    format!("{source} {} {:?}", line.line_id, columns(id, line, &flags))
}

fn told(row: &TruthRow) -> String {
    let value = |column: &str| row.columns[column].clone();
    let line = row.line_group.rsplit('/').next().unwrap_or_default();
    let quality = value("quality").map(|q| {
        let kept: Vec<_> =
            q.trim_matches(['{', '}']).split(',').filter(|f| *f != Flag::IdenticalLines.as_str()).collect();
        format!("{{{}}}", kept.join(","))
    });
    let skipped = ["source", "account", "line_id", "partition", "quality"];
    let mut columns: Vec<_> = COLUMNS.iter().filter(|c| !skipped.contains(c)).map(|c| (*c, value(c))).collect();
    columns.push(("quality", quality));
    format!("{} {line} {columns:?}", value("source").unwrap_or_default())
}

struct Read {
    rows: Vec<String>,
    rejected: Vec<(SourceKind, Option<String>, String)>,
}

impl Read {
    fn take(&mut self, source: SourceKind, record: Record) {
        match record.outcome {
            Outcome::Lines(lines) => {
                self.rows.extend(lines.iter().map(|line| shown(source, &record.id, line)));
            }
            Outcome::Rejected(rejection) => {
                let field = rejection.field.rsplit('/').next().unwrap_or_default().to_owned();
                self.rejected.push((source, (!record.id.is_empty()).then_some(record.id), field));
            }
        }
    }
}

fn context<'a>(
    stream: &'a StreamId,
    now: DateTime<Utc>,
    products: &'a ProductRules,
    privacy: &'a Guard,
) -> Context<'a> {
    Context { stream, present: now, products, privacy }
}

fn normalized(world: &World, now: DateTime<Utc>) -> Read {
    let privacy = Privacy {
        card_number: Rule::Mask,
        driver_name: Rule::Keep,
        license_plate: Rule::Keep,
        receipt_email: Rule::Drop,
        hash_key: None,
    };
    let (guard, products) = (Guard::new(&privacy), ProductRules::default());
    let mut read = Read { rows: Vec::new(), rejected: Vec::new() };
    world.with(now, |store| {
        let pointers = hecone::Pointers::default();
        let stream = StreamId::new(SourceKind::HecOne, "north", Partition::whole());
        for session in store.hecone.iter().filter(|s| s.visible(now)) {
            let json = hecone_row(world, session, now, false).json();
            read.take(
                SourceKind::HecOne,
                hecone::normalize(&json, &context(&stream, now, &products, &guard), &pointers),
            );
        }
        for (source, sales) in [(SourceKind::AlexelaCard, &store.card), (SourceKind::AlexelaBonus, &store.bonus)] {
            for sale in sales.iter().filter(|s| s.visible(now)) {
                let partition = match source {
                    SourceKind::AlexelaCard => {
                        Partition::contract(&world.fleet.contracts[world.fleet.cards[sale.card].contract])
                    }
                    _ => Partition::whole(),
                };
                let stream = StreamId::new(source, "fleet", partition);
                for line in 0..sale.lines.len() {
                    let json = card_row(world, source, sale, line, now, false).row.json();
                    read.take(source, alexela::normalize(&json, &context(&stream, now, &products, &guard)));
                }
            }
        }
        let stream = StreamId::new(SourceKind::AlexelaEv, "fleet", Partition::whole());
        for sale in store.ev.iter().filter(|s| s.visible(now)) {
            let json = ev_row(world, sale, now, false).row.json();
            read.take(SourceKind::AlexelaEv, alexela::normalize(&json, &context(&stream, now, &products, &guard)));
        }
    });
    read
}

#[test]
fn the_normalizers_and_the_truth_come_to_the_same_rows() {
    let from = at("2026-07-01T00:00:00Z");
    for (seed, now) in [(1, "2026-10-20T12:00:00Z"), (2, "2026-10-31T23:00:00Z")] {
        let world = World::new(WorldOptions {
            seed,
            sales: 20_000,
            from,
            to: at("2026-11-01T00:00:00Z"),
            planted: if seed == 2 { 20 } else { 0 },
            ..WorldOptions::default()
        });
        let (now, scope) = (at(now), Scope::from(from));
        let mut read = normalized(&world, now);
        let mut rows: Vec<_> = world.truth(now, &scope).iter().map(told).collect();
        read.rows.sort_unstable();
        rows.sort_unstable();
        let (found, wanted): (BTreeSet<_>, BTreeSet<_>) = (read.rows.iter().collect(), rows.iter().collect());
        let only_found: Vec<_> = found.difference(&wanted).take(12).collect();
        let only_wanted: Vec<_> = wanted.difference(&found).take(12).collect();
        assert!(
            only_found.is_empty() && only_wanted.is_empty(),
            "normalized:\n{only_found:#?}\ntruth:\n{only_wanted:#?}"
        );
        assert_eq!(read.rows, rows);
        let mut rejected: Vec<_> =
            world.truth_quarantine(now, &scope).into_iter().map(|r| (r.source, r.id, r.field.to_owned())).collect();
        read.rejected.sort_unstable();
        rejected.sort_unstable();
        assert_eq!(read.rejected, rejected);
        assert!(!rejected.is_empty() && rows.len() > 20_000);
    }
}
