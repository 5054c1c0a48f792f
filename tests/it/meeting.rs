//! Two writers that meet in one line: whoever comes second sees what the first wrote, and no image of it is lost.

use fuelsync::{domain::SourceKind, warehouse::load::Counts};

use crate::{
    load::{Stage, line, record},
    support::ends,
};

/// Waits until a writer waits for another one's end.
async fn one_waits(stage: &Stage) {
    let waiting = async {
        let waits =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while stage.scalar(waits).await == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    ends("a writer waits for the other one", waiting).await;
}

/// When the images of what is about to change are kept, the line is not there yet; when the line is written, it is.
#[tokio::test]
async fn a_line_that_another_writer_adds_meanwhile_keeps_its_image() {
    let stage = Stage::new(SourceKind::HecOne).await;
    stage.load(vec![record("1", vec![line("d", 1, 1), line("e", 1, 7)])]).await.unwrap();
    stage.run("CREATE TABLE public.apart AS SELECT * FROM fuel.transaction WHERE line_id = 'e'").await;
    stage.load(vec![record("1", vec![line("d", 1, 1)])]).await.unwrap();
    assert_eq!(stage.rows().await.len(), 1);

    let mut other = stage.pool.acquire().await.unwrap();
    sqlx::raw_sql("BEGIN; INSERT INTO fuel.transaction SELECT * FROM public.apart").execute(&mut *other).await.unwrap();
    let mut both = Box::pin(stage.load(vec![record("1", vec![line("d", 1, 2), line("e", 1, 9)])]));
    tokio::select! {
        done = &mut both => panic!("the line is somebody else's: {done:?}"),
        () = one_waits(&stage) => {}
    }
    sqlx::raw_sql("COMMIT").execute(&mut *other).await.unwrap();
    assert_eq!(both.await.unwrap(), Counts { fetched: 2, updated: 2, ..Counts::default() });
    let lost: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT line_id, operation, row_before ->> 'quantity' FROM fuel.transaction_version ORDER BY 1, 2",
    )
    .fetch_all(&stage.pool)
    .await
    .unwrap();
    // The text of a whole transaction is part of each of its lines, so `d` changed each time.
    let images =
        [("d", "change", "1.0000"), ("d", "change", "1.0000"), ("e", "change", "7.0000"), ("e", "remove", "7.0000")];
    let images = images.map(|(line, operation, quantity)| (line.to_owned(), operation.to_owned(), quantity.to_owned()));
    assert_eq!(lost, images);
}
