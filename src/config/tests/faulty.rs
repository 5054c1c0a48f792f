//! What is wrong is said, all of it, with its place and without a secret.

use super::*;

const EVERYTHING_WRONG: &str = r#"
colour = "blue"

[database]
url = "mysql://user:canary-url@warehouse/fleet"
url_file = "/nowhere/url"
max_conections = 4
migrate = "sometimes"

[server]
listen = "localhost"

[sync]
workers = 0
publish_delay = "15"
overlap = 7200
lease = "0s"
reread = [ { younger_than = "45d", every = "1d" }, { younger_than = "2d", every = "1h", twice = true } ]

[http]
max_body = "512 megabytes"
max_retries = -1
proxy = "http://user:canary-proxy@proxy:3128"

[privacy]
card_number = "hash"
driver_name = "hide"

[[hecone]]
name = "north"
base_url = "http://hecone.example"
client_id = ""
client_secret = 123456789
schedule = "*/5 * * * *"
start = "2026-02-30"
window = "0s"
transaction_path = "/transactions"
update_method = "patch"

[hecone.fields]
card_number = "card"

[[hecone]]
name = "north"
base_url = "https://user:canary-base@hecone.example"
client_id = "id"
client_secret = "canary-secret"
client_secret_file = "/nowhere/secret"
start = 20260101

[[alexela]]
name = "fleet"
base_url = "https://alexela.example/v1"
access_id = ""
psk = "canary-psk"
sources = ["alexela_card", "hecone"]
contracts = [22297]
window = "7d"
window_days = 60

[[alexela]]
name = "other"
base_url = "https://alexela.example/api/v1"
access_id = "access"
psk_file = "/nowhere/psk"
start = "2026-01-01"
contracts = "22297"

[[product]]
product = "diesel"
kind = "liquid"

[privcy]
card_number = "keep"
"#;

#[test]
fn every_fault_is_listed_at_once_with_its_place_and_without_secrets() {
    let env = [
        ("FUELSYNC__SYNC__WORKER", "4"),
        ("FUELSYNC__SNC__WORKERS", "4"),
        ("FUELSYNC__HTTP", "4"),
        ("FUELSYNC__HECONE__7__NAME", "far"),
        ("FUELSYNC__HECONE__NORTH__CLIENT_ID", "whose"),
        ("FUELSYNC__ALEXELA__FLEAT__PSK", "canary-env"),
        ("FUELSYNC__SERVER__LISTEN", "everywhere"),
    ];
    let faults = load(EVERYTHING_WRONG, &env).expect_err("faults");
    assert!(!faults.to_string().contains("canary"), "{faults}");
    assert!(!faults.to_string().contains("123456789"), "{faults}");
    assert!(!format!("{faults:?}").contains("canary"));
    insta::assert_snapshot!(faults);
}

#[test]
fn text_that_is_not_toml_is_a_fault_with_line_and_column() {
    let faults = load("[database]\nurl = \"embedded\"\n[[hecone]\nname = 'x'\n", &[]).expect_err("a fault");
    let text = faults.to_string();
    assert!(text.contains("fuelsync.toml:3:"), "{text}");
}

#[test]
fn one_section_of_the_wrong_shape_hides_no_fault() {
    let text = "sync = 5\nhecone = { name = \"x\" }\n[database]\nurl = \"embedded\"\n";
    let env = [("FUELSYNC__SYNC__WORKERS", "4"), ("FUELSYNC__HECONE__0__NAME", "x")];
    assert_eq!(faults(text, &env), ["hecone: a table", "sync: a number"]);
}

#[test]
fn a_window_longer_than_one_request_may_span_is_a_fault() {
    let text = least().replace("access_id = ", "window_days = 14\nmax_window_days = 10\naccess_id = ");
    assert_eq!(faults(&text, &[]), ["alexela[0].window_days: 14 days"]);
}

#[test]
fn both_spellings_of_a_secret_in_one_layer_are_a_fault() {
    let env = [("FUELSYNC__PRIVACY__HASH_KEY", "a"), ("FUELSYNC__PRIVACY__HASH_KEY_FILE", "b")];
    assert_eq!(faults(&least(), &env), ["privacy.hash_key: both hash_key and hash_key_file"]);
}

#[test]
fn plain_http_is_for_loopback_only() {
    for (address, fine) in [
        ("http://localhost:8080", true),
        ("http://127.0.0.2", true),
        ("http://[::1]:80/x", true),
        ("http://localhost.example", false),
        ("http://10.0.0.1", false),
        ("http://127.0.0.1.example", false),
        ("ftp://localhost", false),
        ("https://hecone.example?x=1", false),
        ("https://hecone.example/#x", false),
        ("hecone.example", false),
        ("", false),
    ] {
        let text = least().replace("https://hecone.example/v2/", address);
        assert_eq!(load(&text, &[]).is_ok(), fine, "{address}");
    }
}

#[test]
fn two_variables_for_one_key_are_a_fault() {
    let env = [("FUELSYNC__ALEXELA__0__ACCESS_ID", "a"), ("FUELSYNC__ALEXELA__FLEET__ACCESS_ID", "b")];
    assert_eq!(faults(&least(), &env), ["alexela[0].access_id: FUELSYNC__ALEXELA__0__ACCESS_ID sets the same key"]);
}

#[test]
fn a_field_that_nobody_looks_for_is_a_fault() {
    let text = least().replace("[[alexela]]", "[hecone.fields]\nlicence_plate = \"/plate\"\n[[alexela]]");
    assert_eq!(
        faults(&text, &[]),
        ["hecone[0].fields: a table: with the unknown field \"licence_plate\"; did you mean \"license_plate\"?"]
    );
}

#[test]
fn a_pointer_is_one_of_rfc_6901() {
    for (pointer, fine) in [("/card", true), ("/a~1b/~0", true), ("card", false), ("/a~2", false), ("/a~", false)] {
        let text = least().replace("[[alexela]]", &format!("[hecone.fields]\npoint = \"{pointer}\"\n[[alexela]]"));
        assert_eq!(load(&text, &[]).is_ok(), fine, "{pointer}");
    }
}

#[test]
fn a_missing_secret_names_both_of_its_spellings() {
    let text = least().replace("client_secret = \"canary-client-secret\"", "");
    assert_eq!(
        faults(&text, &[]),
        ["hecone[0].client_secret: nothing; client_secret or client_secret_file is required"]
    );
}

#[test]
fn a_secret_in_place_of_the_databases_address_is_not_told() {
    for (url, found) in [
        ("canary-5f3c:x", "an address that starts with something else"),
        ("canary-5f3c://host/fleet", "an address that starts with something else"),
        ("jdbc:postgresql://host/fleet?password=canary-5f3c", "an address that starts with jdbc:"),
        ("canary-5f3c", "a text that is no address (relative URL without a base)"),
    ] {
        let faults = load(&format!("[database]\nurl = \"{url}\"\n"), &[]).expect_err("a fault");
        assert_eq!(faults.all()[0].found, found);
    }
}

#[test]
fn the_same_text_has_the_same_faults_each_time() {
    let fields = "[[hecone]]\n[hecone.fields]\nzone = \"/a\"\ncolour = \"/b\"\ncard_number = \"card\"\n";
    for _ in 0..16 {
        let faults = load(fields, &[]).expect_err("a fault");
        let found = faults.all().iter().find(|fault| fault.key == "hecone[0].fields").map(|fault| fault.found.as_str());
        assert_eq!(found, Some("a table: card_number with \"card\", which is no JSON pointer"));
    }
}

#[test]
fn a_variable_for_a_table_and_one_for_a_key_in_it_are_a_fault() {
    // Which of the two stood on top was left to chance.
    let whole = ("FUELSYNC__HECONE__0__FIELDS", r#"{ site_name = "/a" }"#);
    let inner = ("FUELSYNC__HECONE__0__FIELDS__CARD_NUMBER", "/card/pan");
    for variables in [[whole, inner], [inner, whole]] {
        let faults = load(&least(), &variables).expect_err("a fault");
        let [fault] = faults.all() else { panic!("{faults}") };
        assert_eq!(fault.place, Place::Variable(inner.0.to_owned()));
        assert_eq!(fault.found, "FUELSYNC__HECONE__0__FIELDS sets the same key");
    }
    load(&least(), &[inner, ("FUELSYNC__HECONE__0__FIELDS__SITE_NAME", "/a")]).expect("two keys of one table");
}
