//! Whose sales: source, account, partition; together a stream, the unit that has a checkpoint.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One vendor interface with rows of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// Hectronic `HecOne` 360 transactions.
    #[serde(rename = "hecone")]
    HecOne,
    /// Alexela payment cards, `ContractTransactions`; one partition a contract.
    AlexelaCard,
    /// Alexela bonus cards, `GetBonuscardTransactions`.
    AlexelaBonus,
    /// Alexela charging, `EvTransactions`.
    AlexelaEv,
}

impl SourceKind {
    /// All four, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::HecOne, Self::AlexelaCard, Self::AlexelaBonus, Self::AlexelaEv];

    /// The name in the configuration, on the command line and in the warehouse.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HecOne => "hecone",
            Self::AlexelaCard => "alexela_card",
            Self::AlexelaBonus => "alexela_bonus",
            Self::AlexelaEv => "alexela_ev",
        }
    }

    /// Whether one record of the source is a whole transaction with its lines inside, so that its lines are replaced
    /// as a set (`HecOne`), or one line among several of the same id (Alexela).
    pub const fn record_is_whole_transaction(self) -> bool {
        match self {
            Self::HecOne => true,
            Self::AlexelaCard | Self::AlexelaBonus | Self::AlexelaEv => false,
        }
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is none of the four sources.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a source; the sources are hecone, alexela_card, alexela_bonus, alexela_ev")]
pub struct UnknownSource(pub String);

impl FromStr for SourceKind {
    type Err = UnknownSource;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|k| k.as_str() == s).ok_or_else(|| UnknownSource(s.to_owned()))
    }
}

/// The finest thing with its own checkpoint: the contract number for `alexela_card`, `-` elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Partition(String);

impl Partition {
    /// The partition of a source that has only one.
    pub fn whole() -> Self {
        Self("-".to_owned())
    }

    /// The partition of one contract.
    pub fn contract(number: impl Into<String>) -> Self {
        Self(number.into())
    }

    /// As it stands in the warehouse.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The contract number, where the partition is one.
    pub fn contract_no(&self) -> Option<&str> {
        (self.0 != "-").then_some(self.0.as_str())
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Source + account + partition: what has one checkpoint, one lease and one ledger of windows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct StreamId {
    /// The vendor interface.
    pub source: SourceKind,
    /// The account's name in the configuration.
    pub account: String,
    /// The contract, or `-`.
    pub partition: Partition,
}

impl StreamId {
    /// A stream from its three parts.
    pub fn new(source: SourceKind, account: impl Into<String>, partition: Partition) -> Self {
        Self { source, account: account.into(), partition }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.source, self.account, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_found_by_its_name() {
        for kind in SourceKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap_or_default(), format!("\"{kind}\""));
        }
        assert!("shell".parse::<SourceKind>().is_err());
    }

    #[test]
    fn a_stream_reads_as_a_path() {
        let stream = StreamId::new(SourceKind::AlexelaCard, "fleet", Partition::contract("22297"));
        assert_eq!(stream.to_string(), "alexela_card/fleet/22297");
        assert_eq!(Partition::whole().contract_no(), None);
    }
}
