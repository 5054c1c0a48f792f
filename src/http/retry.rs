//! When a failed exchange is tried again: full jitter, and what `Retry-After` asks for.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest wait that a server may ask for; beyond it the exchange fails and the next pass tries again.
pub(super) const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// The limit of the first wait.
pub(super) const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LARGEST_BACKOFF: Duration = Duration::from_secs(30);

/// The time to wait before the next attempt: anything up to a limit that doubles, so that clients that failed together
/// do not come back together.
pub(super) fn backoff(first: Duration, failed: u32) -> Duration {
    let most = first.saturating_mul(1u32.checked_shl(failed).unwrap_or(u32::MAX)).min(LARGEST_BACKOFF);
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(rand::random_range(0..=most))
}

/// What an answer asks for: seconds, or a date of the server's clock.
pub(super) fn retry_after(headers: &HeaderMap, server_time: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = DateTime::<Utc>::from(httpdate::parse_http_date(text).ok()?);
    Some((date - server_time).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Option<Duration> {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]), now)
    }

    #[test]
    fn seconds_and_dates_are_understood_and_a_past_date_is_no_wait() {
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Sat, 21 Nov 2026 12:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(asked("Sat, 21 Nov 2026 11:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        for nonsense in ["", "-1", "soon", "1.5"] {
            assert_eq!(asked(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn waits_double_up_to_a_limit_and_differ() {
        for failed in [0, 3, 40, u32::MAX] {
            let most = if failed == 0 { FIRST_BACKOFF } else { LARGEST_BACKOFF };
            assert!((0..50).all(|_| backoff(FIRST_BACKOFF, failed) <= most));
        }
        let waits: std::collections::HashSet<_> = (0..50).map(|_| backoff(FIRST_BACKOFF, 10)).collect();
        assert!(waits.len() > 10);
    }
}
