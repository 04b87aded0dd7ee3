//! How tokens are counted.

#[cfg(test)]
mod tests;

/// Counts tokens: each word has one for every four characters that it begins.
///
/// It is no real tokeniser, but it is the same everywhere, and near enough for English.
pub fn count(text: &str) -> u64 {
    text.split_whitespace()
        .map(|word| word.chars().count().div_ceil(4) as u64)
        .sum()
}

/// Cuts a text so that it has at most this many tokens; whether something was cut.
pub(crate) fn truncate(text: &mut String, limit: u64) -> bool {
    let mut left = limit;
    let mut end = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let tokens = count(word);
        if tokens > left {
            let kept = usize::try_from(left * 4).unwrap_or(usize::MAX);
            end += word.chars().take(kept).map(char::len_utf8).sum::<usize>();
            text.truncate(end);
            return true;
        }
        left -= tokens;
        end += word.len();
    }
    false
}
