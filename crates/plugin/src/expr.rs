//! Expressions over variables: `vars` of routes, `_meta.filter`, `match` of loggers.
//!
//! Source: api7/lua-resty-expr `lib/resty/expr/v1.lua`, with `ipmatch` as apache/apisix adds it.

mod compare;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::{Ctx, Var};
use compare::Test;

/// How deep expressions may be nested.
const DEEPEST: usize = 32;

/// A compiled expression.
///
/// Shape: `[["arg_x", "==", "1"], ["OR", ["http_a", "~~", "^b"], ["uri", "!", "in", ["/c"]]]]`.
#[derive(Debug)]
pub struct Expr {
    root: Node,
    needs_body: bool,
}

/// An expression that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExprError(pub String);

#[derive(Debug)]
enum Node {
    Group(Join, Vec<Node>),
    Term(Term),
}

/// How the operands of a group are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    And,
    Or,
    NotAnd,
    NotOr,
}

#[derive(Debug)]
struct Term {
    variable: Var,
    negated: bool,
    test: Test,
}

// === impl Expr ===

impl Expr {
    /// Compiles the JSON form.
    ///
    /// # Errors
    /// [`ExprError`] in APISIX's words.
    pub fn compile(json: &Value) -> Result<Self, ExprError> {
        let rules = json
            .as_array()
            .ok_or_else(|| ExprError("missing argument rule".to_owned()))?;
        let root = match rules.first() {
            None => Node::Group(Join::And, Vec::new()),
            Some(Value::Array(_)) => Node::compile(rules, DEEPEST)?,
            Some(Value::String(word)) if Join::named(word).is_some() => {
                Node::compile(rules, DEEPEST)?
            }
            Some(_) => {
                return Err(ExprError(
                    "rule should be wrapped inside brackets".to_owned(),
                ));
            }
        };
        let needs_body = root.needs_body();
        Ok(Self { root, needs_body })
    }

    /// Whether the request matches.
    pub fn matches(&self, ctx: &mut Ctx) -> bool {
        if self.needs_body {
            // Scanned once and kept for every later reader; a body of another kind is no fault.
            _ = ctx.body.scan();
        }
        self.root.matches(ctx)
    }

    /// Whether the request matches, where nothing may be kept in it.
    pub fn matches_now(&self, ctx: &Ctx) -> bool {
        self.root.matches(ctx)
    }

    /// Whether a variable reads the request body (`post_arg…`, `request_body`), so that it must be
    /// read before matching.
    pub fn needs_body(&self) -> bool {
        self.needs_body
    }
}

// === impl Node ===

impl Node {
    fn compile(rules: &[Value], depth: usize) -> Result<Self, ExprError> {
        let Some(first) = rules.first() else {
            return Err(ExprError("rule too short".to_owned()));
        };
        let Some(depth) = depth.checked_sub(1) else {
            return Err(ExprError(format!(
                "rule too deep, expected at most {DEEPEST} levels"
            )));
        };
        match first {
            Value::Array(_) => Self::group(Join::And, rules, depth),
            Value::String(word) => match Join::named(word) {
                Some(_) if rules.len() <= 2 => Err(ExprError("rule too short".to_owned())),
                Some(join) => Self::group(join, rules.get(1..).unwrap_or_default(), depth),
                None => Term::compile(word, rules).map(Self::Term),
            },
            other => Err(ExprError(format!(
                "invalid expression: expected the name of a variable, found {other}"
            ))),
        }
    }

    fn group(join: Join, operands: &[Value], depth: usize) -> Result<Self, ExprError> {
        let nodes = operands.iter().map(|operand| match operand {
            Value::Array(rules) => Self::compile(rules, depth),
            other => Err(ExprError(format!(
                "invalid expression: expected an array, found {other}"
            ))),
        });
        Ok(Self::Group(join, nodes.collect::<Result<_, _>>()?))
    }

    fn matches(&self, ctx: &Ctx) -> bool {
        match self {
            Self::Term(term) => term.matches(ctx),
            Self::Group(join, nodes) => {
                let mut nodes = nodes.iter();
                match join {
                    Join::And => nodes.all(|node| node.matches(ctx)),
                    Join::NotAnd => !nodes.all(|node| node.matches(ctx)),
                    Join::Or => nodes.any(|node| node.matches(ctx)),
                    Join::NotOr => !nodes.any(|node| node.matches(ctx)),
                }
            }
        }
    }

    fn needs_body(&self) -> bool {
        match self {
            Self::Term(term) => term.variable.needs_body(),
            Self::Group(_, nodes) => nodes.iter().any(Self::needs_body),
        }
    }
}

// === impl Join ===

impl Join {
    fn named(word: &str) -> Option<Self> {
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        match () {
            () if is("AND") => Some(Self::And),
            () if is("OR") => Some(Self::Or),
            () if is("!AND") => Some(Self::NotAnd),
            () if is("!OR") => Some(Self::NotOr),
            () => None,
        }
    }
}

// === impl Term ===

impl Term {
    fn compile(name: &str, rule: &[Value]) -> Result<Self, ExprError> {
        const EQUAL: &str = "==";
        let missing = &Value::Null;
        let (negated, operator, value) = match rule {
            [_, Value::String(not), operator, value] if not == "!" => (true, operator, value),
            [_, _, _, _, ..] => return Err(ExprError("bad 'not' expression".to_owned())),
            [_, operator, value] => (false, operator, value),
            [_, operator] => (false, operator, missing),
            _ => return Err(ExprError("invalid expression".to_owned())),
        };
        let operator = match operator.as_str() {
            Some(word) if Test::knows(word) => word,
            // compat: api7/lua-resty-expr two elements are a variable and what it must equal
            _ if rule.len() == 2 => {
                let test = Test::compile(EQUAL, operator)?;
                return Ok(Self::new(name, negated, test));
            }
            Some(word) => return Err(ExprError(format!("invalid operator '{word}'"))),
            None => return Err(ExprError(format!("invalid operator '{operator}'"))),
        };
        Ok(Self::new(name, negated, Test::compile(operator, value)?))
    }

    fn new(name: &str, negated: bool, test: Test) -> Self {
        Self {
            variable: Var::named(name),
            negated,
            test,
        }
    }

    fn matches(&self, ctx: &Ctx) -> bool {
        self.test.holds(self.variable.value(ctx).as_ref()) != self.negated
    }
}
