//! What a prompt begins with, as numbers that can be compared.
//!
//! A provider that keeps what it has computed of a prompt can use it again for one that begins
//! alike. So a prompt is cut into blocks, and each block is a number that stands for everything up
//! to its end: two prompts with an equal block begin alike up to there.

use wire::json::{Raw, Scan, Token};

use crate::dialect::Dialect;

#[cfg(test)]
mod tests;

/// A block ends here at the latest, in bytes, so that long messages can share their beginnings.
const BLOCK_BYTES: usize = 4096;

/// The most blocks of one prompt; the last one stands for all of the rest.
const MOST_BLOCKS: usize = 1024;

/// Values that lie deeper are taken as they are written.
const MOST_DEPTH: u32 = 6;

/// Cuts a text that is fed to it.
struct Cutter {
    blocks: Vec<u64>,
    /// Stands for all blocks before this one.
    before: u64,
    /// The text of this block, since a checksum of many short pieces takes long.
    block: [u8; BLOCK_BYTES],
    length: usize,
}

/// The blocks of a request's prompt, in the order in which providers read prompts: tools, system
/// prompt, then one or more for each message. None where the dialect has no prompt.
///
/// Only what a model sees counts: white space, the names of members, and markers for caching do
/// not, and a text is the same whether it is written as a string or as a list of one text part. The
/// numbers are the same in every process.
pub fn blocks(dialect: Dialect, body: &Scan) -> Vec<u64> {
    let Some((conversation, before)) = dialect.protocol().prompt_members().split_last() else {
        return Vec::new();
    };
    let mut cutter = Cutter::new();
    if let Some(model) = body.get("model") {
        // Another model shares nothing, so its blocks are others.
        cutter.feed(model.as_bytes());
        cutter.before = cutter.finish_block();
    }
    for value in before.iter().filter_map(|name| body.get(name)) {
        cutter.value(value, false);
    }
    if let Some(value) = body.get(conversation) {
        cutter.value(value, value.is_array());
    }
    cutter.blocks
}

// === impl Cutter ===

impl Cutter {
    const fn new() -> Self {
        Self {
            blocks: Vec::new(),
            before: 0,
            block: [0; BLOCK_BYTES],
            length: 0,
        }
    }

    /// Takes the scalars of a value in the order of the text, and ends a block behind them, or behind
    /// those of each item.
    fn value(&mut self, value: Raw<'_>, by_item: bool) {
        let most_depth = MOST_DEPTH + u32::from(by_item);
        let mut depth = 0;
        let mut is_type = false;
        let mut tokens = value.tokens();
        while let Some(token) = tokens.next() {
            let was_type = std::mem::take(&mut is_type);
            match token {
                Token::Open if depth == most_depth => self.scalar(tokens.whole()),
                Token::Open => depth += 1,
                Token::Close => depth -= 1,
                // Clients move it from message to message as the conversation goes on.
                Token::Name(name) if name.is_str("cache_control") => _ = tokens.value(),
                Token::Name(name) => is_type = name.is_str("type"),
                // So that a text part is what it would be as a string.
                Token::Scalar(kind)
                    if was_type && (kind.is_str("text") || kind.is_str("input_text")) => {}
                Token::Scalar(scalar) => self.scalar(scalar),
            }
            if by_item && depth == 1 {
                self.cut();
            }
        }
        self.cut();
    }

    fn scalar(&mut self, value: Raw<'_>) {
        self.feed(value.as_bytes());
        // Keeps numbers that follow each other apart; strings have their quotes.
        self.feed(b",");
    }

    fn feed(&mut self, mut text: &[u8]) {
        while let Some((now, later)) = text.split_at_checked(BLOCK_BYTES - self.length) {
            self.take(now);
            self.cut();
            text = later;
        }
        self.take(text);
    }

    /// Takes what fits into the block.
    fn take(&mut self, text: &[u8]) {
        let end = self.length + text.len();
        if let Some(free) = self.block.get_mut(self.length..end) {
            free.copy_from_slice(text);
            self.length = end;
        }
    }

    /// Ends a block, if anything is in it.
    fn cut(&mut self) {
        if self.length == 0 {
            return;
        }
        self.before = self.finish_block();
        if self.blocks.len() == MOST_BLOCKS {
            self.blocks.pop();
        }
        self.blocks.push(self.before);
    }

    /// The number of the block that ends here, with all before it.
    fn finish_block(&mut self) -> u64 {
        let length = std::mem::take(&mut self.length);
        let checksum = crc32fast::hash(self.block.get(..length).unwrap_or_default());
        spread(self.before ^ (u64::from(checksum) << 32 | length as u64))
    }
}

/// Spreads a number over all numbers of 64 bits (the finalizer of `SplitMix64`, after a step).
const fn spread(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
