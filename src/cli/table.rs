//! Tables for people: no frame, two spaces between columns, nothing that a narrow terminal breaks.

use comfy_table::{ContentArrangement, Table, presets};

/// An empty table in the house's style.
pub(super) fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}
