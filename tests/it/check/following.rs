//! Lies to followers.

use super::*;

/// Returns the message of an event, as the node wrote it; `None` for other events.
pub(super) fn message(event: &str) -> Option<Value> {
    let data = event.lines().find_map(|line| line.strip_prefix("data: "))?;
    let message: Value = serde_json::from_str(data).ok()?;
    message["message"].is_string().then_some(message)
}

/// Lies to the follower of a secondary. The lie must be found, and nothing else is one.
#[track_caller]
fn finds_in_streams(lie: impl Fn(Value, String) -> String + Send + Sync + 'static) {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let lie = move |event: String| match message(&event) {
        Some(message) => lie(message, event),
        None => event,
    };
    let proxy = lying_also_in_streams(nodes[0].http, |_, _, _| {}, lie);
    let output = check([master.http, proxy], &["--json", "--converge", "5s"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let violations = found["firstViolations"].as_array().unwrap();
    assert!(!violations.is_empty());
    for violation in violations {
        assert_eq!(
            (&violation["kind"], &violation["node"]),
            (&"follower".into(), &"bonnie".into()),
            "{violations:#?}"
        );
    }
}

/// Puts an event once before the message with the id 5.
fn before_5(event: &str) -> impl Fn(Value, String) -> String + Send + Sync + 'static {
    let (event, has_lied) = (event.to_owned(), AtomicBool::new(false));
    move |message, own| {
        let is_now = message["id"] == 5 && !has_lied.swap(true, Ordering::SeqCst);
        if is_now { event.clone() + &own } else { own }
    }
}

#[test]
fn a_message_that_is_hidden_from_a_follower_is_found() {
    finds_in_streams(|message, event| if message["id"] == 5 { String::new() } else { event });
}

#[test]
fn a_message_that_comes_twice_to_a_follower_is_found() {
    finds_in_streams(|message, event| if message["id"] == 5 { event.repeat(2) } else { event });
}

#[test]
fn a_follower_that_could_resume_within_a_batch_is_found() {
    finds_in_streams(|message, event| match event.starts_with("id:") {
        true => event,
        false => format!("id: 00000000.1.{}\n{event}", message["id"]),
    });
}

#[test]
fn a_gap_that_is_none_is_found() {
    finds_in_streams(before_5("event: gap\ndata: {\"from\":5,\"to\":5,\"why\":\"trimmed\"}\n\n"));
}

#[test]
fn a_follower_that_is_left_behind_is_found() {
    finds_in_streams(
        |message, event| {
            if message["id"].as_u64() > Some(5) { String::new() } else { event }
        },
    );
}

#[test]
fn a_follower_that_is_refused_for_good_is_found() {
    let problem = r#"{"title":"t","status":409,"detail":"d","code":"other-log","retry":false}"#;
    finds_in_streams(before_5(&format!("event: error\ndata: {problem}\n\n")));
}
