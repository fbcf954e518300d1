//! Reads of a node that lags behind others.

use std::time::Duration;

use acklog_types::LogId;
use tokio::task::{LocalSet, yield_now};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_long_poll_of_a_lagging_node_waits_for_a_message_of_the_time() {
    let (mut writer, log) = in_memory();
    let view = LogView::of_one_node(log, ListingRoom::default());
    let mut append = |ms| {
        writer.append(ms, None, &"Msg".into());
        writer.flush();
        view.positions.publish_as(LogId::new(7 << 96), LogEnd::new(4));
    };
    append(10);
    let (begin, timeout) = (ReadBegin::Since(20), Some(Duration::from_secs(60)));
    let request = ReadRequest { begin, timeout, ..ReadRequest::ALL };
    let come = async {
        for ms in [15, 20] {
            yield_now().await;
            append(ms);
        }
    };
    let headers = HeaderMap::new();
    let local = LocalSet::new();
    local.spawn_local(view.hub.clone().run());
    let both = async { tokio::join!(view.messages(request, false, &headers), come).0 };
    let answer = local.run_until(both).await.unwrap();
    assert_eq!(answer.headers()[api::headers::ACKLOG_NEXT], "3");
    assert_eq!(line(answer).await, r#"[{"id":2,"message":"Msg"}]"#);
    // Without a wait it shows nothing that may be older.
    let later = ReadRequest { begin: ReadBegin::Since(30), timeout: None, ..request };
    assert_eq!(line(view.messages(later, false, &headers).await.unwrap()).await, "[]");
}
