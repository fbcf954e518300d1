//! The state of a node in a few words, and how far it is behind.

use acklog_api::{DiskState, Health, MemberHealth, MemberStatus, Mode, Phase};

use crate::cli::table::time_span;
use crate::cli::watch::model::WatchedNode;
use crate::cli::watch::picture::{BAD, GOOD, PLAIN, Style, WARNING};
use crate::cli::watch::view::View;
use crate::cli::watch::words::in_force;

/// Returns the state of a node in words, the most urgent first.
pub(super) fn state_of(node: &WatchedNode, view: &View<'_>) -> (String, Style) {
    let row = row_of(node, view);
    let mut words = Vec::new();
    let mut worst = PLAIN;
    let mut say = |word: String, style: Style| {
        worst = if severity(style) > severity(worst) { style } else { worst };
        words.push(word);
    };
    let state = node.state();
    if let Some(state) = state.filter(|state| !state.reachable) {
        let why = state.detail.as_ref().map_or(String::new(), |why| format!(": {why}"));
        say(format!("unreachable{why}"), BAD);
        return (words.join(", "), worst);
    }
    if let Some(silence) = node.silence(view.now) {
        say(format!("silent for {} s", silence.as_secs()), BAD);
    }
    let verdict = row.and_then(|row| row.status.as_ref());
    match verdict {
        Some(MemberStatus::Healthy) | None => {}
        Some(MemberStatus::Suspected) => say("suspected".to_owned(), WARNING),
        Some(status) => say(status.to_string(), BAD),
    }
    let disk = node.health().and_then(Health::disk).and_then(|disk| disk.state.as_ref());
    if let Some(state) = disk.filter(|state| **state != DiskState::Ok) {
        say(format!("disk {state}"), BAD);
    }
    match node.health() {
        Some(Health::Master(health)) => match &health.mode {
            Some(Mode::ReadOnly) => say("read-only".to_owned(), BAD),
            Some(mode) => say(mode.to_string(), GOOD),
            None => {}
        },
        Some(Health::Secondary(health)) => {
            // What it says of itself is not so while its master does not hear it.
            let is_doubted = health.phase == Some(Phase::Ready)
                && !matches!(verdict, Some(MemberStatus::Healthy) | None);
            if let Some(phase) = health.phase.as_ref().filter(|_| !is_doubted) {
                say(phase.to_string(), style_of_phase(phase));
            }
        }
        // Only its master tells of it.
        None => {
            if let Some(phase) = row.and_then(|row| row.phase.as_ref()) {
                say(phase.to_string(), style_of_phase(phase));
            }
        }
    }
    let faults = state.and_then(|state| state.faults.as_ref());
    for fault in faults.map(in_force).unwrap_or_default() {
        say(fault, WARNING);
    }
    if words.is_empty() {
        words.push("nothing heard yet".to_owned());
    }
    (words.join(", "), worst)
}

/// Returns what the master tells of a node.
fn row_of<'a>(node: &WatchedNode, view: &View<'a>) -> Option<&'a MemberHealth> {
    let is_it = |row: &&MemberHealth| row.name.as_ref() == Some(&node.name);
    view.model.master(view.now)?.secondaries.iter().find(is_it)
}

const fn style_of_phase(phase: &Phase) -> Style {
    match phase {
        Phase::Ready => GOOD,
        Phase::Connecting | Phase::CatchingUp => WARNING,
        _ => BAD,
    }
}

fn severity(style: Style) -> usize {
    [PLAIN, GOOD, WARNING, BAD].iter().position(|it| *it == style).unwrap_or_default()
}

/// Returns how far a secondary is behind its master, and `None` where that is not known.
pub(super) fn lag_of(node: &WatchedNode, view: &View<'_>) -> Option<u64> {
    let of_master = match view.model.master(view.now) {
        Some(_) => view.model.nodes().iter().find(|node| node.is_master()).map(WatchedNode::end),
        None => node.secondary_health()?.master.as_ref()?.log_end,
    };
    Some(of_master?.saturating_sub(node.end()))
}

/// Draws a lag as a bar: a cell for one message, and one more for each time that it is four times
/// as much.
pub(super) fn bar(lag: u64, cells: usize) -> String {
    let digits = match lag.checked_ilog2() {
        Some(log) => usize::try_from(log / 2).unwrap_or(cells) + 1,
        None => 0,
    };
    filled(digits.min(cells), cells)
}

/// Draws a bar of which so many cells are filled.
pub(super) fn filled(full: usize, cells: usize) -> String {
    format!("{}{}", "█".repeat(full), "░".repeat(cells.saturating_sub(full)))
}

/// Formats the time that something takes, and its limit if there is one.
pub(super) fn time_of(limit: Option<std::time::Duration>, taken: std::time::Duration) -> String {
    let ms = |time: std::time::Duration| time_span(time.as_secs_f64() * 1000.0);
    match limit {
        Some(limit) => format!("{} of {}", ms(taken), ms(limit)),
        None => ms(taken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_grows_by_a_cell_for_four_times_the_lag() {
        let bars = [0, 1, 3, 4, 15, 16, 1000, u64::MAX].map(|lag| bar(lag, 6));
        assert_eq!(
            bars,
            ["░░░░░░", "█░░░░░", "█░░░░░", "██░░░░", "██░░░░", "███░░░", "█████░", "██████"]
        );
    }
}
