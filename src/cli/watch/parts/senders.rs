//! The senders that wait for other nodes.

use super::node_state::{filled, time_of};
use crate::cli::watch::model::Sender;
use crate::cli::watch::picture::{BOLD, PLAIN, Picture};
use crate::cli::watch::view::View;
use crate::cli::watch::words::messages;

/// Most cells of a sender's bar: one for each node that it waits for. Fewer: larger write concerns
/// have no bar. More: less room for names.
const BAR_CELLS_MAX: u64 = 12;

/// Draws a title, and below it a row for each of the first senders.
pub(in crate::cli::watch) fn draw_senders(
    picture: &mut Picture,
    view: &View<'_>,
    top: usize,
    rows: usize,
) {
    let heard = view.model.senders(view.now).count();
    let told = view.model.master(view.now).and_then(|master| master.waiting_senders);
    let count = told.unwrap_or_default().max(heard as u64);
    let title = match heard {
        _ if count > rows as u64 && heard > 0 => {
            format!("waiting senders: {count}, the first {}", rows.min(heard))
        }
        _ => format!("waiting senders: {count}"),
    };
    picture.rule(top, &title, BOLD);
    for (row, sender) in view.model.senders(view.now).take(rows).enumerate() {
        picture.put(top + 1 + row, 1, picture.width, &line(view, sender), PLAIN);
    }
}

/// Returns the line of a sender: how many nodes have its messages, and which.
fn line(view: &View<'_>, sender: &Sender) -> String {
    let holders = view.model.holders(sender.ids[1]);
    let wanted = sender.write_concern;
    let have = holders.len();
    let bar = match usize::try_from(wanted) {
        Ok(cells) if wanted <= BAR_CELLS_MAX => format!("{} ", filled(have.min(cells), cells)),
        _ => String::new(),
    };
    let time = time_of(sender.limit, view.now.duration_since(sender.since));
    let names = holders.join(", ");
    format!("{}  {bar}{have} of {wanted} nodes  {time}  {names}", messages(sender.ids))
}
