//! A byte stream, cut into blocks wherever its chunks begin and end.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::block::{self, Event};

#[cfg(test)]
mod tests;

/// Blocks above this size are dropped: nobody's event is that large.
const BLOCK_LIMIT: usize = 1024 * 1024;

/// What a buffer may keep of its capacity between events.
const KEPT_CAPACITY: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An incremental decoder of server-sent events.
///
/// It only looks: chunks are pushed by refcount and somebody else relays them. An event that lies
/// inside one chunk is borrowed from it; only a block that spans chunks is copied together. Each
/// byte is searched once, however the stream is cut.
///
/// ```
/// let mut decoder = wire::sse::SseDecoder::new();
/// decoder.push("data: a\r\n\r\nda".into());
/// assert_eq!(decoder.next().map(|event| event.data), Some(&b"a"[..]));
/// assert_eq!(decoder.next(), None);
/// assert_eq!(decoder.unfinished(), 2);
/// ```
#[derive(Debug, Default)]
pub struct SseDecoder {
    /// The chunk being read.
    chunk: Bytes,
    /// Where in the chunk the current block begins.
    start: usize,
    /// Where in the chunk the search goes on.
    at: usize,
    /// The part of the current block that earlier chunks brought.
    carry: Carry,
    /// Several data lines joined.
    joined: Vec<u8>,
    line: Line,
    /// The first block, which a byte order mark may precede, is behind us.
    begun: bool,
    /// The rest of the current block is to be dropped.
    dropping: bool,
    /// A block was dropped and nobody has been told.
    overflowed: bool,
}

/// The part of a block that the chunks before the present one brought.
#[derive(Debug, Default)]
struct Carry {
    bytes: Vec<u8>,
    /// The block is complete and was handed out: the next step clears it.
    is_read: bool,
}

/// Where in a line the search stands.
#[derive(Debug, Default, PartialEq, Eq)]
enum Line {
    /// Nothing of it has been seen.
    #[default]
    Start,
    /// As `Start`, but the line before ended in CR, so that a LF would still belong to it.
    AfterCr,
    /// It has bytes in it.
    Inside,
}

/// Where a complete block is.
enum Block {
    InChunk(Range<usize>),
    InCarry,
}

// === impl SseDecoder ===

impl SseDecoder {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next chunk of the stream. Read the events of the one before first.
    pub fn push(&mut self, bytes: Bytes) {
        let unread = self.chunk.get(self.start..).unwrap_or_default();
        if unread.is_empty() {
            self.chunk = bytes;
            self.at = 0;
        } else {
            let mut joined = BytesMut::with_capacity(unread.len() + bytes.len());
            joined.extend_from_slice(unread);
            joined.extend_from_slice(&bytes);
            self.chunk = joined.freeze();
            self.at -= self.start;
        }
        self.start = 0;
    }

    /// The next complete event, or `None` until another chunk is pushed.
    #[expect(
        clippy::should_implement_trait,
        reason = "the event borrows from the decoder"
    )]
    pub fn next(&mut self) -> Option<Event<'_>> {
        loop {
            let block = self.find_block()?;
            if block::has_field(self.text(&block)) {
                return self.read(&block);
            }
        }
    }

    /// The next event when no chunk will follow: also one that lacks its blank line.
    pub fn finish(&mut self) -> Option<Event<'_>> {
        loop {
            let block = match self.find_block() {
                Some(block) => block,
                None if self.carry.bytes.is_empty() => return None,
                None => self.take_carry(),
            };
            if block::has_field(self.text(&block)) {
                return self.read(&block);
            }
        }
    }

    /// How many bytes belong to an event that is not complete.
    pub fn unfinished(&self) -> usize {
        let carried = if self.carry.is_read {
            0
        } else {
            self.carry.bytes.len()
        };
        carried + self.chunk.len() - self.start
    }

    /// Whether a block was too large and has been dropped; says so once for each.
    pub fn overflowed(&mut self) -> bool {
        std::mem::take(&mut self.overflowed)
    }

    /// Goes on to the end of a block, or keeps what there is of it for the next chunk.
    fn find_block(&mut self) -> Option<Block> {
        if self.carry.is_read {
            self.carry.clear();
        }
        while self.find_blank_line() {
            if let Some(block) = self.close_block() {
                return Some(block);
            }
        }
        self.keep_rest();
        None
    }

    /// Moves behind the next blank line; `false` when the chunk has none.
    fn find_blank_line(&mut self) -> bool {
        while let Some(rest) = self.chunk.get(self.at..).filter(|rest| !rest.is_empty()) {
            if self.line == Line::AfterCr {
                self.line = Line::Start;
                if rest.starts_with(b"\n") {
                    self.at += 1;
                    if self.carry.bytes.is_empty() && self.at == self.start + 1 {
                        // The line it ends was the last one of the block before.
                        self.start = self.at;
                    }
                    continue;
                }
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.at = self.chunk.len();
                self.line = Line::Inside;
                return false;
            };
            let is_blank = end == 0 && self.line == Line::Start;
            self.line = if rest.get(end) == Some(&b'\r') {
                Line::AfterCr
            } else {
                Line::Start
            };
            self.at += end + 1;
            if is_blank {
                return true;
            }
        }
        false
    }

    /// Takes the block that ends here, unless it is too large.
    fn close_block(&mut self) -> Option<Block> {
        let range = self.start..self.at;
        self.start = self.at;
        if std::mem::take(&mut self.dropping) {
            return None;
        }
        if self.carry.bytes.len() + range.len() > BLOCK_LIMIT {
            self.carry.clear();
            self.overflowed = true;
            return None;
        }
        if self.carry.bytes.is_empty() {
            return Some(Block::InChunk(self.without_mark(range)));
        }
        self.carry
            .bytes
            .extend_from_slice(self.chunk.get(range).unwrap_or_default());
        Some(self.take_carry())
    }

    fn take_carry(&mut self) -> Block {
        self.carry.is_read = true;
        let is_first = !std::mem::replace(&mut self.begun, true);
        if is_first && self.carry.bytes.starts_with(BYTE_ORDER_MARK) {
            self.carry.bytes.drain(..BYTE_ORDER_MARK.len());
        }
        Block::InCarry
    }

    fn without_mark(&mut self, range: Range<usize>) -> Range<usize> {
        let is_first = !std::mem::replace(&mut self.begun, true);
        let text = self.chunk.get(range.clone()).unwrap_or_default();
        if is_first && text.starts_with(BYTE_ORDER_MARK) {
            range.start + BYTE_ORDER_MARK.len()..range.end
        } else {
            range
        }
    }

    /// Lets go of the chunk and keeps only what belongs to a block that is not complete.
    fn keep_rest(&mut self) {
        let rest = self.chunk.get(self.start..).unwrap_or_default();
        if !self.dropping && self.carry.bytes.len() + rest.len() > BLOCK_LIMIT {
            self.carry.clear();
            self.dropping = true;
            self.overflowed = true;
        } else if !self.dropping {
            self.carry.bytes.extend_from_slice(rest);
        }
        self.chunk = Bytes::new();
        self.start = 0;
        self.at = 0;
    }

    fn text(&self, block: &Block) -> &[u8] {
        match block {
            Block::InChunk(range) => self.chunk.get(range.clone()).unwrap_or_default(),
            Block::InCarry => &self.carry.bytes,
        }
    }

    fn read(&mut self, block: &Block) -> Option<Event<'_>> {
        self.joined.shrink_to(KEPT_CAPACITY);
        let text = match block {
            Block::InChunk(range) => self.chunk.get(range.clone()).unwrap_or_default(),
            Block::InCarry => &self.carry.bytes,
        };
        block::read(text, &mut self.joined)
    }
}

// === impl Carry ===

impl Carry {
    fn clear(&mut self) {
        self.is_read = false;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_CAPACITY);
    }
}
