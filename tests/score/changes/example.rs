//! The consumer of `deploy/examples`, over a wire that is cut, with all that it does written down by a trigger.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rand::RngExt as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use tokio_util::sync::CancellationToken;

use crate::support::dbproxy::{Act, At, DbProxy};

const LOOK_EVERY: Duration = Duration::from_millis(300);
const BATCH: i32 = 150;

/// Each `seq` that its table got, in the order of getting it; the same one again ends the transaction.
const WITNESS: &str = "\
CREATE TABLE follower.told (n bigint GENERATED ALWAYS AS IDENTITY, seq bigint PRIMARY KEY); \
CREATE FUNCTION follower.witness() RETURNS trigger LANGUAGE plpgsql AS $$ \
BEGIN INSERT INTO follower.told (seq) VALUES (NEW.seq); RETURN NULL; END $$; \
CREATE TRIGGER witness AFTER INSERT OR UPDATE ON follower.sale FOR EACH ROW EXECUTE FUNCTION follower.witness()";

/// What of its copy is not the table's.
const MISSED: &str = "\
SELECT count(*) FROM fuel.transaction t FULL JOIN follower.sale s USING (source, account, source_transaction_id, line_id) \
WHERE t.seq IS DISTINCT FROM s.seq OR t.quantity IS DISTINCT FROM s.quantity \
    OR s.counts IS DISTINCT FROM (t.state IN ('posted', 'invoiced') AND t.missing_since IS NULL)";

const OUT_OF_ORDER: &str = "\
SELECT count(*) FROM (SELECT seq < lag(seq) OVER (ORDER BY n) AS back FROM follower.told) AS told WHERE back";

/// How it went.
pub(super) struct Example {
    faults: Vec<String>,
    twice: usize,
    cut: u64,
}

/// What it came to.
pub(super) struct Verdict {
    pub(super) missed: usize,
    pub(super) twice: usize,
    pub(super) out_of_order: usize,
    pub(super) told: i64,
    pub(super) cut: u64,
    pub(super) faults: Vec<String>,
}

impl Example {
    /// Makes its tables.
    pub(super) async fn prepare(pool: &PgPool) {
        let file = include_str!("../../../deploy/examples/changes/follower.sql");
        sqlx::raw_sql(file).execute(pool).await.expect("the example");
        sqlx::raw_sql(WITNESS).execute(pool).await.expect("the witness");
    }

    /// Follows until all is quiet and nothing is left.
    pub(super) async fn follow(url: String, seed: u64, quiet: CancellationToken) -> Self {
        let cut = Arc::new(AtomicU64::new(0));
        let proxy = DbProxy::new(&url).await;
        cutting(&proxy, seed, Arc::clone(&cut), quiet.clone());
        let pool = PgPoolOptions::new().max_connections(2).connect_lazy(proxy.url()).expect("a pool");
        // Heard over a wire of its own: what is cut is the work.
        let mut bell = PgListener::connect(&url).await.expect("a listener");
        bell.listen("fuel_changed").await.expect("a listener");
        let mut example = Self { faults: Vec::new(), twice: 0, cut: 0 };
        loop {
            let is_last = quiet.is_cancelled();
            match sqlx::query_scalar::<_, i32>("SELECT follower.follow($1)").bind(BATCH).fetch_one(&pool).await {
                Ok(told) if told == BATCH => continue,
                Ok(_) if is_last => break,
                Ok(_) => {}
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                    example.twice += 1;
                    break;
                }
                Err(sqlx::Error::Database(error)) => {
                    example.faults.push(error.to_string());
                    break;
                }
                // The wire was cut; what became of the transaction, the place in the database knows.
                Err(_) => continue,
            }
            tokio::select! {
                rung = bell.recv() => drop(rung.expect("a notification")),
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = quiet.cancelled() => {}
            }
        }
        example.cut = cut.load(Relaxed);
        example
    }

    pub(super) async fn verdict(self, pool: &PgPool) -> Verdict {
        let number =
            async |sql: &'static str| -> i64 { sqlx::query_scalar(sql).fetch_one(pool).await.expect("a number") };
        let count = |number: i64| usize::try_from(number).expect("a count");
        Verdict {
            missed: count(number(MISSED).await),
            twice: self.twice,
            out_of_order: count(number(OUT_OF_ORDER).await),
            told: number("SELECT count(*) FROM follower.told").await,
            cut: self.cut,
            faults: self.faults,
        }
    }
}

/// Cuts the wire now and then, before its message, in it, or with its answer lost, until all is quiet.
fn cutting(proxy: &DbProxy, seed: u64, cut: Arc<AtomicU64>, quiet: CancellationToken) {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    proxy.script(move |message| {
        let follows = matches!(message.kind, 'B' | 'E' | 'S') && message.sql.contains("follower.follow");
        if quiet.is_cancelled() || !follows || !dice.random_bool(0.06) {
            return Act::Pass;
        }
        cut.fetch_add(1, Relaxed);
        // Only a Sync is answered in whole.
        let at = match dice.random_range(0..3_u8) {
            0 if message.kind == 'S' => At::After,
            0 | 1 => At::In,
            _ => At::Before,
        };
        Act::Cut(at)
    });
}
