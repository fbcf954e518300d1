//! Faults that are injected on demand.

use std::fmt;

use super::DelayRange;

/// The faults that are injected into one node. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Delay of each request that the node sends.
    pub send_delay: Option<DelayRange>,
    /// Delay before a received run or page is stored.
    pub store_delay: Option<DelayRange>,
    /// Share of the `AddMessage` requests that a secondary answers with an error after it has
    /// stored the messages.
    pub error_rate: Rate,
    /// Share of the outgoing frames that are dropped.
    pub drop_rate: Rate,
    /// Share of the outgoing frames that are written twice.
    pub duplicate_rate: Rate,
    /// Whether the node is paused: it neither reads nor writes frames, and its timers stand still.
    pub paused: bool,
    /// The seed of the random draws; none: the system's randomness.
    pub seed: Option<u64>,
}

impl Faults {
    /// Returns how many kinds of fault are in force. A seed is none.
    pub fn count(&self) -> usize {
        let Self { send_delay, store_delay, error_rate, drop_rate, duplicate_rate, .. } = self;
        let rates = [error_rate, drop_rate, duplicate_rate].map(|rate| *rate > Rate::NEVER);
        let delays = [send_delay, store_delay].map(Option::is_some);
        let all = rates.into_iter().chain(delays).chain([self.paused]);
        all.filter(|&is_in_force| is_in_force).count()
    }
}

/// A share, from 0 (never) to 1 (always).
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    /// Never.
    pub const NEVER: Self = Self(0.0);

    /// Returns the rate; none if `share` is not between 0 and 1.
    pub fn new(share: f64) -> Option<Self> {
        // The addition turns a negative zero into a plain one.
        (0.0..=1.0).contains(&share).then_some(Self(share + 0.0))
    }

    /// Returns the share.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Faults {
    /// Lists the faults: `send delay 1s..2s, drop rate 0.2`, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delay =
            |name: &str, range: Option<DelayRange>| range.map(|r| format!("{name} delay {r}"));
        let rate =
            |name: &str, rate: Rate| (rate > Rate::NEVER).then(|| format!("{name} rate {rate}"));
        let parts = [
            delay("send", self.send_delay),
            delay("store", self.store_delay),
            rate("error", self.error_rate),
            rate("drop", self.drop_rate),
            rate("duplicate", self.duplicate_rate),
            self.paused.then(|| "paused".to_owned()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(if parts.is_empty() { "none" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_share() {
        for good in [0.0, 0.3, 1.0] {
            assert_eq!(Rate::new(good).map(Rate::get), Some(good));
        }
        assert_eq!(Rate::new(-0.0).map(|rate| rate.to_string()), Some("0".to_owned()));
        for bad in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Rate::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn faults_are_told_in_words() {
        let mut faults = Faults::default();
        assert_eq!(faults.to_string(), "none");
        faults.send_delay = "1s..2s".parse().ok();
        faults.drop_rate = Rate::new(0.2).unwrap();
        faults.paused = true;
        assert_eq!(faults.to_string(), "send delay 1s..2s, drop rate 0.2, paused");
    }
}
