//! Alexela OCC Partners as published.

pub(crate) mod rows;
