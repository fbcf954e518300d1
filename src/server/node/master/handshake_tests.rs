//! A handshake whose comparison reads files, on a disk that takes its time.

use acklog_log::disk::DiskOptions;
use acklog_log::{FreezingDisk, open_on};
use acklog_protocol::frame::{Frame, FrameKind, Handshake, Request, encode};
use acklog_types::{InstanceId, LogEnd, Records, RequestId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::tests::{append, batch, options, receipt, with_master_of};

#[test]
fn a_handshake_that_waits_for_the_disk_holds_up_nobody_and_is_answered_then() {
    let disk = FreezingDisk::default();
    let new_log = options().log;
    let open = || {
        let options = DiskOptions { new_log, ..DiskOptions::OF_TESTS };
        open_on(disk.clone(), options).unwrap()
    };
    let (mut log, background) = open();
    for n in 0..10 {
        log.writer.append(n, None, &"Msg".into());
    }
    log.writer.flush();
    while log.reader.durable_end() < LogEnd::new(10) {
        std::thread::yield_now();
    }
    let end = LogEnd::new(5);
    let told = log.reader.running_checksum(end).unwrap().unwrap().short();
    background.close();
    let (log, background) = open();
    disk.freeze_reads(true);
    with_master_of(options(), log, async |master, comm| {
        let mut stream = TcpStream::connect(comm).await.unwrap();
        let handshake = Handshake {
            log: Some(new_log),
            end,
            checksum: Some(told),
            ..Handshake::new("bonnie".parse().unwrap(), InstanceId::new(1))
        };
        let request = Request::from(handshake);
        let frame: Frame<Records> = Frame::Request(RequestId::new(0), request);
        stream.write_all(&encode(&frame).head).await.unwrap();
        // The disk is asked, and does not answer.
        while !master.reader().oldest_disk_call().is_some_and(|(_, call)| call.contains("read")) {
            master.health().await.unwrap();
        }
        let sent = master.appender().append(append(batch(1, "Msg"), None, 1)).await;
        assert_eq!(receipt(sent.unwrap()), (10, false));
        let mut byte = [0];
        assert!(stream.try_read(&mut byte).is_err(), "it is answered before the disk is");
        disk.freeze_reads(false);
        let mut head = [0; 14];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(head[10], 5, "{:?}", FrameKind::Welcome);
    });
    background.close();
}
