//! What every integration test stands on: a fresh database ([`TestDatabase`]) and the real binary ([`Fuelsync`]).

use std::time::Duration;

mod command;
mod container;
mod database;
pub(crate) mod dbproxy;
pub(crate) mod fleet;
mod server;
pub(crate) mod traces;

pub(crate) use command::Fuelsync;
pub(crate) use database::TestDatabase;

/// Longer than anything here lasts on the slowest machine: whoever waits longer waits for ever.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

/// Waits until this holds. A wait without an end fails, and says for what.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    ends(what, waiting).await;
}

/// What this comes to. What does not end fails, and says what it was.
pub(crate) async fn ends<T>(what: &str, work: impl Future<Output = T>) -> T {
    let Ok(done) = tokio::time::timeout(PATIENCE, work).await else {
        panic!("waited {PATIENCE:?} for this: {what}");
    };
    done
}

/// One GET, as bytes on a socket; the whole answer.
pub(crate) async fn get(address: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}
