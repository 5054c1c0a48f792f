//! Any chunking of any document gives the same records; whatever is not a whole document is refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The records and the rest of a document that arrives in chunks of these sizes.
fn cut(document: &[u8], sizes: &[usize]) -> Result<(Vec<String>, Rest), HttpError> {
    let (mut cutter, mut records, mut left) = (Cutter::new(), Vec::new(), document);
    for size in sizes.iter().copied().chain(std::iter::repeat(usize::MAX)) {
        if left.is_empty() {
            break;
        }
        let (chunk, rest) = left.split_at(size.clamp(1, left.len()));
        cutter.push(chunk, |record| records.push(record.to_owned()))?;
        left = rest;
    }
    Ok((records, cutter.finish()?))
}

fn records_of(document: &str) -> Result<Vec<String>, HttpError> {
    cut(document.as_bytes(), &[]).map(|(records, _)| records)
}

#[test]
fn a_list_and_both_envelopes_give_their_records_as_sent() {
    for document in [
        r#"[{"a":1.50, "b":"]}\""},2]"#,
        "\u{feff} [ {\"a\":1.50, \"b\":\"]}\\\"\"} , 2 ] \r\n",
        r#"{"success":true,"data":[{"a":1.50, "b":"]}\""},2],"error":null,"message":null}"#,
        r#"{"_links":{},"meta":{"total":2},"data":[{"a":1.50, "b":"]}\""},2]}"#,
    ] {
        assert_eq!(records_of(document).unwrap(), [r#"{"a":1.50, "b":"]}\""}"#, "2"], "{document}");
    }
}

#[test]
fn data_may_be_one_object_or_null_or_absent() {
    for (document, records, listed) in [
        (r#"{"data":{"id":"x"}}"#, vec![r#"{"id":"x"}"#], true),
        (r#"{"data":null,"error":"Wrong Date format"}"#, vec![], false),
        (r#"{"error":"Wrong Date format"}"#, vec![], false),
        ("{}", vec![], false),
        ("[]", vec![], true),
        (r#"{"data":[ ]}"#, vec![], true),
    ] {
        let (cut, rest) = cut(document.as_bytes(), &[]).unwrap();
        assert_eq!(
            (cut.as_slice(), rest.listed),
            (&*records.iter().map(ToString::to_string).collect::<Vec<_>>(), listed)
        );
    }
}

#[test]
fn the_other_members_are_kept() {
    let document = br#"{"success": false, "data": null, "error": "Wrong\u0020Date format", "meta": {"total": 3}}"#;
    let (_, rest) = cut(document, &[1, 2, 3]).unwrap();
    assert_eq!(rest.member("success"), Some(json!(false)));
    assert_eq!(rest.member("error"), Some(json!("Wrong Date format")));
    assert_eq!(rest.member("meta"), Some(json!({"total": 3})));
    assert_eq!(rest.member("data"), None);
}

#[test]
fn what_is_no_whole_document_is_refused() {
    for document in [
        "",
        "  ",
        "\u{feff}",
        "<html></html>",
        "true",
        "\"text\"",
        "12",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1]]",
        "[1] x",
        "[1]\u{feff}",
        " \u{feff}[1]",
        "[1][2]",
        "[01]",
        "[tru]",
        "[{\"a\":}]",
        "[{\"a\":1}}]",
        "[{\"a\":1]]",
        "[\"a\nb\"]",
        "[\"\\x\"]",
        "{\"data\":[1],}",
        "{\"data\":[1]\"a\":1}",
        "{\"data\":[1]],\"a\":1}",
        "{data:[1]}",
        "{\"data\"[1]}",
        "{\"data\":1}",
        "{\"data\":nul}",
        "{\"data\":\"x\"}",
        "{\"data\":[1],\"data\":[2]}",
        "{\"a\":1 2}",
        "[nullnull]",
        "[1}",
        "{]",
    ] {
        assert!(matches!(records_of(document), Err(HttpError::Malformed(_))), "{document:?}");
    }
    assert!(cut(b"[\"\xff\"]", &[]).is_err());
    assert!(cut(b"\xef\xbb[1]", &[]).is_err());
}

#[test]
fn depth_and_size_have_limits() {
    let deep = |levels: usize| format!("[{}1{}]", "[".repeat(levels), "]".repeat(levels));
    assert!(records_of(&deep(125)).is_ok());
    assert!(records_of(&deep(126)).is_err());
    assert!(serde_json::from_str::<Value>(&deep(125)).is_ok());
    assert!(records_of(&format!("[\"{}\"]", "x".repeat(RECORD))).is_err());
    assert!(records_of(&format!("{{\"a\":\"{}\"}}", "x".repeat(MEMBERS))).is_err());
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~äõ€😀\\\\\"\\[\\]{},:\n]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[a-z\\\\\"ä]{0,4}", inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A document as some server may write it: bare or enveloped, dense or spread out.
fn document() -> impl Strategy<Value = (Vec<Value>, String)> {
    (prop::collection::vec(value(), 0..5), 0..4u8, any::<bool>(), value(), value()).prop_map(
        |(records, shape, spread, before, after)| {
            let document = match shape {
                0 | 1 => json!(records),
                2 => json!({"success": before, "data": records, "error": after}),
                _ => json!({"data": records, "meta": {"data": after}}),
            };
            let text = if spread { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) };
            (records, format!("{}{}", if shape == 1 { "\u{feff}" } else { "" }, text.unwrap()))
        },
    )
}

proptest! {
    #[test]
    fn however_a_document_is_chunked_its_records_are_those_of_serde_json(
        (records, text) in document(),
        sizes in prop::collection::vec(1usize..9, 0..40),
    ) {
        let (cut, rest) = cut(text.as_bytes(), &sizes).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let parsed: Vec<Value> = cut.iter().map(|r| serde_json::from_str(r).unwrap()).collect();
        prop_assert_eq!(rest.records, records.len() as u64);
        prop_assert_eq!(parsed, records);
        prop_assert!(cut.iter().all(|r| text.contains(r.as_str())), "not the exact text");
    }

    #[test]
    fn every_truncation_is_an_error((_, text) in document(), sizes in prop::collection::vec(1usize..9, 0..40)) {
        for end in 0..text.len() {
            prop_assert!(cut(&text.as_bytes()[..end], &sizes).is_err(), "{}", end);
        }
    }

    #[test]
    fn it_accepts_lists_exactly_when_serde_json_does(text in "\\[[\\[\\]{}\",:a1e. \\\\tn-]{0,10}\\]") {
        let theirs = serde_json::from_str::<Vec<Box<RawValue>>>(&text).ok();
        let theirs = theirs.map(|values| values.iter().map(|v| v.get().to_owned()).collect::<Vec<_>>());
        prop_assert_eq!(records_of(&text).ok(), theirs);
    }
}
