//! The lines that are read under each filter, and some lines with their targets and fields.

use std::time::Duration;

use acklog_protocol::frame::FrameKind;
use acklog_protocol::{
    ConnectionEvent, Ending, FrameEvent, FrameStage, MessageEvent, NodeEvent, SessionEnd,
};
use acklog_types::{IdRange, LogEnd, RequestId, SessionId};
use tracing::subscriber::with_default;
use tracing_subscriber::EnvFilter;

use super::*;
use crate::telemetry::captured::Captured;

/// Does something under a filter of log lines. Returns the lines.
fn lines_of(filter: &str, log: impl FnOnce()) -> String {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    with_default(subscriber, log);
    captured.text()
}

fn ids(start: u64, end: u64) -> IdRange {
    IdRange::new(LogEnd::new(start), LogEnd::new(end))
}

#[test]
fn a_machine_emits_what_the_filter_lets_through() {
    for (filter, detail) in [
        ("off", Detail::Changes),
        ("info", Detail::Changes),
        ("info,acklog::message=debug", Detail::Messages),
        ("info,acklog_protocol::faults=debug", Detail::Frames),
        ("info,acklog_protocol=debug", Detail::Frames),
        ("debug", Detail::Frames),
        ("trace", Detail::Heartbeats),
    ] {
        for role in [LogRole::Master, LogRole::Secondary] {
            lines_of(filter, || assert_eq!(role.detail(), detail, "{role:?} {filter}"));
        }
    }
    let of_secondaries = "info,acklog_protocol::secondary=debug";
    lines_of(of_secondaries, || {
        assert_eq!(LogRole::Master.detail(), Detail::Changes);
        assert_eq!(LogRole::Secondary.detail(), Detail::Frames);
    });
}

#[test]
fn lines_have_the_target_of_the_role_or_that_of_messages() {
    let peer = Some("bonnie".parse().unwrap());
    let frame = |stage| FrameEvent {
        peer: peer.clone(),
        request: RequestId::new(7),
        frame: FrameKind::AddMessage,
        ids: Some(ids(3, 6)),
        stage,
    };
    let ending = Ending::Lost(SessionEnd::Closed);
    let session = SessionId::new(1);
    let events: [Event; 5] = [
        frame(FrameStage::Sent { from: None, attempt: 2 }).into(),
        frame(FrameStage::Delayed { delay: Duration::from_millis(20) }).into(),
        MessageEvent::Acked { peer: peer.clone().unwrap(), ids: ids(3, 6) }.into(),
        ConnectionEvent::Ended { session, peer, ending, was_live: true }.into(),
        NodeEvent::DiskWell.into(),
    ];
    let written = lines_of("debug", || events.iter().for_each(|it| LogRole::Master.write(it)));
    let expected = [
        "DEBUG acklog_protocol::master: sending AddMessage again peer=\"bonnie\" request=7 \
        id=3..=5",
        "DEBUG acklog_protocol::faults: a fault: the frame is delayed peer=\"bonnie\" request=7 \
         kind=AddMessage delay=20ms",
        "DEBUG acklog::message: acked peer=bonnie id=3..=5",
        " WARN acklog_protocol::master: secondary disconnected peer=\"bonnie\" \
         reason=the peer closed the connection status=\"unhealthy\"",
        " INFO acklog_protocol::master: the disk takes messages again",
    ];
    assert_eq!(written.lines().collect::<Vec<_>>(), expected);
    let of_secondary = lines_of("info", || LogRole::Secondary.write(&NodeEvent::DiskWell.into()));
    assert!(of_secondary.contains("acklog_protocol::secondary"), "{of_secondary}");
}
