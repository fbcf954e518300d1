//! Clients of append streams that are slow, silent or gone.

use crate::support::*;

#[test]
fn a_client_that_dies_while_it_is_not_read_leaves_nothing_that_waits() {
    // As many lines wait as those of a stream may, or as many senders as may; and the end of the
    // connection arrives, or stays behind bytes for which the node has no room.
    let few: &[&str] = &["--max-waiting", "50"];
    for (flags, waiting, fills) in [(&[][..], 16_384, true), (few, 50, true), (few, 50, false)] {
        let (master, _) = master(flags);
        let is_waiting = |count: u64| health(master.http)["waitingSenders"] == count;
        let mut stream = Stream::begin(master.http);
        if fills {
            stream.fill(&line("left", 9), || is_waiting(waiting));
        } else {
            stream.send(&line("left", 9).repeat(3000));
        }
        wait_until("as many senders to wait as may", || is_waiting(waiting));
        drop(stream);
        wait_until("nobody to wait", || is_waiting(0));
        assert_eq!(append(master.http, "next", "1").1, ["master"]);
    }
}
