//! Receipts of messages on real nodes.

use serde_json::{Value, json};

use crate::support::*;

fn receipt(master: &Node, id: u64) -> Value {
    let answer = get(master.http, &format!("/messages/{id}/receipt"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Returns the row of a node.
fn copy(receipt: &Value, node: &str) -> Value {
    let rows = receipt["copies"].as_array().unwrap();
    rows.iter().find(|row| row["node"] == node).unwrap().clone()
}

#[test]
fn a_receipt_tells_who_has_a_message_since_when_and_how_often_it_was_sent() {
    let (master, comm) = master(&["--request-timeout", "300ms", "--heartbeat-interval", "100ms"]);
    let bonnie = secondary("bonnie", comm, &["--allow-faults"]);
    wait_ready(&bonnie);
    let body = r#"{"message": "Msg1", "writeConcern": 2, "receipt": true}"#;
    let told = begin(master.http, "POST", "/messages", body).answer().json();
    let found = receipt(&master, 0);
    assert_eq!(told["copies"], found["copies"]);
    assert_eq!(
        (&found["id"], &found["count"], &found["heldBy"]),
        (&json!(0), &json!(1), &json!(2))
    );
    assert!(found["acceptedAt"].as_str().unwrap().ends_with('Z') && found["epoch"] == 1, "{found}");
    let rows = [copy(&found, "master"), copy(&found, "bonnie")];
    assert_eq!(found["copies"], json!(rows), "the master's first");
    for row in &rows {
        assert_eq!((&row["held"], &row["attempts"]), (&json!(true), &json!(1)), "{row}");
        assert!(row["afterMs"].as_f64().is_some_and(|after| (0.0..30_000.0).contains(&after)));
    }
    assert_eq!(rows[0]["storage"], "memory");
    // All of a batch have the same.
    let batch = r#"{"messages": ["a", "b", "c"], "writeConcern": 2}"#;
    assert_eq!(begin(master.http, "POST", "/messages", batch).answer().status, 201);
    assert_eq!((&receipt(&master, 3)["id"], &receipt(&master, 3)["count"]), (&json!(1), &json!(3)));
    assert_eq!(receipt(&master, 3), receipt(&master, 1));
    // It is sent again and again while the secondary is paused.
    assert_eq!(request(bonnie.http, "PUT", "/faults", r#"{"paused": true}"#).status, 200);
    append(master.http, "Msg2", "1");
    let attempts = || copy(&receipt(&master, 4), "bonnie")["attempts"].as_u64();
    wait_until("it is sent again", || attempts() >= Some(3));
    let absent = copy(&receipt(&master, 4), "bonnie");
    assert_eq!((&absent["held"], &absent["afterMs"]), (&json!(false), &Value::Null), "{absent}");
    assert_eq!(request(bonnie.http, "DELETE", "/faults", "").status, 200);
    wait_until("it is acked", || receipt(&master, 4)["heldBy"] == 2);
    assert!(attempts() >= Some(3) && copy(&receipt(&master, 4), "bonnie")["afterMs"].is_number());
}

#[test]
fn an_answer_names_the_nodes_that_its_copies_show() {
    let (master, _, _nodes) = cluster(&[], &["bonnie", "clyde"]);
    // With 1 and 2 the other nodes have the message a moment later.
    for n in 0..150 {
        let body = format!(r#"{{"message": "m", "writeConcern": {}, "receipt": true}}"#, 1 + n % 2);
        let told = begin(master.http, "POST", "/messages", &body).answer().json();
        let rows = told["copies"].as_array().unwrap();
        let held = rows.iter().filter(|row| row["held"] == true).map(|row| row["node"].clone());
        assert_eq!(told["ackedBy"], Value::from_iter(held), "{told}");
    }
}

#[test]
fn what_is_older_than_the_start_and_what_came_in_a_page_has_no_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let args = ["--data-dir", directory.path().to_str().unwrap(), "--heartbeat-interval", "100ms"];
    let (mut first, comm) = master(&args);
    let mut bonnie = secondary("bonnie", comm, &[]);
    wait_ready(&bonnie);
    append(first.http, "Old", "2");
    assert_eq!(copy(&receipt(&first, 0), "master")["storage"], "disk");
    first.process.kill();
    let (again, _) = master_at(&comm.port().to_string(), &args);
    wait_until("bonnie is back", || receipt(&again, 0)["heldBy"] == 2);
    for row in receipt(&again, 0)["copies"].as_array().unwrap() {
        assert_eq!((&row["held"], &row["attempts"]), (&json!(true), &Value::Null), "{row}");
        assert_eq!(row["afterMs"], Value::Null, "{row}");
    }
    // A secondary that was away fetches what it missed; in memory it comes back with nothing.
    bonnie.process.kill();
    wait_until("bonnie is gone", || row(again.http, "bonnie")["phase"] == "disconnected");
    append(again.http, "Missed", "1");
    let missed = copy(&receipt(&again, 1), "bonnie");
    assert_eq!((&missed["held"], &missed["attempts"]), (&json!(false), &json!(0)), "{missed}");
    let bonnie = secondary("bonnie", comm, &[]);
    wait_ready(&bonnie);
    wait_until("bonnie has it", || receipt(&again, 1)["heldBy"] == 2);
    let fetched = copy(&receipt(&again, 1), "bonnie");
    assert_eq!(fetched["attempts"], Value::Null, "in a page: {fetched}");
    assert!(fetched["afterMs"].as_f64() > Some(0.0), "{fetched}");
}

#[test]
fn a_receipt_is_the_masters_to_give_and_of_a_message_that_is_there() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let refused = get(nodes[0].http, "/messages/0/receipt");
    assert_eq!((refused.status, &refused.json()["code"]), (404, &json!("not-found")));
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.ends_with(&format!("http://{}", master.http)), "{detail}");
    let none = get(master.http, "/messages/0/receipt");
    assert_eq!((none.status, &none.json()["code"]), (404, &json!("no-such-message")));
    assert_eq!(get(master.http, "/messages/x/receipt").status, 400);
    assert_eq!(get(master.http, "/messages/0/receipt?x=1").status, 400);
    let bad = begin(master.http, "POST", "/messages", r#"{"message":"a","receipt":1}"#).answer();
    assert_eq!(bad.status, 400, "{bad:?}");
    append(master.http, "Msg1", "2");
    let url = format!("http://{}", master.http);
    let tool = std::process::Command::new(env!("CARGO_BIN_EXE_acklog"))
        .args(["receipt", "0"])
        .env_clear()
        .env("ACKLOG_URL", url)
        .output()
        .unwrap();
    let table = String::from_utf8(tool.stdout).unwrap();
    assert!(
        table.starts_with("message 0: accepted 2") && table.contains("\nbonnie  yes"),
        "{table}"
    );
}
