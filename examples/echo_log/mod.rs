//! The log lines of the echo pair: `2025-06-04 16:46:55,358 - SERVER - INFO - …`, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// Address at which the server listens and that the client dials when none is given.
pub(crate) const ADDRESS: &str = "127.0.0.1:65432";

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Prints one line, whatever came from the network.
pub(crate) fn log(who: &str, text: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    println!(
        "{} - {who} - INFO - {}",
        timestamp(now.as_secs(), now.subsec_millis()),
        escaped(text)
    );
}

/// Returns the text in one line, with control characters as `\n`, `\u{1b}`, ….
fn escaped(text: &str) -> String {
    let one = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(one).collect()
}

/// Formats a time after the beginning of 1970, in UTC.
fn timestamp(seconds: u64, millis: u32) -> String {
    let (year, month, day) = civil_from_days(seconds / DAY_SECONDS);
    let of_day = seconds % DAY_SECONDS;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02},{millis:03}")
}

/// Returns year, month and day of a day since 1970, after Howard Hinnant's "chrono-compatible
/// low-level date algorithms": years begin in March, so that the leap day is a year's last.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_read_like_the_calendar() {
        assert_eq!(timestamp(0, 0), "1970-01-01 00:00:00,000");
        assert_eq!(timestamp(951_782_399, 7), "2000-02-28 23:59:59,007");
        assert_eq!(timestamp(951_782_400, 0), "2000-02-29 00:00:00,000");
        assert_eq!(timestamp(1_749_055_615, 358), "2025-06-04 16:46:55,358");
        assert_eq!(timestamp(4_107_542_400, 0), "2100-03-01 00:00:00,000");
    }
}
