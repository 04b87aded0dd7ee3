//! Values of an APISIX file in our own form.
//!
//! A value that cannot be read is handed on as it is, so that the check of the settings names it.

use serde_json::{Value, json};

/// A port, or an `{ip, port}`, as an address. Without an `ip` it is every address of the machine.
pub(super) fn address(value: &Value, default_port: u16) -> Value {
    let port = match value {
        Value::Object(members) => members.get("port").cloned().unwrap_or(json!(default_port)),
        other => other.clone(),
    };
    let ip = value.get("ip").and_then(Value::as_str).unwrap_or("0.0.0.0");
    let port = port
        .as_str()
        .map_or_else(|| port.to_string(), str::to_owned);
    let bare_ipv6 = ip.contains(':') && !ip.starts_with('[');
    Value::String(if bare_ipv6 {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    })
}

/// A time of nginx (`60s`, `1m30s`, `500ms`, a bare number of seconds) in milliseconds.
pub(super) fn milliseconds(value: &Value) -> Value {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    let unit = |name: &str| match name {
        "ms" => Some(1),
        "s" | "" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    sum(&text, unit).map_or_else(|| value.clone(), Value::from)
}

/// A size of nginx (`10m`, `512k`, a bare number of bytes) in bytes.
pub(super) fn bytes(value: &Value) -> Value {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    let unit = |name: &str| match name.to_ascii_lowercase().as_str() {
        "" => Some(1),
        "k" => Some(1 << 10),
        "m" => Some(1 << 20),
        "g" => Some(1 << 30),
        _ => None,
    };
    sum(&text, unit).map_or_else(|| value.clone(), Value::from)
}

/// Adds numbers that are each followed by a unit.
fn sum(text: &str, unit: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|letter: char| !letter.is_ascii_alphabetic());
        let (name, after) = after.split_at(letters.unwrap_or(after.len()));
        let part = number.parse::<u64>().ok()?.checked_mul(unit(name)?)?;
        total = total.checked_add(part)?;
        rest = after.trim_start();
    }
    Some(total)
}
