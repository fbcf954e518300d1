//! What nodes show under a read concern, on real nodes.

use std::net::TcpListener;

use serde_json::json;

use crate::support::*;

#[test]
fn a_read_concern_shows_what_so_many_nodes_have() {
    let (master, comm) = master(&["--cluster-size", "3"]);
    append(master.http, "Msg0", "1");
    let ends = |concern: &str| {
        let answer = get(master.http, &format!("/messages?readConcern={concern}"));
        answer.header("acklog-end").map(str::to_owned)
    };
    let shown = |end: &str| Some(end.to_owned());
    let concerns = ["0", "1", "2", "3", "majority", "all"];
    assert_eq!(concerns.map(ends), ["1", "1", "0", "0", "0", "0"].map(shown));
    let (mut reader, open) = Follower::events(master.http, "?readConcern=majority", None);
    assert_eq!((&open["end"], &open["readConcern"]), (&json!(0), &json!("majority")));
    reader.expect(&["event: caughtup", r#"data: {"end":0}"#, ""]);
    let bonnie = secondary("bonnie", comm, &[]);
    reader.expect(&event(&log_of(&open), 0, "Msg0"));
    // Behind an answer, a read with no higher concern shows the message.
    for n in 1..20_u64 {
        append(master.http, &format!("Msg{n}"), "2");
        let end = (n + 1).to_string();
        assert_eq!(["2", "majority"].map(ends), [&*end; 2].map(shown), "{n}");
        assert_eq!(ends("3"), shown("0"));
    }
    let refused = get(master.http, "/messages?readConcern=4");
    let code = refused.json()["code"].clone();
    assert_eq!((refused.status, code), (400, json!("unsatisfiable-read-concern")));
    assert_eq!(get(bonnie.http, "/messages?readConcern=1").json()[0]["message"], "Msg0");
    // The secondary is told by its master, and of all three nodes one is missing.
    let told = |concern: &str| {
        let answer = get(bonnie.http, &format!("/messages?readConcern={concern}"));
        answer.header("acklog-end").map(str::to_owned)
    };
    wait_until("the secondary to be told", || told("majority") == shown("20"));
    assert_eq!(["1", "2", "3", "all"].map(told), ["20", "20", "0", "0"].map(shown));
    let refused = get(bonnie.http, "/messages?readConcern=4");
    let code = refused.json()["code"].clone();
    assert_eq!((refused.status, code), (400, json!("unsatisfiable-read-concern")));
    // A reader of a number is woken like one of a word.
    let (mut reader, open) = Follower::events(bonnie.http, "?readConcern=3", None);
    assert_eq!((&open["end"], &open["readConcern"]), (&json!(0), &json!(3)));
    reader.expect(&["event: caughtup", r#"data: {"end":0}"#, ""]);
    let _clyde = secondary("clyde", comm, &[]);
    reader.expect(&event(&log_of(&open), 0, "Msg0"));
}

#[test]
fn a_single_message_is_shown_under_the_default_read_concern() {
    let majority = ["--default-read-concern", "majority"];
    let (master, comm) = master(&[&["--cluster-size", "3"], &majority[..]].concat());
    append(master.http, "Msg", "1");
    let one = |http, method| request(http, method, "/messages/0", "");
    let hidden = one(master.http, "GET");
    let problem = hidden.json();
    assert_eq!((hidden.status, &problem["code"]), (404, &json!("no-such-message")));
    assert_eq!(one(master.http, "HEAD").status, 404);
    assert_eq!(texts(master.http), [""; 0]);
    let bonnie = secondary("bonnie", comm, &majority);
    let shown = "{\"id\":0,\"message\":\"Msg\"}\n";
    for http in [master.http, bonnie.http] {
        wait_until("a majority has it", || one(http, "GET").body == shown);
        assert_eq!(texts(http), ["Msg"]);
    }
}

#[test]
fn a_secondary_leaves_other_numbers_of_nodes_to_its_master() {
    let (master, _, nodes) = cluster(&["--cluster-size", "5"], &["bonnie"]);
    for nodes_asked in [2, 4] {
        let refused = get(nodes[0].http, &format!("/messages?readConcern={nodes_asked}"));
        assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("bad-request")));
        assert_eq!(refused.json()["retry"], false);
        let detail = refused.json()["detail"].to_string();
        assert!(detail.contains(&format!("http://{}", master.http)), "{detail}");
    }
    for told in [3, 5] {
        assert_eq!(get(nodes[0].http, &format!("/messages?readConcern={told}")).status, 200);
    }
}

#[test]
fn a_secondary_without_a_master_does_not_know_how_many_nodes_there_are() {
    // Takes connections, and never says anything.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let bonnie = secondary("bonnie", silent.local_addr().unwrap(), &[]);
    let refused = get(bonnie.http, "/messages?readConcern=2");
    let problem = refused.json();
    assert_eq!((refused.status, problem["code"].as_str()), (400, Some("bad-request")));
    assert_eq!(problem["retry"], true, "once it has a master it knows: {problem}");
    assert_eq!(get(bonnie.http, "/messages?readConcern=majority").json(), json!([]));
}
