//! One transport for all vendors: time limits, retries, rate, body limit, clock offset, errors without URLs.
//!
//! A [`Transport`] is the program's one HTTP client. A [`Link`] is one account's use of it: its rate, and what is known
//! of its server's clock. [`Link::call`] makes one exchange, attempt by attempt: the request is built anew for each
//! (with a fresh date and signature), and the answer counts only when its reader has read it to its end, through a
//! [`Body`] that is limited in size and time. [`Records`] cuts such a body into the records of its list while it
//! arrives. [`Traffic`] counts what is asked, for `/metrics`.

mod body;
mod cutter;
pub mod error;
mod limiter;
mod link;
mod offset;
mod records;
mod retry;
mod said;
mod scan;
#[cfg(test)]
mod tests;
pub mod traffic;
mod transport;

pub use body::Body;
pub use cutter::{Cutter, RECORD, Rest, checked};
pub use error::{HttpError, Repeatable};
pub use link::{Attempt, Begun, Call, Link};
pub use records::Records;
pub use said::{said_in, scrub};
pub use traffic::Traffic;
pub use transport::{Transport, TransportError};
