//! One line of the log.

use super::fields::Fields;
use serde_json::Value;
use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Text,
}

/// What a line says.
pub(super) struct Line<'a> {
    pub(super) time: SystemTime,
    pub(super) level: &'a str,
    pub(super) target: &'a str,
    pub(super) message: String,
    pub(super) fields: Fields,
}

impl Line<'_> {
    /// The line, with the newline at its end.
    pub(super) fn encode(&self, format: Format) -> String {
        match format {
            Format::Json => self.json(),
            Format::Text => self.text(),
        }
    }

    fn json(&self) -> String {
        let mut line = String::from("{");
        member(&mut line, "timestamp", &timestamp(self.time).into());
        member(&mut line, "level", &self.level.into());
        member(&mut line, "message", &self.message.as_str().into());
        member(&mut line, "target", &self.target.into());
        for (name, value) in self.fields.iter() {
            member(&mut line, name, value);
        }
        line.push_str("}\n");
        line
    }

    fn text(&self) -> String {
        let found = |wanted: &str| self.fields.iter().find(|(name, _)| name == wanted);
        let request_id = found("requestId").map_or("", |(_, id)| id.as_str().unwrap_or_default());
        let mut line = format!("[{}]\t{}\t{request_id}\t", self.level, timestamp(self.time));
        line.push_str(&self.message.replace('\n', "\r")); // so that CloudWatch keeps it in one entry
        for (name, value) in self.fields.iter().filter(|(name, _)| name != "requestId") {
            let _ = write!(line, "\t{name}={value}");
        }
        line.push('\n');
        line
    }
}

/// Adds a member to the object that the line is. `serde_json` would sort them.
fn member(line: &mut String, name: &str, value: &Value) {
    if value.is_null() {
        return;
    }
    let comma = if line.len() > 1 { "," } else { "" };
    let _ = write!(line, "{comma}{}:{value}", Value::from(name));
}

/// The time in the form of RFC 3339, to the millisecond.
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let millisecond = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// The date that is this many days after 1970-01-01.
fn date(mut days: u64) -> (u64, usize, u64) {
    let mut year = 1970;
    while days >= days_of(year) {
        days -= days_of(year);
        year += 1;
    }
    let february = if days_of(year) == 366 { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

fn days_of(year: u64) -> u64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if is_leap {
        366
    } else {
        365
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, milliseconds: u64) -> String {
        timestamp(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + milliseconds))
    }

    #[test]
    fn timestamps_are_those_of_the_calendar() {
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_399, 999), "2000-02-28T23:59:59.999Z");
        assert_eq!(at(951_782_400, 0), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(1_767_225_599, 7), "2025-12-31T23:59:59.007Z");
        assert_eq!(at(1_795_953_600, 0), "2026-11-29T12:00:00.000Z");
        assert_eq!(at(4_107_542_400, 0), "2100-03-01T00:00:00.000Z");
    }
}
