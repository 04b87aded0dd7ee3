//! Request ids: unique without asking anyone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes ids of 32 hexadecimal digits: 64 random bits of the process, 64 that never repeat in it.
#[derive(Debug)]
pub(crate) struct Ids {
    process: u64,
    next: AtomicU64,
}

/// Odd, so that multiplying by it maps each counter value to one of its own.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

// === impl Ids ===

impl Ids {
    pub(crate) fn new() -> Self {
        Self {
            process: random(),
            next: AtomicU64::new(random()),
        }
    }

    pub(crate) fn next(&self) -> Arc<str> {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mut digits = [0_u8; 32];
        let (high, low) = digits.split_at_mut(16);
        write_hex(self.process, high);
        write_hex(count.wrapping_mul(SPREAD), low);
        std::str::from_utf8(&digits).unwrap_or_default().into()
    }
}

fn write_hex(number: u64, digits: &mut [u8]) {
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        let nibble = (number >> (4 * place)) & 0xf;
        *digit = b"0123456789abcdef"
            .get(usize::try_from(nibble).unwrap_or_default())
            .copied()
            .unwrap_or(b'0');
    }
}

/// A process without a random source still gets ids of its own from the hasher's seed.
fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(std::process::id())
    })
}

#[cfg(test)]
mod tests;
