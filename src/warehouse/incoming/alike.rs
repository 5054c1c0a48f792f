//! Lines of one id and product in one answer are several lines: they are numbered.

use super::{Entry, Incoming, Packed, copy, entry::prefix, finished, table::Found};
use crate::warehouse::WarehouseError;

impl Incoming {
    /// Numbers the lines of one id and product in an order that does not depend on the order of their arrival: by what
    /// does not change in the life of a sale, then by content. `first`: where the answer begins.
    pub(super) fn number(&mut self, entries: &[u32], first: usize) -> Result<(), WarehouseError> {
        if entries.len() > usize::from(Entry::MOST_ALIKE) / 2 {
            return Err(WarehouseError::TooMuch(format!(
                "{} lines of one transaction and product in one answer; nothing of it was written; is base_url the right \
                 interface?",
                entries.len()
            )));
        }
        let mut order = Vec::with_capacity(entries.len());
        for at in entries {
            let entry = self.entries[*at as usize];
            let bytes = self.waiting(&entry)?;
            order.push((copy::identity_hash(Packed::of(&bytes)?.line(entry.place())?.fields), entry.hash, *at));
        }
        order.sort_unstable();
        self.make_room(order.len());
        let Some(base) = entries.last() else { return Ok(()) };
        let Found::Taken(slot, _) = self.find_like(*base)? else { return Ok(()) };
        let mut next = 1;
        for (place, (_, hash, at)) in order.iter().enumerate() {
            // What is alike in content is alike in identity, and so stands side by side.
            let beside = [place.checked_sub(1), place.checked_add(1)].into_iter().flatten();
            let identical = beside.filter_map(|other| order.get(other)).any(|(_, other, _)| other == hash);
            if next == 1 {
                self.set_number(*at, 1, identical)?;
                self.table.put(slot, *at);
            } else {
                next = self.place_numbered(*at, next, identical, first)?;
            }
            next += 1;
        }
        Ok(())
    }

    /// Gives a line the next number whose key is not another line's of the same answer.
    fn place_numbered(&mut self, at: u32, from: u16, identical: bool, first: usize) -> Result<u16, WarehouseError> {
        for number in from..=Entry::MOST_ALIKE {
            self.set_number(at, number, identical)?;
            match self.find_like(at)? {
                Found::Free(slot) => self.table.put(slot, at),
                // A product code that looks like a number of ours.
                Found::Taken(_, other) if other as usize >= first => continue,
                Found::Taken(slot, earlier) => {
                    self.supersede(earlier);
                    self.table.put(slot, at);
                }
            }
            return Ok(number);
        }
        Err(WarehouseError::TooMuch("too many lines of one transaction and product in one answer".to_owned()))
    }

    fn set_number(&mut self, at: u32, number: u16, identical: bool) -> Result<(), WarehouseError> {
        self.entries[at as usize].set_number(number, identical);
        let entry = self.entries[at as usize];
        let bytes = self.waiting(&entry)?;
        let packed = Packed::of(&bytes)?;
        let (fields, hash) = finished(&packed, &entry)?;
        let hash = prefix(&hash);
        let key = (self.key)(packed.id, copy::line_id(&fields));
        let entry = &mut self.entries[at as usize];
        (entry.hash, entry.key) = (hash, key);
        Ok(())
    }
}
