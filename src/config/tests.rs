//! The configuration as a whole: defaults, layers, faults, what is shown.

use std::{fs, path::Path, time::Duration};

use secrecy::ExposeSecret;

use super::*;

mod faulty;
mod sample;

/// The least that works: one account at each vendor.
fn least() -> String {
    format!(
        r#"
[database]
url = "postgres://fuelsync@warehouse/fleet"
[[hecone]]
name = "north"
base_url = "https://hecone.example/v2/"
client_id = "id"
client_secret = "canary-client-secret"
start = "2026-01-01"
[[alexela]]
name = "fleet"
base_url = "http://127.0.0.1:8080/gateway/api/v1/"
access_id = "access"
psk = "{}"
start = "2026-06-22T06:00:00Z"
"#,
        psk()
    )
}

fn psk() -> String {
    "canary-psk ".repeat(12)
}

fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, Faults> {
    Config::from_text("fuelsync.toml", text, variables(env))
}

fn variables(env: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into_iter()
}

/// All faults, each as `key: found`.
fn faults(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    let faults = load(text, env).expect_err("faults");
    faults.all().iter().map(|fault| format!("{}: {}", fault.key, fault.found)).collect()
}

#[test]
fn what_is_not_said_has_the_contracts_default() {
    let config = load(&least(), &[]).expect("a configuration");
    assert_eq!((config.database.max_connections, config.database.migrate), (8, false));
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:9464");
    assert_eq!((config.sync.workers, config.sync.publish_delay), (4, Duration::from_mins(15)));
    assert_eq!(config.sync.overlap, Duration::from_hours(2));
    let day = |days: u64| Duration::from_hours(24 * days);
    assert_eq!(
        config.sync.reread,
        [
            Reread { younger_than: day(2), every: Duration::from_hours(1) },
            Reread { younger_than: day(45), every: day(1) },
            Reread { younger_than: day(150), every: day(7) },
        ]
    );
    assert_eq!((config.sync.lease, config.sync.window_timeout), (Duration::from_secs(15), Duration::from_mins(10)));
    assert_eq!((config.http.max_retries, config.http.max_body), (6, 512 << 20));
    assert_eq!(config.http.connect_timeout, Duration::from_secs(10));
    assert_eq!(config.http.request_timeout, Duration::from_mins(1));
    let privacy = &config.privacy;
    assert_eq!(
        [privacy.card_number, privacy.driver_name, privacy.license_plate, privacy.receipt_email],
        [Rule::Mask, Rule::Keep, Rule::Keep, Rule::Drop]
    );
    let hecone = &config.hecone[0];
    assert_eq!((hecone.page_limit, hecone.requests_per_second), (100, 5));
    assert_eq!(hecone.schedule.as_str(), "0 */5 * * * *");
    assert_eq!(Some(hecone.grid), crate::domain::Grid::new(Duration::from_hours(6)));
    assert_eq!(hecone.transaction_path, "/transactions/{transaction_id}");
    assert_eq!((hecone.refresh_path.as_deref(), hecone.filter.is_some()), (None, false));
    let alexela = &config.alexela[0];
    assert_eq!((alexela.max_window_days, alexela.requests_per_second), (59, 2));
    assert_eq!(Some(alexela.grid), crate::domain::Grid::days(7));
    assert_eq!(alexela.sources.len(), 3);
    assert_eq!(alexela.contracts, Vec::<String>::new());
    assert_eq!((alexela.method, alexela.date_format), (AlexelaMethod::Post, DateFormat::Date));
}

#[test]
fn a_base_url_loses_its_trailing_slash_and_a_start_may_be_a_time() {
    let config = load(&least(), &[]).expect("a configuration");
    assert_eq!(config.hecone[0].base_url.as_str(), "https://hecone.example/v2");
    assert_eq!(config.alexela[0].base_url.as_str(), "http://127.0.0.1:8080/gateway/api/v1");
    assert_eq!(config.alexela[0].start.to_rfc3339(), "2026-06-22T06:00:00+00:00");
}

#[test]
fn a_key_is_used_exactly_as_issued() {
    let config = load(&least(), &[]).expect("a configuration");
    assert_eq!(config.alexela[0].psk.expose_secret(), psk());
}

#[test]
fn variables_stand_over_the_file_by_section_index_and_account() {
    let config = load(
        &least(),
        &[
            ("FUELSYNC__SYNC__WORKERS", "9"),
            ("FUELSYNC__SYNC__REREAD", r#"[{younger_than="1d",every="1h"}]"#),
            ("FUELSYNC__DATABASE__MIGRATE", "true"),
            ("FUELSYNC__HECONE__0__CLIENT_SECRET", "over"),
            ("FUELSYNC__HECONE__NORTH__FIELDS__CARD_NUMBER", "/card/no"),
            ("FUELSYNC__ALEXELA__FLEET__CONTRACTS", "22297, 22298"),
            ("FUELSYNC__ALEXELA__fleet__SOURCES", r#"["alexela_ev"]"#),
            ("PATH", "/bin"),
        ],
    )
    .expect("a configuration");
    assert_eq!((config.sync.workers, config.sync.reread.len(), config.database.migrate), (9, 1, true));
    assert_eq!(config.hecone[0].client_secret.expose_secret(), "over");
    assert_eq!(config.hecone[0].client_id, "id");
    assert_eq!(config.hecone[0].fields["card_number"], ["/card/no"]);
    assert_eq!(config.alexela[0].contracts, ["22297", "22298"]);
    assert_eq!(config.alexela[0].sources, [crate::domain::SourceKind::AlexelaEv]);
}

#[test]
fn variables_alone_make_a_configuration() {
    let config = locate::load(
        None,
        variables(&[
            ("FUELSYNC__DATABASE__URL", "embedded"),
            ("FUELSYNC__ALEXELA__0__NAME", "Fleet East"),
            ("FUELSYNC__ALEXELA__FLEET_EAST__PSK", &psk()),
            ("FUELSYNC__ALEXELA__0__BASE_URL", "http://localhost:1/api"),
            ("FUELSYNC__ALEXELA__0__ACCESS_ID", "access"),
            ("FUELSYNC__ALEXELA__0__START", "2026-01-01"),
        ]),
        true,
    )
    .expect("a configuration")
    .config;
    assert!(matches!(config.database.url, DatabaseUrl::Embedded));
    assert_eq!(config.alexela[0].name, "Fleet East");
}

#[test]
fn a_secret_may_stand_in_a_file_beside_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("secret"), "from the file\r\n").expect("write");
    fs::write(folder.path().join("url"), "postgres://u@h/d\n").expect("write");
    let text = least().replace(r#"client_secret = "canary-client-secret""#, r#"client_secret_file = "secret""#);
    let text = text.replace(r#"url = "postgres://fuelsync@warehouse/fleet""#, r#"url_file = "url""#);
    let path = folder.path().join("fuelsync.toml");
    fs::write(&path, &text).expect("write");
    let config = Config::load(Some(&path), std::iter::empty()).expect("a configuration");
    assert_eq!(config.hecone[0].client_secret.expose_secret(), "from the file");
    let DatabaseUrl::Server(url) = &config.database.url else { panic!("a server") };
    assert_eq!(url.expose_secret(), "postgres://u@h/d");
    // A variable stands over the file's key, whichever of the two it is.
    let config = load(&text, &[("FUELSYNC__DATABASE__URL", "embedded"), ("FUELSYNC__HECONE__0__CLIENT_SECRET", "x")]);
    assert!(matches!(config.expect("a configuration").database.url, DatabaseUrl::Embedded));
}

#[test]
fn a_named_file_that_is_not_there_is_a_fault_and_no_file_at_all_says_where_it_was_looked_for() {
    let missing = Config::load(Some(Path::new("/nowhere/fuelsync.toml")), std::iter::empty()).expect_err("a fault");
    assert!(missing.to_string().contains("/nowhere/fuelsync.toml"), "{missing}");
    let by_variable = Config::load(None, variables(&[("FUELSYNC_CONFIG", "/nowhere/else.toml")])).expect_err("a fault");
    assert!(by_variable.to_string().contains("/nowhere/else.toml"), "{by_variable}");
    let none = Config::load(None, std::iter::empty()).expect_err("a fault");
    assert!(none.to_string().contains("looked for fuelsync.toml and /etc/fuelsync/fuelsync.toml"), "{none}");
}

#[test]
fn having_no_account_is_a_fault_only_for_those_who_need_one() {
    let text = "[database]\nurl = \"embedded\"\n";
    let config = load(text, &[]).expect("a configuration");
    assert!(config.require_accounts().is_err());
    let needed = read_all(Some(("f.toml".into(), text)), Vec::new(), true).expect_err("a fault");
    assert_eq!(needed.all().len(), 1);
    let both = read_all(Some(("f.toml".into(), "")), Vec::new(), true).expect_err("faults");
    assert_eq!(both.all().len(), 2, "{both}");
}

#[test]
fn a_filter_is_passed_through_in_each_of_its_spellings() {
    let filter = |line: &str| {
        let text = least().replace("client_id = \"id\"", &format!("client_id = \"id\"\nfilter = {line}"));
        load(&text, &[]).map(|config| config.hecone[0].filter.clone().expect("a filter"))
    };
    let json = r#"{"field":"site_code","value":"0417"}"#;
    let simple = ("filter_descriptor".to_owned(), json.to_owned());
    for line in [
        format!("{{ parameter = \"filter_descriptor\", json = '{json}' }}"),
        "{ filter_descriptor = { field = \"site_code\", value = \"0417\" } }".to_owned(),
        format!("'{json}'"),
    ] {
        assert_eq!(filter(&line).expect("a filter"), simple, "{line}");
    }
    let composite = filter(r#"{ logic = "and", filters = [] }"#).expect("a filter");
    assert_eq!(composite, ("composite_filter_descriptor".to_owned(), r#"{"filters":[],"logic":"and"}"#.to_owned()));
    for line in ["{ parameter = \"where\", json = '{}' }", "{ parameter = \"filter_descriptor\" }", "'{'", "{}", "5"] {
        assert!(filter(line).is_err(), "{line}");
    }
}

#[test]
fn a_collector_has_an_address_without_secrets_and_a_fault_shows_none() {
    let with = |endpoint: &str| load(&format!("{}\n[telemetry]\notlp_endpoint = \"{endpoint}\"\n", least()), &[]);
    assert_eq!(load(&least(), &[]).expect("a configuration").telemetry.otlp_endpoint, None);
    for fine in ["http://127.0.0.1:4318", "http://collector.monitoring.svc:4318", "https://collector.example/otlp"] {
        let endpoint = with(fine).expect(fine).telemetry.otlp_endpoint.expect(fine);
        assert!(endpoint.as_str().starts_with(fine), "{endpoint}");
    }
    for wrong in [
        "http://user:canary@collector:4318",
        "http://collector:4318?token=canary",
        "collector:4318",
        "grpc://collector:1",
    ] {
        let faults = with(wrong).expect_err(wrong).to_string();
        assert!(faults.contains("telemetry.otlp_endpoint") && !faults.contains("canary"), "{faults}");
    }
}

#[test]
fn what_is_shown_has_origins_and_no_secret() {
    let text = least().replace("fuelsync@warehouse", "fuelsync:canary-password@warehouse");
    let text = text.replace("/fleet\"", "/fleet?sslmode=require&password=canary-too\"");
    let env = [("FUELSYNC__SYNC__WORKERS", "9"), ("FUELSYNC__ALEXELA__FLEET__PSK", &psk())];
    let shown = read_all(Some(("fuelsync.toml".into(), &text)), variables(&env).collect(), false).expect("settings");
    let as_text = as_text(&shown.settings);
    insta::assert_snapshot!(as_text);
    let as_json = as_json(shown.file.as_deref(), &shown.settings).to_string();
    assert!(as_json.contains(r#""key":"sync.workers","account":null,"value":9,"from":"FUELSYNC__SYNC__WORKERS""#));
    for shown in [as_text, as_json, format!("{:?}", shown.config)] {
        assert!(!shown.contains("canary"), "{shown}");
    }
}

/// The keys of the sections as one name each, `x_file` included.
fn every_key() -> Vec<String> {
    fn of(prefix: &str, keys: &[key::Key], all: &mut Vec<String>) {
        for key in keys {
            all.extend(key.names().map(|name| format!("{prefix}.{name}")));
            if let key::Type::Tables(keys) = key.kind {
                of(&format!("{prefix}.{}", key.name), keys, all);
            }
        }
    }
    let mut all = Vec::new();
    for section in SECTIONS {
        of(section.name, section.keys, &mut all);
    }
    all
}
