//! Events in plain words: the kind as the contract names it, and what it is about.

use acklog_api::{EventBody, EventKind, Faults};

use crate::cli::table::time_span;

/// Returns what an event is about, without its time, node and kind.
pub(super) fn about(event: &EventBody) -> String {
    let mut words: Vec<String> = event.frame.iter().cloned().collect();
    if let Some(ids) = event.ids {
        words.push(messages(ids));
    }
    if let Some(peer) = &event.peer {
        words.push(format!("{}{peer}", preposition(&event.kind)));
    }
    let mut text = words.join(" ");
    for fact in facts(event) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&fact);
    }
    text
}

/// Formats a range of ids, given with the id behind its last one.
pub(super) fn messages([first, end]: [u64; 2]) -> String {
    match end.saturating_sub(1) {
        last if last > first => format!("messages {first} to {last}"),
        _ => format!("message {first}"),
    }
}

/// Returns the word between an event and the other node.
const fn preposition(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Sent
        | EventKind::Resent
        | EventKind::Dropped
        | EventKind::Doubled
        | EventKind::Delayed
        | EventKind::Completed
        | EventKind::TimedOut => "to ",
        EventKind::Received
        | EventKind::Late
        | EventKind::Failed
        | EventKind::UnderWay
        | EventKind::Handshake
        | EventKind::Repair => "from ",
        EventKind::Acked => "by ",
        _ => "",
    }
}

/// Returns the further facts of an event, each as a few words.
fn facts(event: &EventBody) -> Vec<String> {
    let mut facts = Vec::new();
    let mut add = |fact: Option<String>| facts.extend(fact);
    add(event.role.as_ref().map(ToString::to_string));
    add(event.mode.as_ref().map(ToString::to_string));
    add(event.status.as_ref().map(ToString::to_string));
    add(event.state.as_ref().map(|state| format!("disk {state}")));
    add(event.epoch.map(|epoch| format!("epoch {epoch}")));
    add(event.healthy.zip(event.required).map(quorum));
    add(event.cluster_size.map(|size| format!("cluster size {size}")));
    add(event.count.map(|count| count.to_string()));
    add(event.write_concern.map(|w| format!("w={w}")));
    add(event.answer.as_ref().map(|answer| format!("answer: {answer}")));
    add(event.timeout_ms.map(|ms| format!("for at most {}", time_span(ms))));
    add(event.attempt.filter(|n| *n > 1).map(|attempt| format!("attempt {attempt}")));
    add(event.delay_ms.filter(|ms| *ms > 0.0).map(|ms| format!("delayed by {}", time_span(ms))));
    add(event.took_ms.map(|ms| format!("took {}", took(ms))));
    add(event.pause_ms.map(|ms| format!("again in {}", time_span(ms))));
    add(event.from.map(|from| format!("from {from}")));
    add(event.end.map(|end| match event.kind {
        EventKind::Held => format!("the gap begins at {end}"),
        _ => format!("log end {end}"),
    }));
    add(event.log_end.map(|end| format!("master's log end {end}")));
    add(event.faults.as_ref().map(|faults| match in_force(faults) {
        none if none.is_empty() => "none".to_owned(),
        some => some.join(", "),
    }));
    add(event.address.clone());
    add(event.code.clone());
    add(event.detail.clone());
    facts
}

/// Formats the number of nodes that are healthy and the number that must be.
pub(super) fn quorum((healthy, required): (u64, u64)) -> String {
    format!("{healthy} healthy of {required} required")
}

/// Formats the time that an answer took, which is often less than a millisecond.
fn took(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.1} ms") } else { time_span(ms) }
}

/// Returns the faults in force, each as a few words.
pub(super) fn in_force(faults: &Faults) -> Vec<String> {
    let rate = |name: &str, rate: f64| {
        (rate > 0.0).then(|| format!("{name} {}%", (rate * 1000.0).round() / 10.0))
    };
    let delay = |name: &str, range: &Option<[serde_json::Number; 2]>| {
        let range = range.as_ref()?.each_ref().map(|ms| ms.as_f64().unwrap_or_default());
        let [shortest, longest] = range.map(time_span);
        match longest.as_str() {
            "0 ms" => None,
            _ if shortest == longest => Some(format!("{name} {longest}")),
            _ => Some(format!("{name} {shortest} to {longest}")),
        }
    };
    let all = [
        faults.paused.then(|| "paused".to_owned()),
        rate("drop", faults.drop_rate),
        rate("duplicate", faults.duplicate_rate),
        rate("error", faults.error_rate),
        delay("store delay", &faults.store_delay_ms),
        delay("send delay", &faults.send_delay_ms),
    ];
    all.into_iter().flatten().collect()
}

/// Returns the time of day, UTC, of an instant in microseconds since 1970.
pub(super) fn time_of_day(micros: u64) -> String {
    let ms = micros / 1000 % 86_400_000;
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use acklog_api::EventAnswer;
    use serde_json::json;

    use super::*;

    fn event(kind: EventKind) -> EventBody {
        EventBody::new(1, 0, "master".to_owned(), kind)
    }

    #[test]
    fn an_event_is_a_line_of_words() {
        let sent = EventBody {
            peer: Some("bonnie".to_owned()),
            request: Some(7),
            frame: Some("AddMessage".to_owned()),
            ids: Some([3, 5]),
            attempt: Some(2),
            delay_ms: Some(152.4),
            ..event(EventKind::Resent)
        };
        let line = "AddMessage messages 3 to 4 to bonnie, attempt 2, delayed by 152 ms";
        assert_eq!(about(&sent), line);
        let first = EventBody { attempt: Some(1), delay_ms: Some(0.0), ..sent };
        assert_eq!(about(&first), "AddMessage messages 3 to 4 to bonnie");
        let acked = EventBody {
            peer: Some("clyde".to_owned()),
            ids: Some([3, 4]),
            ..event(EventKind::Acked)
        };
        assert_eq!(about(&acked), "message 3 by clyde");
        let held = EventBody { ids: Some([5, 6]), end: Some(3), ..event(EventKind::Held) };
        assert_eq!(about(&held), "message 5, the gap begins at 3");
        let answered = EventBody {
            ids: Some([3, 4]),
            write_concern: Some(2),
            answer: Some(EventAnswer::TimedOut),
            ..event(EventKind::Answered)
        };
        assert_eq!(about(&answered), "message 3, w=2, answer: timed-out");
        assert_eq!(about(&event(EventKind::Stopping)), "");
    }

    #[test]
    fn faults_are_those_that_are_in_force() {
        let faults = |body| serde_json::from_value::<Faults>(body).unwrap();
        assert!(in_force(&Faults::default()).is_empty());
        let some = faults(json!({
            "paused": true, "dropRate": 0.125, "sendDelayMs": [0, 0], "storeDelayMs": [1000, 2500.0]
        }));
        assert_eq!(in_force(&some), ["paused", "drop 12.5%", "store delay 1.0 s to 2.5 s"]);
        let none = EventBody { faults: Some(Faults::default()), ..event(EventKind::Faults) };
        assert_eq!(about(&none), "none");
    }

    #[test]
    fn the_time_of_day_is_that_of_the_node() {
        assert_eq!(time_of_day(1_796_011_791_276_813), "04:09:51.276");
        assert_eq!(time_of_day(0), "00:00:00.000");
    }
}
