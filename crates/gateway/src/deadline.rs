//! Moments in the future.

use std::time::Duration;

use tokio::time::Instant;

/// The moment when `limit` is over; a limit too large to be added stands for "a year".
pub(crate) fn after(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit)
        .unwrap_or_else(|| now + Duration::from_hours(24 * 365))
}
