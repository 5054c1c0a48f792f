//! Signed requests: what is signed is what is sent, and what is sent reads back as what was asked.

use chrono::{DateTime, Utc};
use fuelsync::{
    config::{Alexela, Config},
    domain::Window,
    fuzzing::alexela::{Asked, Sent, request, server_accepts},
    http::HttpError,
};
use serde_json::Value;

const DAY: i64 = 86_400;

/// Options (operation, method, date format) and the day, then lines: base URL, access id, `crm_account_id`, and the
/// contract or the cards. Whatever the configuration takes can be sent, is signed as it is sent, and reads back.
pub fn canonical(data: &[u8]) {
    let [options, first, second, rest @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (base_url, access_id, crm) = (line(), line(), line());
    let contract = line();
    let cards: Vec<String> = lines.map(str::to_owned).collect();
    let Some(config) = account(base_url, access_id, crm, options >> 4) else { return };

    let at = DateTime::from_timestamp(i64::from(u16::from_be_bytes([*first, *second])) * DAY + i64::from(*options), 0);
    let at = at.expect("a time");
    let window = Window::new(at, at + chrono::TimeDelta::days(i64::from(*first) + 1)).expect("a window");
    let asked = match options & 7 {
        0 => Asked::ContractNumbers,
        1 => Asked::Bonus(window),
        2 => Asked::Charging(window),
        3 => Asked::Define(&cards, &cards[..cards.len() / 2]),
        _ => Asked::Contract(contract, window),
    };
    let sent = match request(&config, asked, at) {
        Ok(sent) => sent,
        Err(HttpError::Request(_)) => panic!("the configuration took what cannot be sent"),
        Err(error) => panic!("not sent, and yet {error}"),
    };
    is_signed(&config, &sent, at);
    reads_back(&config, asked, &sent);
}

fn account(base_url: &str, access_id: &str, crm: &str, options: u8) -> Option<Alexela> {
    let mut variables = vec![
        ("NAME", "fleet".to_owned()),
        ("BASE_URL", base_url.to_owned()),
        ("ACCESS_ID", access_id.to_owned()),
        ("PSK", "0123456789abcdef".repeat(16)),
        ("START", "2026-06-22".to_owned()),
        ("METHOD", ["POST", "GET"][usize::from(options & 1)].to_owned()),
        ("DATE_FORMAT", ["date", "datetime"][usize::from(options >> 1 & 1)].to_owned()),
    ];
    if !crm.is_empty() {
        variables.push(("CRM_ACCOUNT_ID", crm.to_owned()));
    }
    let variables = variables.into_iter().map(|(key, value)| (format!("FUELSYNC__ALEXELA__0__{key}"), value));
    Config::from_text("text", "", variables).ok()?.alexela.into_iter().next()
}

fn is_signed(config: &Alexela, sent: &Sent, at: DateTime<Utc>) {
    let header = |name: &str| sent.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("date"), Some(at.format("%a, %d %b %Y %H:%M:%S GMT").to_string().as_str()));
    assert_eq!(header("content-type"), Some("application/json"));
    let signature = header("authorization").and_then(|value| value.strip_prefix("APIAuth-HMAC-SHA256 "));
    let signature = signature.and_then(|value| value.strip_prefix(&format!("{}:", config.access_id)));
    assert_eq!(signature.map(str::len), Some(44), "a signature of 32 bytes");
    assert!(server_accepts(config, sent, at), "not signed as it is sent: {sent:?}");

    // Whatever is changed on the way, the server refuses it.
    let mut changed = Sent { body: [&sent.body[..], b" "].concat().into(), ..copy(sent) };
    assert!(!server_accepts(config, &changed, at), "the body is not signed");
    changed = Sent { query: Some(format!("{}&", sent.query.clone().unwrap_or_default())), ..copy(sent) };
    assert!(!server_accepts(config, &changed, at), "the query is not signed");
    changed = Sent { path: format!("{}/", sent.path), ..copy(sent) };
    assert!(!server_accepts(config, &changed, at), "the path is not signed");
    let later = at + chrono::TimeDelta::seconds(1);
    changed = copy(sent);
    changed.headers.insert("date", later.format("%a, %d %b %Y %H:%M:%S GMT").to_string().parse().expect("a header"));
    assert!(!server_accepts(config, &changed, at), "the date is not signed");
}

fn copy(sent: &Sent) -> Sent {
    Sent {
        method: sent.method.clone(),
        path: sent.path.clone(),
        query: sent.query.clone(),
        headers: sent.headers.clone(),
        body: sent.body.clone(),
    }
}

fn reads_back(config: &Alexela, asked: Asked<'_>, sent: &Sent) {
    let query = sent.query.as_deref().unwrap_or_default();
    assert!(query.bytes().all(|b| b.is_ascii_graphic() && b != b'#' && b != b'+'), "{query}");
    let pairs: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let of = |wanted: &str| pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| decoded(value));
    let body: Value =
        if sent.body.is_empty() { Value::Null } else { serde_json::from_slice(&sent.body).expect("JSON") };
    let text = |name: &str| body[name].as_str().map(str::to_owned);

    assert_eq!(of("crm_account_id"), config.crm_account_id);
    let header = sent.headers.get("crm_account_id").and_then(|value| value.to_str().ok());
    assert_eq!(header, config.crm_account_id.as_deref());

    let (name, window) = match asked {
        Asked::ContractNumbers => ("ContractNumbers", None),
        Asked::Contract(contract, window) => {
            let asked = of("contractNumbers").or_else(|| body["contractNumbers"][0].as_str().map(str::to_owned));
            assert_eq!(asked.as_deref(), Some(contract));
            ("ContractTransactions", Some(window))
        }
        Asked::Bonus(window) => ("GetBonuscardTransactions", Some(window)),
        Asked::Charging(window) => ("EvTransactions", Some(window)),
        Asked::Define(regular, premium) => {
            let cards = |name: &str| serde_json::from_value::<Vec<String>>(body[name].clone()).expect("cards");
            assert_eq!((cards("bonuscards"), cards("premiumBonuscards")), (regular.to_vec(), premium.to_vec()));
            ("DefineBonuscards", None)
        }
    };
    assert_eq!(sent.path, format!("{}/{name}", config.base_url.path().trim_end_matches('/')));
    if let Some(window) = window {
        for (name, at) in [("fromDate", window.start()), ("toDate", window.end())] {
            let date = of(name).or_else(|| text(name)).expect("a date");
            assert!(at.to_rfc3339().starts_with(date.trim_end_matches('Z')), "{date} for {at}");
        }
    }
    assert_eq!(sent.method == "POST", !sent.body.is_empty());
}

/// A value of a query without its percent signs.
fn decoded(value: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), value.as_bytes());
    while let [first, left @ ..] = rest {
        rest = left;
        if *first == b'%' {
            let digits = std::str::from_utf8(&rest[..2]).expect("two digits");
            bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal digits"));
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}
