//! `replay`: reading again what has not changed writes nothing.
//!
//! The server's WAL is everybody's: an autovacuum, here or in another figure's database, puts some hundred KB into it once a
//! minute (vacuuming 12,000 rows after their load: 155 KB), as much as ten passes do. All passes do the same, so what they
//! write is told by the one in the middle; that no row was written is seen from the tables themselves.

use std::time::Duration;

use fuelsync::{domain::Grid, sync::summary::Outcome};

use crate::{Measured, Run, support::fleet::Fleet};

/// Passes after the first.
const PASSES: u64 = 10;

/// Loads `size` sales, then makes ten passes in which every window is due again.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let mut fleet = Fleet::new(run.size, |options| options.world.seed = run.seed).await;
    // Windows that hold as many rows as a busy fleet's do, whatever the size.
    for account in &mut fleet.config.hecone {
        account.grid = Grid::days(7).expect("a grid");
    }
    // Nothing changes while the clock moves: every window is due in every pass all the same.
    for rule in &mut fleet.config.sync.reread {
        rule.every = Duration::from_secs(1);
    }
    let before = wal(&fleet).await;
    let first = fleet.pass().await;
    let load = wal(&fleet).await - before;
    measured.goal(first.outcome == Outcome::Ok, || format!("the first load ended {:?}", first.outcome));
    let state = rows(&fleet).await;
    let before = wal(&fleet).await;
    let (mut windows, mut fetched, mut each) = (0, 0, Vec::new());
    for _ in 0..PASSES {
        fleet.clock.advance(Duration::from_secs(2));
        let begun = wal(&fleet).await;
        let again = fleet.pass().await;
        each.push(wal(&fleet).await - begun);
        let (read, counts) = again.totals();
        windows += read;
        fetched += counts.fetched;
        measured.goal(again.outcome == Outcome::Ok, || format!("a pass ended {:?}", again.outcome));
        measured.goal(counts.inserted + counts.updated == 0, || format!("a pass wrote rows: {counts:?}"));
    }
    let of_the_server = wal(&fleet).await - before;
    each.sort_unstable();
    let replayed = each[each.len() / 2] * PASSES.cast_signed();
    let share = replayed as f64 / load as f64;
    measured
        .goal(rows(&fleet).await == state, || "rows were written: seq, versions or records moved".to_owned())
        .goal(share <= 0.02, || format!("{:.2} % of the first load's WAL", share * 100.0))
        .note("rows", state.0)
        .goal(fetched >= PASSES * state.0.cast_unsigned(), || format!("only {fetched} lines were read again"))
        .note("windows_read_again", windows)
        .note("lines_read_again", fetched)
        .note("wal_first_load", load)
        .note("wal_ten_passes", replayed)
        .note("wal_of_the_server_meanwhile", of_the_server)
        .note("wal_share", (share * 1e4).round() / 1e4);
    measured
}

async fn wal(fleet: &Fleet) -> i64 {
    sqlx::query_scalar("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
        .fetch_one(&fleet.pool)
        .await
        .expect("the WAL's end")
}

/// Rows, the highest seq, versions kept, and the tuples that were written to the three tables.
async fn rows(fleet: &Fleet) -> (i64, i64, i64, String) {
    sqlx::query_as(
        "SELECT count(*), max(seq), (SELECT count(*) FROM fuel.transaction_version), \
             (SELECT md5(string_agg(ctid::text || xmin::text, ',' ORDER BY ctid)) FROM fuel.record) || \
             md5(string_agg(ctid::text || xmin::text, ',' ORDER BY ctid)) FROM fuel.transaction",
    )
    .fetch_one(&fleet.pool)
    .await
    .expect("the tables")
}
