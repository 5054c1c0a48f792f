//! The configuration: raw (what serde reads) → checked (what the program may use).
//!
//! Nothing below this module sees a text that could still be wrong: a schedule parses, a key is long enough, a base URL
//! is `https` or loopback, a secret cannot be printed.

pub mod account;
pub mod database;
pub mod privacy;
pub mod sync;

pub use account::{Alexela, AlexelaMethod, DateFormat, HecOne, UpdateMethod};
pub use database::{Database, DatabaseUrl};
pub use privacy::{Privacy, Rule};
pub use sync::{Http, Reread, Server, Sync};

use crate::domain::product::ProductRule;

/// Everything the program may be told, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the warehouse is.
    pub database: Database,
    /// The status page.
    pub server: Server,
    /// How the pass works.
    pub sync: Sync,
    /// Time limits, retries and size limits of every request.
    pub http: Http,
    /// The rules for personal data.
    pub privacy: Privacy,
    /// `HecOne` accounts, in the order of the file.
    pub hecone: Vec<HecOne>,
    /// Alexela accounts, in the order of the file.
    pub alexela: Vec<Alexela>,
    /// Product rules (`[[product]]`) that stand before those shipped with the program.
    pub products: Vec<ProductRule>,
}
