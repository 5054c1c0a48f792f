//! The heart: what is due, reading one window, one stream, a pass over everything, a stretch of history.
//!
//! [`plan`] is pure and decides; [`window`] reads one window and has it written; [`stream`] does what is due for one
//! stream under its lease; [`pass`] does that for all streams of all accounts; [`backfill`] loads history beside it;
//! [`daemon`] repeats passes when [`doorbell`] rings; [`replay`] normalizes what is in quarantine again; [`verify`] reads a
//! stretch once more and compares; [`retention`] says what a source will forget, and so what goes first; [`prove`] makes
//! the completeness certificate of a stretch; [`forget`] takes a person out of all that is stored, [`remap`] normalizes all
//! of it again; [`tally`] counts for `/metrics`, [`watch`] knows what is under way.

pub mod backfill;
mod carry;
pub mod daemon;
pub mod doorbell;
pub mod forget;
mod lost;
pub mod open;
pub mod pass;
pub mod plan;
pub mod prove;
pub mod remap;
pub mod replay;
pub mod retention;
pub mod stream;
pub mod summary;
pub mod tally;
mod traced;
mod turns;
pub mod verify;
pub mod watch;
pub mod window;
