//! Every configuration that the tree shows is one: read by the real program, with secrets in files that the test makes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use chrono::NaiveTime;
use fuelsync::{
    clock::{Clock, SystemClock},
    sandbox::{self, WorldOptions},
};

use crate::support::Fuelsync;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder whose name ends so.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut folders = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The TOML blocks of a document, where they stand indented, too.
fn blocks(document: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "```toml" {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let inside = lines.by_ref().take_while(|line| line.trim() != "```");
        blocks.push(inside.fold(String::new(), |text, line| text + line.get(indent..).unwrap_or_default() + "\n"));
    }
    blocks
}

/// A configuration in a folder of its own, each file of a secret that it names beside it: what a path is called is kept, where
/// it lies is not.
fn call(text: &str) -> Fuelsync {
    let mut call = Fuelsync::new(["config", "show", "--json"]);
    let mut here = String::new();
    for line in text.lines() {
        let key = line.split('=').next().unwrap_or_default().trim();
        if let (true, Some(path)) = (key.ends_with("_file") && !key.starts_with('#'), line.split('"').nth(1)) {
            let name = path.rsplit('/').next().unwrap_or_default();
            // Long enough for the key of Alexela, which has a shortest length.
            call = call.file(name, &secret(key));
            here += &line.replace(path, name);
        } else {
            here += line;
        }
        here.push('\n');
    }
    call.config(&here)
}

fn secret(key: &str) -> String {
    if key.contains("url") { "postgres://owner@localhost/fleet\n".into() } else { format!("{}\n", "0f".repeat(64)) }
}

/// What comes in a comment to be made use of is as good as what does not.
fn uncovered(text: &str) -> String {
    let is_setting = |line: &str| {
        line.starts_with("#[")
            || line.split_once(" = ").is_some_and(|(key, _)| {
                key.strip_prefix('#')
                    .is_some_and(|key| !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
            })
    };
    text.lines().fold(String::new(), |all, line| all + if is_setting(line) { &line[1..] } else { line } + "\n")
}

#[tokio::test]
async fn each_sample_of_config_and_deploy_is_a_configuration() {
    let mut samples = files("config", &[".toml"]);
    samples.extend(files("deploy", &[".toml"]));
    assert!(samples.len() >= 3, "{samples:?}");
    for path in samples {
        let text = fs::read_to_string(&path).unwrap();
        call(&text).run().await.ended_with(0);
        let accounts = call(&uncovered(&text)).run().await.ended_with(0).stdout;
        for account in ["hecone", "alexela"] {
            assert!(accounts.contains(account), "{} shows an account of {account}:\n{accounts}", path.display());
        }
    }
}

#[tokio::test]
async fn each_whole_block_of_the_documents_is_a_configuration() {
    let mut documents = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    documents.extend(files("docs", &[".md"]));
    let mut whole = 0;
    for path in documents {
        for block in blocks(&fs::read_to_string(&path).unwrap()) {
            // A part of one is shown for one key; what has a database is meant to be typed as it is.
            if block.contains("[database]") {
                whole += 1;
                call(&block).run().await.ended_with(0);
            }
        }
    }
    assert!(whole > 0, "the README shows a configuration");
}

/// The variables `FUELSYNC__…` of a manifest: `- { name: N, value: V }`, or `N: V` as compose has it.
fn variables(manifest: &str) -> Vec<(String, String)> {
    let unquoted = |value: &str| value.trim().trim_matches('"').to_owned();
    manifest
        .lines()
        .filter_map(|line| {
            let line = line.trim();
            let (name, value) = match line.strip_prefix("- { name: ") {
                Some(rest) => rest.strip_suffix('}')?.split_once(", value: ")?,
                None => line.split_once(": ")?,
            };
            name.starts_with("FUELSYNC__").then(|| (name.to_owned(), unquoted(value)))
        })
        .collect()
}

#[tokio::test]
async fn each_variable_of_a_manifest_stands_over_a_configuration() {
    let base = fs::read_to_string(root().join("deploy/kubernetes/base/fuelsync.toml")).unwrap();
    let mut seen = 0;
    for path in files("deploy", &[".yaml", ".yml"]) {
        let manifest = fs::read_to_string(&path).unwrap();
        // No variable is written in a form that would be passed over here.
        let all = manifest.matches("FUELSYNC__").count();
        let variables = variables(&manifest);
        assert_eq!(variables.len(), all, "{}", path.display());
        let mut one = call(&base);
        for (name, value) in &variables {
            let file = name.ends_with("_FILE");
            let value =
                if file { one.path(value.rsplit('/').next().unwrap()).display().to_string() } else { value.clone() };
            if file {
                fs::write(&value, secret(&name.to_lowercase())).unwrap();
            }
            one = one.env(name, value);
        }
        if all > 0 {
            one.run().await.ended_with(0);
            seen += 1;
        }
    }
    assert!(seen >= 3, "the daemon's, the migration's and compose.yaml's, at least");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sandbox_prints_is_a_configuration_behind_tls_as_well() {
    let midnight = SystemClock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
    let from = midnight - chrono::TimeDelta::days(2);
    let world = WorldOptions { sales: 10, from, to: midnight, ..WorldOptions::default() };
    let sandbox = sandbox::start(sandbox::Options { world, ..sandbox::Options::default() }).await.unwrap();
    let text = sandbox::configuration(&sandbox, "postgres://user@127.0.0.1/fleet", from);
    // As deploy/docker/sandbox.sh puts it before its TLS, and compose.yaml its variables over it.
    let behind = text.replace(&format!("http://{}", sandbox.addr()), "https://sandbox:9443");
    assert_eq!(behind.matches("https://sandbox:9443").count(), 2, "{behind}");
    let compose = fs::read_to_string(root().join("deploy/docker/compose.yaml")).unwrap();
    let over = variables(&compose).into_iter().fold(call(&behind), |call, (name, value)| call.env(&name, value));
    let shown = over.run().await.ended_with(0).stdout;
    assert!(shown.contains("0.0.0.0:9464"), "{shown}");
}
