//! A configuration that points at a sandbox.

use chrono::{DateTime, NaiveTime, Utc};
use secrecy::ExposeSecret as _;

use super::{Sandbox, dirt::quoted};

/// The TOML of a configuration whose two accounts, `north` and `fleet`, read this sandbox from `start` on into a
/// database (a URL, or `embedded`). The sandbox's secrets stand in it: they open nothing else.
pub fn configuration(sandbox: &Sandbox, database: &str, start: DateTime<Utc>) -> String {
    let options = sandbox.options();
    // A basic TOML string and a JSON string agree on all that can be in these.
    format!(
        "[database]\nurl = {database}\nmigrate = true\n\n[server]\nlisten = \"127.0.0.1:0\"\n\n\
         [[hecone]]\nname = \"north\"\nbase_url = {hecone}\nclient_id = {client}\nclient_secret = {secret}\n\
         mandator_id = {mandator}\nstart = {start}\nrequests_per_second = 1000\n\n\
         [[alexela]]\nname = \"fleet\"\nbase_url = {alexela}\naccess_id = {access}\npsk = {psk}\nstart = {start}\n\
         requests_per_second = 1000\n",
        database = quoted(database),
        hecone = quoted(&sandbox.hecone_url()),
        client = quoted(&options.hecone.client_id),
        secret = quoted(options.hecone.client_secret.expose_secret()),
        mandator = quoted(&options.hecone.mandator_id.to_string()),
        alexela = quoted(&sandbox.alexela_url()),
        access = quoted(&options.alexela.access_id),
        psk = quoted(options.alexela.psk.expose_secret()),
        start = quoted(&shown(start)),
    )
}

/// A date where it is midnight, as an operator would write it.
fn shown(start: DateTime<Utc>) -> String {
    let format = if start.time() == NaiveTime::MIN { "%Y-%m-%d" } else { "%Y-%m-%dT%H:%M:%SZ" };
    start.format(format).to_string()
}
