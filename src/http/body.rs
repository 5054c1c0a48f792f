//! The body of one answer while it arrives, limited in size (decoded) and time.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{HttpError, error::in_short};
use crate::{
    clock::Clock,
    failpoint::{Bug, planted},
};

/// A body as it arrives. It ends the attempt with an error when it is too large, too slow, or breaks off.
#[derive(Debug)]
pub struct Body {
    pub(super) response: reqwest::Response,
    pub(super) clock: Arc<dyn Clock>,
    /// What is left of the request's time; only waiting for the server uses it up, so that a slow reader is not held
    /// against the vendor.
    pub(super) left: Duration,
    pub(super) request_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) received: u64,
    pub(super) most: u64,
    pub(super) attempt: u32,
}

impl Body {
    /// Which attempt of the call this is, from 0.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The status, one of 200 to 299.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The next bytes, decoded; none at the end of the body.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        let begun = self.clock.monotonic();
        let chunk = tokio::time::timeout(self.left, self.response.chunk()).await;
        self.left = self.left.saturating_sub(self.clock.monotonic().saturating_duration_since(begun));
        let chunk = chunk
            .map_err(|_| HttpError::Timeout(self.request_timeout))?
            .map_err(|error| in_short(error, self.connect_timeout))?;
        if let Some(bytes) = &chunk {
            self.received = self.received.saturating_add(bytes.len() as u64);
            // Planted: a body has no end.
            if self.received > self.most && !planted(Bug::NoLimits) {
                return Err(HttpError::TooLarge(self.most));
            }
        }
        Ok(chunk)
    }

    /// The whole of a small body.
    pub async fn bytes(mut self, most: usize) -> Result<Vec<u8>, HttpError> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if whole.len() + chunk.len() > most && !planted(Bug::NoLimits) {
                return Err(HttpError::Excessive(format!("it is larger than {most} bytes")));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }

    /// A small body as a JSON document.
    pub async fn json<T: DeserializeOwned>(self, most: usize) -> Result<T, HttpError> {
        let whole = self.bytes(most).await?;
        let whole = whole.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&whole);
        // serde's text may quote what it met.
        serde_json::from_slice(whole).map_err(|error| {
            HttpError::Malformed(
                match error.classify() {
                    serde_json::error::Category::Eof => "it is cut off",
                    serde_json::error::Category::Data => "a field is missing or of another type than expected",
                    serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
                }
                .to_owned(),
            )
        })
    }

    /// The beginning of an error's body, whatever happens while it is read.
    pub(super) async fn beginning(mut self, most: usize) -> Vec<u8> {
        let mut head = Vec::new();
        while head.len() < most
            && let Ok(Some(chunk)) = self.chunk().await
        {
            head.extend_from_slice(&chunk[..chunk.len().min(most - head.len())]);
        }
        head
    }
}
