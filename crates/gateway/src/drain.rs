//! How connections learn that the process is to stop.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// Told once, heard by every connection.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    begun: AtomicBool,
    bell: Arc<Notify>,
}

pin_project! {
    /// One connection's ear.
    pub(crate) struct Stopping {
        drain: Arc<Drain>,
        #[pin]
        bell: OwnedNotified,
        heard: bool,
    }
}

// === impl Drain ===

impl Drain {
    /// Tells every connection to come to its end.
    pub(crate) fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
        self.bell.notify_waiters();
    }

    pub(crate) fn listen(self: &Arc<Self>) -> Stopping {
        Stopping {
            drain: Arc::clone(self),
            bell: Arc::clone(&self.bell).notified_owned(),
            heard: false,
        }
    }
}

// === impl Stopping ===

/// Ready when the process is stopping.
///
/// The bell is asked once, from the task that stays with the connection. After that its waker is in
/// place and one flag tells all, so that a busy connection takes no lock.
impl Future for Stopping {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if !*this.heard {
            *this.heard = true;
            if this.bell.poll(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        if this.drain.begun.load(Ordering::SeqCst) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
