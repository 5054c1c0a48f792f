//! What looked wrong about a row that was loaded all the same.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

macro_rules! flags {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// One thing that looked wrong; `fuel.transaction.quality` holds their names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Flag { $($(#[$doc])* $variant,)* }

        impl Flag {
            /// Every flag.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the warehouse.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

flags! {
    /// Quantity × unit price is not the line's total, by more than a cent and a rounding of the price.
    AmountMismatch = "amount_mismatch",
    /// Net amount + VAT is not the total, or VAT is not the rate of the net amount, by more than a cent.
    VatMismatch = "vat_mismatch",
    /// The state sent is not the one that the published rules derive from articles and payments.
    StateMismatch = "state_mismatch",
    /// A NUL character was taken out: the database cannot hold one.
    NulRemoved = "nul_removed",
    /// The sale lies more than five minutes in the source's future.
    FutureTime = "future_time",
    /// A quantity below zero: a return or a correction.
    NegativeQuantity = "negative_quantity",
    /// A number had more than four decimals.
    Rounded = "rounded",
    /// Another line of this answer is alike in everything.
    IdenticalLines = "identical_lines",
    /// A field that does not decide the row could not be read; it is NULL here and as sent in `raw`.
    UnreadableField = "unreadable_field",
    /// The source's word for the state is not one that it publishes.
    UnknownState = "unknown_state",
    /// The pages of this window kept moving while they were read; it was accepted at one minute wide.
    UnstableWindow = "unstable_window",
    /// The line's unit is not one of those known.
    UnknownUnit = "unknown_unit",
}

/// The flags of a row, in a fixed order.
pub type Quality = BTreeSet<Flag>;
