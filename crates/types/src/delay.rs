//! Durations and ranges of durations as users write them: `250ms`, `1.5s`, `1000ms..2000ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// Longest heartbeat interval. Longer: a dead peer stays unnoticed for hours, and the number is
/// more likely a mistake. Shorter: a matter of taste, some want few packets on idle connections.
pub const HEARTBEAT_INTERVAL_MAX: Duration = Duration::from_secs(3600);

/// Longest duration that is accepted: a year, so that adding it to a clock reading cannot overflow.
const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reason why a text is not a duration or a range of durations.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DurationError {
    /// The text is not a duration.
    #[error("{0:?} is no duration: write 250ms, 1.5s or a bare number of milliseconds")]
    Form(String),
    /// The text is not a duration with a unit.
    #[error("{0:?} is no duration: write 250ms or 1.5s")]
    FormWithUnit(String),
    /// The duration is longer than a year.
    #[error("{0:?} is longer than a year")]
    TooLong(String),
    /// The text is a number without a unit, and a unit is required.
    #[error("{0:?} has no unit: write {0}s for seconds or {0}ms for milliseconds")]
    NoUnit(String),
    /// The range ends before it starts.
    #[error("the range {0:?} ends before it starts")]
    Backwards(String),
}

/// Parses `250ms`, `1.5s`, `3s`, or a number of milliseconds without a unit.
///
/// # Errors
/// When the text has another form, is negative, or stands for more than a year.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let form = || DurationError::Form(text.to_owned());
    let trimmed = text.trim();
    let (number, millis_per_unit) = if let Some(number) = trimmed.strip_suffix("ms") {
        (number, 1.0)
    } else if let Some(number) = trimmed.strip_suffix('s') {
        (number, 1000.0)
    } else {
        (trimmed, 1.0)
    };
    // `f64` accepts more (`inf`, `1e9`, `+1`): here a number has only digits and one point.
    if !number.starts_with(|c: char| c.is_ascii_digit())
        || !number.chars().all(|c| c.is_ascii_digit() || c == '.')
    {
        return Err(form());
    }
    let value: f64 = number.parse().map_err(|_| form())?;
    let duration = Duration::try_from_secs_f64(value * millis_per_unit / 1000.0)
        .map_err(|_| DurationError::TooLong(text.to_owned()))?;
    if duration > DURATION_MAX {
        return Err(DurationError::TooLong(text.to_owned()));
    }
    Ok(duration)
}

/// Parses `250ms`, `1.5s` or `3s`. A number without a unit is refused: users who type one mean
/// seconds, programs mean milliseconds.
///
/// # Errors
/// As [`parse_duration`], and when the unit is missing.
pub fn parse_duration_with_unit(text: &str) -> Result<Duration, DurationError> {
    let duration = parse_duration(text).map_err(|error| match error {
        DurationError::Form(text) => DurationError::FormWithUnit(text),
        error => error,
    })?;
    let number = text.trim();
    match number.ends_with('s') {
        true => Ok(duration),
        false => Err(DurationError::NoUnit(number.to_owned())),
    }
}

/// A range of injected delays, both ends included. Each delay is drawn from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayRange {
    min: Duration,
    max: Duration,
}

impl DelayRange {
    /// Returns the shortest delay.
    pub const fn min(self) -> Duration {
        self.min
    }

    /// Returns the longest delay.
    pub const fn max(self) -> Duration {
        self.max
    }

    /// Parses `2s` or `0ms..50ms`; each duration needs a unit.
    ///
    /// # Errors
    /// When a duration has no unit or another form, or the range ends before it starts.
    pub fn parse_with_unit(text: &str) -> Result<Self, DurationError> {
        Self::parse_by(text, parse_duration_with_unit)
    }

    fn parse_by(
        text: &str,
        time: impl Fn(&str) -> Result<Duration, DurationError>,
    ) -> Result<Self, DurationError> {
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        let range = Self { min: time(min)?, max: time(max)? };
        if range.min > range.max {
            return Err(DurationError::Backwards(text.to_owned()));
        }
        Ok(range)
    }
}

impl FromStr for DelayRange {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        Self::parse_by(text, parse_duration)
    }
}

impl fmt::Display for DelayRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}..{:?}", self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        let ms = |n| Ok(Duration::from_millis(n));
        assert_eq!(parse_duration("250ms"), ms(250));
        assert_eq!(parse_duration("1.5s"), ms(1500));
        assert_eq!(parse_duration("3s"), ms(3000));
        assert_eq!(parse_duration("40"), ms(40));
        assert_eq!(parse_duration("0"), ms(0));
        for bad in ["", "s", "ms", "-1s", "1h", "1e3", "inf", "nan", "1..2", ".5s", "1 s2"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
        assert!(matches!(parse_duration("99999999999999s"), Err(DurationError::TooLong(_))));
    }

    #[test]
    fn a_time_with_a_unit_is_told_from_a_bare_number() {
        assert_eq!(parse_duration_with_unit(" 1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration_with_unit("0ms"), Ok(Duration::ZERO));
        let error = parse_duration_with_unit("10").unwrap_err();
        assert_eq!(error, DurationError::NoUnit("10".to_owned()));
        assert!(error.to_string().contains("write 10s for seconds or 10ms"), "{error}");
        let error = parse_duration_with_unit("soon").unwrap_err().to_string();
        assert_eq!(error, "\"soon\" is no duration: write 250ms or 1.5s");
        assert!(DelayRange::parse_with_unit("0..50ms").is_err());
        let range = DelayRange::parse_with_unit("0ms..2s").unwrap();
        assert_eq!((range.min(), range.max()), (Duration::ZERO, Duration::from_secs(2)));
    }

    #[test]
    fn a_single_duration_is_a_range_of_one_value() {
        let range: DelayRange = "2s".parse().unwrap();
        assert_eq!((range.min(), range.max()), (Duration::from_secs(2), Duration::from_secs(2)));
        let range: DelayRange = "1000ms..2000ms".parse().unwrap();
        assert_eq!((range.min(), range.max()), (Duration::from_secs(1), Duration::from_secs(2)));
        assert!("2s..1s".parse::<DelayRange>().is_err());
    }
}
