//! What the whole costs: the real program between a vendor that is never the limit and a real `PostgreSQL`, against COPY
//! of the same rows in the same run, so that every figure is a ratio.
//!
//! ```text
//! cargo bench --bench pipeline                                      every scenario, a million records each, five times
//! cargo bench --bench pipeline -- alexela --rows 100000 --times 3   one scenario, smaller
//! cargo bench --bench pipeline -- alexela --server "ALTER SYSTEM SET wal_keep_size = '8GB'" --server 'SELECT pg_reload_conf()'
//! cargo bench --bench pipeline -- alexela --tables 'ALTER TABLE fuel.record SET (fillfactor = 90)'
//! ```
//!
//! The last two look closer, or try a decision: `--server` is said to the server (what the benchmark sets itself, `fsync` and
//! `full_page_writes`, stays), `--tables` to each database.
//!
//! Each line is one scenario's round, or the median over its rounds. benches/README.md keeps the last results.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the lines are what it is for")]
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "shares and seconds of a measurement")]
#![expect(clippy::expect_used, clippy::panic, reason = "a measurement that cannot be made ends with a panic")]

mod baseline;
mod database;
mod parsed;
mod program;
mod scenario;
mod vendor;

use scenario::{Asked, SCENARIOS};

#[tokio::main]
async fn main() {
    let asked = Asked::of(std::env::args().skip(1));
    let server = database::Server::start(&asked.server, asked.tables.clone()).await;
    for scenario in SCENARIOS.iter().filter(|scenario| asked.wants(scenario.name)) {
        eprintln!("{}: {}", scenario.name, scenario.about);
        (scenario.run)(&server, &asked).await;
    }
}
