//! `config show`: what is in force and where each value came from. Secrets are hidden before they get here.

use std::fmt::Write;

/// One key in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The key's path, e.g. `alexela[0].psk`.
    pub key: String,
    /// The account's name, where the key belongs to one.
    pub account: Option<String>,
    /// The value; `***` for a secret, null when nothing is set.
    pub value: serde_json::Value,
    /// File and line, variable, or `default`.
    pub from: String,
}

/// Everything in force, for people: key, value, origin in columns; accounts are named.
pub fn as_text(settings: &[Setting]) -> String {
    let value = |setting: &Setting| match &setting.value {
        serde_json::Value::Null => "-".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let width = |of: &dyn Fn(&Setting) -> usize| settings.iter().map(of).max().unwrap_or(0);
    let keys = width(&|s| s.key.chars().count());
    // One very long value must not push the origins of all the others off the screen.
    let values = width(&|s| value(s).chars().count().min(60));
    let mut text = String::new();
    let mut section = "";
    for setting in settings {
        let of = setting.key.rsplit_once('.').map_or(setting.key.as_str(), |(section, _)| section);
        if of != section {
            let name = setting.account.as_deref().map(|name| format!("  # {name}")).unwrap_or_default();
            let gap = if section.is_empty() { "" } else { "\n" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{gap}[{of}]{name}");
            section = of;
        }
        let _ = writeln!(text, "{:keys$}  {:values$}  {}", setting.key, value(setting), setting.from);
    }
    text
}

/// Everything in force as one JSON document.
pub fn as_json(file: Option<&std::path::Path>, settings: &[Setting]) -> serde_json::Value {
    let setting =
        |s: &Setting| serde_json::json!({ "key": s.key, "account": s.account, "value": s.value, "from": s.from });
    serde_json::json!({
        "file": file.map(|path| path.display().to_string()),
        "settings": settings.iter().map(setting).collect::<Vec<_>>(),
    })
}
