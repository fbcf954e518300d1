//! `acklog check --basic`: other programs, which only take messages and show lists of them.

use super::*;

/// Checks a master and a secondary whose responses are changed, as another program's.
fn run(
    lie: impl Fn(&str, &mut u16, &mut Value) + Clone + Send + Sync + 'static,
) -> (Option<i32>, Value) {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let urls = [lying(master.http, lie.clone()), lying(nodes[0].http, lie)];
    let flags = "check --basic --json --duration 100s --senders 8 --messages 300 --converge 2s";
    let output = acklog(&urls, &flags.split(' ').collect::<Vec<_>>()).output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[track_caller]
fn finds_basic(
    lie: impl Fn(&str, &mut u16, &mut Value) + Clone + Send + Sync + 'static,
    kind: &str,
) {
    let (status, report) = run(lie);
    assert_eq!(status, Some(1), "{report}");
    let violations = report["firstViolations"].as_array().unwrap();
    assert!(violations.iter().any(|found| found["kind"] == kind), "{violations:#?}");
}

/// Reduces responses to those of a minimal solution of the exercise: strings in a list, answers
/// without members, one path to post to.
fn plainly(request: &str, status: &mut u16, answer: &mut Value) {
    if request.starts_with("GET /messages ") {
        for row in answer.as_array_mut().unwrap() {
            *row = row["message"].take();
        }
    } else if request.starts_with("POST /messages ") {
        *status = if *status == 201 { 202 } else { *status };
        *answer = "ok".into();
    } else {
        (*status, *answer) = (404, Value::Null);
    }
}

#[test]
fn a_plain_solution_passes() {
    let (status, report) = run(plainly);
    assert_eq!((status, &report["violations"]), (Some(0), &0.into()), "{report}");
    assert!(report["accepted"].as_u64().unwrap() >= 100, "{report}");
}

#[test]
fn an_answer_before_all_nodes_have_the_message_is_found() {
    let (master, comm) = master(&[]);
    let bonnie = secondary("bonnie", comm, &["--store-delay", "300ms"]);
    wait_ready(&bonnie);
    let url = lying_about_w(master.http);
    let flags = "check --basic --json --duration 100s --senders 8 --messages 300 --converge 30s";
    let flags: Vec<_> = flags.split(' ').collect();
    let output = acklog(&[url, bonnie.http], &flags).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert_eq!(report["firstViolations"][0]["kind"], "ack", "{report}");
}

/// Starts a proxy that requests one node from the master, whatever the client requested.
fn lying_about_w(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let lower = |body: String| body.replace("\"w\":2", "\"w\":1");
                while pass_on_changed(&client, to, &lower, &|_, _, _| {}).is_some() {}
            });
        }
    });
    address
}

#[test]
fn lists_that_differ_in_order_are_found() {
    let lie = |request: &str, status: &mut u16, answer: &mut Value| {
        static LISTS: AtomicUsize = AtomicUsize::new(0);
        plainly(request, status, answer);
        if let Some(rows) = answer.as_array_mut().filter(|rows| rows.len() > 5)
            && LISTS.fetch_add(1, Ordering::Relaxed) % 2 == 1
        {
            rows.swap(3, 4);
        }
    };
    finds_basic(lie, "content");
}

#[test]
fn a_message_that_stands_twice_in_a_list_is_found() {
    let lie = |request: &str, status: &mut u16, answer: &mut Value| {
        plainly(request, status, answer);
        if let Some(rows) = answer.as_array_mut().filter(|rows| rows.len() > 5) {
            rows.insert(4, rows[3].clone());
        }
    };
    finds_basic(lie, "twice");
}

#[test]
fn a_message_that_is_nowhere_is_lost() {
    let lie = |request: &str, status: &mut u16, answer: &mut Value| {
        plainly(request, status, answer);
        if let Some(rows) = answer.as_array_mut() {
            rows.retain(|row| !row.as_str().unwrap().ends_with(" 7"));
        }
    };
    finds_basic(lie, "lost");
}

#[test]
fn a_list_in_another_form_is_told_with_its_path() {
    let (master, _) = master(&[]);
    let url = lying(master.http, |_, _, answer| *answer = serde_json::json!({"messages": []}));
    let output = acklog(&[url], &["check", "--basic"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    let expected = format!("GET http://{url}/messages: no JSON array of strings");
    assert!(error.contains(&expected), "{error}");
}
