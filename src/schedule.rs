//! When what is due: cron in UTC, six fields, seconds first.

use std::time::Duration;

/// A cron expression that parses.
#[derive(Debug, Clone)]
pub struct Schedule {
    expression: String,
    period: Duration,
}

impl Schedule {
    /// The expression as configured.
    pub fn as_str(&self) -> &str {
        &self.expression
    }

    /// The shortest time between two rings.
    pub fn period(&self) -> Duration {
        self.period
    }
}
