//! Statuses, headers and bodies of error answers.

use serde_json::{Value, json};

use super::*;
use crate::protocol::Receipt;
use crate::types::MessageId;

fn accepted(stored: bool) -> Accepted {
    let acked_by = ["master", "bonnie"].map(|name| name.parse().unwrap()).into();
    let id = MessageId::new(3);
    let receipt = Receipt { id, write_concern: 3, acked_by, stored, replayed: false };
    Accepted { receipt, count: None }
}

fn body(problem: &Problem) -> Value {
    serde_json::from_slice(&problem.body()).unwrap()
}

#[test]
fn an_answer_without_the_write_concern_still_tells_the_id() {
    let body = body(&Problem::TimedOut(accepted(true)));
    assert_eq!(body["title"], "Gateway Timeout");
    assert_eq!(body["status"], 504);
    assert!(body["detail"].as_str().unwrap().contains("message 3"));
    assert_eq!(body["id"], 3);
    assert_eq!(body["writeConcern"], 3);
    assert_eq!(body["ackedBy"], json!(["master", "bonnie"]));
    assert_eq!(body["outcome"], "stored");
    assert_eq!(self::body(&Problem::Stopping(accepted(false)))["outcome"], "unknown");
}

#[test]
fn retry_after_is_set_exactly_where_nothing_was_stored() {
    let retry = |problem: Problem| problem.into_response().headers().contains_key(RETRY_AFTER);
    assert!(retry(Refusal::TooManyWaiting { limit: 9 }.into()));
    assert!(retry(Refusal::ShuttingDown.into()));
    assert!(retry(Refusal::NoQuorum { healthy: 1, cluster_size: 3, required: 2 }.into()));
    assert!(retry(Problem::TooManyBodies));
    assert!(retry(Refusal::DiskBehind { bytes: 1 }.into()));
    let fault = DiskFault::Failed { detail: "no space".to_owned() };
    assert!(retry(Refusal::DiskFault(fault.clone()).into()));
    assert!(!retry(Problem::DiskFailed(accepted(false), fault)));
    assert!(!retry(Problem::TooManyWaiting(accepted(true))));
    assert!(!retry(Problem::Stopping(accepted(true))));
    assert!(!retry(Problem::TimedOut(accepted(true))));
    assert!(!retry(Problem::AppendLost));
    let unreadable =
        || Refusal::KeyUnreadable { first: MessageId::new(3), detail: "offset 7".to_owned() };
    assert!(!retry(unreadable().into()));
    assert_eq!(Problem::from(unreadable()).status().as_u16(), 500);
    assert!(!retry(Refusal::WriteConcern { asked: 9, reachable: 3 }.into()));
}

#[test]
fn a_lost_quorum_is_told_in_numbers() {
    let detail = |healthy, cluster_size| {
        Refusal::NoQuorum { healthy, cluster_size, required: 2 }.to_string()
    };
    assert!(detail(1, 3).starts_with("1 of 3 nodes is healthy, 2 needed; "));
    assert!(detail(2, 5).starts_with("2 of 5 nodes are healthy, 2 needed; "));
    assert!(detail(1, 1).starts_with("1 of 1 node is healthy, 2 needed; "));
}

#[test]
fn each_refusal_has_its_status() {
    let name: crate::types::NodeName = "bonnie".parse().unwrap();
    let refusal = |refusal: Refusal| Problem::from(refusal).status().as_u16();
    assert_eq!(refusal(Refusal::WriteConcern { asked: 9, reachable: 3 }), 400);
    assert_eq!(refusal(Refusal::TooManyWaiting { limit: 1 }), 503);
    assert_eq!(refusal(Refusal::ShuttingDown), 503);
    assert_eq!(refusal(Refusal::KeyReused { first: MessageId::new(3) }), 422);
    assert_eq!(refusal(Refusal::NoMessage { end: LogEnd::new(3) }), 404);
    assert_eq!(Problem::Unreadable("a.log".to_owned()).status().as_u16(), 500);
    assert_eq!(Problem::from(ForgetError::Unknown(name.clone())).status().as_u16(), 404);
    assert_eq!(Problem::from(ForgetError::Live(name)).status().as_u16(), 409);
    assert_eq!(Problem::from(Stopped).status().as_u16(), 503);
}

#[test]
fn a_clients_text_is_repeated_in_part_and_cannot_break_the_body() {
    let hostile = format!("\"}}\n\u{0}{}", "x".repeat(100_000));
    let problem = Problem::Query(format!("unknown: {}", clip(&hostile)));
    let detail = body(&problem)["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("unknown: \"}\n\0xxx") && detail.ends_with('…'));
    assert!(detail.chars().count() < 100);
}

#[test]
fn a_secondary_names_its_master() {
    let address = "10.0.0.1:6000".to_owned();
    let problem = Problem::NotMaster { allow: "GET, HEAD", master: Some("m1".to_owned()), address };
    assert!(problem.to_string().contains("master m1, whose communication port"));
    let response = problem.into_response();
    assert_eq!(
        (response.status().as_u16(), &response.headers()[ALLOW]),
        (405, &HeaderValue::from_static("GET, HEAD"))
    );
}
