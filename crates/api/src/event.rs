//! Events: what a node does, one after the other.

use serde::{Deserialize, Serialize};

use crate::faults::Faults;
use crate::health::{DiskState, MemberStatus, Mode, Role};
use crate::words::words;

words! {
    /// The kind of an event: of messages, of frames, of connections, and of the node itself.
    EventKind {
        /// The master gave messages their ids.
        Accepted = "accepted",
        /// A client waits for other nodes.
        Waits = "waits",
        /// The master's log is durable further than before.
        Durable = "durable",
        /// A secondary's log is durable further than before.
        Stored = "stored",
        /// Messages came before others that precede them, and wait for those.
        Held = "held",
        /// The missing messages came, so messages that were held are stored.
        GapClosed = "gap-closed",
        /// Messages came that the node has.
        Duplicate = "duplicate",
        /// Messages came and are stored after an injected delay.
        StoreDelayed = "store-delayed",
        /// A secondary acked messages.
        Acked = "acked",
        /// A client is answered.
        Answered = "answered",
        /// A client stopped waiting.
        Canceled = "canceled",
        /// A frame is sent.
        Sent = "sent",
        /// A frame is sent whose messages were sent before.
        Resent = "resent",
        /// A frame came.
        Received = "received",
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
        /// An injected fault: a frame is not written.
        Dropped = "dropped",
        /// An injected fault: a frame is written twice.
        Doubled = "doubled",
        /// An injected fault: a frame is written later.
        Delayed = "delayed",
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
        /// A secondary came back without messages that it had acked.
        Lost = "lost",
        /// A reason for trouble on a connection was found.
        Advice = "advice",
        /// The status of a secondary changed.
        Health = "health",
        /// The quorum was lost or reached, or a majority cannot be reached.
        Quorum = "quorum",
        /// A master began or ceased to take messages.
        Mode = "mode",
        /// The disk has a fault, or works again.
        Disk = "disk",
        /// A secondary has more of the log than its master.
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
        /// Messages are cut from the end of the log. Reserved: no node does that yet.
        Cut = "cut",
        /// Messages are trimmed from the start of the log. Reserved: no node does that yet.
        Trimmed = "trimmed",
    }
}

words! {
    /// The answer that a client got.
    EventAnswer {
        /// Its write concern holds.
        Acked = "acked",
        /// Its own time limit passed.
        TimedOut = "timed-out",
        /// The node stops.
        Stopping = "stopping",
        /// The disk failed before the message was known to be stored.
        DiskFailed = "disk-failed",
        /// No more clients may wait.
        TooManyWaiting = "too-many-waiting",
    }
}

/// Declares the body of an event, whose members other than the first four are absent where the kind
/// has none.
macro_rules! event_body {
    ($($(#[$doc:meta])* $member:ident: $type:ty,)*) => {
        /// An event of a node.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct EventBody {
            /// Its number: larger than those of all events before it on this node.
            pub id: u64,
            /// When it happened, by the node's wall clock, in microseconds since 1970.
            pub time: u64,
            /// The name of the node that it happened on.
            pub node: String,
            /// Its kind.
            pub kind: EventKind,
            $(
                $(#[$doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $member: Option<$type>,
            )*
        }

        impl EventBody {
            /// Returns an event without further members.
            pub fn new(id: u64, time: u64, node: String, kind: EventKind) -> Self {
                Self { id, time, node, kind, $($member: None,)* }
            }
        }
    };
}

event_body! {
    /// The other node.
    peer: String,
    /// The number of the request that a frame is or answers.
    request: u64,
    /// The kind of a frame, as the protocol names it.
    frame: String,
    /// The messages: the first id, and the id behind the last one.
    ids: [u64; 2],
    /// How often the messages of a frame were sent to that node by now.
    attempt: u64,
    /// An injected delay, in milliseconds.
    delay_ms: f64,
    /// Time from a request to its answer, in milliseconds.
    took_ms: f64,
    /// Time until another attempt, in milliseconds.
    pause_ms: f64,
    /// The position that a frame is about.
    from: u64,
    /// The end of a log.
    end: u64,
    /// The end of the master's log.
    log_end: u64,
    /// The write concern, as a number of nodes.
    write_concern: u64,
    /// The longest time that the client waits, in milliseconds.
    timeout_ms: f64,
    /// The answer that the client got.
    answer: EventAnswer,
    /// Where a connection comes from.
    address: String,
    /// The status of the other node.
    status: MemberStatus,
    /// Whether the master takes messages.
    mode: Mode,
    /// The role of the node.
    role: Role,
    /// The number of the epoch.
    epoch: u64,
    /// The number of nodes that are healthy.
    healthy: u64,
    /// The number of nodes that must be.
    required: u64,
    /// The number of nodes of the cluster.
    cluster_size: u64,
    /// The state of the disk.
    state: DiskState,
    /// The faults in force.
    faults: Faults,
    /// A number of clients or connections.
    count: u64,
    /// A reason, for programs.
    code: String,
    /// A reason, for people.
    detail: String,
}

/// The data of the SSE event `sampled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SampledEvents {
    /// The number of events that were left out since the last time.
    pub left_out: u64,
    /// Of so many messages one is followed, with all of its events.
    pub every: u64,
    /// The name of the node, in a stream of the events of all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

impl SampledEvents {
    /// The least number of messages of which a busy node follows one.
    pub const EVERY_WHEN_BUSY: u64 = 64;
}

/// The data of the SSE event `missed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedEvents {
    /// The number of events that are gone, since the listener was too slow.
    pub count: u64,
    /// The name of the node, in a stream of the events of all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}
