//! Lies about requests other than sends and lists: timeouts, outcomes, keys, single messages,
//! waits.

use acklog_judge::lies::Lie;

use super::*;

/// Returns the test that tells the lie to a check of real nodes; none if nodes cannot tell it.
fn test_of(lie: Lie) -> Option<&'static str> {
    Some(match lie {
        Lie::LostMessage => "a_message_that_is_nowhere_is_lost",
        Lie::DoubledMessage => "a_message_that_stands_twice_in_a_list_is_found",
        Lie::ReorderedMessages => "two_swapped_messages_are_found",
        Lie::Gap => "a_hidden_message_is_found",
        Lie::FalseAck => "a_secondary_that_was_acked_for_and_hides_the_message_is_found",
        Lie::ChangedText => "a_changed_text_is_found",
        Lie::TornBatch => "a_batch_that_is_shown_in_part_is_found",
        Lie::IdGivenTwice => "an_id_that_is_given_twice_is_found",
        Lie::KeyStoredTwice => "a_key_that_is_taken_for_another_message_is_found",
        Lie::ShrunkLog => "a_list_that_shrinks_is_found",
        Lie::InventedMessage => "an_invented_message_is_found",
        Lie::AheadOfMaster => "a_secondary_that_shows_more_than_its_master_is_found",
        Lie::LeftBehind => "a_node_that_goes_away_meanwhile_is_a_failed_convergence",
        Lie::RefusedButThere => "a_refused_message_that_is_there_is_found",
        Lie::UnknownButAcked => "an_outcome_that_does_not_fit_is_found",
        Lie::TooFewNamed => "too_few_acks_are_found",
        Lie::EarlyTimeout => "a_time_limit_that_passes_early_is_found",
        Lie::KeptWaiting => "a_time_limit_that_is_not_heeded_is_found",
        Lie::HalfAnswer => "an_answer_with_another_count_is_found",
        Lie::OtherByItself => "a_single_message_that_is_not_as_in_the_list_is_found",
        Lie::FalseClaim => "an_answer_before_all_nodes_have_the_message_is_found",
        Lie::HiddenFromFollower => "a_message_that_is_hidden_from_a_follower_is_found",
        Lie::ToldFollowerTwice => "a_message_that_comes_twice_to_a_follower_is_found",
        Lie::TornResume => "a_follower_that_could_resume_within_a_batch_is_found",
        Lie::FalseGap => "a_gap_that_is_none_is_found",
        Lie::FollowerLeftBehind => "a_follower_that_is_left_behind_is_found",
        // Nodes are read under no read concern.
        Lie::ReadTooEarly | Lie::ReadTooLate | Lie::ShrunkRead => return None,
        // HTTP has one response to each request.
        Lie::AnsweredTwice => return None,
    })
}

#[test]
fn every_lie_that_nodes_can_tell_has_a_test() {
    let tests = [
        include_str!("../check.rs"),
        include_str!("basic.rs"),
        include_str!("following.rs"),
        include_str!("lies.rs"),
    ];
    for name in Lie::ALL.into_iter().filter_map(test_of) {
        let test = format!("#[test]\nfn {name}() {{");
        assert!(tests.iter().any(|file| file.contains(&test)), "no test {name}");
    }
}

/// Changes the responses of the master.
#[track_caller]
fn finds_of_master(lie: impl Fn(&str, &mut u16, &mut Value) + Send + Sync + 'static, kind: &str) {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    finds([lying(master.http, lie), nodes[0].http], kind, None);
}

#[test]
fn a_time_limit_that_passes_early_is_found() {
    let lie = |request: &str, status: &mut u16, answer: &mut Value| {
        let is_new = *status == 201 && !request.contains("idempotency-key");
        if !is_new || answer["writeConcern"] != 2 || answer["count"].is_u64() {
            return;
        }
        *status = 504;
        *answer = serde_json::json!({
            "title": "Gateway Timeout", "status": 504, "detail": "late", "code": "timed-out",
            "retry": false, "id": answer["id"], "writeConcern": 2,
            "ackedBy": [answer["ackedBy"][0]], "outcome": "stored",
        });
    };
    finds_of_master(lie, "early");
}

#[test]
fn an_error_with_another_retry_or_code_is_found() {
    let lies: [(&str, Value); 2] = [("retry", "perhaps".into()), ("code", "bad-request".into())];
    for (member, value) in lies {
        let lie = move |_: &str, status: &mut u16, answer: &mut Value| {
            if *status == 504 {
                answer[member] = value.clone();
            }
        };
        finds_of_master(lie, "malformed");
    }
}

#[test]
fn an_outcome_that_does_not_fit_is_found() {
    let lie = |outcome: &'static str| {
        move |request: &str, status: &mut u16, answer: &mut Value| {
            if *status == 504 && request.starts_with("POST") {
                answer["outcome"] = outcome.into();
            }
        }
    };
    finds_of_master(lie("refused"), "malformed");
    finds_of_master(lie("unknown"), "outcome");
}

#[test]
fn a_key_that_is_taken_for_another_message_is_found() {
    let lie = |_: &str, status: &mut u16, answer: &mut Value| {
        if *status == 422 {
            *status = 201;
            *answer =
                serde_json::json!({"id": 1u64 << 40, "writeConcern": 1, "ackedBy": ["master"]});
        }
    };
    finds_of_master(lie, "key");
}

#[test]
fn a_key_that_is_not_known_again_is_found() {
    let lie = |request: &str, status: &mut u16, answer: &mut Value| {
        // One repeat out of two has another id than the message.
        static ANSWERS: AtomicUsize = AtomicUsize::new(0);
        if *status == 201 && request.contains("idempotency-key") {
            let more = ANSWERS.fetch_add(1, Ordering::Relaxed) as u64 % 2;
            answer["id"] = (answer["id"].as_u64().unwrap() + more).into();
        }
    };
    finds_of_master(lie, "answer-id");
}

#[test]
fn a_bad_request_that_is_accepted_is_found() {
    let lie = |_: &str, status: &mut u16, answer: &mut Value| {
        if *status == 400 {
            *status = 201;
            *answer =
                serde_json::json!({"id": 1u64 << 40, "writeConcern": 1, "ackedBy": ["master"]});
        }
    };
    // One response out of fifty is followed by a bad request.
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let urls = [lying(master.http, lie), nodes[0].http];
    let flags = "check --json --duration 100s --senders 8 --messages 1500";
    let output = acklog(&urls, &flags.split(' ').collect::<Vec<_>>()).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["tried"]["badRequests"].as_u64().unwrap() > 0, "{found}");
    assert_eq!(found["firstViolations"][0]["kind"], "malformed", "{found}");
}

/// Changes a secondary's responses to requests for single messages.
#[track_caller]
fn finds_of_single_messages(lie: fn(&mut u16, &mut Value)) {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let lie = move |request: &str, status: &mut u16, answer: &mut Value| {
        if request.starts_with("GET /messages/") && *status == 200 {
            lie(status, answer);
        }
    };
    finds([master.http, lying(nodes[0].http, lie)], "single", None);
}

#[test]
fn a_single_message_that_is_not_as_in_the_list_is_found() {
    finds_of_single_messages(|_, answer| answer["message"] = "another".into());
}

#[test]
fn a_single_message_that_is_hidden_is_found() {
    finds_of_single_messages(|status, answer| {
        *status = 404;
        answer["code"] = "no-such-message".into();
    });
}

#[test]
fn a_list_of_lines_that_is_not_the_array_is_found() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let lie = |request: &str, _: &mut u16, answer: &mut Value| {
        if request.contains("x-ndjson")
            && let Some(rows) = answer.as_array_mut()
            && let Some(at) = at(rows, 5)
        {
            rows[at]["message"] = "changed".into();
        }
    };
    finds([master.http, lying(nodes[0].http, lie)], "content", Some(5));
}

#[test]
fn a_wait_that_ends_with_too_few_nodes_is_found() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let lie = |request: &str, status: &mut u16, answer: &mut Value| {
        if request.starts_with("GET /messages/") && *status == 200 && answer["writeConcern"] == 2 {
            answer["ackedBy"].as_array_mut().unwrap().truncate(1);
        }
    };
    let urls = [lying(master.http, lie), nodes[0].http];
    let flags = ["check", "--json", "--duration", "100s", "--senders", "8", "--messages", "5000"];
    let output = acklog(&urls, &flags).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["tried"]["waits"].as_u64().unwrap() > 0, "{found}");
    let violations = found["firstViolations"].as_array().unwrap();
    assert!(violations.iter().any(|found| found["kind"] == "write-concern"), "{violations:#?}");
}

#[test]
fn a_wait_that_is_answered_with_another_text_is_found() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let lie = |request: &str, status: &mut u16, answer: &mut Value| {
        let is_wait = request.starts_with("GET /messages/") && request.contains("writeConcern=");
        if is_wait && *status == 200 {
            answer["message"] = "another".into();
        }
    };
    let urls = [lying(master.http, lie), nodes[0].http];
    finds_among(urls, "5000", "single", None);
}

#[test]
fn a_location_of_another_message_is_found() {
    let lie = |_: &str, status: &mut u16, answer: &mut Value| {
        if *status == 201 {
            answer["location"] = format!("/messages/{}0", answer["id"]).into();
        }
    };
    finds_of_master(lie, "malformed");
}

#[test]
fn a_refusal_with_an_invented_code_is_found() {
    for status_of_lie in [422, 504] {
        let lie = move |_: &str, status: &mut u16, answer: &mut Value| {
            if *status == status_of_lie {
                answer["code"] = "of-its-own".into();
            }
        };
        finds_of_master(lie, "malformed");
    }
}

#[test]
fn a_time_limit_that_is_not_heeded_is_found() {
    // The client of one message waits for ever; the others get a response.
    let has_lied = AtomicBool::new(false);
    let lie = move |request: &str, status: &mut u16, _: &mut Value| {
        if *status == 504 && request.starts_with("POST") && !has_lied.swap(true, Ordering::SeqCst) {
            loop {
                std::thread::park();
            }
        }
    };
    finds_of_master(lie, "late");
}

#[test]
fn an_id_that_is_given_twice_is_found() {
    // The first one, for all that come later.
    let first = Mutex::new(None);
    let lie = move |answer: &mut Value| {
        let id = first.lock().unwrap().get_or_insert_with(|| answer["id"].clone()).clone();
        answer["id"] = id;
    };
    finds_in_answers(lie, "answer-id", None);
}

#[test]
fn an_invented_message_is_found() {
    let lie = |rows: &mut Vec<Value>| {
        if let Some(at) = at(rows, 5) {
            let words: Vec<&str> = rows[at]["message"].as_str().unwrap().split(' ').collect();
            rows[at]["message"] = format!("{} {} 999999999", words[0], words[1]).into();
        }
    };
    finds_in_lists(lie, "invented", Some(5));
}

#[test]
fn a_secondary_that_shows_more_than_its_master_is_found() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    // From the end of the load on, when no other message can take the place.
    let is_over = AtomicBool::new(false);
    let lie = move |request: &str, _: &mut u16, answer: &mut Value| {
        if request.starts_with("DELETE /faults") {
            is_over.store(true, Ordering::SeqCst);
        }
        if let Some(rows) = answer.as_array_mut()
            && is_over.load(Ordering::SeqCst)
            && let Some(last) = rows.last().and_then(|row| row["id"].as_u64())
        {
            rows.push(serde_json::json!({"id": last + 1, "message": "more"}));
        }
    };
    finds_among([master.http, lying(nodes[0].http, lie)], "190", "ahead", None);
}

#[test]
fn a_refused_message_that_is_there_is_found() {
    let lie = |request: &str, status: &mut u16, answer: &mut Value| {
        let is_new = *status == 201 && !request.contains("idempotency-key");
        if is_new && answer["id"].as_u64() > Some(5) {
            *status = 400;
            *answer = serde_json::json!({
                "title": "Bad Request", "status": 400, "detail": "no", "code": "bad-request",
                "retry": false, "outcome": "refused",
            });
        }
    };
    finds_of_master(lie, "refused");
}
