//! When a request that a kept connection lost was never seen by the peer.

use std::time::Duration;

/// What either side, busy as it may be, takes to notice a close, beyond the way there and back.
const GRACE: Duration = Duration::from_millis(100);
/// A handshake that took longer was no round trip: a packet of it was lost and sent again.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(1);

/// Whether a connection that was lost so long after a request was written to it may have been closed
/// by then. The news of an earlier close is on its way when the request leaves, or answers it: it
/// comes within one round trip. Whatever comes later follows from the request.
pub(crate) fn was_closed(lost_after: Duration, round_trip: Duration) -> bool {
    lost_after <= round_trip.min(LONGEST_ROUND_TRIP) + GRACE
}

#[cfg(test)]
mod tests;
