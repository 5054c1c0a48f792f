//! What was asked of a sandbox, for tests that count requests.

use std::sync::{Mutex, PoisonError};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query as it came, without the question mark; empty when there was none.
    pub query: String,
    /// The status of the answer.
    pub status: u16,
}

/// Every request so far.
#[derive(Debug, Default)]
pub struct Requests(Mutex<Vec<Seen>>);

impl Requests {
    pub(crate) fn push(&self, seen: Seen) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }

    /// All of them, in the order in which they were answered.
    pub fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many had this in their path.
    pub fn count(&self, part_of_path: &str) -> usize {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|s| s.path.contains(part_of_path)).count()
    }

    /// Forgets them.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
