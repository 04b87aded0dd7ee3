//! Directions in the space of an embeddings model.

/// A vector of length 1, or of zeros only.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Vector(Box<[f64]>);

// === impl Vector ===

impl Vector {
    /// The direction of `numbers`; zeros stay zeros.
    pub(super) fn new(mut numbers: Vec<f64>) -> Self {
        let length = numbers.iter().map(|one| one * one).sum::<f64>().sqrt();
        if length > 0.0 {
            for one in &mut numbers {
                *one /= length;
            }
        }
        Self(numbers.into())
    }

    /// The cosine of the angle to `other`; `None` when that has another length.
    pub(super) fn cosine(&self, other: &Self) -> Option<f64> {
        if self.0.len() != other.0.len() {
            return None;
        }
        let products = self.0.iter().zip(&other.0).map(|(one, other)| one * other);
        // An empty or negative zero would be ranked and told as another number than zero.
        Some(products.sum::<f64>() + 0.0)
    }
}
