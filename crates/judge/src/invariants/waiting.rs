//! Waiting blocks only the waiter: whoever waits is answered as soon as enough nodes have the
//! message, no later than it asked for and no earlier, and once.

use std::collections::BTreeMap;

use acklog_types::WaiterId;

use crate::answer::{AckReceipt, AckWait, AppendTerms, MasterMoment};
use crate::facts::{Facts, MessageFate};
use crate::violation::{ViolationKind, Violations};

/// The senders that wait, where that is seen.
pub(crate) type AckWaits = BTreeMap<WaiterId, AckWait>;

/// Judges that a time limit that is said to have passed has passed.
pub(crate) fn not_early(
    facts: &Facts,
    asked: AppendTerms,
    receipt: &AckReceipt,
    found: &mut Violations,
) {
    if !receipt.timed_out || asked.timeout.is_some_and(|limit| asked.took >= limit) {
        return;
    }
    let expected = match asked.timeout {
        Some(limit) => format!("no 504 within the {} ms of timeoutMs", limit.as_millis()),
        None => "no 504 to a request without timeoutMs".to_owned(),
    };
    let seen = format!("504 after {:.1} ms", asked.took.as_secs_f64() * 1e3);
    found.add(ViolationKind::Early, facts.name(0), Some(receipt.id), expected, seen);
}

/// A request with a time limit was not answered, long after that had passed.
pub(crate) fn overdue(facts: &Facts, id: Option<u64>, asked: AppendTerms, found: &mut Violations) {
    let limit = asked.timeout.unwrap_or_default().as_millis();
    let expected = format!("504 once the {limit} ms of timeoutMs had passed");
    let seen =
        format!("no answer within {:.1} s, while others are answered", asked.took.as_secs_f64());
    found.add(ViolationKind::Late, facts.name(0), id, expected, seen);
}

/// Judges, when all nodes have everything, that whoever sent something that is there was answered.
pub(crate) fn all_answered(facts: &Facts, found: &mut Violations) {
    for number in 0..facts.sent_count() {
        if facts.fate(number) == Some(MessageFate::Waiting)
            && let Some(id) = facts.place(number)
        {
            let expected = format!("an answer to {}", facts.quoted(number));
            let seen = "none, although all nodes show it".to_owned();
            found.add(ViolationKind::Unanswered, facts.name(0), Some(id), expected, seen);
        }
    }
}

/// Judges that a sender that is answered waits.
pub(crate) fn answered_once(
    facts: &Facts,
    waiter: WaiterId,
    wait: Option<&AckWait>,
    found: &mut Violations,
) {
    if wait.is_none() {
        let expected = format!("one answer to sender {waiter}");
        let seen = "another one, or it never asked".to_owned();
        found.add(ViolationKind::AnsweredTwice, facts.name(0), None, expected, seen);
    }
}

/// Judges that nobody is kept waiting.
pub(crate) fn nobody_too_long(
    facts: &Facts,
    waits: &AckWaits,
    moment: &MasterMoment<'_>,
    found: &mut Violations,
) {
    for (waiter, wait) in waits {
        let is_durable = wait.id < moment.durable_end;
        let have = u64::from(is_durable) + (moment.secondaries_at)(wait.id + 1);
        let over = wait.timeout.map(|timeout| wait.since + timeout);
        // Timers of a process that stood still are late.
        let is_late = over.is_some_and(|at| at < moment.now && !(moment.stood_still_since)(at));
        let (kind, why) = if have >= wait.nodes {
            (ViolationKind::Unanswered, format!("it waits although {have} nodes acked"))
        } else if is_late {
            (ViolationKind::Late, "it waits longer than it asked for".to_owned())
        } else if moment.disk_failed && !is_durable {
            (ViolationKind::Unanswered, "it waits for a disk that failed".to_owned())
        } else if moment.is_stopping && is_durable {
            (ViolationKind::Unanswered, "it waits for a master that stops".to_owned())
        } else {
            continue;
        };
        let expected = format!("an answer to sender {waiter}, who asked for {} nodes", wait.nodes);
        found.add(kind, facts.name(0), Some(wait.id), expected, why);
    }
}
