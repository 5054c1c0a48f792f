//! `HecOne` 360 as published.

pub(crate) mod rows;
