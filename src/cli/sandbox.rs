//! `sandbox`: the two vendors' sandbox alone, on a port.

use std::net::SocketAddr;

use chrono::{NaiveTime, TimeDelta};
use serde::Serialize;

use super::{Exit, Failure, Global, args::SandboxArgs, output, start};
use crate::{
    clock::{Clock, SystemClock},
    sandbox::{self, Place, Planted, Vehicle, WorldOptions},
};

#[derive(Serialize)]
struct Said {
    hecone: String,
    alexela: String,
    configuration: String,
    /// Cases of the rules of `fuel.finding`, and what lies beside them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    planted: Vec<Planted>,
    /// What they need in `fuel.vehicle`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vehicles: Vec<Vehicle>,
    /// What they need in `fuel.site`; degrees in millionths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sites: Vec<Place>,
}

pub(super) async fn run(args: SandboxArgs, global: &Global) -> Result<Exit, Failure> {
    let life = start::lifecycle()?;
    let midnight = SystemClock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
    let from = midnight - TimeDelta::days(365);
    let SandboxArgs { seed, sales, planted, .. } = args;
    let world = WorldOptions { seed, sales, planted, from, to: midnight, ..WorldOptions::default() };
    let listen = SocketAddr::from(([127, 0, 0, 1], args.port));
    let options = sandbox::Options { world, listen, ..sandbox::Options::default() };
    let sandbox = sandbox::start(options)
        .await
        .map_err(|e| Failure::usage("the sandbox cannot be started").because(e).next("Choose another --port."))?;
    // No day that the sandbox's Alexela has forgotten already.
    let start = sandbox::truth::alexela_horizon(SystemClock.now()).max(from);
    let configuration = sandbox::configuration(&sandbox, "postgres://user@127.0.0.1/fleet", start);
    if global.json {
        let world = sandbox.world();
        let planted = world.planted(SystemClock.now());
        let (vehicles, sites) =
            if planted.is_empty() { (Vec::new(), Vec::new()) } else { (world.vehicles(), world.places()) };
        let (hecone, alexela) = (sandbox.hecone_url(), sandbox.alexela_url());
        output::json(&Said { hecone, alexela, configuration, planted, vehicles, sites })?;
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
