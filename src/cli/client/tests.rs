//! Dialing, and the error messages when it fails.

use std::net::SocketAddr;

use acklog_threads::ThreadPool;

use super::*;
use crate::cli::test_node::{LocalNode, TestNode};
use crate::server::net::silent;

#[tokio::test]
async fn a_node_that_is_not_there_is_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = ToolClient::new(NodeUrl::local(port)).get("/health").await.unwrap_err();
    let line = format!("{:#}", anyhow::Error::from(error));
    let expected = format!("cannot reach http://127.0.0.1:{port}: ");
    assert!(line.starts_with(&expected) && !line.contains('\n'), "{line}");
    assert!(line.contains("is the cluster up? `acklog up` starts one"), "{line}");
}

#[tokio::test]
async fn an_address_of_a_name_that_swallows_packets_does_not_hold_up_the_next() {
    let (silent, _socket, _queued) = silent().await;
    let node = TestNode::start(|_, _| (200, "{}".to_owned())).await;
    let good = SocketAddr::from(([127, 0, 0, 1], node.port()));
    let answer = acklog_threads::WorkHandle::ready(Ok(vec![silent, good]));
    let mut client = ToolClient::new(NodeUrl::resolved("multi", answer));
    assert_eq!(client.get("/health").await.unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_resolved_is_told_after_the_time_that_a_silent_server_takes() {
    let (_never, answer) = std::sync::mpsc::channel();
    let names = ThreadPool::new("names", 1);
    let answer = names.run(move || answer.recv().unwrap());
    let mut client = ToolClient::new(NodeUrl::resolved("slow.example", answer));
    let error = anyhow::Error::from(client.get("/health").await.unwrap_err());
    assert!(is_unreachable(&error));
    let reason = "the name slow.example was not resolved within 30s";
    assert_eq!(error.to_string(), format!("cannot reach http://slow.example:7: {reason}"));
}

#[tokio::test]
async fn of_several_nodes_that_cannot_be_reached_each_is_named() {
    let nobody = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        NodeUrl::local(listener.local_addr().unwrap().port())
    };
    let urls = [nobody(), nobody()];
    let error = anyhow::Error::from(ToolClients::new(&urls).get("/health").await.unwrap_err());
    assert!(is_unreachable(&error));
    let error = error.to_string();
    for url in urls {
        assert!(error.contains(&format!("cannot reach {url}: ")), "{error}");
    }
}

#[tokio::test]
async fn a_master_is_found_among_several_nodes() {
    let secondary = TestNode::recording(200, r#"{"role": "secondary"}"#).await.0.url();
    let master = TestNode::recording(200, r#"{"role": "master"}"#).await.0.url();
    let found = master_of(&[secondary.clone(), master.clone()]).await.unwrap();
    assert_eq!(found, master);
    assert_eq!(master_of(&[secondary.clone(), secondary.clone()]).await.unwrap(), secondary);
}
