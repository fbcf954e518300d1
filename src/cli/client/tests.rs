//! The client against stand-ins for nodes.

use std::net::SocketAddr;

use acklog_threads::{self, ThreadPool};

use super::*;
use crate::cli::test_node::TestNode;
use crate::server::net::silent;

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let node = TestNode::start(|_, _| (200, "{}".to_owned())).await;
    let mut client = Client::new(node.url());
    for _ in 0..3 {
        assert_eq!(client.get("/health").await.unwrap().status, 200);
    }
    assert_eq!(node.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_the_node_closed_is_opened_again() {
    let node = TestNode::start_closing(|_, _| (200, "{}".to_owned())).await;
    let mut client = Client::new(node.url());
    for _ in 0..3 {
        assert_eq!(client.get("/health").await.unwrap().status, 200);
    }
    assert_eq!(node.connections(), 3);
}

#[tokio::test]
async fn a_node_that_is_not_there_is_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Client::new(NodeUrl::local(port)).get("/health").await.unwrap_err();
    let line = format!("{error:#}");
    let expected = format!("cannot reach http://127.0.0.1:{port}: ");
    assert!(line.starts_with(&expected) && !line.contains('\n'), "{line}");
}

#[tokio::test]
async fn an_address_of_a_name_that_swallows_packets_does_not_hold_up_the_next() {
    let (silent, _socket, _queued) = silent().await;
    let node = TestNode::start(|_, _| (200, "{}".to_owned())).await;
    let good = SocketAddr::from(([127, 0, 0, 1], node.port()));
    let answer = acklog_threads::WorkHandle::ready(Ok(vec![silent, good]));
    let mut client = Client::new(NodeUrl::resolved("multi", answer));
    assert_eq!(client.get("/health").await.unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_resolved_is_told_after_the_time_that_a_silent_server_takes() {
    let (_never, answer) = std::sync::mpsc::channel();
    let names = ThreadPool::new("names", 1);
    let answer = names.run(move || answer.recv().unwrap());
    let mut client = Client::new(NodeUrl::resolved("slow.example", answer));
    let error = client.get("/health").await.unwrap_err();
    assert!(error.is::<Unreachable>());
    let reason = "the name slow.example was not resolved within 30s";
    assert_eq!(error.to_string(), format!("cannot reach http://slow.example:7: {reason}"));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_takes_a_request_and_is_silent_is_told_apart() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Client::new(NodeUrl::local(listener.local_addr().unwrap().port()));
    assert!(client.get("/health").await.unwrap_err().is::<Silent>());
}

#[test]
fn a_refusal_is_told_in_the_node_s_words_and_in_one_line() {
    let answer = |body: &str| Answer {
        status: StatusCode::BAD_REQUEST,
        retry_after: false,
        location: None,
        body: body.to_owned().into(),
    };
    assert_eq!(answer(r#"{"title": "t", "detail": "a\nb"}"#).detail(), "a\\nb");
    assert_eq!(answer(r#"{"title": "t"}"#).detail(), "t");
    assert_eq!(answer("<html>").detail(), "the node answered 400 Bad Request");
}
