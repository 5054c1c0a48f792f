//! `man`: the manual page, made of the same definitions as the help.

use clap::CommandFactory;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::{Cli, Exit, Failure, args::ManArgs, output};

pub(super) fn run(args: &ManArgs) -> Result<Exit, Failure> {
    if let Some(dir) = &args.dir {
        std::fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), dir))
            .map_err(|e| Failure::usage(format!("{} cannot be written", dir.display())).because(e))?;
    } else {
        output::line(&page()?)?;
    }
    Ok(Exit::Done)
}

/// The main page.
pub(super) fn page() -> Result<String, Failure> {
    let mut page = Vec::new();
    render(&mut page).map_err(|e| Failure::unexpected("the manual page cannot be made", e))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn render(page: &mut Vec<u8>) -> std::io::Result<()> {
    let man = Man::new(Cli::command());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    man.render_subcommands_section(page)?;
    let mut more = Roff::new();
    more.control("SH", ["EXIT STATUS"]);
    for exit in Exit::ALL {
        more.control("TP", []).text([bold(exit.code().to_string())]).text([roman(exit.meaning())]);
    }
    more.control("SH", ["FILES"]);
    for (file, what) in [
        ("fuelsync.toml", "the configuration, when it is in the working directory"),
        ("/etc/fuelsync/fuelsync.toml", "the configuration otherwise"),
    ] {
        more.control("TP", []).text([bold(file)]).text([roman(what)]);
    }
    more.control("SH", ["ENVIRONMENT"]);
    for (variable, what) in [
        ("FUELSYNC_CONFIG", "names the configuration, when --config does not"),
        (
            "FUELSYNC__SECTION__KEY",
            "stands over the configuration's key; accounts by index or name, as in \
          FUELSYNC__ALEXELA__FLEET__PSK_FILE",
        ),
        ("RUST_LOG", "which log lines are written, as tracing-subscriber's EnvFilter reads it"),
        ("NO_COLOR", "no colours"),
    ] {
        more.control("TP", []).text([bold(variable)]).text([roman(what)]);
    }
    more.to_writer(page)?;
    man.render_version_section(page)
}
