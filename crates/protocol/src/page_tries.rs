//! How often in a row the same page was requested or sent, for events.

use acklog_types::LogEnd;

/// Counts the tries at one page, which is named by where it begins.
#[derive(Debug, Default)]
pub(super) struct PageTries(Option<(LogEnd, u32)>);

impl PageTries {
    /// Counts a try at the page from `from` on. Returns how many there were in a row by now;
    /// `before` it there were others that were not counted here.
    pub(super) fn count(&mut self, from: LogEnd, before: u32) -> u32 {
        let tries = match self.0 {
            Some((last, tries)) if last == from => tries.saturating_add(1),
            _ => before.saturating_add(1),
        };
        self.0 = Some((from, tries));
        tries
    }

    /// Begins anew: another page was requested or sent.
    pub(super) fn reset(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_at_the_same_page_count_on_and_others_begin_anew() {
        let (mut tries, [a, b]) = (PageTries::default(), [3, 7].map(LogEnd::new));
        assert_eq!([a, a, a, b, a].map(|from| tries.count(from, 0)), [1, 2, 3, 1, 1]);
        tries.reset();
        assert_eq!([tries.count(a, 1), tries.count(a, 1)], [2, 3]);
    }
}
