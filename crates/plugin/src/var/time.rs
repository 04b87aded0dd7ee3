//! Variables that tell the time, in UTC.

use jiff::Timestamp;

use super::Value;
use super::row::Row;

pub(super) static ROWS: &[Row] = &[
    Row::new("time_iso8601", |_| Some(written("%Y-%m-%dT%H:%M:%S+00:00"))),
    Row::new("time_local", |_| Some(written("%d/%b/%Y:%H:%M:%S +0000"))),
    Row::new("msec", |_| Some(Value::Number(seconds_since_epoch()))),
    Row::new("request_time", |ctx| {
        Some(Value::Text(seconds(ctx.elapsed()).into()))
    }),
];

fn written(format: &str) -> Value<'static> {
    let now = Timestamp::now();
    Value::Text(now.strftime(format).to_string().into())
}

/// Seconds with three decimals.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 fit a double for 285,000 years"
)]
fn seconds_since_epoch() -> f64 {
    Timestamp::now().as_millisecond() as f64 / 1000.0
}

/// Seconds with three decimals, as nginx writes times.
pub(super) fn seconds(duration: std::time::Duration) -> String {
    let milliseconds = duration.as_millis();
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}
