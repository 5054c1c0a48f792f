//! What create and update send. For integrators and tests: the daemon never writes.

use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::{Map, Value, value::RawValue};

use crate::{domain::Amount, http::HttpError};

/// The state of an article.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ArticleState {
    /// Reserved; consumption has not started.
    Reserved,
    /// Consumption has been authorized.
    Released,
    /// Being consumed.
    Ongoing,
    /// Consumption is complete.
    Done,
    /// Declined.
    Declined,
    /// Failed.
    Error,
}

/// The state of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PaymentState {
    /// Initiated.
    Open,
    /// The amount has been reserved.
    Reserved,
    /// Collected.
    Collected,
    /// Declined.
    Declined,
    /// Failed.
    Error,
}

/// An article to write. Names that the vendor does not publish go into `more`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArticleInput {
    /// Its id, to change one that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How much.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "digits")]
    pub quantity: Option<Amount>,
    /// Price of one unit.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "digits")]
    pub price: Option<Amount>,
    /// Where it stands.
    pub state: ArticleState,
    /// Its product, and whatever else a server wants.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A payment to write.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PaymentInput {
    /// Its id, to change one that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How much.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "digits")]
    pub amount: Option<Amount>,
    /// How.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Where it stands.
    pub state: PaymentState,
    /// Whatever else a server wants.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What a transaction may hold besides its site.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Content {
    /// Where it takes place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point_id: Option<String>,
    /// Its articles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub articles: Vec<ArticleInput>,
    /// Its payments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<PaymentInput>,
    /// Who bought.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub customer_data: Map<String, Value>,
    /// Its receipt.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub receipt: Map<String, Value>,
    /// The number at the terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminal_transaction_number: Option<String>,
    /// The Hubject session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}

/// A transaction to add.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewTransaction {
    /// The site where it takes place.
    pub site_id: String,
    /// The rest.
    #[serde(flatten)]
    pub content: Content,
}

/// A change of a transaction.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TransactionUpdate {
    /// Another site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site_id: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub content: Content,
}

pub(super) fn body(content: &impl Serialize) -> Result<String, HttpError> {
    serde_json::to_string(content)
        .map_err(|_| HttpError::Request("the transaction cannot be written as JSON".to_owned()))
}

/// A number as its digits, never through a float.
#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn digits<S: Serializer>(amount: &Option<Amount>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = amount.map(|amount| amount.to_string()).unwrap_or_default();
    RawValue::from_string(text).map_err(S::Error::custom)?.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_has_the_published_names_and_exact_digits() {
        let article = ArticleInput {
            id: None,
            quantity: "40.1".parse().ok(),
            price: None,
            state: ArticleState::Done,
            more: Map::from_iter([("product".to_owned(), Value::from("Diesel"))]),
        };
        let payment = PaymentInput {
            id: Some("p".to_owned()),
            amount: "99999999999999.9999".parse().ok(),
            method: Some("card".to_owned()),
            state: PaymentState::Collected,
            more: Map::new(),
        };
        let content = Content { articles: vec![article], payments: vec![payment], ..Content::default() };
        assert_eq!(
            body(&NewTransaction { site_id: "s".to_owned(), content }).unwrap(),
            r#"{"site_id":"s","articles":[{"quantity":40.1000,"state":"done","product":"Diesel"}],"payments":[{"id":"p","amount":99999999999999.9999,"method":"card","state":"collected"}]}"#
        );
        assert_eq!(body(&TransactionUpdate::default()).unwrap(), "{}");
    }
}
