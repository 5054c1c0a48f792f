//! What every command works with, built once: configuration, clock, HTTP, the way to the warehouse.

use std::{collections::BTreeMap, sync::Arc};

use secrecy::SecretString;

use crate::{
    clock::Clock,
    config::{Config, DatabaseUrl},
    domain::{SourceKind, StreamId, product::ProductRules},
    http::{Transport, TransportError},
    privacy::{Forgotten, Guard},
    source::{
        Context, Normalizer, Source,
        alexela::{self, AlexelaSource},
        hecone::{self, HecOneSource},
    },
    sync::{
        pass::{Account, Passes},
        summary::Progress,
    },
    telemetry::{Process, Telemetry},
    warehouse::{Warehouse, WarehouseError},
};

/// Why a command cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The HTTP client cannot be built.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The database's address is not usable.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// `embedded` is for `demo`.
    #[error(
        "database.url = \"embedded\" is the private database of `fuelsync demo`; this command needs the URL of a PostgreSQL server"
    )]
    Embedded,
}

/// What every command works with.
#[derive(Debug, Clone)]
pub struct App {
    /// The checked configuration.
    pub config: Arc<Config>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// The one HTTP client.
    pub transport: Transport,
    /// This machine's name.
    pub host: Arc<str>,
    /// Who holds leases: host, process and a random part.
    pub owner: Arc<str>,
    /// Who is forgotten, heeded by all that normalizes; nobody until the warehouse was asked.
    pub forgotten: Forgotten,
    /// Where traces go.
    pub telemetry: Telemetry,
}

impl App {
    /// Builds it; nothing is connected yet.
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        let transport = Transport::new(&config.http, Arc::clone(&clock))?;
        let host = nix::unistd::gethostname()
            .map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into_owned());
        let owner = format!("{host}:{}:{:08x}", std::process::id(), rand::random::<u32>());
        let process = Process { host: &host, instance: &owner };
        let telemetry = Telemetry::start(&config.telemetry, transport.client(), process);
        Ok(Self {
            config: Arc::new(config),
            clock,
            transport,
            host: host.into(),
            owner: owner.into(),
            forgotten: Forgotten::default(),
            telemetry,
        })
    }

    /// The way to the configured warehouse.
    pub fn warehouse(&self) -> Result<Warehouse, AppError> {
        match &self.config.database.url {
            DatabaseUrl::Server(url) => self.warehouse_at(url),
            DatabaseUrl::Embedded => Err(AppError::Embedded),
        }
    }

    /// The way to a warehouse at a URL, with the settings of the configuration.
    pub fn warehouse_at(&self, url: &SecretString) -> Result<Warehouse, AppError> {
        Ok(Warehouse::new(&self.config.database, url)?)
    }

    /// Passes over the accounts that have something selected.
    pub fn passes(&self, warehouse: Warehouse, selected: impl Fn(SourceKind, &str) -> bool) -> Passes {
        let settings = Arc::new(self.config.sync.clone());
        let mut passes = Passes::new(
            warehouse,
            settings,
            self.accounts(selected),
            Arc::clone(&self.owner),
            Arc::new(Progress::default()),
            Arc::clone(&self.clock),
        );
        passes.forgotten = self.forgotten.clone();
        passes.telemetry = self.telemetry.clone();
        passes
    }

    /// The accounts that have something selected, in the order of the file, `HecOne` first.
    pub fn accounts(&self, selected: impl Fn(SourceKind, &str) -> bool) -> Vec<Account> {
        let hecone = self.config.hecone.iter().map(|account| {
            let source: Arc<dyn Source> = Arc::new(self.hecone(account));
            Account {
                kinds: source.kinds(),
                source,
                start: account.start,
                grid: account.grid,
                schedule: account.schedule.clone(),
                contracts: Vec::new(),
            }
        });
        let alexela = self.config.alexela.iter().map(|account| {
            let source: Arc<dyn Source> = Arc::new(self.alexela(account));
            Account {
                kinds: source.kinds(),
                source,
                start: account.start,
                grid: account.grid,
                schedule: account.schedule.clone(),
                contracts: account.contracts.clone(),
            }
        });
        hecone
            .chain(alexela)
            .filter_map(|mut account| {
                account.kinds.retain(|kind| selected(*kind, account.source.account()));
                (!account.kinds.is_empty()).then_some(account)
            })
            .collect()
    }

    /// One account at Alexela.
    pub fn alexela(&self, account: &crate::config::Alexela) -> AlexelaSource {
        AlexelaSource::new(account.clone(), self.transport.clone(), self.alexela_normalizer())
    }

    /// One account at a `HecOne` server.
    pub fn hecone(&self, account: &crate::config::HecOne) -> HecOneSource {
        HecOneSource::new(account.clone(), self.transport.clone(), self.hecone_normalizer(account))
    }

    /// What makes lines of a stream's records today; none when no account of the configuration reads the stream.
    pub fn normalizer(&self, stream: &StreamId) -> Option<Normalizer> {
        let name = &stream.account;
        match stream.source {
            SourceKind::HecOne => {
                let account = self.config.hecone.iter().find(|account| account.name == *name)?;
                Some(self.hecone_normalizer(account))
            }
            SourceKind::AlexelaCard | SourceKind::AlexelaBonus | SourceKind::AlexelaEv => {
                let account = self.config.alexela.iter().find(|account| account.name == *name)?;
                account.sources.contains(&stream.source).then(|| self.alexela_normalizer())
            }
        }
    }

    /// What normalizes a stored record without any rule for personal data, but heeds who is forgotten: what it leaves of
    /// the record is what forgetting leaves. Of an account that is no longer configured, by the shipped rules.
    pub fn keeping_normalizer(&self, stream: &StreamId, forgotten: &Forgotten) -> Normalizer {
        let guard = Guard::keeping(forgotten.clone());
        match stream.source {
            SourceKind::HecOne => {
                let account = self.config.hecone.iter().find(|account| account.name == stream.account);
                self.hecone_by(guard, account.map_or(&BTreeMap::new(), |account| &account.fields))
            }
            SourceKind::AlexelaCard | SourceKind::AlexelaBonus | SourceKind::AlexelaEv => self.alexela_by(guard),
        }
        .heeding(forgotten.clone())
    }

    fn alexela_normalizer(&self) -> Normalizer {
        self.alexela_by(self.guard()).heeding(self.forgotten.clone())
    }

    fn hecone_normalizer(&self, account: &crate::config::HecOne) -> Normalizer {
        self.hecone_by(self.guard(), &account.fields).heeding(self.forgotten.clone())
    }

    /// The rules of the configuration for personal data, and who is forgotten.
    pub fn guard(&self) -> Guard {
        Guard::new(&self.config.privacy).heeding(self.forgotten.clone())
    }

    fn alexela_by(&self, privacy: Guard) -> Normalizer {
        let (products, rules) = self.rules(&privacy);
        Normalizer::new(&rules, move |stream, present, raw| {
            alexela::normalize(raw, &Context { stream, present, products: &products, privacy: &privacy })
        })
    }

    fn hecone_by(&self, privacy: Guard, fields: &BTreeMap<String, Vec<String>>) -> Normalizer {
        let (products, rules) = self.rules(&privacy);
        let pointers = hecone::Pointers::new(fields);
        Normalizer::new(&format!("{rules} {fields:?}"), move |stream, present, raw| {
            hecone::normalize(raw, &Context { stream, present, products: &products, privacy: &privacy }, &pointers)
        })
    }

    /// The rules for products, and all rules in words.
    fn rules(&self, privacy: &Guard) -> (ProductRules, String) {
        let products = &self.config.products;
        (ProductRules::new(products.clone()), format!("{products:?} {}", privacy.in_words()))
    }
}
