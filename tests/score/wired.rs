//! A program that asks both vendors through a wire.

use fuelsync::{config::Config, sandbox::wire::Wire};

/// Points every account at the wire.
pub(crate) fn through(config: &mut Config, wire: &Wire) {
    for account in &mut config.hecone {
        account.base_url = wire.hecone_url().parse().expect("a URL");
    }
    for account in &mut config.alexela {
        account.base_url = wire.alexela_url().parse().expect("a URL");
    }
}
