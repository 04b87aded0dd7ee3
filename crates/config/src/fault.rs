//! What is wrong with a document, where, in APISIX's words and in ours.

use std::fmt::Write as _;

use serde_json::Value;

/// One fault of a document, and the further ones found at the same time.
///
/// `Display` prints `message`, which is worded as APISIX words it; [`CheckError::plain`] prints the
/// same fault in the words of `tollgate check`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CheckError {
    /// JSON pointer to the place, such as `/upstream/retries`; empty for the whole document.
    pub pointer: String,
    /// The fault in APISIX's words, from the document's top.
    pub message: String,
    /// What was expected there; empty when the message is all there is to say.
    pub expected: String,
    /// What was found there; absent when something is missing.
    pub found: Option<String>,
    /// Further faults of the same document.
    pub others: Vec<Self>,
}

/// Names of fields whose values are never repeated in a message.
const SENSITIVE: [&str; 12] = [
    "auth",
    "key",
    "keys",
    "client_key",
    "admin_key",
    "private_key",
    "api_key",
    "apikey",
    "authorization",
    "password",
    "token",
    "secret",
];

// === impl CheckError ===

impl CheckError {
    /// A rule that spans several fields is broken at `pointer`.
    pub fn rule(
        pointer: impl Into<String>,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.into(),
            expected: expected.into(),
            found: None,
            others: Vec::new(),
        }
    }

    /// Two fields that exclude each other are both given.
    pub fn only_one_of(first: &str, second: &str) -> Self {
        Self::rule(
            pointer_to([second]),
            format!("only one of {first} or {second} is allowed"),
            format!("only one of {first} and {second}"),
        )
    }

    /// A field of the document is missing.
    pub fn required(name: &str) -> Self {
        Self::rule(
            "",
            format!("property \"{name}\" is required"),
            format!("a field \"{name}\""),
        )
    }

    /// Adds the name that was probably meant, where an unknown one was found.
    #[must_use]
    pub fn meant(mut self, name: Option<&str>) -> Self {
        if let Some(name) = name {
            let _ = write!(self.expected, ": did you mean {name:?}?");
        }
        self
    }

    /// Says what was found. A value in a field that holds secrets is told by its type only.
    #[must_use]
    pub fn found(mut self, value: &Value) -> Self {
        self.found = Some(shown(&self.pointer, value));
        self
    }

    /// The same fault seen from one level above, where the document is the member `name`.
    #[must_use]
    pub fn under(mut self, name: &str) -> Self {
        self.pointer = format!("{}{}", pointer_to([name]), self.pointer);
        self.message = format!("property \"{name}\" validation failed: {}", self.message);
        self.others = self
            .others
            .into_iter()
            .map(|other| other.under(name))
            .collect();
        self
    }

    /// The fault and the further ones, in order.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.others.iter())
    }

    /// The fault in our words: `upstream.retries: expected a number, found "hot"`.
    pub fn plain(&self) -> String {
        let mut text = String::new();
        if !self.pointer.is_empty() {
            text.push_str(&dotted(&self.pointer));
            text.push_str(": ");
        }
        if self.expected.is_empty() {
            text.push_str(&self.message);
            return text;
        }
        text.push_str("expected ");
        text.push_str(&self.expected);
        if let Some(found) = &self.found {
            text.push_str(", found ");
            text.push_str(found);
        }
        text
    }
}

/// Joins names to a JSON pointer, escaping `~` and `/`.
pub fn pointer_to<'a>(segments: impl IntoIterator<Item = &'a str>) -> String {
    segments
        .into_iter()
        .fold(String::new(), |mut pointer, segment| {
            pointer.push('/');
            pointer.push_str(&segment.replace('~', "~0").replace('/', "~1"));
            pointer
        })
}

/// The segments of a JSON pointer, unescaped.
pub fn segments(pointer: &str) -> impl Iterator<Item = String> {
    pointer
        .split('/')
        .skip(1)
        .map(|segment| segment.replace("~1", "/").replace("~0", "~"))
}

/// A JSON pointer as people write paths: `/routes/0/uri` becomes `routes[0].uri`.
pub fn dotted(pointer: &str) -> String {
    segments(pointer).fold(String::new(), |mut path, segment| {
        if segment.parse::<usize>().is_ok() {
            let _ = write!(path, "[{segment}]");
            return path;
        }
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&segment);
        path
    })
}

/// Whether values at this pointer must not be repeated in a message.
pub(crate) fn is_sensitive(pointer: &str) -> bool {
    segments(pointer).any(|segment| {
        let name = segment.to_ascii_lowercase();
        SENSITIVE.contains(&name.as_str())
            || ["_secret", "_token", "_password", "secret_"]
                .iter()
                .any(|part| name.contains(part))
    })
}

/// A value as it appears in a message: JSON, cut when long, only its type when secret.
pub(crate) fn shown(pointer: &str, value: &Value) -> String {
    const LONGEST: usize = 60;
    match value {
        Value::Array(items) => return format!("an array of {}", items.len()),
        Value::Object(members) => return format!("an object of {}", members.len()),
        Value::String(_) if is_sensitive(pointer) => return "a string".to_owned(),
        Value::Number(_) if is_sensitive(pointer) => return "a number".to_owned(),
        _ => {}
    }
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
