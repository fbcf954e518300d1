//! The scenario language: text files of steps and expectations that are played against a cluster.
//!
//! The same file is played in virtual time ([`Simulated`]), and by `acklog scenario run` against
//! real processes and containers: each is a [`Backend`]. [`Script::parse`] reads a file and checks
//! every step before anything is done. A [`Player`] plays it and returns its story, which is the
//! same text for every backend.
//!
//! ```
//! use acklog_sim::scenario::{Player, Recorded, Script, Simulated};
//!
//! let text = "
//!     join bonnie clyde
//!     append Msg1 w=3
//!     expect answered Msg1 id=0 acked=master,bonnie,clyde
//!     kill bonnie
//!     append Msg2 w=3
//!     expect waiting Msg2 for=1s
//! ";
//! let script = Script::parse(text).unwrap();
//! let mut cluster = Simulated::new(0);
//! let mut story = String::new();
//! let mut player = Player::new(&mut cluster);
//! player.play(&script, Recorded::Compare, |line| story.push_str(line)).unwrap();
//! assert!(story.contains("Msg2: waiting"));
//! ```
//!
//! # Syntax
//!
//! A line is a step: its name, then words and named values, `append "two words" w=3`. A text with
//! white space, quotes, `=` or `#` in it is quoted; in quotes `\n`, `\t`, `\\`,
//! `\"` and `\'` have their usual meaning. `#` or `//` begins a comment. Times are written `250ms`,
//! `1.5s`; ranges `1s..2s`.
//!
//! A line `---` ends a block of steps. The lines below it, up to an empty line, are the recorded
//! trace of these steps in the simulation with seed 0: what happened inside and between the nodes.
//! The simulation compares it; other backends ignore it. `ok` is an empty trace.
//!
//! A scenario begins with a master of default settings, unless its first step is `cluster`.
//!
//! # Steps of the story
//!
//! - `story TEXT`: the title of the scenario
//! - `step TEXT`: a numbered heading
//! - `moral TEXT`: what was shown, at the end
//! - `logs`: the messages of each node
//! - `health`: the health of each node
//!
//! # Actions on the cluster
//!
//! If a step has two names, the transcripts in `tests/golden` use the second one.
//!
//! - `cluster [SETTING=…]…`: ends the cluster and starts a master with new settings
//! - `start NODE [as=OTHER]`: starts a node, from its disk if it has one; a secondary may register
//!   as OTHER
//! - `join NODE…`: starts secondaries and waits until they are ready
//! - `kill NODE…`, `crash`: SIGKILL, all at once; they stay down
//! - `terminate NODE…`: SIGTERM, one after the other; each must end with status 0
//! - `pause NODE`, `hang`; `resume NODE`, `go-on`: stops the whole process, and lets it continue
//! - `partition NODE`, `cut-off`; `heal NODE`, `reach`: drops everything between this secondary
//!   and the master, and neither end notices; ends the partition
//! - `disconnect NODE`: breaks the connection of a secondary
//! - `drop-connections NODE`: the node closes its connections, as `POST /faults/disconnect` does
//! - `faults NODE [FAULT=…]…`: replaces the node's faults, as `PUT /faults` does; none: clears them
//! - `forget NODE`: the master forgets a secondary
//! - `wipe NODE`: kills a secondary and removes its disk
//! - `restart-master`: kills the master and starts it from its disk
//! - `new-master`: kills the master and starts one with an empty log
//! - `copy-master`, `put-back`: keeps a copy of the master's disk; kills the master and starts it
//!   from the copy
//! - `accept-loss`: kills the master, accepts its loss as `acklog log accept-loss` does, and starts
//!   it
//!
//! Settings: `cluster-size=N`, `quorum=N|majority`, `secondaries=NAME,…`, `max-waiting=N`,
//! `heartbeat-interval=D`, `request-timeout=D`, `reconnect-delay=D`, `send-delay=R`,
//! `store-delay=R`, `disk=true` (every node has its log on disk). Faults: `error=SHARE`,
//! `drop=SHARE`, `duplicate=SHARE`, `send-delay=R`, `store-delay=R`, `paused=true`, `seed=N`.
//!
//! On real nodes only, since these change files of nodes that are down:
//!
//! - `damage NODE TEXT OTHER`: the disk turns a text into another one of the same length
//! - `tear NODE BYTES`: the last bytes that were written are lost
//! - `half-write NODE`: adds the beginning of a write that never ended
//! - `log NODE WORDS… [status=N] [says=TEXT]`: runs `acklog log WORDS DIR` on the node's directory
//!
//! In the simulation only:
//!
//! - `lose NODE KIND [N]`, `double NODE KIND [N]`, `delay NODE KIND D`: the next frames of a kind
//! - `slow D`: delays every frame by D from here on
//! - `break-disk NODE`: all writes to its disk fail
//! - `stop`, `give-up`: the two stages of the master's stop
//! - setting `disk-delay=D` of `cluster`: an append is durable after up to D
//!
//! # Steps of clients
//!
//! A client acts beside everything else. Expectations name it by its label: `as=`, else its first
//! text.
//!
//! - `append TEXT… [w=W] [timeout=D] [key=K] [expected-end=N] [as=LABEL]`: sends a message; several
//!   texts are a batch; it is taken only if it gets the id N, where one is given
//! - `stream NAME TEXT… [w=W] [timeout=D]`: sends each text as a line of the append stream NAME,
//!   which begins with its first line; the label of a line is its text
//! - `wait ID [w=W] [timeout=D] [as=LABEL]`: waits for a stored message; label `wait-ID`
//! - `hang-up LABEL`: closes the connection of this client, or of the stream of this name
//! - `follow READER NODE [from=ID] [r=R]`: a reader of this name follows a node from the message ID
//!   on, which is no later one of a batch, under the read concern R; it goes on when the node
//!   crashed and came back. Given again, without `from` and `r`: it goes on at this node
//! - `fill N bytes=B`: N messages of B bytes with w=1
//! - `load CLIENTS EACH [timeout=D] [retry=true]`: clients that send one message after the other,
//!   with w=1, 2, 3 and majority in turn; with `retry` again under its key until it is answered
//!   with 201
//! - `watch NODE…`: checks their lists again and again from here on: without a gap, a prefix of the
//!   master's, never shorter
//!
//! # Expectations
//!
//! `within=D` is the longest time until an expectation holds: 10 s if it is not given, and no time
//! where the list says "now". `for=D` is the time for which it must hold from then on.
//!
//! - `run D`: lets time pass
//! - `wait-until NODE FACT=VALUE… [within=D]`: its health has these facts; `3..` is 3 or more
//! - `expect health NODE FACT=VALUE… [within=D] [for=D]`: the same, now
//! - `expect ready NODE… [within=D]`: these secondaries are healthy and ready for the master
//! - `expect answered LABEL… [id=N] [w=N] [acked=NAME,…] [took=R] [within=D]`: the write concern
//!   held
//! - `expect timed-out LABEL… [id=N] …`: the client's timeout passed first
//! - `expect unfinished LABEL… [says=TEXT] …`: the master stopped or does not know,
//!   but named the id
//! - `expect refused LABEL… [says=TEXT] [took=R]`: nothing was stored, for this reason
//! - `expect lost LABEL…`: the connection ended without a reply
//! - `expect waiting LABEL… [for=D]`: there is no reply, now and for that long
//! - `expect messages NODE [TEXT…] [r=R] [within=D]`: the node shows exactly these, under the read
//!   concern R, as `r=majority` or `r=2`, if one is given, now
//! - `expect followed READER [TEXT…] [within=D] [for=D]`: the reader received exactly these so far,
//!   each once and in order
//! - `expect same NODE… [within=D]`: all show the same messages under the same ids, now
//! - `expect prefix NODE…`: each shows a prefix of the master's list, now
//! - `expect once TEXT… on=NODE,…`: each of these nodes shows each text exactly once, now
//! - `expect kept NODE…`: each shows every message with its name in `ackedBy`, under its id, none
//!   more often than it was sent, and none that was not sent, now
//! - `expect load [answered=N] [within=D]`: so many messages of the load got a reply; without a
//!   number all
//! - `expect no-start NODE [says=TEXT]`: it refuses to start with exit status 1, and its last line
//!   says this; real nodes only
//! - `expect aside NODE TEXT`: a file that `acklog log reset` moved aside holds it; real nodes
//!   only
//!
//! Facts of the master: `end`, `size`, `waiting`, `mode` (`read-write`, `read-only`), `ready`, and
//! of each secondary as it sees it `NAME.status`, `NAME.phase`, `NAME.acked`, `NAME.lag`,
//! `NAME.retries`. Facts of a secondary: `phase`, `end`, `buffered`.
//!
//! # Caveats
//!
//! On real nodes a step takes a moment, so a scenario that depends on shorter times between two
//! steps may fail there. Waiting for a fact (`wait-until`, `within=`) is reliable, `run D`
//! followed by `logs` is not. A simulated master that is paused still takes messages from clients.
//! Where an invariant of the protocol is broken, the simulation panics; `acklog scenario` reports
//! that and ends with status 1, as where an expectation does not hold.

mod action;
mod args;
mod backend;
mod expect;
mod health;
mod load;
mod player;
mod readers;
mod sent;
mod simulated;
mod step;
#[cfg(test)]
mod tests;
mod text;

use acklog_types::NodeName;

pub use action::{Action, AppendStep, FileChange, FollowStep, Settings, StreamStep, WaitStep};
pub use backend::{
    Backend, ReaderEvent, ReceivedMessage, Reply, ReplyReceipt, Shown, Ticket, TimedReply, Trouble,
};
pub use expect::{Expectation, ReplyDetails, ReplyKind};
pub use health::{Fact, MasterView, MemberView, NodeHealth, SecondaryView, Want};
pub use player::{Audience, Broken, Lacking, Player, Recorded};
pub use simulated::Simulated;
pub use step::{LoadPlan, Script, ScriptLine, Step};
pub use text::BadLine;

/// Name of the master in every scenario.
pub const MASTER: &str = "master";

/// Returns [`MASTER`] as a node's name.
pub fn master() -> NodeName {
    MASTER.parse().expect("a name")
}

/// Returns whether a node is the master, by its name.
pub fn is_master(node: &NodeName) -> bool {
    node.as_str() == MASTER
}
