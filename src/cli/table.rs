//! Tables for people: no frame, two spaces between columns, wrapped to the width of the terminal; in a pipe nothing is wrapped, so
//! that a line stays a line.

use comfy_table::{ContentArrangement, Table, presets};

/// An empty table in the house's style.
pub(super) fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_its_terminal_and_loses_no_word() {
        let seen =
            "the vendor refuses the credentials of this account (HTTP 401); check its id and secret, and its clock";
        let mut table = plain();
        table.add_row(["FAIL", "alexela/fleet: alexela_bonus", seen]);
        table.set_width(80);
        let text = table.to_string();
        assert!(text.lines().count() > 1 && text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(seen.split(' ').all(|word| text.contains(word)), "{text}");
    }
}
