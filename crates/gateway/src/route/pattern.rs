//! The forms of a route's path.

use std::sync::Arc;

/// A path as configured, taken apart once.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// The text before the first parameter or star.
    literal: Box<str>,
    reach: Reach,
}

/// What follows the literal part.
#[derive(Debug)]
enum Reach {
    /// Nothing: the whole path is literal.
    Exact,
    /// Anything, captured under this name if it has one.
    Rest(Option<Arc<str>>),
    /// Pieces that must fit to the end.
    Pieces(Box<[Piece]>),
}

#[derive(Debug)]
enum Piece {
    Literal(Box<str>),
    /// One segment, not empty.
    Segment(Arc<str>),
    /// Anything, slashes included; as much as possible.
    Rest(Arc<str>),
}

/// What parameters stood for in one path.
pub(crate) type Captures = Vec<(Arc<str>, String)>;

/// The name under which a star without a name is captured.
const UNNAMED: &str = ":ext";

// === impl Pattern ===

impl Pattern {
    /// Takes a configured path apart; `:name` is a parameter only if `parameters` is set.
    pub(crate) fn new(text: &str, parameters: bool) -> Self {
        let pieces = take_apart(text, parameters);
        let mut pieces = pieces.into_iter().peekable();
        let literal = match pieces.next_if(|piece| matches!(piece, Piece::Literal(_))) {
            Some(Piece::Literal(text)) => text,
            _ => Box::default(),
        };
        let rest: Box<[Piece]> = pieces.collect();
        let reach = match &*rest {
            [] => Reach::Exact,
            // Without parameters nobody can ask for what an unnamed star stood for.
            [Piece::Rest(name)] => {
                Reach::Rest((parameters || **name != *UNNAMED).then(|| Arc::clone(name)))
            }
            _ => Reach::Pieces(rest),
        };
        Self { literal, reach }
    }

    /// The text that a path must begin with.
    pub(crate) fn literal(&self) -> &str {
        &self.literal
    }

    /// Whether only the very text matches.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self.reach, Reach::Exact)
    }

    /// What the parameters stand for in `path`, which begins with the literal part; `None` when it
    /// does not fit.
    pub(crate) fn captures(&self, path: &str) -> Option<Captures> {
        let rest = path.get(self.literal.len()..)?;
        match &self.reach {
            Reach::Exact => rest.is_empty().then(Vec::new),
            Reach::Rest(None) => Some(Vec::new()),
            Reach::Rest(Some(name)) => Some(vec![(Arc::clone(name), rest.to_owned())]),
            Reach::Pieces(pieces) => {
                let mut captures = Vec::new();
                fit(pieces, rest, &mut captures).then_some(captures)
            }
        }
    }
}

/// A star takes its name up to the next slash; so does a parameter at the start of a segment.
fn take_apart(text: &str, parameters: bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_segment = parameters && first == ':' && literal.ends_with('/');
        if !is_segment && first != '*' {
            literal.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
        }
        let end = rest.find('/').unwrap_or(rest.len());
        let name = rest.get(1..end).unwrap_or_default();
        let name = if name.is_empty() { UNNAMED } else { name }.into();
        pieces.push(if is_segment {
            Piece::Segment(name)
        } else {
            Piece::Rest(name)
        });
        rest = rest.get(end..).unwrap_or_default();
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into()));
    }
    pieces
}

/// Fits `pieces` to the whole of `text`. The greedy piece gives back from its end.
fn fit(pieces: &[Piece], text: &str, captures: &mut Captures) -> bool {
    let Some((piece, later)) = pieces.split_first() else {
        return text.is_empty();
    };
    match piece {
        Piece::Literal(literal) => text
            .strip_prefix(&**literal)
            .is_some_and(|rest| fit(later, rest, captures)),
        Piece::Segment(name) => {
            let end = text.find('/').unwrap_or(text.len());
            let (segment, rest) = text.split_at(end);
            captures.push((Arc::clone(name), segment.to_owned()));
            let fits = end > 0 && fit(later, rest, captures);
            if !fits {
                captures.pop();
            }
            fits
        }
        Piece::Rest(name) => {
            let known = captures.len();
            let ends = text.char_indices().map(|(at, _)| at).rev();
            for end in std::iter::once(text.len()).chain(ends) {
                let (taken, rest) = text.split_at(end);
                captures.push((Arc::clone(name), taken.to_owned()));
                if fit(later, rest, captures) {
                    return true;
                }
                captures.truncate(known);
            }
            false
        }
    }
}

#[cfg(test)]
mod tests;
