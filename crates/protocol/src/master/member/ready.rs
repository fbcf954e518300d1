//! How a secondary becomes ready: its requests to be so, until its name is written down.

use acklog_types::RequestId;

use super::Member;

/// Most `SecondaryNodeReady` requests that wait for a name to be written down. A correct secondary asks again after its
/// time limit, so these are minutes of a slow disk; more are not answered.
const READY_REQUESTS_MAX: usize = 100;

impl Member {
    /// Notes a `SecondaryNodeReady` that is answered once the name is written down.
    pub(in crate::master) fn hold_ready(&mut self, request: RequestId) {
        if let Some(link) = &mut self.link
            && link.ready_requests.len() < READY_REQUESTS_MAX
        {
            link.ready_requests.push(request);
        }
    }

    /// Takes the requests that waited for the name, if it is written down by now.
    pub(in crate::master) fn take_ready_requests(&mut self) -> Vec<RequestId> {
        let is_registered = self.is_registered();
        let link = self.link.as_mut().filter(|_| is_registered);
        link.map(|link| std::mem::take(&mut link.ready_requests)).unwrap_or_default()
    }

    /// The secondary has what the last page told of. Returns whether that is news.
    pub(in crate::master) fn become_ready(&mut self) -> bool {
        let Some(link) = &mut self.link else { return false };
        !std::mem::replace(&mut link.ready, true)
    }
}
