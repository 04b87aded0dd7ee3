//! YAML as JSON values, with the line and column of each part.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

use super::{Located, Positions, SyntaxError};
use crate::fault::pointer_to;

/// A YAML node as the reader hands it over.
enum Node {
    Leaf(Value),
    Sequence(Vec<Spanned<Node>>),
    Mapping(Vec<(Spanned<String>, Spanned<Node>)>),
}

/// Reads YAML 1.2, in which `yes`, `no`, `on` and `off` are booleans too.
///
/// compat: apache/apisix reads its files with lyaml, which knows these words.
///
/// # Errors
///
/// [`SyntaxError`] with the place where reading stopped.
pub fn parse_yaml(text: &str) -> Result<Located, SyntaxError> {
    let mut positions = Positions::default();
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        // an operator's own file may be as long as it must; aliases stay limited
        budget: None,
        with_snippet: false,
        // a key or an account number must not lose its zeros
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let top: Option<Spanned<Node>> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| syntax_error(&error))?;
    let value = match top {
        Some(top) => flatten(top, String::new(), &mut positions),
        None => Value::Null,
    };
    Ok(Located { value, positions })
}

fn syntax_error(error: &serde_saphyr::Error) -> SyntaxError {
    let location = error.location();
    SyntaxError {
        line: location.as_ref().map_or(0, serde_saphyr::Location::line),
        column: location.as_ref().map_or(0, serde_saphyr::Location::column),
        reason: without_place(&error.without_snippet().to_string()).to_owned(),
    }
}

/// The reader's message without the place, which is told apart from it.
fn without_place(message: &str) -> &str {
    match message.rfind(" at line ") {
        Some(end) if !message[end..].contains('\n') => &message[..end],
        _ => message,
    }
}

fn flatten(node: Spanned<Node>, pointer: String, out: &mut Positions) -> Value {
    let (line, column) = (node.referenced.line(), node.referenced.column());
    place(node.value, pointer, line, column, out)
}

/// Records where a node stands and turns it into JSON. A member stands where its name does.
fn place(node: Node, pointer: String, line: u64, column: u64, out: &mut Positions) -> Value {
    let value = match node {
        Node::Leaf(value) => value,
        Node::Sequence(items) => items
            .into_iter()
            .enumerate()
            .map(|(index, item)| flatten(item, format!("{pointer}/{index}"), out))
            .collect(),
        Node::Mapping(members) => {
            let mut object = Map::new();
            for (name, node) in members {
                let inner = format!("{pointer}{}", pointer_to([name.value.as_str()]));
                let (line, column) = (name.referenced.line(), name.referenced.column());
                object.insert(name.value, place(node.value, inner, line, column, out));
            }
            Value::Object(object)
        }
    };
    out.insert(pointer, line, column);
    value
}

// === impl Node ===

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NodeVisitor;

        impl<'de> Visitor<'de> for NodeVisitor {
            type Value = Node;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value that JSON has")
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Leaf(Value::Null))
            }

            fn visit_none<E>(self) -> Result<Node, E> {
                Ok(Node::Leaf(Value::Null))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
                Number::from_f64(value)
                    .map(|number| Node::Leaf(Value::Number(number)))
                    .ok_or_else(|| E::custom("expected a finite number"))
            }

            fn visit_str<E>(self, value: &str) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Node::Sequence(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Node::Mapping(members))
            }
        }

        deserializer.deserialize_any(NodeVisitor)
    }
}
