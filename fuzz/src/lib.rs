//! What each fuzz target asserts, as a function of bytes.
//!
//! The programs in `fuzz_targets/` give these functions what the fuzzer makes up; `tests/it/fuzz.rs` gives them the seeds
//! that are kept in `seeds/`, so that neither the functions nor the entry points (`src/fuzzing.rs`) can rot. Nothing here
//! asks for the time or leaves the process.

mod alexela;
mod canonical;
mod configuration;
mod cutter;
mod dates;
mod decimals;
mod documents;
mod hecone;
mod records;

pub use alexela::alexela_document;
pub use canonical::canonical;
pub use configuration::configuration;
pub use cutter::cutter_chunks;
pub use dates::dates;
pub use decimals::decimals;
pub use hecone::{hecone_document, hecone_single};

/// What asserts the properties of one target.
pub type Target = fn(&[u8]);

/// Every target under its name.
pub const TARGETS: [(&str, Target); 8] = [
    ("alexela_document", alexela_document),
    ("hecone_document", hecone_document),
    ("hecone_single", hecone_single),
    ("cutter_chunks", cutter_chunks),
    ("dates", dates),
    ("decimals", decimals),
    ("configuration", configuration),
    ("canonical", canonical),
];
