//! `faults`: whatever goes wrong at a source or on the wire, the table is right at the end, the watermark never passes
//! what was read, and little more is asked than had to be.
//!
//! A cell is one fault at one source, on the first load or when windows are read again, a few times or until the pass
//! ends. Each makes its passes, one of which meets the fault; the same passes without it say what had to be asked.
//!
//! To that is added what a fault costs: for one that lasts until the pass ends, as many attempts as the configuration
//! allows, once for each stream; for a clock that is ahead, once more all that the undisturbed pass asks from there on, for
//! nobody knows afterwards by how much it was off. Only windows that are read again go on behind one that failed, each with its attempts.

mod catalog;
mod cell;

use std::{collections::HashMap, time::Duration};

use fuelsync::{domain::SourceKind, failpoint::planted_now};
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use self::{
    catalog::Kind,
    cell::{Bench, Came, Cell},
};
use crate::{Measured, Run};

/// A cell that takes longer hangs.
const LONGEST: Duration = Duration::from_mins(2);

/// Requests that may be made for each that had to be.
const SHARE: f64 = 1.2;

/// Goes through `size` cells of the matrix, from a place and in an order that the seed gives; then again, with other
/// sales.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let mut bench = Bench::new().await;
    let mut dice = ChaCha8Rng::seed_from_u64(run.seed);
    let kinds = catalog::all();
    let mut matrix = cells(&kinds);
    let (mut worst, mut struck, mut passes, mut made) = ((0.0_f64, String::new()), 0, 0, 0_u64);
    let mut by_source: HashMap<SourceKind, u64> = HashMap::new();
    for round in 0..run.size.div_ceil(matrix.len() as u64) {
        matrix.shuffle(&mut dice);
        let left = usize::try_from(run.size).unwrap_or(usize::MAX) - usize::try_from(made).unwrap_or(usize::MAX);
        for cell in matrix.iter().take(left) {
            made += 1;
            *by_source.entry(cell.source).or_default() += 1;
            let came = tokio::time::timeout(LONGEST, bench.go_through(cell, run.seed + round, &mut dice)).await;
            let Came { faults, share, strikes, passes: passed } = came.unwrap_or_else(|_| Came::hung());
            (struck, passes) = (struck + strikes, passes + passed);
            if share > worst.0 {
                worst = (share, cell.to_string());
            }
            for fault in faults {
                measured.fault(format!("{cell}: {fault}"));
            }
            measured.goal(share <= SHARE, || format!("{cell}: {share:.2} requests for each that had to be made"));
        }
        // One is enough of a bug that was planted.
        if planted_now().is_some() {
            break;
        }
    }
    measured
        .note("matrix", matrix.len())
        .note("faults_in_it", kinds.len())
        .note(
            "cells",
            by_source.into_iter().map(|(s, n)| (s.as_str().to_owned(), n.into())).collect::<serde_json::Map<_, _>>(),
        )
        .note("passes", passes)
        .note("requests_struck", struck)
        .note("worst_share_of_requests", (worst.0 * 1000.0).round() / 1000.0)
        .note("worst_cell", worst.1);
    measured
}

/// The whole matrix.
fn cells(kinds: &[Kind]) -> Vec<Cell<'_>> {
    let mut cells = Vec::new();
    for kind in kinds {
        for source in SourceKind::ALL.into_iter().filter(|s| *s == SourceKind::HecOne || !kind.hecone_only) {
            for again in [false, true] {
                for lasting in [false, true].into_iter().filter(|lasting| kind.lasting || !lasting) {
                    cells.push(Cell { kind, source, again, lasting });
                }
            }
        }
    }
    cells
}
