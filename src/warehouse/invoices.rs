//! The rows that carry the numbers of invoices.

use std::time::Duration;

use sqlx::{Row as _, postgres::PgRow};

use super::{Warehouse, WarehouseError, statement};
use crate::{
    domain::{Amount, SourceKind, Window},
    invoices::Row,
};

impl Warehouse {
    /// The rows that carry one of these numbers and count: neither cancelled nor missing. Of these sources and accounts, all
    /// where none is named; of a stretch of time, by which the scan is bounded, or of all of it. Within `limit`.
    pub async fn invoiced(
        &self,
        numbers: &[String],
        sources: &[SourceKind],
        accounts: &[String],
        stretch: Option<Window>,
        limit: Duration,
    ) -> Result<Vec<Row>, WarehouseError> {
        let sources: Vec<&str> = sources.iter().map(|source| source.as_str()).collect();
        let sources = &sources;
        self.long((limit, "sync.window_timeout"), |mut tx| async move {
            let sql = match stretch {
                Some(_) => include_str!("sql/invoice_rows_of_time.sql"),
                None => include_str!("sql/invoice_rows.sql"),
            };
            let mut query = statement::query(sql).bind(numbers).bind(sources).bind(accounts);
            if let Some(stretch) = stretch {
                query = query.bind(stretch.start()).bind(stretch.end());
            }
            let rows = query.fetch_all(&mut *tx).await?;
            tx.commit().await?;
            rows.iter().map(row).collect()
        })
        .await
    }
}

fn row(row: &PgRow) -> Result<Row, WarehouseError> {
    let text = |at| row.try_get::<Option<String>, _>(at);
    let amount = |at| {
        let amount = row.try_get::<Option<&str>, _>(at)?;
        // The column holds no other.
        Ok::<_, WarehouseError>(amount.and_then(|amount| amount.parse::<Amount>().ok()))
    };
    let transaction_id: String = row.try_get(2)?;
    let [source, account, line_id] = [0, 1, 3].map(|at| row.try_get::<&str, _>(at));
    Ok(Row {
        key: format!("{}/{}/{transaction_id}/{}", source?, account?, line_id?),
        transaction_id,
        invoice_no: row.try_get(4)?,
        occurred_at: row.try_get(5)?,
        receipt_no: text(6)?,
        card_number: text(7)?,
        products: [text(8)?, text(9)?, text(10)?],
        quantity: amount(11)?,
        unit_price: amount(12)?,
        gross_amount: amount(13)?,
        net_amount: amount(14)?,
        vat_amount: amount(15)?,
        currency: text(16)?,
    })
}
