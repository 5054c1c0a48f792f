//! A consumer that keeps what it is told in memory, and its place with it.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    time::Duration,
};

use rand::RngExt as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use tokio_util::sync::CancellationToken;

/// The timer beside the notifications.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Source, account, id, line.
pub(super) type Key = (String, String, String, String);

/// What the table says of a line.
pub(super) type Row = (String, String, String, String, i64, String, bool);

/// A line as a consumer knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) seq: i64,
    pub(super) content: String,
    pub(super) is_missing: bool,
}

/// A row's key, and the rest of it.
pub(super) fn split(row: Row) -> (Key, Image) {
    let (source, account, id, line, seq, content, is_missing) = row;
    ((source, account, id, line), Image { seq, content, is_missing })
}

/// A consumer, and what it was told.
pub(super) struct Tail {
    url: String,
    dice: ChaCha8Rng,
    /// How many rows it asks for.
    rows: Range<i32>,
    after: i64,
    /// The table as it knows it.
    pub(super) copy: HashMap<Key, Image>,
    /// Every `seq` that it was told and noted, in the order of being told, with the content.
    pub(super) told: Vec<(i64, String)>,
    /// Looks that told nothing although a committed change was there: another writer might still have come before it.
    pub(super) held_back: u64,
    /// Times that a notification woke it.
    pub(super) rung: u64,
    /// Times that it died between being told and having noted it.
    pub(super) crashes: u64,
}

impl Tail {
    pub(super) fn new(url: &str, seed: u64, rows: Range<i32>) -> Self {
        Self {
            url: url.to_owned(),
            dice: ChaCha8Rng::seed_from_u64(seed),
            rows,
            after: 0,
            copy: HashMap::new(),
            told: Vec::new(),
            held_back: 0,
            rung: 0,
            crashes: 0,
        }
    }

    /// Follows until all is quiet and nothing is left.
    pub(super) async fn follow(mut self, quiet: CancellationToken) -> Self {
        let pool = PgPoolOptions::new().max_connections(3).connect(&self.url).await.expect("the database");
        let mut bell = PgListener::connect_with(&pool).await.expect("a listener");
        bell.listen("fuel_changed").await.expect("a listener");
        loop {
            // Asked before the look: what is committed before the quiet is there to be seen.
            let is_last = quiet.is_cancelled();
            let drained = self.look(&pool).await;
            if !drained {
                continue;
            }
            if is_last {
                return self;
            }
            tokio::select! {
                rung = bell.recv() => {
                    rung.expect("a notification");
                    self.rung += 1;
                }
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = quiet.cancelled() => {}
            }
        }
    }

    /// One transaction: what changed, and what of `HecOne`'s transactions is no longer there. Whether nothing is left.
    async fn look(&mut self, pool: &PgPool) -> bool {
        let (most, dies) = (self.dice.random_range(self.rows.clone()), self.dice.random_bool(0.05));
        let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.expect("a transaction");
        let waits: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM fuel.transaction WHERE seq > $1)")
            .bind(self.after)
            .fetch_one(&mut *tx)
            .await
            .expect("a look");
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT source, account, source_transaction_id, line_id, seq, content_hash::text, missing_since IS NOT NULL \
             FROM fuel.changes($1, $2)",
        )
        .bind(self.after)
        .bind(most)
        .fetch_all(&mut *tx)
        .await
        .expect("the changes");
        self.held_back += u64::from(waits && rows.is_empty());
        let sets: Vec<_> = rows.iter().filter(|row| row.0 == "hecone").map(|row| (&row.1, &row.2)).collect();
        let lines: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT DISTINCT t.account, t.source_transaction_id, t.line_id FROM unnest($1::text[], $2::text[]) AS a (account, id) \
             JOIN fuel.transaction t ON t.source = 'hecone' AND t.account = a.account AND t.source_transaction_id = a.id",
        )
        .bind(sets.iter().map(|(account, _)| account.as_str()).collect::<Vec<_>>())
        .bind(sets.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>())
        .fetch_all(&mut *tx)
        .await
        .expect("the sets");
        if dies && !rows.is_empty() {
            // Nothing is noted, so all of it will be told again; the transaction is rolled back.
            self.crashes += 1;
            return false;
        }
        tx.commit().await.expect("a commit");
        let drained = i32::try_from(rows.len()).is_ok_and(|told| told < most);
        self.note(rows, &lines);
        drained
    }

    fn note(&mut self, rows: Vec<Row>, lines: &[(String, String, String)]) {
        let mut sets: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
        for (account, id, line) in lines {
            sets.entry((account.as_str(), id.as_str())).or_default().push(line.as_str());
        }
        let mut touched = HashSet::new();
        for row in rows {
            let (key, image) = split(row);
            self.after = image.seq;
            self.told.push((image.seq, image.content.clone()));
            if key.0 == "hecone" {
                touched.insert((key.1.clone(), key.2.clone()));
            }
            self.copy.insert(key, image);
        }
        if !touched.is_empty() {
            self.copy.retain(|(source, account, id, line), _| {
                source != "hecone"
                    || !touched.contains(&(account.clone(), id.clone()))
                    || sets.get(&(account.as_str(), id.as_str())).is_some_and(|there| there.contains(&line.as_str()))
            });
        }
    }
}
