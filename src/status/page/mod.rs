//! The pages for people: rendered here, with nothing from outside, readable without JavaScript.
//!
//! [`routes`] takes what is asked for, [`book`] asks the warehouse and keeps what is slow ([`kept`]); what comes of it is a
//! [`model`], and from there on everything is a function: [`overview`], [`stream`], [`quarantine`] make the documents,
//! [`table`], [`charts`], [`svg`] their parts, [`days`] decides what to say of a day, [`advice`] what to do about an error,
//! [`words`] writes values and escapes all text, [`shell`] puts head, style and script around.
//!
//! No page shows anything of a record: a quarantined one is named by its number, field and reason.

mod advice;
mod book;
mod charts;
mod days;
mod kept;
mod model;
mod overview;
mod quarantine;
pub(super) mod routes;
#[cfg(test)]
mod sample;
mod shell;
mod stream;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod words;

pub use book::Book;
pub use model::{Cadence, Cadences};
pub(super) use shell::{SCRIPT, STYLE};
