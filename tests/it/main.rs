//! Every test that needs a real `PostgreSQL` or the real binary: one program, so that the server starts once.

#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;

#[cfg(test)]
mod accounted;
#[cfg(test)]
mod alike;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod dbproxy;
#[cfg(test)]
mod early;
#[cfg(test)]
mod edges;
#[cfg(test)]
mod few;
#[cfg(test)]
mod forget;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod hides;
#[cfg(test)]
mod honest;
#[cfg(test)]
mod invoices;
#[cfg(test)]
mod known;
#[cfg(test)]
mod lease;
#[cfg(test)]
mod listen;
#[cfg(test)]
mod load;
#[cfg(test)]
mod meeting;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod page;
#[cfg(test)]
mod page_queries;
#[cfg(test)]
mod passes;
#[cfg(test)]
mod pooler;
#[cfg(test)]
mod precision;
#[cfg(test)]
mod progress;
#[cfg(test)]
mod prove;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod recognized;
#[cfg(test)]
mod remap;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod replay_counts;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod role;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod systemd;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod views;
#[cfg(test)]
mod waits;
#[cfg(test)]
mod whole;
#[cfg(test)]
mod window_sums;
