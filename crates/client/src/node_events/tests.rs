//! Reading the events of stand-ins for nodes.

use super::*;
use crate::test_node::{Script, ScriptedNode};

const ALL: EventsRequest = EventsRequest { all_nodes: true, state: true, messages: true };

async fn open(node: &ScriptedNode) -> Result<NodeEvents, NodeEventsError> {
    NodeEvents::open(node.endpoint(), ALL).await
}

fn item(name: &str, data: &str) -> StreamedItem {
    StreamedItem { name: name.to_owned(), data: data.to_owned() }
}

#[tokio::test]
async fn items_come_in_order_with_their_names_until_the_node_ends_the_stream() {
    let opening = ": events\nretry: 1000\n\nid: 7\ndata: {\"id\":7}\n\n: \n\nevent: st";
    let pieces = [opening, "ate\ndata: {}\n\nevent: messages\ndata: []\n\n"];
    let node = ScriptedNode::start([Script::events(&pieces)]).await;
    let mut events = open(&node).await.unwrap();
    assert_eq!(events.next().await.unwrap(), item("", "{\"id\":7}"));
    assert_eq!(events.next_items().await.unwrap()[0], item("state", "{}"));
    let error = match events.next().await {
        Ok(last) => {
            assert_eq!(last, item("messages", "[]"));
            events.next().await.unwrap_err()
        }
        // It came with the one before.
        Err(error) => error,
    };
    assert!(matches!(error, NodeEventsError::Ended(_)), "{error}");
    let head = node.heads().concat();
    assert!(head.starts_with("GET /events?nodes=all&include=state,messages HTTP/1.1"), "{head}");
}

#[tokio::test]
async fn silence_and_what_is_no_stream_are_told_apart() {
    let silent = ScriptedNode::start([Script::events(&[": hello\n\n"]).then_silent()]).await;
    let cut = ScriptedNode::start([Script::events(&["data: 1\n"]).then_cut()]).await;
    let error = open(&cut).await.unwrap().next().await.unwrap_err();
    assert!(error.to_string().ends_with(" broke off its answer"), "{error}");
    let page = ScriptedNode::start([Script::answer(200, "text/html", "<p>")]).await;
    let error = open(&page).await.unwrap_err();
    assert!(error.to_string().contains("no stream of events"), "{error}");
    let full = r#"{"title":"t","status":503,"detail":"1024 listen","code":"c","retry":true}"#;
    let full = ScriptedNode::start([Script::answer(503, "application/problem+json", full)]).await;
    let error = open(&full).await.unwrap_err();
    assert_eq!(error.to_string(), "1024 listen");
    let long = format!("data: {}\n\n", "x".repeat(EVENT_BYTES_MAX));
    let long = ScriptedNode::start([Script::events(&[&long])]).await;
    let error = open(&long).await.unwrap().next().await.unwrap_err();
    assert_eq!(error.to_string(), "the node sends a line of more than 1048576 bytes");
    let endless = "y".repeat(100_000);
    let endless = Script::answer(503, "application/problem+json", &endless).then_silent();
    let error = open(&ScriptedNode::start([endless]).await).await.unwrap_err();
    assert!(error.to_string().ends_with(" answers with more than 65536 bytes"), "{error}");
    let mut events = open(&silent).await.unwrap();
    tokio::time::pause();
    let error = events.next().await.unwrap_err();
    assert!(error.to_string().ends_with(" does not answer"), "{error}");
}
