//! `sandbox`: the two vendors' sandbox alone, on a port.

use std::net::SocketAddr;

use chrono::{NaiveTime, TimeDelta};
use serde::Serialize;

use super::{Exit, Failure, Global, args::SandboxArgs, output, start};
use crate::{
    clock::{Clock, SystemClock},
    sandbox::{self, WorldOptions},
};

#[derive(Serialize)]
struct Said {
    hecone: String,
    alexela: String,
    configuration: String,
}

pub(super) async fn run(args: SandboxArgs, global: &Global) -> Result<Exit, Failure> {
    let life = start::lifecycle()?;
    let midnight = SystemClock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
    let from = midnight - TimeDelta::days(365);
    let world = WorldOptions { seed: args.seed, sales: args.sales, from, to: midnight, ..WorldOptions::default() };
    let listen = SocketAddr::from(([127, 0, 0, 1], args.port));
    let options = sandbox::Options { world, listen, ..sandbox::Options::default() };
    let sandbox = sandbox::start(options)
        .await
        .map_err(|e| Failure::usage("the sandbox cannot be started").because(e).next("Choose another --port."))?;
    // No day that the sandbox's Alexela has forgotten already.
    let start = sandbox::truth::alexela_horizon(SystemClock.now()).max(from);
    let configuration = sandbox::configuration(&sandbox, "postgres://user@127.0.0.1/fleet", start);
    if global.json {
        output::json(&Said { hecone: sandbox.hecone_url(), alexela: sandbox.alexela_url(), configuration })?;
    } else {
        output::line(&format!(
            "# Both vendors listen on {}. A configuration that reads them:\n\n{configuration}",
            sandbox.addr()
        ))?;
    }
    life.stopping().await;
    sandbox.stop().await;
    Ok(Exit::Done)
}
