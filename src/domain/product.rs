//! Products: from a source's own words to one canonical name, kind and unit.

use super::{
    stream::SourceKind,
    transaction::{Kind, Unit},
};

/// One rule: what must match, and what follows. The first that matches decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductRule {
    /// Only this source; any when absent.
    pub source: Option<SourceKind>,
    /// The product code, compared whole, ASCII case aside.
    pub code: Option<String>,
    /// A part of the product name, case aside.
    pub name_contains: Option<String>,
    /// The canonical product.
    pub product: String,
    /// Its kind.
    pub kind: Option<Kind>,
    /// Its unit.
    pub unit: Option<Unit>,
}
