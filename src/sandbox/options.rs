//! What a sandbox may be told.

use std::{net::SocketAddr, sync::Arc};

use secrecy::SecretString;
use uuid::Uuid;

use super::world::{WorldOptions, dice::Dice};
use crate::clock::{Clock, SystemClock};

/// A sandbox: its world, its two servers, where it listens and whose time it has.
#[derive(Debug, Clone)]
pub struct Options {
    /// The sales.
    pub world: WorldOptions,
    /// Alexela's server.
    pub alexela: AlexelaOptions,
    /// `HecOne`'s server.
    pub hecone: HecOneOptions,
    /// Where it listens; port 0 for a free one.
    pub listen: SocketAddr,
    /// The servers' clock.
    pub clock: Arc<dyn Clock>,
}

/// How strict Alexela's server is, and what it answers in.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a test server, each on its own")]
pub struct AlexelaOptions {
    /// Who may sign.
    pub access_id: String,
    /// With what.
    pub psk: SecretString,
    /// Answers in `{"success":true,"data":[…]}` in place of the bare array.
    pub envelope: bool,
    /// Whether `toDate` names the last day served, in place of the first not served.
    pub to_date_inclusive: bool,
    /// Whether `EvTransactions` is enabled for the partner.
    pub ev_enabled: bool,
    /// Most days asked at once.
    pub max_days: i64,
    /// Days that the oldest allowed lies after "5 months ago".
    pub horizon_extra_days: i64,
    /// Whether all bonus cards of the fleet are defined from the start.
    pub bonus_cards_defined: bool,
}

/// How strict `HecOne`'s server is, and what it answers in.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a test server, each on its own")]
pub struct HecOneOptions {
    /// Who may log in.
    pub client_id: String,
    /// With what.
    pub client_secret: SecretString,
    /// Seconds that a token lives.
    pub expires_in: u32,
    /// `page[limit]` when none is asked for.
    pub default_limit: usize,
    /// Most rows on a page, whatever is asked for.
    pub max_limit: usize,
    /// Whether `start_date` itself is left out: it is not said to which side it belongs.
    pub start_exclusive: bool,
    /// Whether `end_date` itself is served.
    pub end_inclusive: bool,
    /// The mandator.
    pub mandator_id: Uuid,
    /// How `_links` are written.
    pub links: Links,
    /// Whether `meta` holds the total.
    pub total: bool,
    /// Whether a single transaction comes as the object itself, not as an array of one.
    pub single_as_object: bool,
    /// The verb of the update.
    pub update_method: String,
}

/// How `_links` are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// `{"next": {"href": "…"}}`.
    Objects,
    /// `{"next": "…"}`.
    Strings,
    /// An empty object.
    None,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            world: WorldOptions::default(),
            alexela: AlexelaOptions::default(),
            hecone: HecOneOptions::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            clock: Arc::new(SystemClock),
        }
    }
}

impl Default for AlexelaOptions {
    fn default() -> Self {
        let mut dice = Dice::new(&[0x5A4D_B0C5]);
        let psk: String = (0..256).map(|_| char::from(*dice.pick(b"0123456789abcdef"))).collect();
        Self {
            access_id: "sandbox-partner".to_owned(),
            psk: psk.into(),
            envelope: false,
            to_date_inclusive: false,
            ev_enabled: true,
            max_days: 60,
            horizon_extra_days: 0,
            bonus_cards_defined: true,
        }
    }
}

impl Default for HecOneOptions {
    fn default() -> Self {
        Self {
            client_id: "sandbox-client".to_owned(),
            client_secret: "sandbox-secret".to_owned().into(),
            expires_in: 3600,
            default_limit: 20,
            max_limit: 200,
            start_exclusive: false,
            end_inclusive: false,
            mandator_id: Uuid::from_u128(0x2f6d_3c1e_8a44_4b7f_9d10_5ce2_a7b3_9f01),
            links: Links::Objects,
            total: true,
            single_as_object: false,
            update_method: "PATCH".to_owned(),
        }
    }
}
