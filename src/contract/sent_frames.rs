//! The frames that were sent while somebody listens, for the events that tell what became of them.

use std::collections::VecDeque;
use std::time::Duration;

use acklog_protocol::frame::FrameKind;
use acklog_protocol::{Event, FrameEvent, FrameStage};
use acklog_types::{NodeName, RequestId};

/// Most frames that are remembered. Fewer: on a busy node a request that times out is forgotten by
/// then. More: each event of a frame costs more time.
const SENT_MAX: usize = 2048;

/// The sending of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// How often the messages were sent to that node by then; for a frame other than a run of new
    /// messages, how often it was in a row.
    pub attempt: u32,
    /// The injected delay.
    pub delay: Duration,
}

impl Sending {
    /// That of a frame that is sent once and at once.
    pub const FIRST: Self = Self { attempt: 1, delay: Duration::ZERO };
}

/// The frames that were sent last.
#[derive(Debug, Default)]
pub(super) struct SentFrames(VecDeque<SentFrame>);

#[derive(Debug)]
struct SentFrame {
    peer: Option<NodeName>,
    request: RequestId,
    /// Both ends number their requests, so an answer may have the number of another request.
    frame: FrameKind,
    sending: Sending,
}

impl SentFrames {
    /// Takes an event. Returns the sending of the frame that it is about; none where that is not of
    /// this node, or is forgotten.
    pub(super) fn take(&mut self, event: &Event) -> Option<Sending> {
        let Event::Frame(frame) = event else { return None };
        match frame.stage {
            FrameStage::Sent { attempt, .. } => {
                let sending = Sending { attempt, ..Sending::FIRST };
                self.push(frame, sending);
                Some(sending)
            }
            FrameStage::Completed { .. }
            | FrameStage::Late
            | FrameStage::TimedOut { .. }
            | FrameStage::Delayed { .. } => self.find(frame).map(|sent| sent.sending),
            // Answers are sent once, and not told of.
            FrameStage::Dropped | FrameStage::Doubled => {
                Some(self.find(frame).map_or(Sending::FIRST, |sent| sent.sending))
            }
            FrameStage::Received { .. }
            | FrameStage::Failed { .. }
            | FrameStage::StillUnderWay { .. }
            | FrameStage::BufferFull { .. }
            | FrameStage::ErrorInjected => None,
        }
    }

    /// Notes the injected delay of a frame.
    pub(super) fn delay(&mut self, frame: &FrameEvent, delay: Duration) {
        if let Some(sent) = self.find(frame) {
            sent.sending.delay = delay;
        }
    }

    fn push(&mut self, frame: &FrameEvent, sending: Sending) {
        if self.0.len() == SENT_MAX {
            self.0.pop_front();
        }
        let FrameEvent { peer, request, frame, .. } = frame;
        let (peer, request, frame) = (peer.clone(), *request, *frame);
        self.0.push_back(SentFrame { peer, request, frame, sending });
    }

    fn find(&mut self, of: &FrameEvent) -> Option<&mut SentFrame> {
        self.0.iter_mut().rev().find(|sent| {
            (sent.request, sent.frame) == (of.request, of.frame) && sent.peer == of.peer
        })
    }
}
