//! Panics end one request and nothing else.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

pin_project! {
    /// A future whose panic is an outcome; it is not polled after that.
    pub(crate) struct Caught<F> {
        #[pin]
        future: F,
    }
}

/// A panic that was caught. Its message went to the process's panic hook.
#[derive(Debug)]
pub(crate) struct Panic;

// === impl Caught ===

impl<F> Caught<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future }
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Panic>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        match caught(|| future.poll(cx)) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// Runs `step`. What it leaves half done belongs to one request, which ends here.
pub(crate) fn caught<T>(step: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(step)).map_err(|payload| {
        drop_payload(payload);
        Panic
    })
}

/// A payload may panic once more while it is dropped.
fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
        std::mem::forget(second);
    }
}
