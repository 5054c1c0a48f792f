//! What the trace of a window says of its end.

use super::{
    tally::WindowOutcome,
    window::{Disposition, WindowError},
};
use crate::{telemetry::WindowSpan, warehouse::load::Counts};

/// A window was written.
pub(super) fn written(span: &WindowSpan, counts: &Counts) {
    span.ended(WindowOutcome::written(counts).as_str(), false, named(counts));
}

/// A window was compared and not written.
pub(super) fn compared(span: &WindowSpan, counts: &Counts) {
    span.ended("compared", false, named(counts));
}

/// A window was neither. Of the error only its kind is told.
pub(super) fn failed(span: &WindowSpan, error: &WindowError) {
    let (outcome, failed) = match error.disposition() {
        Disposition::NextPass => ("failed", true),
        Disposition::StopAccount => ("refused", true),
        Disposition::StopPass => ("no_database", true),
        Disposition::Gap => ("lost", true),
        Disposition::SwitchOff => ("not_enabled", false),
        Disposition::Rest => ("withdrawn", false),
        Disposition::LeaveStream => ("held", false),
        Disposition::Drop => ("overtaken", false),
        Disposition::Stop => ("stopped", false),
    };
    span.ended(outcome, failed, []);
}

fn named(counts: &Counts) -> [(&'static str, u64); 8] {
    [
        ("fetched", counts.fetched),
        ("inserted", counts.inserted),
        ("updated", counts.updated),
        ("unchanged", counts.unchanged),
        ("quarantined", counts.quarantined),
        ("outside", counts.outside),
        ("duplicate", counts.duplicate),
        ("missing", counts.missing),
    ]
}
