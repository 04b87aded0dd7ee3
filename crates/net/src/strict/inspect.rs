//! Follows the borders of the messages in a stream of bytes, however it is cut.

use memchr::memchr;

use super::{
    Violation,
    line::{self, End, Head},
};

/// What HTTP/2 with prior knowledge begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// No line may be longer, even if the server would bear it.
const LONGEST_LINE: usize = 1024 * 1024;
/// Blank lines that may stand before a request line, which old clients send after a body.
const BLANK_LINES: u8 = 1;

/// A position in a connection's stream of requests.
#[derive(Debug)]
pub struct Inspector {
    state: State,
    /// The beginning of a line whose end is still to come.
    line: Vec<u8>,
    /// With what the answer begins that would end HTTP on this connection.
    switch: Option<&'static [u8]>,
}

/// Where and why a stream was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offence {
    /// How many bytes of the last piece may still be passed on.
    pub at: usize,
    /// The reason.
    pub violation: Violation,
    /// Whether a request's head had been passed on whole.
    pub part: Part,
}

/// The part of a message that offends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The head: the server has not seen its end.
    Head,
    /// The body: the request is being served.
    Body,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// The connection's first bytes, so far the same as the preface's.
    Preface {
        same: usize,
    },
    RequestLine {
        blank: u8,
    },
    Headers(Head),
    Body {
        left: u64,
    },
    ChunkSize,
    ChunkData {
        left: u64,
    },
    ChunkEnd {
        carriage_return: bool,
    },
    Trailers,
    /// Not HTTP/1 any more: nothing is looked at.
    Transparent,
}

// === impl Inspector ===

impl Default for Inspector {
    fn default() -> Self {
        Self::new()
    }
}

impl Inspector {
    /// The position at the beginning of a connection.
    pub fn new() -> Self {
        Self {
            state: State::Preface { same: 0 },
            line: Vec::new(),
            switch: None,
        }
    }

    /// Looks at what came next.
    ///
    /// # Errors
    ///
    /// The first offence in it. The bytes before [`Offence::at`] may be passed on, those behind may
    /// not, and nothing may be fed any more.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Offence> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let taken = self
                .take(rest)
                .map_err(|Stop { passed, violation }| Offence {
                    at: at + passed,
                    violation,
                    part: self.state.part(),
                })?;
            at += taken;
        }
        Ok(())
    }

    /// Looks at the beginning of something that the server writes.
    pub fn answered(&mut self, written: &[u8]) {
        if let Some(beginning) = self.switch
            && written.starts_with(beginning)
        {
            self.state = State::Transparent;
            self.line = Vec::new();
            self.switch = None;
        }
    }

    /// Takes one element, or the part of it that is here; says how many bytes that were.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        match self.state {
            State::Transparent => Ok(bytes.len()),
            State::Preface { same } => Ok(self.take_preface(bytes, same)?),
            State::Body { left } => Ok(self.skip(bytes, left, |left| State::Body { left })),
            State::ChunkData { left } => {
                Ok(self.skip(bytes, left, |left| State::ChunkData { left }))
            }
            State::ChunkEnd { carriage_return } => self.take_chunk_end(bytes, carriage_return),
            State::RequestLine { .. } | State::Headers(_) | State::ChunkSize | State::Trailers => {
                self.take_line(bytes)
            }
        }
    }

    fn take_preface(&mut self, bytes: &[u8], same: usize) -> Result<usize, Stop> {
        let expected = PREFACE.get(same..).unwrap_or_default();
        let more = expected
            .iter()
            .zip(bytes)
            .take_while(|(a, b)| a == b)
            .count();
        if more == expected.len() {
            self.state = State::Transparent;
            return Ok(more);
        }
        if more == bytes.len() {
            self.state = State::Preface { same: same + more };
            return Ok(more);
        }
        // It is HTTP/1 after all: what looked like the preface is the beginning of a request.
        self.state = State::RequestLine { blank: 0 };
        let mut seen = PREFACE.get(..same).unwrap_or_default();
        while !seen.is_empty() {
            // The bytes were passed on already, so an offence in them stops what follows.
            let taken = self.take(seen).map_err(|stop| Stop { passed: 0, ..stop })?;
            seen = seen.get(taken..).unwrap_or_default();
        }
        Ok(0)
    }

    fn skip(&mut self, bytes: &[u8], left: u64, state: fn(u64) -> State) -> usize {
        let here = bytes.len() as u64;
        if here < left {
            self.state = state(left - here);
            return bytes.len();
        }
        self.state = match self.state {
            State::ChunkData { .. } => State::ChunkEnd {
                carriage_return: false,
            },
            _ => State::RequestLine { blank: 0 },
        };
        usize::try_from(left).unwrap_or(bytes.len())
    }

    fn take_chunk_end(&mut self, bytes: &[u8], carriage_return: bool) -> Result<usize, Stop> {
        let expected = if carriage_return { b'\n' } else { b'\r' };
        if bytes.first() != Some(&expected) {
            return Err(Stop {
                passed: 0,
                violation: Violation::Chunk,
            });
        }
        self.state = if carriage_return {
            State::ChunkSize
        } else {
            State::ChunkEnd {
                carriage_return: true,
            }
        };
        Ok(1)
    }

    fn take_line(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        let Some(end) = memchr(b'\n', bytes) else {
            if self.line.len() + bytes.len() > LONGEST_LINE {
                return Err(Stop {
                    passed: 0,
                    violation: Violation::TooLong,
                });
            }
            self.line.extend_from_slice(bytes);
            return Ok(bytes.len());
        };
        let (part, _) = bytes.split_at_checked(end + 1).unwrap_or((bytes, &[]));
        let outcome = if self.line.is_empty() {
            self.judge(part)
        } else {
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(part);
            let outcome = self.judge(&line);
            line.clear();
            self.line = line;
            outcome
        };
        // The line's last byte is what would let the server act on it.
        outcome.map_err(|violation| Stop {
            passed: end,
            violation,
        })?;
        Ok(end + 1)
    }

    fn judge(&mut self, line: &[u8]) -> Result<(), Violation> {
        if line.len() > LONGEST_LINE {
            return Err(Violation::TooLong);
        }
        let line = line::content(line)?;
        self.state = match self.state {
            State::RequestLine { blank } if line.is_empty() => {
                if blank == BLANK_LINES {
                    return Err(Violation::RequestLine);
                }
                State::RequestLine { blank: blank + 1 }
            }
            State::RequestLine { .. } => State::Headers(Head::begin(line)?),
            State::Headers(head) if line.is_empty() => self.behind(head)?,
            State::Headers(mut head) => {
                head.add(line)?;
                State::Headers(head)
            }
            State::ChunkSize => match line::chunk_size(line)? {
                0 => State::Trailers,
                left => State::ChunkData { left },
            },
            State::Trailers if line.is_empty() => State::RequestLine { blank: 0 },
            State::Trailers => {
                line::trailer(line)?;
                State::Trailers
            }
            state => state,
        };
        Ok(())
    }

    /// What follows a head.
    fn behind(&mut self, head: Head) -> Result<State, Violation> {
        let state = match head.finish()? {
            End::Chunked => State::ChunkSize,
            End::Length(0) => State::RequestLine { blank: 0 },
            End::Length(left) => State::Body { left },
        };
        // A line buffer that has grown is not kept over an idle time.
        self.line = Vec::new();
        self.switch = head.may_switch();
        Ok(state)
    }
}

// === impl State ===

impl State {
    fn part(self) -> Part {
        match self {
            Self::Preface { .. } | Self::RequestLine { .. } | Self::Headers(_) => Part::Head,
            Self::Body { .. }
            | Self::ChunkSize
            | Self::ChunkData { .. }
            | Self::ChunkEnd { .. }
            | Self::Trailers
            | Self::Transparent => Part::Body,
        }
    }
}

/// An offence inside one element.
struct Stop {
    passed: usize,
    violation: Violation,
}
