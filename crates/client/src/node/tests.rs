//! The client of one node against stand-ins for nodes.

use super::*;
use crate::test_node::TestNode;

/// Makes three requests by one client. Returns the number of connections that the node saw.
async fn connections_of_three_requests(node: TestNode) -> usize {
    let mut client = NodeClient::new(node.endpoint());
    for _ in 0..3 {
        assert_eq!(client.get("/health").await.unwrap().status, 200);
    }
    node.connections()
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let node = TestNode::start(|_, _| (200, "{}".to_owned())).await;
    assert_eq!(connections_of_three_requests(node).await, 1);
}

#[tokio::test]
async fn a_connection_that_the_node_closed_is_opened_again() {
    let node = TestNode::start_closing(|_, _| (200, "{}".to_owned())).await;
    assert_eq!(connections_of_three_requests(node).await, 3);
}

#[tokio::test]
async fn a_node_that_is_not_there_is_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = NodeClient::new(Endpoint::local(port)).get("/health").await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable(_)));
    assert!(error.to_string().starts_with(&format!("cannot reach http://127.0.0.1:{port}: ")));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_takes_a_request_and_is_silent_is_told_apart() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = NodeClient::new(Endpoint::local(listener.local_addr().unwrap().port()));
    assert!(matches!(client.get("/health").await.unwrap_err(), CallError::Silent(_)));
}
