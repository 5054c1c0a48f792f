//! `config schema`: a JSON Schema, made of the same declarations that drive the reading.

use serde_json::{Map, Value, json};

use super::{
    key::{Key, Need, Type},
    sections::SECTIONS,
};

/// The JSON Schema of the configuration file.
pub fn schema() -> Value {
    let sections: Map<String, Value> = SECTIONS
        .iter()
        .map(|section| {
            let mut table = table(section.keys);
            if section.many {
                table = json!({ "type": "array", "items": table });
            }
            (section.name.to_owned(), described(table, section.about))
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fuelsync.toml",
        "description": "The configuration of fuelsync. Every key may also come from an environment variable, \
                        FUELSYNC__SECTION__KEY, which stands over the file.",
        "type": "object",
        "properties": sections,
        "required": ["database"],
        "additionalProperties": false,
    })
}

fn described(mut schema: Value, about: &str) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), about.into());
    }
    schema
}

fn table(keys: &[Key]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut conditions = Vec::new();
    for key in keys {
        let mut schema = described(value(&key.kind), key.about);
        if let (Need::Default(text), Some(schema)) = (key.need, schema.as_object_mut()) {
            schema.insert("default".to_owned(), default(&key.kind, text));
        }
        properties.insert(key.name.to_owned(), schema);
        if key.is_secret() {
            let file = format!("{}_file", key.name);
            let either = [json!({ "required": [key.name] }), json!({ "required": [file] })];
            conditions.push(match key.need {
                Need::Required => json!({ "oneOf": either }),
                Need::Optional | Need::Default(_) => json!({ "not": { "required": [key.name, file] } }),
            });
            let about = format!("A file that holds {} and nothing else.", key.name);
            properties.insert(file, json!({ "type": "string", "minLength": 1, "description": about }));
        } else if key.need == Need::Required {
            required.push(key.name);
        }
    }
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let Some(schema) = schema.as_object_mut() {
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        if !conditions.is_empty() {
            schema.insert("allOf".to_owned(), json!(conditions));
        }
    }
    schema
}

fn default(kind: &Type, text: &str) -> Value {
    match kind {
        Type::Flag => json!(text == "true"),
        Type::Count(..) => text.parse::<u64>().map_or_else(|_| text.into(), Into::into),
        Type::Texts | Type::Choices(_) | Type::Tables(_) => {
            super::layers::value(text).map(|value| super::given::to_json(&value.kind)).unwrap_or_default()
        }
        _ => text.into(),
    }
}

fn value(kind: &Type) -> Value {
    let text = || json!({ "type": "string", "minLength": 1 });
    match kind {
        Type::Text | Type::Schedule | Type::Listen | Type::Moment => text(),
        Type::Secret(least) => json!({ "type": "string", "minLength": (*least).max(1) }),
        Type::Server => json!({ "type": "string", "pattern": "^(postgres(ql)?:|embedded$)" }),
        Type::Flag => json!({ "type": "boolean" }),
        Type::Count(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Type::Duration(_) => json!({ "type": "string", "pattern": "^([0-9]+ *(ms|s|m|min|h|d|w) *)+$" }),
        Type::Size => json!({
            "oneOf": [
                { "type": "string", "pattern": "^[0-9]+ *(B|kB|KB|MB|GB|KiB|MiB|GiB)?$" },
                { "type": "integer", "minimum": 1024 },
            ]
        }),
        Type::Base(_) | Type::Proxy | Type::Collector => json!({ "type": "string", "pattern": "^https?://" }),
        Type::Path(_) => json!({ "type": "string", "pattern": "^/" }),
        Type::Choice(words) => json!({ "enum": words }),
        Type::Choices(words) => {
            json!({ "type": "array", "items": { "enum": words }, "minItems": 1, "uniqueItems": true })
        }
        Type::Texts => json!({ "type": "array", "items": text(), "uniqueItems": true }),
        Type::Tables(keys) => json!({ "type": "array", "items": table(keys) }),
        Type::Filter => json!({ "type": ["object", "string"] }),
        Type::Pointers => {
            let pointer = json!({ "type": "string", "pattern": "^/" });
            json!({
                "type": "object",
                "additionalProperties": { "oneOf": [pointer, { "type": "array", "items": pointer }] },
            })
        }
    }
}
