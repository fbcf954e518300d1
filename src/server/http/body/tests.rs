//! The limits of bodies, and which ones are refused when memory runs out.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http_body_util::Full;
use hyper::body::SizeHint;
use tokio::sync::mpsc;

use super::sent::Sent;
use super::*;

/// A body that arrives in pieces, and then ends or stalls.
struct Pieces {
    pieces: VecDeque<Bytes>,
    stalls: bool,
    /// The length that was announced.
    announced: Option<u64>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.pieces.pop_front() {
            None if self.stalls => Poll::Pending,
            piece => Poll::Ready(piece.map(|piece| Ok(Frame::data(piece)))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map(SizeHint::with_exact).unwrap_or_default()
    }
}

fn pieces(count: usize, bytes: usize, stalls: bool) -> Pieces {
    let pieces = (0..count).map(|_| Bytes::from(vec![b'x'; bytes])).collect();
    Pieces { pieces, stalls, announced: None }
}

/// Returns a body that announces its length, and of which nothing arrives.
fn announced(bytes: usize) -> Pieces {
    Pieces { announced: Some(bytes as u64), ..pieces(0, 0, true) }
}

/// Returns limits with a small budget.
fn limits(small: usize, all: usize) -> BodyLimits {
    let (small, all) = (Budget::new(small), Budget::new(all));
    BodyLimits { small, all, ..BodyLimits::new(1024 * 1024) }
}

fn used(limits: &BodyLimits) -> (usize, usize) {
    (limits.small.used(), limits.all.used())
}

/// Polls once.
fn begin<T>(future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ready) => Some(ready),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_body_in_one_piece_is_taken_as_it_is_and_takes_up_room() {
    let limits = BodyLimits::new(100);
    let sent = Bytes::from_static(b"{}");
    let got = limits.collect(Full::new(sent.clone())).await.ok().unwrap();
    assert_eq!(got.bytes.as_ptr(), sent.as_ptr());
    assert_eq!(used(&limits), (2, 0));
    drop(got);
    assert_eq!(used(&limits), (0, 0));
    assert!(limits.collect(Full::new(Bytes::new())).await.ok().unwrap().bytes.is_empty());
}

#[tokio::test]
async fn reading_stops_where_the_limit_is() {
    let limits = BodyLimits::new(100);
    let limit = 600 + 4096;
    let problem = RequestProblem::BodyTooLong { limit };
    assert_eq!(limits.collect(pieces(limit, 1, false)).await.ok().unwrap().bytes.len(), limit);
    // Not announced: it stalls after the limit, and the answer comes all the same.
    assert_eq!(limits.collect(pieces(limit + 1, 1, true)).await.err(), Some(problem.clone()));
    let announced = Full::new(Bytes::from(vec![0; limit + 1]));
    assert_eq!(limits.collect(announced).await.err(), Some(problem));
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_falls_silent_is_told_so() {
    let limits = BodyLimits::new(100);
    let got = limits.collect(pieces(3, 10, true)).await;
    assert_eq!(got.err(), Some(RequestProblem::BodyIdle { seconds: 30 }));
    assert_eq!(used(&limits), (0, 0));
}

#[tokio::test]
async fn an_announced_body_has_its_room_before_it_comes_or_is_refused_at_once() {
    let limits = limits(0, 300_000);
    let mut first = Box::pin(limits.collect(announced(200_000)));
    assert!(begin(first.as_mut()).is_none());
    assert_eq!(used(&limits), (0, 200_000));
    let refused = limits.collect(announced(100_001)).await;
    assert_eq!(refused.err(), Some(RequestProblem::TooManyBodies));
    let mut second = Box::pin(limits.collect(announced(100_000)));
    assert!(begin(second.as_mut()).is_none());
    drop((first, second));
    assert_eq!(used(&limits), (0, 0));
}

#[tokio::test]
async fn small_bodies_have_room_that_large_ones_cannot_use_up() {
    let limits = limits(100_000, 300_000);
    let mut large = Box::pin(limits.collect(announced(300_000)));
    assert!(begin(large.as_mut()).is_none());
    let mut held = Vec::new();
    // One after the other, announced or not.
    held.push(limits.collect(Full::new(Bytes::from(vec![b'x'; 50_000]))).await.ok().unwrap());
    held.push(limits.collect(pieces(5, 10_000, false)).await.ok().unwrap());
    assert_eq!(used(&limits), (100_000, 300_000));
    assert_eq!(limits.collect(announced(1)).await.err(), Some(RequestProblem::TooManyBodies));
    // They share the budget of the large ones, not the other way round.
    drop(large);
    held.push(limits.collect(Full::new(Bytes::from(vec![b'x'; 50_000]))).await.ok().unwrap());
    assert_eq!(used(&limits), (100_000, 50_000));
    drop(held);
    assert_eq!(used(&limits), (0, 0));
}

fn piece(bytes: usize) -> Bytes {
    Bytes::from(vec![b'x'; bytes])
}

#[tokio::test]
async fn without_a_length_the_youngest_is_given_up_and_the_older_ones_come_to_their_end() {
    let limits = limits(0, 1_000_000);
    let mut senders = Vec::new();
    let mut bodies = Vec::new();
    for _ in 0..4 {
        let (sender, sent) = mpsc::unbounded_channel();
        let limits = limits.clone();
        bodies.push(tokio::spawn(async move {
            limits.collect(Sent(sent)).await.map(|collected| collected.bytes.len())
        }));
        sender.send(piece(250_000)).unwrap();
        senders.push(sender);
        // In this order.
        tokio::task::yield_now().await;
    }
    while limits.all.used() < 1_000_000 {
        tokio::task::yield_now().await;
    }
    // The second one needs room: the fourth makes it. Then the third one does.
    senders[1].send(piece(200_000)).unwrap();
    let fourth = bodies.remove(3).await.unwrap();
    assert_eq!(fourth.err(), Some(RequestProblem::TooManyBodies));
    senders[0].send(piece(100_000)).unwrap();
    let third = bodies.remove(2).await.unwrap();
    assert_eq!(third.err(), Some(RequestProblem::TooManyBodies));
    drop(senders);
    let ends: Vec<_> =
        [bodies.remove(0).await, bodies.remove(0).await].map(|ended| ended.unwrap().ok()).into();
    assert_eq!(ends, [Some(350_000), Some(450_000)]);
    assert_eq!(used(&limits), (0, 0));
    // The youngest one that asks for more than there is gives up itself.
    let refused = limits.collect(pieces(11, 100_000, true)).await;
    assert_eq!(refused.err(), Some(RequestProblem::TooManyBodies));
}

#[test]
fn what_is_thrown_away_is_twice_the_longest_body() {
    assert_eq!(BodyLimits::new(1).discarded_bytes(), DISCARDED_BYTES_MIN);
    let large = BodyLimits::new(8 * 1024 * 1024);
    assert_eq!(large.discarded_bytes(), 2 * (6 * 8 * 1024 * 1024 + 4096));
}

#[test]
fn one_largest_body_always_has_room() {
    for message_bytes in [1, 1024 * 1024, 1024 * 1024 * 1024] {
        let limits = BodyLimits::new(message_bytes);
        assert!(limits.all.hold(&mut None, limits.body_bytes));
    }
}
