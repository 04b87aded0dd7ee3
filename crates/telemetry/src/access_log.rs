//! Log entries as one line of JSON, written member by member without a tree.
//!
//! Which members an entry has is the business of whoever logs; this is only the pen.

use std::fmt::Write as _;

use serde::Serialize;

#[cfg(test)]
mod tests;

/// A JSON object on one line, in the making.
///
/// ```
/// let mut line = telemetry::access_log::JsonLine::new();
/// line.text("path", "/v1/\"x\"").number("status", 200_u16).milliseconds("latency", 1.25);
/// assert_eq!(line.finish(), "{\"path\":\"/v1/\\\"x\\\"\",\"status\":200,\"latency\":1.25}");
/// ```
#[derive(Clone, Debug)]
pub struct JsonLine {
    out: String,
}

// === impl JsonLine ===

impl JsonLine {
    /// An object without members.
    pub fn new() -> Self {
        let mut out = String::with_capacity(512);
        out.push('{');
        Self { out }
    }

    /// Adds a text.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        escape(value, &mut self.out);
        self
    }

    /// Adds a text, or nothing if there is none.
    pub fn optional_text(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds a whole number.
    pub fn number(&mut self, name: &str, value: impl Into<i128>) -> &mut Self {
        self.name(name);
        _ = write!(self.out, "{}", value.into());
        self
    }

    /// Adds a time, to the microsecond; what is no finite number becomes 0.
    pub fn milliseconds(&mut self, name: &str, value: f64) -> &mut Self {
        self.name(name);
        let value = if value.is_finite() { value } else { 0.0 };
        let rounded = (value * 1000.0).round() / 1000.0;
        _ = write!(self.out, "{rounded}");
        self
    }

    /// Adds `true` or `false`.
    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    /// Adds a value that is JSON already; line breaks between its tokens become spaces.
    pub fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        self.name(name);
        // A line break inside a JSON text is always escaped, so each one here is only layout.
        let parts = json.split(['\n', '\r']);
        for (index, part) in parts.enumerate() {
            if index > 0 {
                self.out.push(' ');
            }
            self.out.push_str(part);
        }
        self
    }

    /// Adds whatever serialises; `null` if it refuses to.
    pub fn value(&mut self, name: &str, value: &impl Serialize) -> &mut Self {
        match serde_json::to_string(value) {
            Ok(json) => self.raw(name, &json),
            Err(error) => {
                tracing::warn!(member = name, %error, "log entry member not written");
                self.raw(name, "null")
            }
        }
    }

    /// The finished object, without a line end.
    pub fn finish(mut self) -> String {
        self.out.push('}');
        self.out
    }

    fn name(&mut self, name: &str) {
        if self.out.len() > 1 {
            self.out.push(',');
        }
        escape(name, &mut self.out);
        self.out.push(':');
    }
}

impl Default for JsonLine {
    fn default() -> Self {
        Self::new()
    }
}

/// Appends a text as a quoted JSON string.
pub fn escape(text: &str, out: &mut String) {
    out.push('"');
    escape_inside(text, out);
    out.push('"');
}

/// Appends a text as the inside of a JSON string, without quotes.
///
/// It also serves text formats: what comes out never breaks a line or ends a quotation.
pub fn escape_inside(text: &str, out: &mut String) {
    let mut rest = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 | 0x7f => "",
            _ => continue,
        };
        out.push_str(text.get(rest..at).unwrap_or_default());
        if escaped.is_empty() {
            _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escaped);
        }
        rest = at + 1;
    }
    out.push_str(text.get(rest..).unwrap_or_default());
}
