//! Lines and columns of the members of a JSON text.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

use super::Positions;
use crate::fault::pointer_to;

/// The members of one level, each as the slice of the text that it is.
enum Level<'t> {
    Object(Vec<(String, &'t RawValue)>),
    Array(Vec<&'t RawValue>),
    Leaf,
}

/// Finds every member of a JSON text that has already been read without a fault.
pub(super) fn positions(text: &str) -> Positions {
    let mut positions = Positions::default();
    let lines: Vec<usize> = std::iter::once(0)
        .chain(text.match_indices('\n').map(|(at, _)| at + 1))
        .collect();
    if let Ok(top) = serde_json::from_str::<&RawValue>(text) {
        walk(text, &lines, top, String::new(), &mut positions);
    }
    positions
}

fn walk(text: &str, lines: &[usize], raw: &RawValue, pointer: String, out: &mut Positions) {
    // a raw value borrows from the text, so the distance of their starts is its offset
    let offset = raw.get().as_ptr() as usize - text.as_ptr() as usize;
    let line = lines.partition_point(|start| *start <= offset);
    let start = lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
    let column = text
        .get(start..offset)
        .map_or(0, |before| before.chars().count());
    match serde_json::from_str(raw.get()).unwrap_or(Level::Leaf) {
        Level::Object(members) => {
            for (name, value) in members {
                let inner = format!("{pointer}{}", pointer_to([name.as_str()]));
                walk(text, lines, value, inner, out);
            }
        }
        Level::Array(items) => {
            for (index, value) in items.into_iter().enumerate() {
                walk(text, lines, value, format!("{pointer}/{index}"), out);
            }
        }
        Level::Leaf => {}
    }
    out.insert(pointer, line as u64, column as u64 + 1);
}

// === impl Level ===

impl<'de: 't, 't> Deserialize<'de> for Level<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LevelVisitor;

        impl<'de> Visitor<'de> for LevelVisitor {
            type Value = Level<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("any JSON value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Level<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Level::Object(members))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Level<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Level::Array(items))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Level<'de>, E> {
                Ok(Level::Leaf)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Level<'de>, E> {
                Ok(Level::Leaf)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Level<'de>, E> {
                Ok(Level::Leaf)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Level<'de>, E> {
                Ok(Level::Leaf)
            }

            fn visit_str<E>(self, _: &str) -> Result<Level<'de>, E> {
                Ok(Level::Leaf)
            }

            fn visit_unit<E>(self) -> Result<Level<'de>, E> {
                Ok(Level::Leaf)
            }
        }

        deserializer.deserialize_any(LevelVisitor)
    }
}
