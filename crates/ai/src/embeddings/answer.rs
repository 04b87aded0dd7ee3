//! What an embeddings server answers.

use wire::json::{Kind, Raw};

use super::vector::Vector;

/// The vectors of an answer to `count` texts, in the order of the texts.
///
/// # Errors
/// What is wrong with the answer: one that is only partly usable is not used at all.
pub(super) fn vectors(body: &[u8], count: usize) -> Result<Vec<Vector>, &'static str> {
    let body = Raw::parse(body).map_err(|_| "no JSON")?;
    let data = body.get("data").filter(|data| data.is_array());
    let data = data.ok_or("no object with an array `data`")?;
    let mut vectors = vec![None; count];
    for (position, entry) in data.items().enumerate() {
        if !entry.is_object() {
            return Err("an entry of `data` that is no object");
        }
        let place = place(entry, position).and_then(|place| vectors.get_mut(place));
        let place = place.ok_or("an `index` that no text has")?;
        *place = Some(vector(entry)?);
    }
    let vectors = vectors.into_iter().collect::<Option<_>>();
    vectors.ok_or("fewer vectors than texts")
}

/// Which text an entry belongs to; an `index` that is no number says nothing.
fn place(entry: Raw<'_>, position: usize) -> Option<usize> {
    match entry.get("index") {
        Some(index) if index.kind() == Kind::Number => {
            // A whole number may be written as 1.0.
            let text = index.as_text();
            let text = text.split_once('.').map_or(text, |(whole, fraction)| {
                let is_whole = fraction.bytes().all(|digit| digit == b'0');
                if is_whole { whole } else { text }
            });
            text.parse().ok()
        }
        _ => Some(position),
    }
}

fn vector(entry: Raw<'_>) -> Result<Vector, &'static str> {
    let numbers = entry.get("embedding").filter(|numbers| numbers.is_array());
    let numbers = numbers.ok_or("an `embedding` that is no array")?;
    let numbers = numbers
        .items()
        .map(|number| number.f64().filter(|number| number.is_finite()));
    let numbers: Option<Vec<_>> = numbers.collect();
    match numbers {
        Some(numbers) if !numbers.is_empty() => Ok(Vector::new(numbers)),
        Some(_) => Err("an empty `embedding`"),
        None => Err("an `embedding` with what is no finite number"),
    }
}
