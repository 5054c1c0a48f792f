//! Stored transactions made anew, in the form in which a read brings them: so they are hashed, numbered and written as that
//! read would do it.

use std::collections::BTreeSet;

use super::{
    WarehouseError, copy,
    incoming::{Batch, Incoming},
};
use crate::domain::{Line, Outcome, Record, SourceKind, StreamId};

/// A transaction of a stream.
#[derive(Debug, Clone)]
pub(super) struct Remade {
    pub(super) stream: StreamId,
    pub(super) id: String,
    pub(super) records: Vec<RemadeRecord>,
}

/// One of its records.
#[derive(Debug, Clone)]
pub(super) struct RemadeRecord {
    pub(super) raw: Box<str>,
    /// Its lines as they come, before those alike in id and product are numbered.
    pub(super) fresh: Vec<Line>,
    /// The same under the keys, and with the mark of being alike, that they have in the table.
    pub(super) kept: Vec<Line>,
}

/// Transactions of one stream as a read brings them. Lines of one id and product are numbered anew, for what tells them
/// apart may have changed; should that make other keys than they have, they keep theirs. `heeded`: which persons are forgotten.
pub(super) fn batch(kind: SourceKind, remade: &[&Remade], heeded: i64) -> Result<Batch, WarehouseError> {
    let fresh = brought(kind, remade, heeded, |record| &record.fresh)?;
    let kept: BTreeSet<_> = remade
        .iter()
        .flat_map(|remade| {
            remade.records.iter().flat_map(|record| &record.kept).map(|line| (&*remade.id, &*line.line_id))
        })
        .collect();
    let mut reader = fresh.lines();
    let (mut are_theirs, mut count) = (true, 0);
    for (_, entry) in fresh.entries() {
        let (packed, fields, _) = reader.of(entry)?;
        are_theirs &= kept.contains(&(packed.id, copy::line_id(&fields)));
        count += 1;
    }
    if are_theirs && count == kept.len() { Ok(fresh) } else { brought(kind, remade, heeded, |record| &record.kept) }
}

fn brought(
    kind: SourceKind,
    remade: &[&Remade],
    heeded: i64,
    lines: impl Fn(&RemadeRecord) -> &Vec<Line>,
) -> Result<Batch, WarehouseError> {
    let mut incoming = Incoming::unbounded(kind).heeding(heeded);
    for remade in remade {
        for record in &remade.records {
            let outcome = Outcome::Lines(lines(record).clone());
            incoming.records(vec![Record { id: remade.id.clone(), raw: record.raw.clone(), outcome }])?;
        }
    }
    incoming.complete()?;
    Ok(incoming.finish())
}
