//! The kinds of events, and the word for each.

use std::fmt;

/// Declares the kinds with their words.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $word:literal,)*) => {
        /// The kind of an event. Log lines have texts of their own; other readers use these words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind {
            $($(#[$doc])* $kind,)*
        }

        impl EventKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Returns the word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $word,)*
                }
            }
        }
    };
}

kinds! {
    /// The master gave a batch its ids.
    Accepted = "accepted",
    /// A client waits for other nodes.
    Waits = "waits",
    /// The master's log is durable further than before.
    Durable = "durable",
    /// A frame was sent for the first time.
    Sent = "sent",
    /// A frame was sent again.
    Resent = "resent",
    /// An injected fault: a frame is written later.
    Delayed = "delayed",
    /// An injected fault: a frame is not written.
    Dropped = "dropped",
    /// An injected fault: a frame is written twice.
    Doubled = "doubled",
    /// A frame came.
    Received = "received",
    /// Messages came and are stored after an injected delay.
    StoreDelayed = "store-delayed",
    /// A secondary's log is durable further than before.
    Stored = "stored",
    /// Messages came before others that precede them.
    Held = "held",
    /// Messages that were held are appended.
    GapClosed = "gap-closed",
    /// Messages came that the node has.
    Duplicate = "duplicate",
    /// A request was answered in time.
    Completed = "completed",
    /// A request was not answered in time.
    TimedOut = "timed-out",
    /// A request was answered after its time limit.
    Late = "late",
    /// A request was answered with an error.
    Failed = "failed",
    /// A page was requested again while it is on its way.
    UnderWay = "under-way",
    /// A secondary acked messages.
    Acked = "acked",
    /// A client is answered.
    Answered = "answered",
    /// A client stopped waiting.
    Canceled = "canceled",
    /// A connection begins.
    Connecting = "connecting",
    /// A handshake came.
    Handshake = "handshake",
    /// A secondary is not let in, or cannot reach its master.
    Refused = "refused",
    /// A secondary was admitted, and catches up.
    Joined = "joined",
    /// A secondary is sent new messages as they come.
    Ready = "ready",
    /// A secondary's connection ended.
    Left = "left",
    /// A connection ended on which no secondary was admitted.
    LeftEarly = "left-early",
    /// A node came back without messages that it had acked.
    Lost = "lost",
    /// A reason for trouble on a connection was found.
    Advice = "advice",
    /// The status of a secondary changed.
    Health = "health",
    /// The number of healthy nodes came to reach the quorum, or no longer reaches it.
    Quorum = "quorum",
    /// The master began or ceased to take messages.
    Mode = "mode",
    /// The disk has a fault, or works again.
    Disk = "disk",
    /// Another node has more of the log than the master.
    Behind = "behind",
    /// Clients are answered since the disk failed for good.
    Aborted = "aborted",
    /// A part of a log is damaged, or is being repaired.
    Repair = "repair",
    /// The list of secondaries that count changed.
    Members = "members",
    /// The injected faults changed.
    Faults = "faults",
    /// Connections are dropped on demand.
    Disconnected = "disconnected",
    /// An epoch began.
    Epoch = "epoch",
    /// The node started.
    Started = "started",
    /// The node stops.
    Stopping = "stopping",
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
