//! `[[hecone]]`, `[[alexela]]`: one set of credentials at a vendor each.

pub(super) mod alexela;
pub(super) mod hecone;

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use url::Url;

use crate::{
    domain::{Grid, SourceKind},
    schedule::Schedule,
};

use super::read::Section;

/// One account at a `HecOne` server.
#[derive(Debug, Clone)]
pub struct HecOne {
    /// Unique among all accounts of this vendor.
    pub name: String,
    /// `https`, or `http` on loopback; without a trailing slash.
    pub base_url: Url,
    /// Who logs in.
    pub client_id: String,
    /// With what.
    pub client_secret: SecretString,
    /// When `run` polls.
    pub schedule: Schedule,
    /// The first instant ever to read.
    pub start: DateTime<Utc>,
    /// The grid of windows (`window`).
    pub grid: Grid,
    /// `page[limit]`.
    pub page_limit: u32,
    /// Rate limit; one second's worth is allowed at once.
    pub requests_per_second: u32,
    /// Path of the login, appended to `base_url`.
    pub login_path: String,
    /// Path of list and create.
    pub transactions_path: String,
    /// Path of one transaction, with `{transaction_id}`.
    pub transaction_path: String,
    /// Path of the statistics.
    pub statistics_path: String,
    /// Path of the token refresh, where a server has one.
    pub refresh_path: Option<String>,
    /// Verb of the update.
    pub update_method: UpdateMethod,
    /// Sent to the list when set; required by statistics.
    pub mandator_id: Option<String>,
    /// A `composite_filter_descriptor` or `filter_descriptor` as JSON, passed through: (parameter name, JSON text).
    pub filter: Option<(String, String)>,
    /// Field pointers of the configuration (`[hecone.fields]`): field name → JSON pointers that replace the shipped ones.
    pub fields: std::collections::BTreeMap<String, Vec<String>>,
}

/// Verb of `HecOne`'s update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMethod {
    /// The default.
    Patch,
    /// For servers that want it.
    Put,
    /// For servers that want it.
    Post,
}

/// One account at Alexela.
#[derive(Debug, Clone)]
pub struct Alexela {
    /// Unique among all accounts of this vendor.
    pub name: String,
    /// Up to and with `/api/v1`; `https`, or `http` on loopback.
    pub base_url: Url,
    /// The access id, part of the signature's header.
    pub access_id: String,
    /// The pre-shared key, as issued: at least 128 characters.
    pub psk: SecretString,
    /// Which of the three sources are read.
    pub sources: Vec<SourceKind>,
    /// Contracts to read; empty for all that `ContractNumbers` lists.
    pub contracts: Vec<String>,
    /// When `run` polls.
    pub schedule: Schedule,
    /// The first day ever to read.
    pub start: DateTime<Utc>,
    /// The grid of windows (`window_days`, at most `max_window_days`).
    pub grid: Grid,
    /// Most days a request may span; 59.
    pub max_window_days: u32,
    /// Rate limit; one second's worth is allowed at once.
    pub requests_per_second: u32,
    /// Sent as query and header where set.
    pub crm_account_id: Option<String>,
    /// How `fromDate` and `toDate` are written.
    pub date_format: DateFormat,
    /// How `ContractTransactions` is asked.
    pub method: AlexelaMethod,
}

/// How dates are written in requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateFormat {
    /// `2026-11-21`.
    Date,
    /// `2026-11-21T00:00:00Z`.
    DateTime,
}

/// How `ContractTransactions` is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlexelaMethod {
    /// The default.
    Post,
    /// With everything in the query.
    Get,
}

impl HecOne {
    /// The time between two polls at least, for the daemon's second bell.
    pub fn poll_period(&self) -> Duration {
        self.schedule.period()
    }
}

impl Alexela {
    /// The time between two polls at least, for the daemon's second bell.
    pub fn poll_period(&self) -> Duration {
        self.schedule.period()
    }
}

/// An account's name: it stands in the warehouse, in logs and in metrics.
fn name(section: &mut Section<'_>) -> Option<String> {
    let name = section.text("name")?;
    if name.chars().count() > 64 || name.chars().any(char::is_control) {
        section.object("name", format!("{name:?}"), "up to 64 characters, none a control character");
    }
    Some(name)
}
