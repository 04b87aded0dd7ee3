//! The same, as request headers.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use thiserror::Error;

use super::{Behaviour, LineEnd, Place, Usage};

/// What all setting headers begin with.
const PREFIX: &str = "x-sim-";

/// A setting header that means nothing.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BehaviourError {
    /// There is no such setting.
    #[error("{0}: expected the name of a setting")]
    Unknown(String),
    /// The value is not what the setting takes.
    #[error("{name}: expected {expected}, found \"{found}\"")]
    Value {
        /// The header.
        name: String,
        /// What it takes.
        expected: &'static str,
        /// What it held.
        found: String,
    },
}

/// One setting header, in the course of being read.
struct Setting<'a> {
    name: &'a str,
    value: &'a HeaderValue,
    text: &'a str,
}

// === impl Behaviour ===

impl Behaviour {
    /// This behaviour with what the setting headers of a request change.
    ///
    /// # Errors
    /// A header that begins with `x-sim-` and names no setting, or has no fitting value.
    pub fn with_headers(mut self, headers: &HeaderMap) -> Result<Self, BehaviourError> {
        for (name, value) in headers {
            let Some(short) = name.as_str().strip_prefix(PREFIX) else {
                continue;
            };
            let setting = Setting {
                name: name.as_str(),
                value,
                text: value.to_str().unwrap_or_default().trim(),
            };
            let known = self.apply_answer(short, &setting)? || self.apply_fault(short, &setting)?;
            if !known {
                return Err(BehaviourError::Unknown(name.to_string()));
            }
        }
        Ok(self)
    }

    /// Settings of what is said and when; whether it was one.
    fn apply_answer(&mut self, name: &str, setting: &Setting<'_>) -> Result<bool, BehaviourError> {
        match name {
            "status" => self.status = Some(setting.parse::<StatusCode>("a status code")?),
            "header" => self.headers.push(setting.header()?),
            "content-type" => self.content_type = Some(setting.value.clone()),
            "body" => self.body = Some(vec![Bytes::copy_from_slice(setting.value.as_bytes())]),
            "text" => self.text = Some(setting.text.to_owned()),
            "tool" => self.tool = Some(setting.text.to_owned()),
            "finish" => self.finish = Some(setting.text.to_owned()),
            "delay-ms" => self.delay = Duration::from_millis(setting.number()?),
            "first-delay-ms" => self.first_delay = Duration::from_millis(setting.number()?),
            "interval-ms" => self.interval = Duration::from_millis(setting.number()?),
            "interval-us" => self.interval = Duration::from_micros(setting.number()?),
            "chunks" => self.chunks = Some(setting.number()?),
            "chunk-bytes" => self.chunk_bytes = Some(setting.number()?),
            "body-bytes" => self.body_bytes = Some(setting.number()?),
            "retry-after" => self.retry_after = Some(setting.value.clone()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Settings of what goes wrong; whether it was one.
    fn apply_fault(&mut self, name: &str, setting: &Setting<'_>) -> Result<bool, BehaviourError> {
        match name {
            "cut-after" => self.cut_after = Some(setting.place()?),
            "cut" => self.reset = setting.choice("fin or rst", &[("fin", false), ("rst", true)])?,
            "stall-after" => self.stall_after = Some(setting.place()?),
            "garbage" => self.garbage = setting.flag()?,
            "empty" => self.empty = setting.flag()?,
            "error-after" => self.error_after = Some(setting.number()?),
            "usage" => {
                let words = [
                    ("normal", Usage::Normal),
                    ("none", Usage::None),
                    ("cumulative", Usage::Cumulative),
                    ("finish", Usage::Finish),
                ];
                self.usage = setting.choice("normal, none, cumulative or finish", &words)?;
            }
            "no-end" => self.no_end = setting.flag()?,
            "line-end" => {
                let words = [
                    ("lf", LineEnd::Lf),
                    ("crlf", LineEnd::CrLf),
                    ("cr", LineEnd::Cr),
                ];
                self.line_end = setting.choice("lf, crlf or cr", &words)?;
            }
            "split" => self.split = Some(setting.number()?),
            "gzip" => self.gzip = setting.flag()?,
            "close" => self.close = setting.flag()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

// === impl Setting ===

impl Setting<'_> {
    fn wrong(&self, expected: &'static str) -> BehaviourError {
        BehaviourError::Value {
            name: self.name.to_owned(),
            expected,
            found: self.text.to_owned(),
        }
    }

    fn parse<T: FromStr>(&self, expected: &'static str) -> Result<T, BehaviourError> {
        self.text.parse().map_err(|_| self.wrong(expected))
    }

    fn number<T: FromStr>(&self) -> Result<T, BehaviourError> {
        self.parse("a whole number")
    }

    fn flag(&self) -> Result<bool, BehaviourError> {
        let words = [("true", true), ("1", true), ("false", false), ("0", false)];
        self.choice("true or false", &words)
    }

    fn place(&self) -> Result<Place, BehaviourError> {
        if self.text == "head" {
            return Ok(Place::Head);
        }
        self.parse("head or a number of bytes").map(Place::Bytes)
    }

    fn choice<T: Copy>(
        &self,
        expected: &'static str,
        words: &[(&str, T)],
    ) -> Result<T, BehaviourError> {
        let found = words.iter().find(|(word, _)| *word == self.text);
        found
            .map(|(_, value)| *value)
            .ok_or_else(|| self.wrong(expected))
    }

    fn header(&self) -> Result<(HeaderName, HeaderValue), BehaviourError> {
        const EXPECTED: &str = "a header as name: value";
        let (name, value) = self
            .text
            .split_once(':')
            .ok_or_else(|| self.wrong(EXPECTED))?;
        let name = name.trim().parse().map_err(|_| self.wrong(EXPECTED))?;
        let value = value.trim().parse().map_err(|_| self.wrong(EXPECTED))?;
        Ok((name, value))
    }
}
