//! Alexela's answers, from the bytes to the rows.

use fuelsync::{
    domain::{Kind, Outcome, SourceKind},
    fuzzing::alexela::counts,
    source::alexela::normalize,
};
use serde_json::{Value, json};

use super::{
    documents::{chunks, cut},
    records::{Setting, check},
};

/// A seed for the chunks, the privacy rules, then a document. A denial is never taken for rows; every record of a
/// document comes to a row or to the quarantine, in each of the three interfaces.
pub fn alexela_document(data: &[u8]) {
    let [seed, rules, document @ ..] = data else { return };
    let (records, end) = cut(chunks(document, *seed));
    if let Ok(rest) = end {
        let counted = counts(&rest);
        if rest.member("success") == Some(json!(false)) {
            assert!(matches!(counted, Ok(false)), "success: false is an error, whatever else it says");
        } else if rest.listed {
            // `"false"` as a text is taken for false, too.
            assert!(matches!(counted, Ok(true)) || rest.member("success").is_some_and(|said| said.is_string()));
        } else if rest.members.is_empty() {
            assert!(counted.is_err(), "an empty object is no answer");
        }
        if counted == Ok(true) {
            assert!(rest.listed || rest.member("success").as_ref().and_then(Value::as_bool) == Some(true));
        }
    }
    for source in [SourceKind::AlexelaCard, SourceKind::AlexelaBonus, SourceKind::AlexelaEv] {
        let setting = Setting::new(source, *rules);
        for raw in &records {
            check(raw, |text| normalize(text, &setting.context()));
            let Outcome::Lines(lines) = normalize(raw, &setting.context()).outcome else { continue };
            let [line] = lines.as_slice() else { panic!("{} lines of one row", lines.len()) };
            assert_eq!(line.contract_no.is_some(), source == SourceKind::AlexelaCard, "whose contract it is, is known");
            if source == SourceKind::AlexelaEv {
                assert_eq!((line.kind, line.line_id.as_str()), (Kind::EvCharging, "1"));
            }
        }
    }
}
