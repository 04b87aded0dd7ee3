//! From words to an expression.

use super::lexer::{Lexer, Word};
use super::{CostError, Function, Node, Operator};

/// How deep an expression may be: what reads it, and what forgets it, goes down as deep.
const DEEPEST: usize = 100;
/// How strongly `-` and `not` bind what follows them.
const UNARY: u8 = 8;

struct Parser<'t> {
    lexer: Lexer<'t>,
    word: Word<'t>,
    /// Where `word` begins.
    at: usize,
    /// How many expressions are being read inside each other.
    depth: usize,
}

/// A part of an expression, with how deep it is.
struct Part {
    node: Node,
    depth: usize,
}

/// Reads a whole text.
///
/// # Errors
/// Says where it is no expression.
pub(super) fn parse(text: &str) -> Result<Node, CostError> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        word: Word::End,
        at: 0,
        depth: 0,
    };
    parser.step()?;
    let part = parser.expression(0)?;
    match parser.word {
        Word::End => Ok(part.node),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

// === impl Parser ===

impl<'t> Parser<'t> {
    fn step(&mut self) -> Result<(), CostError> {
        (self.word, self.at) = self.lexer.next()?;
        Ok(())
    }

    /// An expression of operators that bind their left side more strongly than `limit`.
    fn expression(&mut self, limit: u8) -> Result<Part, CostError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(too_deep());
        }
        let mut left = self.single()?;
        while let Word::Operator(operator) = self.word {
            let (strength, right) = operator.strength();
            if strength <= limit {
                break;
            }
            self.step()?;
            let right = self.expression(right)?;
            let depth = left.depth.max(right.depth);
            let sides = Box::new((left.node, right.node));
            left = Part::around(depth, Node::Binary(operator, sides))?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn single(&mut self) -> Result<Part, CostError> {
        match self.word {
            Word::Number(number) => {
                self.step()?;
                Ok(Part::leaf(Node::Number(number)))
            }
            Word::Operator(Operator::Subtract) => {
                self.step()?;
                let inner = self.expression(UNARY)?;
                Part::around(inner.depth, Node::Negative(Box::new(inner.node)))
            }
            Word::Not => {
                self.step()?;
                let inner = self.expression(UNARY)?;
                Part::around(inner.depth, Node::Not(Box::new(inner.node)))
            }
            Word::Open => {
                self.step()?;
                let inner = self.expression(0)?;
                self.expect(Word::Close, "')'")?;
                Ok(inner)
            }
            Word::Name(name) => self.named(name),
            _ => Err(self.unexpected("a number, a name or '('")),
        }
    }

    /// A member of the usage, or a call.
    fn named(&mut self, name: &'t str) -> Result<Part, CostError> {
        let start = self.at;
        self.step()?;
        if name == "math" {
            self.expect(Word::Dot, "'.' and a function after 'math'")?;
            let Word::Name(name) = self.word else {
                return Err(self.unexpected("a function after 'math.'"));
            };
            let start = self.at;
            self.step()?;
            return match Function::named(name) {
                Some(function) => self.call(function),
                None => Err(unknown(&format!("math.{name}"), start)),
            };
        }
        match (Function::named(name), self.word) {
            (Some(function), _) => self.call(function),
            (None, Word::Open) => Err(unknown(name, start)),
            (None, _) => Ok(Part::leaf(Node::Name(name.into()))),
        }
    }

    fn call(&mut self, function: Function) -> Result<Part, CostError> {
        self.expect(Word::Open, "'(' after the name of a function")?;
        let first = self.expression(0)?;
        let mut depth = first.depth;
        let mut arguments = vec![first.node];
        while function.takes_several() && self.word == Word::Comma {
            self.step()?;
            let next = self.expression(0)?;
            depth = depth.max(next.depth);
            arguments.push(next.node);
        }
        self.expect(Word::Close, "')'")?;
        Part::around(depth, Node::Call(function, arguments.into()))
    }

    fn expect(&mut self, word: Word<'_>, name: &str) -> Result<(), CostError> {
        if self.word != word {
            return Err(self.unexpected(name));
        }
        self.step()
    }

    fn unexpected(&self, expected: &str) -> CostError {
        match self.word {
            Word::End => CostError(format!("expected {expected} at the end")),
            _ => CostError(format!("expected {expected} at character {}", self.at + 1)),
        }
    }
}

fn too_deep() -> CostError {
    CostError(format!(
        "expected at most {DEEPEST} operators within each other"
    ))
}

fn unknown(name: &str, at: usize) -> CostError {
    CostError(format!(
        "expected abs, ceil, floor, max or min at character {}, found the function '{name}'",
        at + 1
    ))
}

// === impl Part ===

impl Part {
    fn leaf(node: Node) -> Self {
        Self { node, depth: 0 }
    }

    /// A part around others of this depth.
    fn around(depth: usize, node: Node) -> Result<Self, CostError> {
        let depth = depth + 1;
        if depth > DEEPEST {
            return Err(too_deep());
        }
        Ok(Self { node, depth })
    }
}
