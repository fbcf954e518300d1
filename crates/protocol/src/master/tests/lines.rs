//! Slow lines and dead ones, as the master sees them.

use super::*;
use crate::Status;

const SECOND: Duration = Duration::from_secs(1);
const TENTH: Duration = Duration::from_millis(100);

/// Returns a master with a secondary that is ready, on session 9, and a durable message that was
/// just sent to it.
fn sent() -> (Node, RequestId) {
    let mut node = Node::restarted(true);
    node.greet(9, "bonnie", 5);
    node.ask(9, 1, Request::SecondaryNodeReady { end: LogEnd::new(5) });
    node.append(1, 2).unwrap();
    let effects = node.step(Input::Durable(LogEnd::new(6)));
    let runs = runs(&effects);
    assert_eq!(runs.len(), 1, "{effects:?}");
    (node, runs[0])
}

/// Returns the requests that carry runs.
fn runs(effects: &[Effect<LeaderEffect>]) -> Vec<RequestId> {
    let run = |effect: &Effect<LeaderEffect>| match effect {
        Effect::Send { frame: Frame::Request(id, Request::AddMessage { .. }), .. } => Some(*id),
        _ => None,
    };
    effects.iter().filter_map(run).collect()
}

/// Lets time pass in steps of a tenth of a second while the line looks like that. Returns the
/// effects.
fn pass(
    node: &mut Node,
    time: Duration,
    mut line: impl FnMut() -> LineView,
) -> Vec<Effect<LeaderEffect>> {
    let mut effects = Vec::new();
    let end = node.now + time;
    while node.now < end {
        node.now += TENTH;
        node.machine.look(node.now, |_| line());
        node.machine.handle_timeout(node.now);
        effects.extend(std::iter::from_fn(|| node.machine.poll_effect()));
    }
    effects
}

fn status(node: &Node) -> Status {
    node.machine.health(node.now).secondaries[0].status
}

#[test]
fn a_run_that_is_under_way_is_not_sent_again_and_its_secondary_is_healthy() {
    let (mut node, run) = sent();
    let mut taken = 0;
    let slow = || {
        taken += 100;
        LineView { taken, is_within_frame: true, request: Some(run), ..LineView::default() }
    };
    let effects = pass(&mut node, 20 * SECOND, slow);
    assert_eq!((runs(&effects), closed(&effects)), (vec![], vec![]));
    assert_eq!(status(&node), Status::Healthy);
    // Its time limit, a second, begins when it is taken.
    let effects = pass(&mut node, SECOND - TENTH, LineView::default);
    assert_eq!(runs(&effects), []);
    let effects = pass(&mut node, SECOND, LineView::default);
    assert_eq!(runs(&effects).len(), 1, "{effects:?}");
}

#[test]
fn a_secondary_whose_kernel_takes_whole_frames_and_that_answers_nothing_is_not_healthy() {
    let (mut node, _) = sent();
    let mut taken = 0;
    let hung = || {
        taken += 100;
        LineView { taken, ..LineView::default() }
    };
    pass(&mut node, 3 * SECOND, hung);
    assert_eq!(status(&node), Status::Suspected);
}

#[test]
fn a_secondary_that_stays_unhealthy_is_hung_up_on_after_five_more_intervals() {
    let (mut node, _) = sent();
    let effects = pass(&mut node, 10 * SECOND - TENTH, LineView::default);
    assert_eq!((closed(&effects), status(&node)), (vec![], Status::Unhealthy));
    let effects = pass(&mut node, 2 * TENTH, LineView::default);
    assert_eq!(closed(&effects), [(9, &CloseReason::Unresponsive)]);
    assert_eq!(pass(&mut node, 20 * SECOND, LineView::default), []);
}

#[test]
fn a_part_of_a_long_frame_of_the_secondary_is_a_sign_of_life() {
    let (mut node, _) = sent();
    pass(&mut node, 6 * SECOND, LineView::default);
    assert_eq!(status(&node), Status::Unhealthy);
    node.step(Input::Heard(SessionId::new(9)));
    assert_eq!(status(&node), Status::Healthy);
    let effects = pass(&mut node, 9 * SECOND, LineView::default);
    assert_eq!(closed(&effects), [], "its time begins anew");
}

#[test]
fn a_page_that_is_under_way_is_not_sent_again() {
    let mut node = Node::restarted(true);
    node.greet(9, "bonnie", 0);
    let get = |again| Request::GetMessages { from: LogEnd::ZERO, again };
    assert_eq!(responses(&node.ask(9, 1, get(false))).len(), 1);
    let page = || LineView { has_page: true, ..LineView::default() };
    pass(&mut node, 2 * SECOND, page);
    assert_eq!(node.ask(9, 2, get(true)), [], "asked for again: it is on its way");
    pass(&mut node, SECOND, LineView::default);
    assert_eq!(responses(&node.ask(9, 3, get(true))).len(), 1, "it came, and was of no use");
}
