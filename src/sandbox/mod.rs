//! Both vendors' HTTP APIs as published, over an invented world of sales that can tell the truth about itself.

pub(crate) mod alexela;
pub(crate) mod dirt;
pub(crate) mod hecone;
pub(crate) mod row;
pub mod truth;
pub mod world;
