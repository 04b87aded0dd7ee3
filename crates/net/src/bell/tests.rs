use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use super::Bell;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn wakes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn ring_while_attending_runs_the_step_again_instead_of_waking() {
    let (bell, owner) = (Bell::new(), Arc::new(Count::default()));
    let waker = Waker::from(Arc::clone(&owner));
    let mut steps = 0;
    let outcome = bell.attend(&Context::from_waker(&waker), |cx| {
        steps += 1;
        if steps == 1 {
            cx.waker().wake_by_ref();
        }
        Poll::<()>::Pending
    });
    assert!(outcome.is_pending());
    assert_eq!((steps, owner.wakes()), (2, 0));
}

#[test]
fn ring_that_does_not_stop_goes_to_the_runtime() {
    let (bell, owner) = (Bell::new(), Arc::new(Count::default()));
    let waker = Waker::from(Arc::clone(&owner));
    let mut steps = 0;
    let outcome = bell.attend(&Context::from_waker(&waker), |cx| {
        steps += 1;
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    });
    assert!(outcome.is_pending());
    assert_eq!((steps, owner.wakes()), (2, 1));
}

#[test]
fn ring_after_attending_wakes_the_owner() {
    let (bell, owner) = (Bell::new(), Arc::new(Count::default()));
    let waker = Waker::from(Arc::clone(&owner));
    let outcome = bell.attend(&Context::from_waker(&waker), |_| Poll::<()>::Pending);
    assert!(outcome.is_pending());
    bell.waker().wake_by_ref();
    assert_eq!(owner.wakes(), 1);
}

#[test]
fn ring_of_an_idle_bell_wakes_nobody_and_is_remembered() {
    let (bell, owner) = (Bell::new(), Arc::new(Count::default()));
    let waker = Waker::from(Arc::clone(&owner));
    let outcome = bell.attend(&Context::from_waker(&waker), |_| Poll::Ready(()));
    assert!(outcome.is_ready());
    bell.leave();
    assert!(!bell.was_rung());
    bell.waker().wake();
    assert!(bell.was_rung());
    drop(waker);
    assert_eq!((owner.wakes(), Arc::strong_count(&owner)), (0, 1));
}
