//! What a prompt begins with, as numbers that can be compared.
//!
//! A provider that keeps what it has computed of a prompt can use it again for one that begins
//! alike. So a prompt is cut into blocks, and each block is a number that stands for everything up
//! to its end: two prompts with an equal block begin alike up to there.

use wire::json::{Kind, Raw, Scan};

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
    block: crc32fast::Hasher,
    length: usize,
}

/// The blocks of a request's prompt, in the order in which providers read prompts: tools, system
/// prompt, then one or more for each message. None where the dialect has no prompt.
///
/// Only what a model sees counts: white space, the names of members, and markers for caching do
/// not, and a text is the same whether it is written as a string or as a list of one text part. The
/// numbers are the same in every process.
pub fn blocks(dialect: Dialect, body: &Scan) -> Vec<u64> {
    let names = dialect.protocol().prompt_members();
    let mut cutter = Cutter::new();
    if let Some(model) = body.get("model").filter(|_| !names.is_empty()) {
        // Another model shares nothing, so its blocks are others.
        cutter.feed(model.as_bytes());
        cutter.before = cutter.finish_block();
    }
    for value in names.iter().filter_map(|name| body.get(name)) {
        // A list of messages is a block for each; a list of tools is one.
        if value.is_array() && value.items().any(|item| item.get("role").is_some()) {
            for message in value.items() {
                cutter.value(message, 0);
                cutter.cut();
            }
        } else {
            cutter.value(value, 0);
            cutter.cut();
        }
    }
    cutter.blocks
}

// === impl Cutter ===

impl Cutter {
    fn new() -> Self {
        Self {
            blocks: Vec::new(),
            before: 0,
            block: crc32fast::Hasher::new(),
            length: 0,
        }
    }

    /// Takes the scalars of a value in the order of the text.
    fn value(&mut self, value: Raw<'_>, depth: u32) {
        match value.kind() {
            Kind::Object if depth < MOST_DEPTH => {
                for (name, member) in value.members() {
                    if is_seen(&name, member) {
                        self.value(member, depth + 1);
                    }
                }
            }
            Kind::Array if depth < MOST_DEPTH => {
                for item in value.items() {
                    self.value(item, depth + 1);
                }
            }
            _ => {
                self.feed(value.as_bytes());
                // Keeps numbers that follow each other apart; strings have their quotes.
                self.feed(b",");
            }
        }
    }

    fn feed(&mut self, mut text: &[u8]) {
        while let Some((now, later)) = text.split_at_checked(BLOCK_BYTES - self.length) {
            self.block.update(now);
            self.length += now.len();
            self.cut();
            text = later;
        }
        self.block.update(text);
        self.length += text.len();
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
        let checksum = std::mem::take(&mut self.block).finalize();
        let length = std::mem::take(&mut self.length) as u64;
        spread(self.before ^ (u64::from(checksum) << 32 | length))
    }
}

/// Whether a model sees this member of a message, part or tool.
fn is_seen(name: &str, member: Raw<'_>) -> bool {
    match name {
        // Clients move it from message to message as the conversation goes on.
        "cache_control" => false,
        // So that a text part is what it would be as a string.
        "type" => !(member.is_str("text") || member.is_str("input_text")),
        _ => true,
    }
}

/// Spreads a number over all numbers of 64 bits (the finalizer of `SplitMix64`, after a step).
const fn spread(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
