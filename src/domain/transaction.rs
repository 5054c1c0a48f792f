//! One product line of a sale: a row of `fuel.transaction`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    amount::Amount,
    quality::{Flag, Quality},
};

macro_rules! words {
    ($(#[$top:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$top])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in the warehouse.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// What was bought.
    Kind {
        /// Liquid or gaseous fuel, `AdBlue` included.
        Fuel = "fuel",
        /// Electricity for a vehicle.
        EvCharging = "ev_charging",
        /// A parking tariff.
        Parking = "parking",
        /// A car wash.
        CarWash = "car_wash",
        /// Merchandise.
        Goods = "goods",
        /// A service, insurance included.
        Service = "service",
        /// A fee, a balance transfer, a toll.
        Fee = "fee",
        /// None of the above.
        Other = "other",
    }
}

words! {
    /// Where a line stands, in the warehouse's words.
    State {
        /// Will still change: not to be counted yet.
        Provisional = "provisional",
        /// The sale took place.
        Posted = "posted",
        /// The sale stands on an invoice.
        Invoiced = "invoiced",
        /// Taken back.
        Cancelled = "cancelled",
        /// Refused before anything was sold.
        Declined = "declined",
        /// Failed.
        Error = "error",
    }
}

words! {
    /// In what the quantity is counted.
    Unit {
        /// Litres.
        Litre = "L",
        /// Kilowatt hours.
        KilowattHour = "kWh",
        /// Kilograms.
        Kilogram = "kg",
        /// Cubic metres.
        CubicMetre = "m3",
        /// Minutes.
        Minute = "min",
        /// Pieces.
        Piece = "pcs",
    }
}

/// One product line of a sale as the source has it now. Times have microseconds, as the database keeps them; unknown is
/// `None`, never an empty text or 0. The columns are those of `fuel.transaction`, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Key within the transaction, before lines alike in id and product are numbered.
    pub line_id: String,
    /// What was bought.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// The source's own word for the state.
    pub source_state: Option<String>,
    /// When the sale took place.
    pub occurred_at: DateTime<Utc>,
    /// When charging started.
    pub started_at: Option<DateTime<Utc>>,
    /// When the source last changed the state.
    pub status_at: Option<DateTime<Utc>>,
    /// When it was invoiced.
    pub invoiced_at: Option<DateTime<Utc>>,
    /// The contract asked for.
    pub contract_no: Option<String>,
    /// Place of sale: id.
    pub site_id: Option<String>,
    /// Place of sale: the source's code.
    pub site_code: Option<String>,
    /// Place of sale: name.
    pub site_name: Option<String>,
    /// Device that sold: id or code.
    pub terminal_id: Option<String>,
    /// Device that sold: name.
    pub terminal_name: Option<String>,
    /// Pump, charging point or connector.
    pub point: Option<String>,
    /// Card, after the privacy rule.
    pub card_number: Option<String>,
    /// Driver's name, after the privacy rule.
    pub driver_name: Option<String>,
    /// Driver's number.
    pub driver_no: Option<String>,
    /// Vehicle's number.
    pub vehicle_no: Option<String>,
    /// Plate, after the privacy rule.
    pub license_plate: Option<String>,
    /// Odometer in kilometres.
    pub odometer_km: Option<i64>,
    /// Receipt's number.
    pub receipt_no: Option<String>,
    /// Authorization code of the payment terminal.
    pub authorization_code: Option<String>,
    /// Invoice's number.
    pub invoice_no: Option<String>,
    /// Charging session.
    pub session_id: Option<String>,
    /// The source's product code.
    pub product_code: Option<String>,
    /// The source's product name.
    pub product_name: Option<String>,
    /// The source's product type.
    pub product_type: Option<String>,
    /// Canonical product; none when no rule matches.
    pub product: Option<String>,
    /// How much, in `unit`.
    pub quantity: Option<Amount>,
    /// What `quantity` counts.
    pub unit: Option<Unit>,
    /// Price of one unit before tax, in `currency`.
    pub net_unit_price: Option<Amount>,
    /// Discount on one unit, in `currency`.
    pub unit_discount: Option<Amount>,
    /// Price of one unit, in `currency`.
    pub unit_price: Option<Amount>,
    /// The line before tax, in `currency`.
    pub net_amount: Option<Amount>,
    /// VAT rate in per cent, as sent.
    pub vat_rate: Option<Amount>,
    /// VAT of the line, in `currency`.
    pub vat_amount: Option<Amount>,
    /// The line with tax, in `currency`.
    pub gross_amount: Option<Amount>,
    /// Paid for the whole transaction, in `currency`.
    pub paid_amount: Option<Amount>,
    /// How the whole transaction was paid.
    pub payment_method: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// What looked wrong.
    pub quality: Quality,
}

impl Line {
    /// A line of which only the key, kind, state and time are known.
    pub fn new(line_id: impl Into<String>, kind: Kind, state: State, occurred_at: DateTime<Utc>) -> Self {
        Self {
            line_id: line_id.into(),
            kind,
            state,
            occurred_at,
            source_state: None,
            started_at: None,
            status_at: None,
            invoiced_at: None,
            contract_no: None,
            site_id: None,
            site_code: None,
            site_name: None,
            terminal_id: None,
            terminal_name: None,
            point: None,
            card_number: None,
            driver_name: None,
            driver_no: None,
            vehicle_no: None,
            license_plate: None,
            odometer_km: None,
            receipt_no: None,
            authorization_code: None,
            invoice_no: None,
            session_id: None,
            product_code: None,
            product_name: None,
            product_type: None,
            product: None,
            quantity: None,
            unit: None,
            net_unit_price: None,
            unit_discount: None,
            unit_price: None,
            net_amount: None,
            vat_rate: None,
            vat_amount: None,
            gross_amount: None,
            paid_amount: None,
            payment_method: None,
            currency: None,
            quality: Quality::new(),
        }
    }

    /// Whether it says something of the read that brought it: the same record, read at another time or among pages that do
    /// not move, comes to another line.
    pub fn depends_on_the_read(&self) -> bool {
        [Flag::FutureTime, Flag::UnstableWindow].iter().any(|flag| self.quality.contains(flag))
    }

    /// About as many bytes as it takes in memory, its texts included.
    pub fn size(&self) -> usize {
        let texts = [
            &self.source_state,
            &self.contract_no,
            &self.site_id,
            &self.site_code,
            &self.site_name,
            &self.terminal_id,
            &self.terminal_name,
            &self.point,
            &self.card_number,
            &self.driver_name,
            &self.driver_no,
            &self.vehicle_no,
            &self.license_plate,
            &self.receipt_no,
            &self.authorization_code,
            &self.invoice_no,
            &self.session_id,
            &self.product_code,
            &self.product_name,
            &self.product_type,
            &self.product,
            &self.payment_method,
            &self.currency,
        ];
        // Each text that is there is a piece of memory of its own, with what the allocator adds.
        let texts = texts.into_iter().flatten().map(|text| text.len() + 16).sum::<usize>();
        size_of::<Self>() + self.line_id.len() + 16 + texts
    }
}
