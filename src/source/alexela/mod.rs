//! Card transactions.
