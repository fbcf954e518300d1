//! Requests for pages that a peer answers by closing its connection.

use acklog_types::InstanceId;

/// Connections that one instance closed while a page was requested from it, after which none is
/// requested any more: it is of a release that does not know such requests. Fewer: an instance that
/// closed one for another reason just then is not asked. More: one of such a release loses more
/// connections.
const UNANSWERED_MAX: u32 = 2;

/// The instance that closed connections while a page was requested from it, and how many.
#[derive(Debug, Default)]
pub(super) struct UnansweredPages(Option<(InstanceId, u32)>);

impl UnansweredPages {
    /// Notes that an instance closed a connection on which a page was requested. Returns whether
    /// that makes it one that is not asked again.
    pub(super) fn add(&mut self, instance: InstanceId) -> bool {
        let before = self.0.filter(|(known, _)| *known == instance);
        let times = before.map_or(1, |(_, times)| times + 1);
        self.0 = Some((instance, times));
        times == UNANSWERED_MAX
    }

    /// Notes that the peer answered: it gave a page, or reported that it cannot.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// Returns the instance that is not asked for pages any more.
    pub(super) fn given_up(&self) -> Option<InstanceId> {
        self.0.filter(|(_, times)| *times >= UNANSWERED_MAX).map(|(instance, _)| instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_given_up_after_two_connections_without_an_answer_between_them() {
        let (old, new) = (InstanceId::new(1), InstanceId::new(2));
        let mut pages = UnansweredPages::default();
        assert!(!pages.add(old) && !pages.add(new), "each once");
        pages.clear();
        assert!(!pages.add(new));
        assert_eq!(pages.given_up(), None);
        assert!(pages.add(new));
        assert_eq!(pages.given_up(), Some(new));
        assert!(!pages.add(new), "known already");
        assert_eq!(pages.given_up(), Some(new));
    }
}
