//! `fuelsync`: every fuel and charging sale from Hectronic `HecOne` and Alexela in your own `PostgreSQL`.
//!
//! The modules in the order in which data meets them:
//!
//! 1. [`cli`] turns arguments into a call; [`config`] a file into settings that cannot be wrong; [`app`] builds clock,
//!    pool and HTTP once; [`lifecycle`] says when to stop, [`logging`] who may say how much.
//! 2. [`schedule`] says when a stream is due, [`sync`] which of its windows.
//! 3. [`source`] asks the vendor over [`http`], cuts the answer into records and normalizes each, with [`privacy`]
//!    applied before a record leaves it.
//! 4. [`warehouse`] writes a window's rows, counts and watermark in one transaction.
//! 5. [`status`] shows what the warehouse knows; [`invoices`] compares it with what a supplier says.
//!
//! [`domain`] holds the types that all of them speak; [`clock`] is the only place that asks for the time; [`telemetry`] takes
//! down what is done to each window, where somebody wants to see it. [`embedded`]
//! and [`sandbox`] are for demonstration and tests: a private `PostgreSQL` and both vendors' servers. [`failpoint`] is
//! where tests kill the program or plant a fault in it; in a release it is nothing. `fuzzing` is what `fuzz/` calls, and
//! is there with the feature of that name only.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod embedded;
pub mod failpoint;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
pub mod invoices;
pub mod lifecycle;
pub mod logging;
pub mod privacy;
pub mod sandbox;
pub mod schedule;
pub mod source;
pub mod status;
pub mod sync;
pub mod telemetry;
pub mod warehouse;
