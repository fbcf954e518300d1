//! The two rows at the top: the connection, and the cluster in one line.

use acklog_api::{MasterHealth, Mode, SecondaryHealth};

use crate::cli::table::{number, word};
use crate::cli::watch::picture::{BAD, BAR, PLAIN, Picture, Style, WARNING};
use crate::cli::watch::view::{Link, View};

/// Draws both rows.
pub(in crate::cli::watch) fn draw_top(picture: &mut Picture, view: &View<'_>) {
    picture.fill(0, BAR);
    let (place, state) = match view.link {
        Link::Live(url) => (Some(url), "live".to_owned()),
        Link::Connecting(None) => (None, "connecting".to_owned()),
        Link::Connecting(Some(why)) => (None, format!("connecting: {why}")),
        Link::Lost(why) => (None, format!("connection lost, trying again: {why}")),
    };
    let state = match view.choice.frozen_at {
        Some(then) => {
            let since = view.events_total - then;
            format!("FROZEN, {since} events since, f goes on · {state}")
        }
        None => state,
    };
    let title = match place {
        Some(url) => format!(" acklog watch · {url} "),
        None => " acklog watch ".to_owned(),
    };
    let behind = picture.put(0, 0, picture.width, &title, Style { is_bold: true, ..BAR });
    let room = picture.width.saturating_sub(behind + 1);
    picture.put_right(0, picture.width.saturating_sub(1), room, &state, BAR);
    let (text, style) = cluster(view);
    picture.put(1, 1, picture.width, &text, style);
}

/// Returns the cluster in one line.
fn cluster(view: &View<'_>) -> (String, Style) {
    if let Some(master) = view.model.master(view.now) {
        let style = if master.mode == Some(Mode::ReadOnly) { BAD } else { PLAIN };
        return (of_master(master), style);
    }
    let lone = view.model.lone_secondary();
    if let Some(own) = lone.and_then(|node| node.secondary_health()) {
        return (of_secondary(own), PLAIN);
    }
    let text = match view.model.nodes() {
        [] => "no node has told anything yet",
        _ if !matches!(view.link, Link::Live(_)) => "below stands what was known before",
        _ => "no master is heard; the others tell of themselves alone",
    };
    (text.to_owned(), WARNING)
}

fn of_master(master: &MasterHealth) -> String {
    let quorum = match &master.quorum {
        Some(quorum) => {
            format!("quorum {}, {} healthy", number(quorum.required), number(quorum.healthy))
        }
        None => "quorum off".to_owned(),
    };
    format!(
        "{} · committed end {} of {} · epoch {} · nodes {} · {quorum}",
        word(master.mode.as_ref().map(Mode::as_str)),
        number(master.committed_end),
        number(master.log_end),
        number(master.epoch),
        number(master.cluster_size),
    )
}

fn of_secondary(own: &SecondaryHealth) -> String {
    let master = own.master.clone().unwrap_or_default();
    let is_connected = match master.connected {
        Some(true) => "connected",
        _ => "not connected",
    };
    format!(
        "a secondary shows itself alone · its master: {} at {}, {is_connected}",
        word(master.name.as_deref()),
        word(master.address.as_deref()),
    )
}
