//! The words of an expression.

use super::{CostError, Operator};

/// One word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Word<'t> {
    Number(f64),
    Name(&'t str),
    /// `not`
    Not,
    /// An operator between two sides; `-` stands before one as well.
    Operator(Operator),
    Open,
    Close,
    Comma,
    Dot,
    End,
}

/// Reads word by word.
#[derive(Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    /// Where the next word begins, in bytes.
    at: usize,
}

// === impl Lexer ===

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The next word, and where it begins.
    ///
    /// # Errors
    /// When there is no word of an expression.
    pub(super) fn next(&mut self) -> Result<(Word<'t>, usize), CostError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let start = self.text.len() - rest.len();
        let (word, length) = Self::word(rest, start)?;
        self.at = start + length;
        Ok((word, start))
    }

    fn word(rest: &'t str, at: usize) -> Result<(Word<'t>, usize), CostError> {
        let Some(first) = rest.chars().next() else {
            return Ok((Word::End, 0));
        };
        if first.is_ascii_digit() || (first == '.' && is_digit(rest.as_bytes().get(1))) {
            return number(rest, at);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            return name(rest, at);
        }
        if rest.starts_with("--") {
            // Lua leaves out the rest of the line: taken as two signs, it would be another cost.
            return Err(CostError(format!(
                "expected no comment at character {}, found '--'; two signs are written '- -'",
                at + 1
            )));
        }
        if let Some(word) = rest.get(..2).and_then(of_two) {
            return Ok((word, 2));
        }
        match of_one(first) {
            Some(word) => Ok((word, first.len_utf8())),
            None => Err(CostError(format!(
                "expected a number, a name or an operator at character {}, found '{}'",
                at + 1,
                first.escape_debug()
            ))),
        }
    }
}

fn of_two(text: &str) -> Option<Word<'static>> {
    let operator = match text {
        "<=" => Operator::LessOrEqual,
        ">=" => Operator::GreaterOrEqual,
        "==" => Operator::Equal,
        "~=" => Operator::Unequal,
        _ => return None,
    };
    Some(Word::Operator(operator))
}

fn of_one(first: char) -> Option<Word<'static>> {
    let operator = match first {
        '(' => return Some(Word::Open),
        ')' => return Some(Word::Close),
        ',' => return Some(Word::Comma),
        '.' => return Some(Word::Dot),
        '<' => Operator::Less,
        '>' => Operator::Greater,
        '+' => Operator::Add,
        '-' => Operator::Subtract,
        '*' => Operator::Multiply,
        '/' => Operator::Divide,
        '%' => Operator::Modulo,
        '^' => Operator::Power,
        _ => return None,
    };
    Some(Word::Operator(operator))
}

fn name(rest: &str, at: usize) -> Result<(Word<'_>, usize), CostError> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let name = rest.get(..length).unwrap_or_default();
    let word = match name {
        "and" => Word::Operator(Operator::And),
        "or" => Word::Operator(Operator::Or),
        "not" => Word::Not,
        "true" | "false" | "nil" | "function" | "if" | "then" | "else" | "elseif" | "end"
        | "for" | "while" | "do" | "repeat" | "until" | "return" | "local" | "break" | "in"
        | "goto" => {
            return Err(CostError(format!(
                "expected a number or a name at character {}, found the word '{name}'",
                at + 1
            )));
        }
        name => Word::Name(name),
    };
    Ok((word, length))
}

/// Decimal numbers with fraction and exponent, and whole hexadecimal ones.
fn number(rest: &str, at: usize) -> Result<(Word<'static>, usize), CostError> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let mut length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let is_hexadecimal = rest
        .get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    let has_exponent = rest
        .get(..length)
        .is_some_and(|text| text.ends_with(['e', 'E']));
    if !is_hexadecimal && has_exponent {
        // `1e-3`: a sign is part of the number here only.
        let after = rest.get(length..).unwrap_or_default();
        let signed = after.strip_prefix(['-', '+']).unwrap_or_default();
        let digits = signed
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(signed.len());
        if digits > 0 {
            length += 1 + digits;
        }
    }
    let text = rest.get(..length).unwrap_or_default();
    let number = if is_hexadecimal {
        let digits = text.get(2..).unwrap_or_default();
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let whole = u32::from_str_radix(digits, 16).ok().filter(|_| is_plain);
        whole.map(f64::from)
    } else {
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
        text.parse::<f64>().ok().filter(|_| is_plain)
    };
    match number {
        Some(number) => Ok((Word::Number(number), length)),
        None => Err(CostError(format!(
            "malformed number '{text}' at character {}",
            at + 1
        ))),
    }
}

fn is_digit(byte: Option<&u8>) -> bool {
    byte.is_some_and(u8::is_ascii_digit)
}
