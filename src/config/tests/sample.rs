//! The sample file, the schema and the declarations: three views of the same keys.

use super::*;

const SAMPLE: &str = include_str!("../../../config/fuelsync.toml");

/// Values that are the reader's own, not defaults.
const OWN: [&str; 4] = ["name", "base_url", "client_id", "access_id"];

#[test]
fn the_sample_is_a_configuration() {
    let config = load(SAMPLE, &[]).expect("a configuration");
    assert_eq!((config.hecone.len(), config.alexela.len(), config.products.len()), (1, 1, 1));
    assert!(config.require_accounts().is_ok());
}

#[test]
fn the_sample_is_still_one_with_every_hidden_key_uncovered() {
    // Both spellings of a secret at once are a fault, so those in files stay covered.
    let uncovered: Vec<_> = SAMPLE
        .lines()
        .map(|line| line.strip_prefix("#: ").filter(|key| !key.contains("_file =")).unwrap_or(line))
        .collect();
    let config = load(&uncovered.join("\n"), &[]).expect("a configuration");
    assert!(config.http.proxy.is_some() && config.privacy.hash_key.is_some() && config.database.password.is_some());
    assert_eq!(config.hecone[0].fields["card_number"].len(), 2);
    assert!(config.hecone[0].filter.is_some());
}

#[test]
fn the_samples_values_are_the_programs_defaults() {
    let shown = |text: &str| {
        let loaded = read_all(Some(("sample".into(), text)), Vec::new(), false).expect("settings");
        loaded.settings.into_iter().map(|s| (s.key, s.value)).collect::<std::collections::BTreeMap<_, _>>()
    };
    let sample = shown(SAMPLE);
    let defaults = shown(&least());
    for (key, value) in sample.iter().filter(|(key, _)| !key.starts_with("product")) {
        let last = key.rsplit('.').next().expect("a name");
        if !OWN.contains(&last) && last != "start" {
            assert_eq!(defaults.get(key), Some(value), "{key}");
        }
    }
}

#[test]
fn the_sample_names_every_key() {
    for key in every_key() {
        let name = key.rsplit('.').next().expect("a name");
        let named = SAMPLE.lines().map(|line| line.trim_start_matches(['#', ':', ' ', '{'])).any(|line| {
            line.starts_with(&format!("{name} ="))
                || line.starts_with(&format!("[hecone.{name}]"))
                || line.contains(&format!(", {name} ="))
        });
        assert!(named, "config/fuelsync.toml does not name {key}");
    }
}

#[test]
fn the_schema_has_every_key_and_no_other() {
    fn keys(prefix: &str, schema: &serde_json::Value, all: &mut Vec<String>) {
        let table = if schema["type"] == "array" { &schema["items"] } else { schema };
        for (name, inner) in table["properties"].as_object().into_iter().flatten() {
            all.push(format!("{prefix}.{name}"));
            keys(&format!("{prefix}.{name}"), inner, all);
        }
    }
    let schema = schema();
    let mut found = Vec::new();
    for (section, inner) in schema["properties"].as_object().expect("sections") {
        keys(section, inner, &mut found);
    }
    let mut declared = every_key();
    found.sort();
    declared.sort();
    assert_eq!(found, declared);
    assert_eq!(schema["properties"]["sync"]["properties"]["workers"]["default"], 4);
    assert_eq!(schema["properties"]["alexela"]["items"]["properties"]["psk"]["minLength"], 128);
}
