//! One direction of a simulated connection on a slow network: frames are transferred one after the
//! other, and in parts.

use std::collections::VecDeque;
use std::time::Duration;

use acklog_protocol::frame::{Frame, Request, Response};
use acklog_protocol::{LONG_FRAME_BYTES, LineView};
use acklog_types::{IdRange, LogEnd, Records, RequestId};

/// Longest transfer that arrives as one. The receiver of a longer one sees a part this often.
pub(super) const PART: Duration = Duration::from_millis(50);

/// Returns the time that so many bytes take at `rate` bytes per second.
pub(super) fn time_on_line(bytes: usize, rate: u64) -> Duration {
    Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / rate)
}

/// Frames of one direction that are not transferred yet.
#[derive(Debug, Default)]
pub(super) struct SimLine {
    /// Bytes of all frames so far.
    bytes: u64,
    /// Time at which the last of them is transferred.
    free_at: Duration,
    under_way: VecDeque<Transfer>,
}

#[derive(Debug)]
struct Transfer {
    /// Subject that the frame brings; none for a heartbeat or a second copy.
    subject: Option<FrameSubject>,
    /// Position of the frame in the bytes of the connection, and its length.
    start: u64,
    length: u64,
    begin: Duration,
    end: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum FrameSubject {
    Request(RequestId, IdRange),
    Page,
}

impl FrameSubject {
    /// Returns what a frame brings that its sender waits for.
    pub(super) fn of(frame: &Frame<Records>) -> Option<Self> {
        match frame {
            Frame::Request(_, Request::Heartbeat { .. }) => None,
            Frame::Request(id, request) => {
                let run = match request {
                    Request::AddMessage { run, .. } => run.range(),
                    _ => IdRange::empty(LogEnd::ZERO),
                };
                Some(Self::Request(*id, run))
            }
            Frame::Response(_, Response::Page { run, .. }) if !run.range().is_empty() => {
                Some(Self::Page)
            }
            Frame::Response(..) => None,
        }
    }
}

impl SimLine {
    /// Puts a frame on the line, at `rate` bytes per second, or at once behind those before it.
    /// Returns when its transfer begins and ends.
    pub(super) fn send(
        &mut self,
        now: Duration,
        bytes: usize,
        rate: Option<u64>,
        subject: Option<FrameSubject>,
    ) -> (Duration, Duration) {
        self.under_way.retain(|transfer| transfer.end > now);
        let length = bytes as u64;
        let takes = rate.map_or(Duration::ZERO, |rate| time_on_line(bytes, rate));
        let (start, begin) = (self.bytes, self.free_at.max(now));
        let end = begin + takes;
        (self.bytes, self.free_at) = (start + length, end);
        if end > now {
            self.under_way.push_back(Transfer { subject, start, length, begin, end });
        }
        (begin, end)
    }

    fn left(&self, now: Duration) -> impl Iterator<Item = &Transfer> {
        self.under_way.iter().filter(move |transfer| transfer.end > now)
    }

    /// Returns the line as the sender of the frames sees it.
    pub(super) fn look(&self, now: Duration) -> LineView {
        let first = self.left(now).next();
        let over = |transfer: &Transfer| {
            let (passed, takes) =
                (now.saturating_sub(transfer.begin), transfer.end - transfer.begin);
            let part = u128::from(transfer.length) * passed.as_micros() / takes.as_micros().max(1);
            u64::try_from(part).unwrap_or(u64::MAX).min(transfer.length)
        };
        let request = |transfer: &Transfer| match transfer.subject? {
            FrameSubject::Request(id, _) => Some(id),
            FrameSubject::Page => None,
        };
        LineView {
            taken: first.map_or(self.bytes, |transfer| transfer.start + over(transfer)),
            is_within_frame: first.is_some_and(|transfer| over(transfer) > 0),
            request: self.left(now).filter_map(request).min(),
            has_page: self.left(now).any(|it| matches!(it.subject, Some(FrameSubject::Page))),
            has_long_frame: first.is_some_and(|transfer| transfer.length > LONG_FRAME_BYTES),
        }
    }

    /// Returns whether a run that is not transferred yet has messages of this one.
    pub(super) fn carries(&self, now: Duration, run: IdRange) -> bool {
        let overlaps = |other: IdRange| other.start() < run.end() && run.start() < other.end();
        self.left(now).any(|transfer| match transfer.subject {
            Some(FrameSubject::Request(_, other)) => overlaps(other),
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn run(id: u64) -> Option<FrameSubject> {
        let range = IdRange::new(LogEnd::new(id), LogEnd::new(id + 1));
        Some(FrameSubject::Request(RequestId::new(id), range))
    }

    #[test]
    fn frames_go_one_behind_the_other_and_are_seen_in_parts() {
        let mut line = SimLine::default();
        assert_eq!(line.send(SECOND, 4000, Some(2000), run(0)), (SECOND, 3 * SECOND));
        assert_eq!(line.send(SECOND, 1000, Some(1000), run(1)), (3 * SECOND, 4 * SECOND));
        let view = line.look(2 * SECOND);
        assert_eq!((view.taken, view.is_within_frame, view.has_long_frame), (2000, true, true));
        assert_eq!(view.request, Some(RequestId::new(0)));
        let view = line.look(3 * SECOND);
        assert_eq!((view.taken, view.is_within_frame, view.has_long_frame), (4000, false, false));
        assert_eq!(view.request, Some(RequestId::new(1)));
        let second = IdRange::new(LogEnd::new(1), LogEnd::new(2));
        assert!(line.carries(3 * SECOND, second) && !line.carries(4 * SECOND, second));
        assert_eq!(line.look(4 * SECOND), LineView { taken: 5000, ..LineView::default() });
        assert_eq!(line.send(9 * SECOND, 10, None, None), (9 * SECOND, 9 * SECOND));
    }
}
