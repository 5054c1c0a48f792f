//! Messages of the protocol as they come out of a socket.
//!
//! Everything here may be dropped at any point and called again: what has arrived waits in the buffer.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// The server's `ReadyForQuery`: it has said all that it has to say.
const READY: u8 = b'Z';

/// The first message of a connection.
pub(super) enum StartUp {
    /// A question for TLS or GSSAPI, answered with `N`.
    Encryption,
    /// Anything else, for the server.
    Other(Vec<u8>),
}

/// One direction of a connection, cut into messages.
pub(super) struct Frames<R> {
    from: R,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, buffer: Vec::new() }
    }

    /// A message of the beginning, which has no type; none at the end of the connection.
    pub(super) async fn start_up(&mut self) -> io::Result<Option<StartUp>> {
        loop {
            if let Some(end) = length(&self.buffer, 0).filter(|end| *end <= self.buffer.len()) {
                let message: Vec<u8> = self.buffer.drain(..end).collect();
                // 80877103 asks for TLS, 80877104 for GSSAPI.
                let asks = matches!(message.get(4..8), Some([0x04, 0xd2, 0x16, 0x2f | 0x30]));
                return Ok(Some(if asks { StartUp::Encryption } else { StartUp::Other(message) }));
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    /// The next message; none at the end of the connection.
    pub(super) async fn message(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = length(&self.buffer, 1).filter(|end| *end <= self.buffer.len()) {
                return Ok(Some(self.buffer.drain(..end).collect()));
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    /// All messages that have arrived whole, at least one; none at the end of the connection.
    pub(super) async fn messages(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(mut messages) = self.message().await? else { return Ok(None) };
        let mut end = 0;
        while let Some(length) = length(&self.buffer[end..], 1).filter(|length| end + length <= self.buffer.len()) {
            end += length;
        }
        messages.extend(self.buffer.drain(..end));
        Ok(Some(messages))
    }

    /// All messages up to the one that says that the server waits for the next question.
    pub(super) async fn until_ready(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(message) = self.message().await? {
            all.extend_from_slice(&message);
            if message[0] == READY {
                break;
            }
        }
        Ok(all)
    }

    async fn more(&mut self) -> io::Result<bool> {
        Ok(self.from.read_buf(&mut self.buffer).await? > 0)
    }
}

/// How long the first message is, its type of `tag` bytes included; none while that has not arrived.
fn length(buffer: &[u8], tag: usize) -> Option<usize> {
    let stated: [u8; 4] = buffer.get(tag..tag + 4)?.try_into().ok()?;
    Some(tag + u32::from_be_bytes(stated) as usize)
}

/// The first two texts of a message: of a simple query its SQL, of a `Parse` its name and SQL, of a `Bind` the portal and
/// the statement's name.
pub(super) fn texts(message: &[u8]) -> (&[u8], &[u8]) {
    let mut texts = message.get(5..).unwrap_or_default().split(|byte| *byte == 0);
    (texts.next().unwrap_or_default(), texts.next().unwrap_or_default())
}
