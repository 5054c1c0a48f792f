//! Finds entries by the digest of their key: a table of their numbers, four bytes each, that a look at the entries
//! themselves completes. Digests of different keys may be equal; who asks says which entry is meant.

use std::io;

/// No entry.
const FREE: u32 = u32::MAX;

/// Numbers of entries, each where its key's digest says, or behind.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<u32>,
    used: usize,
}

/// What a search came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The entry of this number, in this slot.
    Taken(usize, u32),
    /// None; it would stand in this slot.
    Free(usize),
}

impl Table {
    /// Makes room for so many more. `key` gives an entry's digest.
    pub(super) fn reserve(&mut self, more: usize, key: impl Fn(u32) -> u64) {
        // A quarter stays free: runs of taken slots stay short.
        let needed = (self.used + more) / 3 * 4 + 4;
        if needed <= self.slots.len() {
            return;
        }
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![FREE; needed.max(old.len() + old.len() / 2)];
        for at in old.into_iter().filter(|at| *at != FREE) {
            let mut slot = self.first(key(at));
            while self.slots[slot] != FREE {
                slot = self.after(slot);
            }
            self.slots[slot] = at;
        }
    }

    /// Looks for the entry of a digest that `is_it`.
    pub(super) fn find(&self, key: u64, mut is_it: impl FnMut(u32) -> io::Result<bool>) -> io::Result<Found> {
        if self.slots.is_empty() {
            return Ok(Found::Free(0));
        }
        let mut slot = self.first(key);
        loop {
            match self.slots[slot] {
                FREE => return Ok(Found::Free(slot)),
                at if is_it(at)? => return Ok(Found::Taken(slot, at)),
                _ => slot = self.after(slot),
            }
        }
    }

    /// Puts an entry into a slot that a search of its key gave.
    pub(super) fn put(&mut self, slot: usize, at: u32) {
        self.used += usize::from(self.slots[slot] == FREE);
        self.slots[slot] = at;
    }

    /// Where a digest's run begins: the digest as a part of the whole, so that any number of slots will do.
    fn first(&self, key: u64) -> usize {
        let slot = (u128::from(key) * self.slots.len() as u128) >> 64;
        usize::try_from(slot).unwrap_or(0)
    }

    const fn after(&self, slot: usize) -> usize {
        if slot + 1 == self.slots.len() { 0 } else { slot + 1 }
    }
}
