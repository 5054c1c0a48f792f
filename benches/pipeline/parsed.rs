//! The same bytes over the same wire, only received, and only parsed: what nothing can be faster than.

use std::{borrow::Cow, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    clock::{Clock as _, SystemClock},
    domain::SourceKind,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::vendor::Vendor;

/// How long it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Only {
    /// To receive the bytes.
    pub(crate) served: Duration,
    /// To receive and parse them.
    pub(crate) parsed: Duration,
}

/// A card sale's fields, borrowed from the text.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "they are parsed, and that is all")]
struct Sale<'a> {
    #[serde(borrow)]
    transaction_id: &'a RawValue,
    transaction_time: Cow<'a, str>,
    #[serde(borrow)]
    occ_product_code: Option<&'a RawValue>,
    #[serde(borrow)]
    occ_product_name: Option<Cow<'a, str>>,
    quantity: Option<f64>,
    price_per_unit: Option<f64>,
    total_price: Option<f64>,
    vat_rate: Option<f64>,
    vat_amount: Option<f64>,
    net_amount: Option<f64>,
    #[serde(borrow)]
    station_id: Option<&'a RawValue>,
    #[serde(borrow)]
    card_number: Option<Cow<'a, str>>,
    #[serde(borrow)]
    driver_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    plate_number: Option<Cow<'a, str>>,
    #[serde(borrow)]
    invoice_no: Option<&'a RawValue>,
    #[serde(borrow)]
    currency: Option<Cow<'a, str>>,
}

/// A page of transactions.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "they are parsed, and that is all")]
struct Page {
    meta: serde_json::Value,
    data: Vec<serde_json::Value>,
}

/// Asks for all windows, one after another.
pub(crate) async fn parsed(vendor: &Vendor, source: SourceKind, from: DateTime<Utc>, to: DateTime<Utc>) -> Only {
    let served = SystemClock.monotonic();
    read(vendor, source, from, to, |_| {}).await;
    let served = served.elapsed();
    let parsed = SystemClock.monotonic();
    read(vendor, source, from, to, |body| match source {
        SourceKind::HecOne => drop(serde_json::from_slice::<Page>(body).expect("a page")),
        SourceKind::AlexelaCard | SourceKind::AlexelaBonus | SourceKind::AlexelaEv => {
            drop(serde_json::from_slice::<Vec<Sale<'_>>>(body).expect("sales"));
        }
    })
    .await;
    Only { served, parsed: parsed.elapsed() }
}

#[expect(clippy::disallowed_methods, reason = "a client of the measurement's own: the program's is what is measured")]
async fn read(vendor: &Vendor, source: SourceKind, from: DateTime<Utc>, to: DateTime<Utc>, parse: impl Fn(&[u8])) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let address = vendor.address;
    let mut day = from;
    match source {
        SourceKind::HecOne => {
            while day < to {
                let next = day + TimeDelta::days(1);
                let (mut offset, stretch) = (0, [day, next].map(|at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string()));
                loop {
                    let url = format!(
                        "http://{address}/transactions?start_date={}&end_date={}&page[offset]={offset}&page[limit]=1000",
                        stretch[0], stretch[1]
                    );
                    let body = client.get(url).send().await.expect("an answer").bytes().await.expect("a body");
                    parse(&body);
                    if body.len() < 200 {
                        break;
                    }
                    offset += 1_000;
                }
                day = next;
            }
        }
        SourceKind::AlexelaCard | SourceKind::AlexelaBonus | SourceKind::AlexelaEv => {
            for contract in vendor.records().contracts() {
                day = from;
                while day < to {
                    let next = (day + TimeDelta::days(7)).min(to);
                    let body = serde_json::json!({
                        "contractNumbers": [contract],
                        "fromDate": day.format("%Y-%m-%d").to_string(),
                        "toDate": next.format("%Y-%m-%d").to_string(),
                    });
                    let request =
                        client.post(format!("http://{address}/api/v1/ContractTransactions")).body(body.to_string());
                    parse(&request.send().await.expect("an answer").bytes().await.expect("a body"));
                    day = next;
                }
            }
        }
    }
}
