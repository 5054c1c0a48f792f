//! The vendor's own totals of a stretch, as far as they can be found: their shape is not published.

use serde_json::value::RawValue;

use crate::{
    domain::Amount,
    http::{Body, HttpError},
    source::json::{Node, Value, clean},
};

/// The largest answer.
const MOST: usize = 1024 * 1024;

/// The vendor's own totals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// How many transactions.
    pub count: Option<u64>,
    /// Their amounts' sum.
    pub amount: Option<Amount>,
    /// What was paid for them.
    pub paid_amount: Option<Amount>,
    /// Names of what else was there.
    pub unused: Vec<String>,
}

const COUNT: &[&str] =
    &["count", "transactions", "transactioncount", "transactionscount", "totalcount", "numberoftransactions"];
const AMOUNT: &[&str] = &["amount", "totalamount", "amountsum", "sumamount", "sum", "grossamount", "totalgrossamount"];
const PAID: &[&str] = &["paidamount", "totalpaidamount", "paidamountsum", "sumpaidamount", "totalpaid"];

impl Statistics {
    /// What was looked for and not found.
    pub fn not_found(&self) -> Vec<&'static str> {
        let found = [
            ("count", self.count.is_some()),
            ("amount", self.amount.is_some()),
            ("paid_amount", self.paid_amount.is_some()),
        ];
        found.into_iter().filter_map(|(name, found)| (!found).then_some(name)).collect()
    }

    /// Reads an answer: `data` as an object, or as an array whose elements add up; or no envelope.
    pub(super) fn of(text: &str) -> Result<Self, HttpError> {
        let (text, _) = clean(text);
        let root = Node::parse(&text).map_err(|error| HttpError::Malformed(format!("it {error}")))?;
        let mut found = Self::default();
        match &root.get("data").unwrap_or(&root).value {
            Value::Array(elements) => elements.iter().try_for_each(|element| found.add(element))?,
            Value::Object(_) => found.add(root.get("data").unwrap_or(&root))?,
            Value::Null | Value::Bool | Value::Number(_) | Value::Text(_) => {}
        }
        Ok(found)
    }

    fn add(&mut self, node: &Node<'_>) -> Result<(), HttpError> {
        let Value::Object(members) = &node.value else { return Ok(()) };
        for (key, value) in members {
            let name = key.replace(['_', '-'], "").to_lowercase();
            let is = |names: &[&str]| names.contains(&name.as_str());
            let number = value.scalar().and_then(|text| text.trim().parse::<Amount>().ok());
            if is(COUNT)
                && let Some(more) = value.scalar().and_then(|text| text.trim().parse::<u64>().ok())
            {
                self.count = Some(self.count.unwrap_or(0).saturating_add(more));
            } else if is(AMOUNT)
                && let Some(more) = number
            {
                self.amount = Some(sum(self.amount, more)?);
            } else if is(PAID)
                && let Some(more) = number
            {
                self.paid_amount = Some(sum(self.paid_amount, more)?);
            } else if !self.unused.iter().any(|unused| unused == key) {
                self.unused.push(key.clone().into_owned());
            }
        }
        Ok(())
    }
}

fn sum(so_far: Option<Amount>, more: Amount) -> Result<Amount, HttpError> {
    so_far
        .unwrap_or_default()
        .checked_add(more)
        .ok_or_else(|| HttpError::Malformed("its sums are too large".to_owned()))
}

/// Reads the body of an answer.
pub(super) async fn read(body: Body) -> Result<Statistics, HttpError> {
    let text: Box<RawValue> = body.json(MOST).await?;
    Statistics::of(text.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_found_and_added_up_and_the_rest_is_named() {
        let one = Statistics::of(r#"{"data":{"count":3,"totalAmount":"10.10","mode":"x"},"meta":{}}"#).unwrap();
        assert_eq!((one.count, one.amount), (Some(3), "10.10".parse().ok()));
        assert_eq!((one.unused.as_slice(), one.not_found()), (&["mode".to_owned()][..], vec!["paid_amount"]));
        let many = Statistics::of(r#"{"data":[{"count":1,"amount":1.10,"paid_amount":1},{"count":2,"amount":2.20}]}"#);
        let many = many.unwrap();
        assert_eq!((many.count, many.amount, many.paid_amount), (Some(3), "3.3".parse().ok(), "1".parse().ok()));
        assert_eq!(Statistics::of("[]").unwrap().not_found().len(), 3);
    }
}
