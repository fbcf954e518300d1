//! The parts of the screen.

mod events;
mod lists;
mod node_state;
mod senders;
mod top;

pub(super) use events::draw_events;
pub(super) use lists::draw_lists;
pub(super) use senders::draw_senders;
pub(super) use top::draw_top;

/// Colours of nodes, in their order. None is one of those that mean good, trouble or worse.
const NODE_COLOURS: [u8; 6] = [36, 35, 94, 96, 95, 34];

/// Returns the colour of a node by its place.
fn node_colour(place: usize) -> Option<u8> {
    NODE_COLOURS.get(place % NODE_COLOURS.len()).copied()
}
