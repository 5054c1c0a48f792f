//! The text stays the text.

use proptest::prelude::*;

use super::*;

#[test]
fn every_value_knows_where_it_stands() {
    let text = r#" {"a": [1.50, "x\n"], "b": {"c" : 7e2 }} "#;
    let node = Node::parse(text).unwrap();
    let at = |pointer: &str| {
        let pointer = Pointer::parse(pointer).unwrap();
        &text[pointer.find(&node).unwrap().span.clone()]
    };
    assert_eq!(at("/a/0"), "1.50");
    assert_eq!(at("/a/1"), r#""x\n""#);
    assert_eq!(at("/b/c"), "7e2");
    assert_eq!(at("/b"), r#"{"c" : 7e2 }"#);
}

#[test]
fn of_doubles_the_last_counts_and_each_is_met() {
    let mut node = Node::parse(r#"{"a": 1, "a": 2}"#).unwrap();
    assert_eq!(node.get("a").and_then(Node::scalar), Some("2"));
    let mut met = 0;
    Pointer::parse("/a").unwrap().each(&mut node, &mut |_| met += 1);
    assert_eq!(met, 2);
}

#[test]
fn a_pointer_escapes_slash_and_tilde() {
    let node = Node::parse(r#"{"a/b": {"~": 1}}"#).unwrap();
    assert!(Pointer::parse("/a~1b/~0").unwrap().find(&node).is_some());
    for text in ["", "a", "/a~2", "/a~"] {
        assert_eq!(Pointer::parse(text), None, "{text}");
    }
}

#[test]
fn what_is_no_document_is_refused() {
    for text in ["", "{", "{}x", "[1,]", "nul", "01", "\"\u{1}\""] {
        assert_eq!(Node::parse(text), Err(NotJson::Syntax), "{text}");
    }
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(Node::parse(&deep), Err(NotJson::TooDeep));
}

#[test]
fn a_text_of_too_many_values_is_refused_and_one_long_string_is_not() {
    let many = format!("{{\"a\":[{}0]}}", "0,".repeat(VALUES));
    assert_eq!(Node::parse(&many), Err(NotJson::TooMany));
    let long = format!("{{\"a\":\"{}\"}}", ",[{\\\"".repeat(VALUES));
    assert!(Node::parse(&long).is_ok());
    let as_many_as_are_read = format!("[{}0]", "0,".repeat(VALUES - 1));
    assert!(Node::parse(&as_many_as_are_read).is_ok());
}

#[test]
fn nul_characters_are_taken_out_and_half_pairs_replaced() {
    for (text, left, nul) in [
        (r#"{"a": "x\u0000y"}"#, r#"{"a": "xy"}"#, true),
        ("{\"a\": \"x\0y\"}", r#"{"a": "xy"}"#, true),
        (r#"{"a": "x\\u0000y"}"#, r#"{"a": "x\\u0000y"}"#, false),
        (r#"{"a": "\ud83d\ude00"}"#, r#"{"a": "\ud83d\ude00"}"#, false),
        (r#"{"a": "\ud83d"}"#, r#"{"a": "\ufffd"}"#, false),
        (r#"{"a": "\uDE00\ud83dx"}"#, r#"{"a": "\ufffd\ufffdx"}"#, false),
        (r#"{"a": "\ud83d\u0000\ude00"}"#, r#"{"a": "\ufffd\ufffd"}"#, true),
        (r#"{"a\u0000": 1}"#, r#"{"a": 1}"#, true),
    ] {
        assert_eq!(clean(text), (Cow::from(left), nul), "{text}");
    }
}

pub(crate) fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,8})?([eE][+-]?[0-9]{1,3})?",
        ".{0,12}".prop_map(|s| quoted(&s)),
        "[a-z]{0,3}(\\\\u[0-9a-fA-F]{4}|\\\\u0000|\\\\ud8[0-9]{2}|\\\\n){0,3}".prop_map(|s| format!("\"{s}\"")),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|v| format!("[{}]", v.join(" , "))),
            prop::collection::vec(("[a-zA-Z_]{0,6}", inner), 0..6).prop_map(|v| {
                let members: Vec<_> = v.into_iter().map(|(k, v)| format!("{}: {v}", quoted(&k))).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_clean_is_read_and_holds_nothing_that_the_database_refuses(text in any_json()) {
        let (clean_text, _) = clean(&text);
        let node = Node::parse(&clean_text);
        prop_assert!(node.is_ok(), "{}", clean_text);
        let strict: Result<serde_json::Value, _> = serde_json::from_str(&clean_text);
        prop_assert!(!strict.is_ok_and(|v| v.to_string().contains("\\u0000")), "{}", clean_text);
        prop_assert_eq!(clean(&clean_text), (clean_text.clone(), false));
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,40}", near in r#"[{}\[\]",:\\u0d8e1 ]{0,40}"#) {
        for text in [text, near] {
            let (text, _) = clean(&text);
            let _ = Node::parse(&text);
        }
    }
}
