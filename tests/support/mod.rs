//! What every integration test stands on: a fresh database ([`TestDatabase`]) and the real binary ([`Fuelsync`]).

mod command;
mod container;
mod database;
pub(crate) mod dbproxy;
pub(crate) mod fleet;
mod server;

pub(crate) use command::Fuelsync;
pub(crate) use database::TestDatabase;
