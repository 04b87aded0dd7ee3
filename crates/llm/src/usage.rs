//! Tokens used: one set of classes for all dialects, and how parts of it add up.

use wire::json::{Kind, Raw};

/// The tokens of one exchange, in the classes that variables, logs and metrics show.
///
/// Source: apache/apisix `apisix/plugins/ai-protocols/*.lua`, `extract_usage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the request, as the dialect counts them.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Both, or what the provider says.
    pub total_tokens: u64,
    /// Request tokens that came from the provider's cache.
    pub cache_read_input_tokens: u64,
    /// Request tokens that were written to the provider's cache.
    pub cache_creation_input_tokens: u64,
    /// Answer tokens that were spent on reasoning.
    pub reasoning_tokens: u64,
}

/// The numbers of a provider's own usage object, by its own names; what is inside its members is left
/// out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawUsage(Vec<(Box<str>, f64)>);

// === impl Usage ===

impl Usage {
    /// The same usage with the sum as total where the provider gave none.
    #[must_use]
    pub fn with_total(mut self) -> Self {
        if self.total_tokens == 0 {
            self.total_tokens = self.prompt_tokens.saturating_add(self.completion_tokens);
        }
        self
    }

    /// Takes in a later usage event of the same stream.
    ///
    /// Counts above zero replace what was there, so that neither a provider that splits usage over
    /// several events nor one that repeats growing counts in each is added up twice. A total that
    /// is less than its parts becomes their sum.
    pub fn merge(&mut self, later: &Usage) {
        take(&mut self.prompt_tokens, later.prompt_tokens);
        take(&mut self.completion_tokens, later.completion_tokens);
        take(&mut self.total_tokens, later.total_tokens);
        take(
            &mut self.cache_read_input_tokens,
            later.cache_read_input_tokens,
        );
        take(
            &mut self.cache_creation_input_tokens,
            later.cache_creation_input_tokens,
        );
        take(&mut self.reasoning_tokens, later.reasoning_tokens);
        let parts = self.prompt_tokens.saturating_add(self.completion_tokens);
        self.total_tokens = self.total_tokens.max(parts);
    }
}

// === impl RawUsage ===

impl RawUsage {
    /// How many names it keeps: no provider has as many, whatever it sends.
    const MOST: usize = 64;

    /// The number of this name.
    pub fn get(&self, name: &str) -> Option<f64> {
        let mut numbers = self.0.iter();
        let (_, number) = numbers.find(|(own, _)| **own == *name)?;
        Some(*number)
    }

    /// Takes in the members of a usage object; those of a later one replace what was there, but for
    /// zeros, as [`Usage::merge`] does.
    pub(crate) fn take_in(&mut self, usage: Raw<'_>) {
        for (name, value) in usage.members() {
            let Some(number) = value.f64().filter(|number| number.is_finite()) else {
                continue;
            };
            if let Some((_, known)) = self.0.iter_mut().find(|(own, _)| **own == *name) {
                if number != 0.0 {
                    *known = number;
                }
            } else if self.0.len() < Self::MOST {
                self.0.push((name.into(), number));
            }
        }
    }

    /// The numbers of one usage object.
    pub(crate) fn of(usage: Raw<'_>) -> Self {
        let mut all = Self::default();
        all.take_in(usage);
        all
    }
}

fn take(known: &mut u64, later: u64) {
    if later > 0 {
        *known = later;
    }
}

/// A count of tokens: numbers, also as floats or in quotes; 0 for anything else.
pub(crate) fn count(value: Option<Raw<'_>>) -> u64 {
    let Some(value) = value else { return 0 };
    match value.kind() {
        Kind::Number => value.u64().unwrap_or_else(|| whole(value.f64())),
        Kind::String => value
            .str()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0),
        _ => 0,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and a count below zero is no count"
)]
fn whole(value: Option<f64>) -> u64 {
    value.unwrap_or(0.0) as u64
}
