//! The scenario language: a text file of steps and expectations, which is played against a cluster.
//!
//! The same file is played in virtual time ([`Simulated`]), and by `acklog scenario run` against
//! real processes and containers: each is a [`Backend`]. [`Script::parse`] reads a file and checks
//! every step before anything is done; a [`Player`] plays it and tells the story, which is the same
//! text whatever the file is played against.
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
//! # The form of a file
//!
//! A line is a step: its name, then words and named values, `append "two words" w=3`. A text with
//! white space, quotes, `=` or `#` in it stands in quotes; in quotes `\n`, `\t`, `\\`,
//! `\"` and `\'` have their usual meaning. `#` or `//` begins a comment. Times are written `250ms`,
//! `1.5s`; ranges `1s..2s`.
//!
//! A line `---` ends a block of steps. What stands below it, up to an empty line, is the recorded
//! trace of these steps in the simulation with seed 0: what happened inside and between the nodes.
//! The simulation compares it; other backends pass it over. `ok` is the trace of nothing.
//!
//! A file begins with a master of default settings, unless its first step is `cluster`.
//!
//! # Steps that tell the story
//!
//! - `story TEXT`: what the scenario is about
//! - `step TEXT`: a heading, which is numbered
//! - `moral TEXT`: what was shown, at the end
//! - `logs`: what each node shows
//! - `health`: how the nodes see themselves and each other
//!
//! # Steps that do something to the cluster
//!
//! Where two names stand, the second is that of the transcripts in `tests/golden`.
//!
//! - `cluster [SETTING=…]…`: ends the cluster and starts a master with new settings
//! - `start NODE [as=OTHER]`: starts a node, from its disk if it has one; a secondary may register
//!   as OTHER
//! - `join NODE…`: starts secondaries and waits until the master counts on them
//! - `kill NODE…`, `crash`: SIGKILL, all at once; they stay down
//! - `terminate NODE…`: SIGTERM, one after the other; each must end with status 0
//! - `pause NODE`, `hang`; `resume NODE`, `go-on`: the whole process stands still, and goes on
//! - `partition NODE`, `cut-off`; `heal NODE`, `reach`: nothing passes between this secondary and
//!   the master, and nobody is told; the end of that
//! - `disconnect NODE`: the connection of a secondary breaks
//! - `drop-connections NODE`: the node closes its connections, as `POST /faults/disconnect` does
//! - `faults NODE [FAULT=…]…`: replaces the node's faults, as `PUT /faults` does; none: clears them
//! - `forget NODE`: the master forgets a secondary
//! - `wipe NODE`: kills a secondary and takes its disk away
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
//! Real nodes only, since these change files of nodes that are down:
//!
//! - `damage NODE TEXT OTHER`: the disk turns a text into another one of the same length
//! - `tear NODE BYTES`: the last bytes that were written are lost
//! - `half-write NODE`: the beginning of a write that never ended is added
//! - `log NODE WORDS… [status=N] [says=TEXT]`: runs `acklog log WORDS DIR` on the node's directory
//!
//! In the simulation only:
//!
//! - `lose NODE KIND [N]`, `double NODE KIND [N]`, `delay NODE KIND D`: the next frames of a kind
//! - `slow D`: every frame takes so long from here on
//! - `break-disk NODE`: its disk takes nothing more
//! - `stop`, `give-up`: the two stages of the master's stop
//! - setting `disk-delay=D` of `cluster`: what is written is durable after up to D
//!
//! # Steps of clients
//!
//! A client acts beside everything else. Expectations name it by its label: `as=`, else its first
//! text.
//!
//! - `append TEXT… [w=W] [timeout=D] [key=K] [as=LABEL]`: sends a message; several texts are a
//!   batch
//! - `wait ID [w=W] [timeout=D] [as=LABEL]`: waits for a message that is there; label `wait-ID`
//! - `hang-up LABEL`: this client no longer waits
//! - `fill N bytes=B`: N messages of B bytes with w=1
//! - `load CLIENTS EACH [timeout=D] [retry=true]`: clients that send one message after the other,
//!   with w=1, 2, 3 and majority in turn; with `retry` again under its key until it is answered
//!   with 201
//! - `watch NODE…`: from here on their lists are looked at again and again: without a gap, a
//!   beginning of the master's, never shorter
//!
//! # Expectations
//!
//! `within=D` is how long one may take to come true (10 s where it is not given, unless the list
//! says that it must be so now); `for=D` how long it must stay so.
//!
//! - `run D`: time passes
//! - `wait-until NODE FACT=VALUE… [within=D]`: the node tells this about itself; `3..` is 3 or more
//! - `expect health NODE FACT=VALUE… [within=D] [for=D]`: the same, now
//! - `expect ready NODE… [within=D]`: the master counts on these secondaries: healthy and ready
//! - `expect answered LABEL… [id=N] [w=N] [acked=NAME,…] [took=R] [within=D]`: the write concern
//!   held
//! - `expect timed-out LABEL… [id=N] …`: the client's time passed first
//! - `expect unfinished LABEL… [says=TEXT] …`: the master stopped or cannot tell, and named the id
//! - `expect refused LABEL… [says=TEXT] [took=R]`: nothing was stored, and the master says why
//! - `expect lost LABEL…`: the connection ended without an answer
//! - `expect waiting LABEL… [for=D]`: there is no answer, now and for that long
//! - `expect messages NODE [TEXT…]`: the node shows exactly these, now
//! - `expect same NODE… [within=D]`: all show the same messages under the same ids, now
//! - `expect prefix NODE…`: each shows a beginning of the master's list, now
//! - `expect once TEXT… on=NODE,…`: each of these nodes shows each text exactly once, now
//! - `expect kept NODE…`: each shows what was answered with its name in `ackedBy`, under its id,
//!   nothing more often than it was sent, and nothing that nobody sent, now
//! - `expect load [answered=N] [within=D]`: so many messages of the load are answered; without a
//!   number all
//! - `expect no-start NODE [says=TEXT]`: it refuses to start with exit status 1, and its last line
//!   says this; real nodes only
//! - `expect aside NODE TEXT`: what `acklog log reset` moved aside holds the text; real nodes only
//!
//! Facts of the master: `end`, `size`, `waiting`, `mode` (`read-write`, `read-only`), `ready`, and
//! of each secondary as it sees it `NAME.status`, `NAME.phase`, `NAME.acked`, `NAME.lag`,
//! `NAME.retries`. Facts of a secondary: `phase`, `end`, `buffered`.
//!
//! # Caveats
//!
//! On real nodes a step takes a moment: what depends on less than that between two steps is a
//! matter of chance there. Waiting for a fact (`wait-until`, `within=`) is certain, `run D`
//! followed by `logs` is not. A simulated master that is paused still takes messages from clients.
//! The simulation ends with a panic where an invariant of the protocol is broken.

mod action;
mod args;
mod backend;
mod expect;
mod health;
mod load;
mod player;
mod sent;
mod simulated;
mod step;
#[cfg(test)]
mod tests;
mod text;

use acklog_types::NodeName;

pub use action::{Action, AppendStep, FileChange, Settings};
pub use backend::{Backend, Reply, ReplyReceipt, Shown, Ticket, TimedReply, Trouble};
pub use expect::{Expectation, ReplyDetails, ReplyKind};
pub use health::{Fact, MasterView, MemberView, NodeHealth, SecondaryView, Want};
pub use player::{Broken, Lacking, Player, Recorded};
pub use simulated::Simulated;
pub use step::{LoadPlan, Script, ScriptLine, Step};
pub use text::BadLine;

/// The master's name in every scenario.
pub const MASTER: &str = "master";

/// Returns the master's name as a node's name.
pub fn master() -> NodeName {
    MASTER.parse().expect("a name")
}
