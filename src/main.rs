//! The binary: parse, run, say why not, exit code.

use std::{panic::AssertUnwindSafe, process::ExitCode, time::Duration};

use clap::Parser;
use fuelsync::cli::{Cli, Exit, Failure, output};

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.global.start_logging();
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::failure(&failure);
            failure.exit().into()
        }
    }
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::unexpected("the runtime cannot be started", e))?;
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(cli.run())));
    // Whatever still runs has been asked to stop, or was never worth waiting for.
    runtime.shutdown_timeout(Duration::from_secs(2));
    ended.unwrap_or_else(|_| Err(Failure::new(Exit::Unexpected, "fuelsync has a defect; the message above says where")))
}
