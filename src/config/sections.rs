//! The sections of the configuration, each with its keys.

use config::ValueKind;

use super::{
    account, database,
    key::{Key, Type},
    layers::Table,
    privacy, product, sync, telemetry,
};

/// One section.
#[derive(Debug)]
pub(super) struct SectionSpec {
    /// Its name in the file.
    pub(super) name: &'static str,
    /// Whether it is a list of tables (`[[name]]`).
    pub(super) many: bool,
    /// Its keys.
    pub(super) keys: &'static [Key],
    /// What it is for, one sentence for the schema.
    pub(super) about: &'static str,
}

/// All sections, in the order in which they are shown.
pub(super) const SECTIONS: &[SectionSpec] = &[
    SectionSpec { name: "database", many: false, keys: database::KEYS, about: "Where the warehouse is." },
    SectionSpec { name: "server", many: false, keys: sync::SERVER, about: "Status page, health and metrics." },
    SectionSpec { name: "sync", many: false, keys: sync::SYNC, about: "How a pass works." },
    SectionSpec { name: "http", many: false, keys: sync::HTTP, about: "Limits of every request to a vendor." },
    SectionSpec {
        name: "privacy",
        many: false,
        keys: privacy::KEYS,
        about: "What happens to personal data before anything is stored or logged; in columns and raw alike.",
    },
    SectionSpec { name: "telemetry", many: false, keys: telemetry::KEYS, about: "Where traces go; off by default." },
    SectionSpec { name: "hecone", many: true, keys: account::hecone::KEYS, about: "An account at a HecOne server." },
    SectionSpec { name: "alexela", many: true, keys: account::alexela::KEYS, about: "An account at Alexela." },
    SectionSpec {
        name: "product",
        many: true,
        keys: product::KEYS,
        about: "A product rule; those given here stand before those shipped with the program.",
    },
];

/// A section by its name.
pub(super) fn section(name: &str) -> Option<&'static SectionSpec> {
    SECTIONS.iter().find(|section| section.name == name)
}

impl SectionSpec {
    /// Whether the section is absent from a file, or a table or list of tables as it should be.
    pub(super) fn shape_is_right(&self, file: &Table) -> bool {
        match (file.get(self.name).map(|value| &value.kind), self.many) {
            (None, _) | (Some(ValueKind::Table(_)), false) => true,
            (Some(ValueKind::Array(entries)), true) => entries.iter().all(|e| matches!(e.kind, ValueKind::Table(_))),
            (Some(_), _) => false,
        }
    }

    /// Whether entries of the list have names.
    pub(super) fn has_names(&self) -> bool {
        self.many && self.keys.iter().any(|key| key.name == "name")
    }

    /// Whether a key's value is a table.
    pub(super) fn holds_tables(&self, key: &str) -> bool {
        self.keys.iter().any(|k| k.name == key && matches!(k.kind, Type::Filter | Type::Pointers))
    }
}
