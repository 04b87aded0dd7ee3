//! What an exchange costs, as an expression over the provider's usage.
//!
//! The arithmetic of Lua, since that is what configurations are written in: numbers and names,
//! `+ - * / % ^`, comparisons, `and`, `or`, `not`, and the functions `abs ceil floor max min`, also
//! as `math.abs` and so on. Source: apache/apisix `apisix/plugins/ai-rate-limiting.lua`,
//! `eval_cost_expr`, and the reference manual of Lua 5.1, 2.5.

mod lexer;
mod parser;
#[cfg(test)]
mod tests;

use llm::RawUsage;

/// The largest cost: up to here every whole number is exact.
const MOST: f64 = 9_007_199_254_740_991.0;

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Cost(Node);

/// A part of an expression.
#[derive(Debug)]
enum Node {
    Number(f64),
    /// A member of the usage; 0 when there is none.
    Name(Box<str>),
    Negative(Box<Node>),
    Not(Box<Node>),
    Binary(Operator, Box<(Node, Node)>),
    Call(Function, Box<[Node]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    Unequal,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Abs,
    Ceil,
    Floor,
    Max,
    Min,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Number(f64),
    Truth(bool),
}

/// A text that is no expression.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct CostError(String);

/// An expression that has no cost for this usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CostFault {
    /// `true + 1`
    #[error("cost_expr calculates with a truth value")]
    Truth,
    /// `1 < 2`
    #[error("cost_expr gives a truth value, expected a number")]
    Result,
    /// `1 / 0`
    #[error("cost_expr gives no finite number")]
    Infinite,
}

// === impl Cost ===

impl Cost {
    /// Compiles an expression.
    ///
    /// # Errors
    /// Says where it is none.
    pub(super) fn new(text: &str) -> Result<Self, CostError> {
        parser::parse(text).map(Self)
    }

    /// The cost of this usage, rounded half up; nothing when it is below zero.
    ///
    /// # Errors
    /// When the expression has no number as its value.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number is whole and within bounds"
    )]
    pub(super) fn of(&self, usage: &RawUsage) -> Result<u64, CostFault> {
        let Value::Number(cost) = self.0.value(usage)? else {
            return Err(CostFault::Result);
        };
        if !cost.is_finite() {
            return Err(CostFault::Infinite);
        }
        Ok((cost + 0.5).floor().clamp(0.0, MOST) as u64)
    }
}

// === impl Node ===

impl Node {
    fn value(&self, usage: &RawUsage) -> Result<Value, CostFault> {
        Ok(match self {
            Self::Number(number) => Value::Number(*number),
            Self::Name(name) => Value::Number(usage.get(name).unwrap_or_default()),
            Self::Negative(inner) => Value::Number(-inner.number(usage)?),
            Self::Not(inner) => Value::Truth(!inner.value(usage)?.is_true()),
            Self::Binary(operator, sides) => operator.value(&sides.0, &sides.1, usage)?,
            Self::Call(function, arguments) => Value::Number(function.value(arguments, usage)?),
        })
    }

    fn number(&self, usage: &RawUsage) -> Result<f64, CostFault> {
        match self.value(usage)? {
            Value::Number(number) => Ok(number),
            Value::Truth(_) => Err(CostFault::Truth),
        }
    }
}

// === impl Value ===

impl Value {
    /// Only `false` is false: in Lua, 0 is true.
    fn is_true(self) -> bool {
        self != Self::Truth(false)
    }
}

// === impl Operator ===

impl Operator {
    /// How strongly it binds what is left and right of it, as in Lua.
    fn strength(self) -> (u8, u8) {
        match self {
            Self::Or => (1, 1),
            Self::And => (2, 2),
            Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::Equal
            | Self::Unequal => (3, 3),
            Self::Add | Self::Subtract => (6, 6),
            Self::Multiply | Self::Divide | Self::Modulo => (7, 7),
            Self::Power => (10, 9),
        }
    }

    fn value(self, left: &Node, right: &Node, usage: &RawUsage) -> Result<Value, CostFault> {
        let first = left.value(usage)?;
        match self {
            Self::Or if first.is_true() => return Ok(first),
            Self::And if !first.is_true() => return Ok(first),
            Self::Or | Self::And => return right.value(usage),
            _ => {}
        }
        let second = right.value(usage)?;
        match self {
            Self::Equal => return Ok(Value::Truth(first == second)),
            Self::Unequal => return Ok(Value::Truth(first != second)),
            _ => {}
        }
        let (Value::Number(first), Value::Number(second)) = (first, second) else {
            return Err(CostFault::Truth);
        };
        Ok(self.of_numbers(first, second))
    }

    fn of_numbers(self, first: f64, second: f64) -> Value {
        match self {
            Self::Less => Value::Truth(first < second),
            Self::LessOrEqual => Value::Truth(first <= second),
            Self::Greater => Value::Truth(first > second),
            Self::GreaterOrEqual => Value::Truth(first >= second),
            Self::Add => Value::Number(first + second),
            Self::Subtract => Value::Number(first - second),
            Self::Multiply => Value::Number(first * second),
            Self::Divide => Value::Number(first / second),
            Self::Modulo => Value::Number(first - (first / second).floor() * second),
            Self::Power => Value::Number(first.powf(second)),
            // Decided before there were two numbers.
            Self::Or | Self::And | Self::Equal | Self::Unequal => Value::Truth(true),
        }
    }
}

// === impl Function ===

impl Function {
    /// The function of this name.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "abs" => Self::Abs,
            "ceil" => Self::Ceil,
            "floor" => Self::Floor,
            "max" => Self::Max,
            "min" => Self::Min,
            _ => return None,
        })
    }

    /// Whether it takes any number of arguments but none.
    fn takes_several(self) -> bool {
        matches!(self, Self::Max | Self::Min)
    }

    fn value(self, arguments: &[Node], usage: &RawUsage) -> Result<f64, CostFault> {
        let mut numbers = arguments.iter().map(|argument| argument.number(usage));
        let first = numbers.next().unwrap_or(Ok(0.0))?;
        match self {
            Self::Abs => Ok(first.abs()),
            Self::Ceil => Ok(first.ceil()),
            Self::Floor => Ok(first.floor()),
            // As C compares, which is what Lua does: a number that is none wins nothing.
            Self::Max => numbers.try_fold(first, |most, next| {
                next.map(|next| if next > most { next } else { most })
            }),
            Self::Min => numbers.try_fold(first, |least, next| {
                next.map(|next| if next < least { next } else { least })
            }),
        }
    }
}
