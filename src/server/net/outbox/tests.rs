//! The part of the frames that was sent, and the number that may wait.

use bytes::Bytes;

use super::*;

/// Returns an outbox for which the own kernel's report is all that counts, and the end that its
/// writer would read.
fn outbox() -> (Outbox, mpsc::Receiver<EncodedFrame>) {
    let nowhere = "127.0.0.1:1".parse().unwrap();
    Outbox::new(Arc::new(SendProgress::new(Ends { local: nowhere, peer: nowhere }, None)))
}

fn frame(bytes: usize) -> EncodedFrame {
    EncodedFrame { head: Bytes::new(), records: vec![0; bytes].into() }
}

fn request(id: u64) -> Option<TrackedFrame> {
    Some(TrackedFrame::Request(RequestId::new(id)))
}

#[test]
fn a_frame_is_under_way_from_its_reading_until_its_last_byte_is_taken() {
    let (outbox, _queue) = outbox();
    let progress = outbox.progress.clone();
    assert_eq!(progress.look(), LineView::default());
    let slot = outbox.reserve(request(2));
    assert_eq!(progress.look().request, Some(RequestId::new(2)));
    assert!(outbox.reserve(request(1)).send(frame(30)));
    assert!(slot.send(frame(2000)));
    assert!(outbox.reserve(None).send(frame(50)));
    progress.wrote(30);
    let view = progress.look();
    assert_eq!(
        (view.taken, view.request, view.is_within_frame),
        (30, Some(RequestId::new(2)), false)
    );
    assert!(view.has_long_frame);
    progress.wrote(1999);
    let view = progress.look();
    assert_eq!((view.taken, view.is_within_frame), (2029, true));
    progress.wrote(1);
    let all = LineView { taken: 2030, ..LineView::default() };
    assert_eq!(progress.look(), all);
}

#[test]
fn a_frame_that_is_dropped_is_not_under_way() {
    let (outbox, _queue) = outbox();
    drop(outbox.reserve(request(1)));
    assert_eq!(outbox.progress.look(), LineView::default());
    assert!(outbox.reserve(None).send(frame(OUTBOX_BYTES as usize)));
    assert!(!outbox.reserve(request(2)).send(frame(1)), "no room");
    assert_eq!(outbox.progress.look(), LineView::default());
}

#[test]
fn room_comes_back_with_each_byte_that_is_written() {
    let (outbox, _queue) = outbox();
    assert!(outbox.reserve(None).send(frame(OUTBOX_BYTES as usize)));
    assert!(!outbox.reserve(None).send(frame(1)));
    outbox.progress.wrote(1);
    assert!(outbox.reserve(None).send(frame(1)));
    assert!(!outbox.reserve(None).send(frame(1)));
}

#[test]
fn frames_that_wait_are_bounded_also_where_they_are_short() {
    let (outbox, mut queue) = outbox();
    let sent = (0..100_000).take_while(|_| outbox.reserve(None).send(frame(1)));
    assert_eq!(sent.count(), 1024);
    queue.try_recv().unwrap();
    assert!(outbox.reserve(None).send(frame(1)), "one is being written");
}

#[test]
fn frames_that_are_taken_are_dropped_from_the_list() {
    let (outbox, mut queue) = outbox();
    for id in 0..1000 {
        assert!(outbox.reserve(request(id)).send(frame(10)));
        queue.try_recv().unwrap();
        outbox.progress.wrote(10);
    }
    assert!(outbox.progress.queue().tracked.len() <= TRACKED_MAX);
}

#[tokio::test]
async fn all_that_wait_for_room_get_on_when_the_line_is_free() {
    let (outbox, _queue) = outbox();
    let room = OutboxRoom::new(outbox.progress.clone(), CancellationToken::new());
    assert!(outbox.has_room());
    assert!(outbox.reserve(None).send(frame(OUTBOX_BYTES as usize)));
    assert!(!outbox.has_room());
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let room = room.clone();
            tokio::spawn(async move { room.wait_for(RUN_BYTES_MAX).await })
        })
        .collect();
    tokio::task::yield_now().await;
    outbox.progress.wrote(OUTBOX_BYTES as usize - 2 * AHEAD_BYTES_MAX as usize);
    tokio::task::yield_now().await;
    assert!(outbox.has_room() && !waiting[0].is_finished(), "much waits before it");
    outbox.progress.wrote(AHEAD_BYTES_MAX as usize);
    for waiting in waiting {
        waiting.await.unwrap();
    }
    let closed = CancellationToken::new();
    closed.cancel();
    OutboxRoom::new(outbox.progress.clone(), closed).wait_for_written().await;
}
