//! Listings and single messages as JSON.

mod view;

use std::task::{Context, Poll, Waker};

use acklog_api as api;
use acklog_log::{LogWriter, in_memory};
use acklog_types::{Batch, IdRange, LogEnd};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::{ACCEPT, HeaderMap, VARY};
use serde_json::Value;

use super::*;
use crate::config::{MasterConfig, parse_node};
use crate::server::http::accepted::receipt_of_two;
use crate::server::http::listing::{LISTING_BYTES_MAX, PAGE_BYTES_MAX};
use crate::server::http::read_request::{ReadBegin, ReadRequest};

fn log_of(texts: &[String]) -> (LogWriter, LogReader) {
    log_of_batches(texts, 1)
}

/// Returns a log with so many messages in each batch.
fn log_of_batches(texts: &[String], length: usize) -> (LogWriter, LogReader) {
    let (mut writer, reader) = in_memory();
    for texts in texts.chunks(length) {
        let mut batch = Batch::from(texts[0].as_str());
        texts[1..].iter().for_each(|text| batch.push(text));
        writer.append(0, None, &batch);
    }
    writer.flush();
    (writer, reader)
}

/// Returns a message as the contract's type.
fn shown(id: usize, text: &str) -> api::Message<'_> {
    api::Message { id: id as u64, message: text.into() }
}

/// Returns JSON with the separators of lines escaped that serde_json leaves as they are.
fn on_one_line(json: &str) -> String {
    json.replace('\u{2028}', "\\u2028")
}

fn expected(texts: &[String]) -> Value {
    let row = |(id, text): (usize, &String)| serde_json::to_value(shown(id, text)).unwrap();
    texts.iter().enumerate().map(row).collect()
}

async fn array(log: &LogReader, request: ReadRequest) -> Response<ResponseBody> {
    read(log, request, &HeaderMap::new()).await
}

async fn lines(log: &LogReader, request: ReadRequest) -> Response<ResponseBody> {
    let lines = HeaderValue::from_static(api::headers::APPLICATION_NDJSON);
    read(log, request, &HeaderMap::from_iter([(ACCEPT, lines)])).await
}

async fn read(
    log: &LogReader,
    request: ReadRequest,
    headers: &HeaderMap,
) -> Response<ResponseBody> {
    let view = LogView::of_one_node(log.clone(), ListingRoom::default());
    view.messages(request, false, headers).await.unwrap()
}

fn part(from: u64, limit: u64) -> ReadRequest {
    ReadRequest { begin: ReadBegin::From(from), limit, ..ReadRequest::ALL }
}

async fn text(response: Response<ResponseBody>) -> String {
    let (mut body, mut bytes) = (response.into_body(), Vec::new());
    // Each piece is dropped before the next one is made, as it is when it was written.
    while let Some(frame) = body.frame().await {
        bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

/// Returns the text of an answer that is one line of JSON.
async fn line(response: Response<ResponseBody>) -> String {
    let text = text(response).await;
    text.strip_suffix('\n').expect("a line feed behind the body").to_owned()
}

/// Returns several megabytes of various texts, some of them longer than a page.
fn texts() -> Vec<String> {
    let specials = ["Msg", "\"\\/\u{1}\u{1f}\n\t", "Повідомлення", "🦀\u{2028}", "x"];
    let text = |n: usize| {
        let special = specials[n % specials.len()];
        let repeats = if n % 700 == 3 { 60_000 } else { n % 97 };
        format!("{n} {}", special.repeat(repeats))
    };
    (0..5000).map(text).collect()
}

/// Messages in a batch: single ones, less than a page, and all of [`texts`] as one.
const BATCHES: [usize; 3] = [1, 50, 5000];

#[tokio::test]
async fn a_streamed_log_equals_what_serde_json_writes() {
    let texts = texts();
    let expected = on_one_line(&serde_json::to_string(&expected(&texts)).unwrap());
    assert!(expected.len() > 4_000_000);
    for length in BATCHES {
        let (_writer, log) = log_of_batches(&texts, length);
        let got = line(array(&log, ReadRequest::ALL).await).await;
        assert!(got == expected, "batches of {length}");
    }
}

#[test]
fn no_piece_is_much_longer_than_a_page_and_none_is_empty() {
    for length in BATCHES {
        look_at_pieces(log_of_batches(&texts(), length).1);
    }
}

/// Returns the first so many messages as an array.
fn stream(log: &LogReader, room: &ListingRoom, messages: u64) -> MessageStream {
    let range = IdRange::new(LogEnd::ZERO, LogEnd::new(messages));
    MessageStream::new(log.clone(), room.clone(), range, ListingForm::ARRAY)
}

/// Polls once.
fn next(stream: &mut MessageStream) -> Poll<Option<Bytes>> {
    let polled = stream.poll_chunk(&mut Context::from_waker(Waker::noop()));
    polled.map(|piece| piece.map(Result::unwrap))
}

fn look_at_pieces(log: LogReader) {
    let mut stream = stream(&log, &ListingRoom::default(), 5000);
    let (mut pieces, mut turns) = (0, 0);
    loop {
        match stream.poll_chunk(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(piece)) => {
                let piece = piece.unwrap();
                assert!(!piece.is_empty());
                assert!(piece.len() < 2 * PAGE_BYTES_MAX + 1000, "{}", piece.len());
                pieces += 1;
            }
            Poll::Ready(None) => break,
            Poll::Pending => turns += 1,
        }
    }
    assert!(turns >= pieces - 1, "{turns} turns for others, {pieces} pieces");
}

#[tokio::test]
async fn from_and_limit_select_and_reach_as_far_as_the_log() {
    let texts: Vec<String> = (0..10).map(|n| format!("Msg{n}")).collect();
    let (_writer, log) = log_of(&texts);
    let all = expected(&texts);
    for from in [0, 1, 9, 10, 11, u64::MAX] {
        for limit in [0, 1, 5, 10, u64::MAX] {
            let rows = all.as_array().unwrap().iter();
            let rows: Value =
                rows.skip(from.min(99) as usize).take(limit.min(99) as usize).cloned().collect();
            let got = line(array(&log, part(from, limit)).await).await;
            assert_eq!(got, rows.to_string(), "from {from} limit {limit}");
        }
    }
}

#[tokio::test]
async fn the_end_is_fixed_when_the_request_begins() {
    let texts = texts();
    let (mut writer, log) = log_of(&texts);
    let response = array(&log, ReadRequest::ALL).await;
    writer.append(0, None, &"late".into());
    writer.flush();
    assert!(!text(response).await.contains("late"));
}

#[tokio::test]
async fn one_message_is_an_object_whatever_its_length() {
    let texts = ["short".to_owned(), "\u{1}long\"".repeat(100_000), "behind".to_owned()];
    let (_writer, log) = log_of(&texts);
    for (id, text_of) in texts.iter().enumerate() {
        let got = line(
            message((&log, &ListingRoom::default()), log.durable_end(), id as u64)
                .await
                .ok()
                .unwrap(),
        )
        .await;
        let expected = serde_json::to_string(&shown(id, text_of)).unwrap();
        assert!(got == expected, "message {id}");
    }
    for id in [3, u64::MAX] {
        let problem = message((&log, &ListingRoom::default()), log.durable_end(), id).await.err();
        assert_eq!(problem, Some(RequestProblem::NoMessage { end: LogEnd::new(3) }));
    }
}

#[tokio::test]
async fn a_message_that_was_waited_for_tells_who_has_it_whatever_its_length() {
    let texts = ["short".to_owned(), "\u{1}long\"".repeat(100_000)];
    let (_writer, log) = log_of(&texts);
    for (id, text_of) in texts.iter().enumerate() {
        let id = MessageId::new(id as u64);
        let receipt = receipt_of_two(id);
        let got =
            line(acked_message((&log, &ListingRoom::default()), &receipt).await.ok().unwrap())
                .await;
        let expected = api::AckedMessage {
            id: id.get(),
            message: text_of.into(),
            write_concern: 2,
            acked_by: vec!["master".to_owned(), "bonnie".to_owned()],
        };
        assert!(got == serde_json::to_string(&expected).unwrap(), "message {id}");
    }
}

#[tokio::test]
async fn what_fits_in_a_page_has_a_length() {
    use hyper::body::Body;
    let (_writer, log) = log_of(&["a".to_owned()]);
    assert!(array(&log, ReadRequest::ALL).await.body().size_hint().exact().is_some());
    let (_writer, log) = log_of(&texts());
    assert!(array(&log, ReadRequest::ALL).await.body().size_hint().exact().is_none());
}

#[tokio::test]
async fn lines_are_the_rows_of_the_array_each_with_its_line_end() {
    let texts = texts();
    let (_writer, log) = log_of(&texts);
    let rows = expected(&texts);
    let all: String = rows.as_array().unwrap().iter().map(|row| format!("{row}\n")).collect();
    let all = on_one_line(&all);
    assert!(text(lines(&log, ReadRequest::ALL).await).await == all);
    let some = text(lines(&log, part(4998, 1)).await).await;
    assert_eq!(some, on_one_line(&format!("{}\n", rows[4998])));
    assert_eq!(text(lines(&log, part(5000, 9)).await).await, "");
}

#[tokio::test]
async fn a_listing_says_what_it_is_and_that_this_depends_on_what_was_asked_for() {
    let (_writer, log) = log_of(&["a".to_owned()]);
    let list = array(&log, ReadRequest::ALL).await;
    assert_eq!(list.headers()[CONTENT_TYPE], "application/json");
    assert_eq!(list.headers()[VARY], "accept");
    let list = lines(&log, ReadRequest::ALL).await;
    assert_eq!(list.headers()[CONTENT_TYPE], "application/x-ndjson");
    assert_eq!(list.headers()[VARY], "accept");
    assert_eq!(
        message((&log, &ListingRoom::default()), log.durable_end(), 0)
            .await
            .ok()
            .unwrap()
            .headers()
            .get(VARY),
        None
    );
}

#[tokio::test]
async fn a_reader_that_takes_nothing_holds_one_page_and_nothing_is_read_ahead() {
    let (_writer, log) = log_of(&texts());
    let room = ListingRoom::new(16 << 20);
    let mut stream = stream(&log, &room, 5000);
    let Poll::Ready(Some(piece)) = next(&mut stream) else { panic!("a piece") };
    let held = room.held_bytes();
    assert!(held > 0 && held <= 4 * PAGE_BYTES_MAX + 1000, "{held}");
    for _ in 0..3 {
        assert!(next(&mut stream).is_pending());
        assert_eq!(room.held_bytes(), held);
    }
    // A piece that is not written yet is charged, also when its stream is gone.
    drop(stream);
    assert!(room.held_bytes() >= piece.len(), "{}", room.held_bytes());
    drop(piece);
    assert_eq!(room.held_bytes(), 0);
}

#[tokio::test]
async fn a_reader_that_finds_no_room_waits_for_its_turn_and_gets_all() {
    let texts = texts();
    let expected = on_one_line(&expected(&texts).to_string());
    let (_writer, log) = log_of(&texts);
    // Enough for one page and not for two.
    let room = ListingRoom::new(16_600);
    let mut first = stream(&log, &room, 5000);
    let Poll::Ready(Some(piece)) = next(&mut first) else { panic!("a piece") };
    let mut second = stream(&log, &room, 5000);
    assert!(next(&mut second).is_pending());
    drop((first, piece));
    let (view, headers) = (LogView::of_one_node(log.clone(), room.clone()), HeaderMap::new());
    let readers = (0..8).map(|_| async {
        text(view.messages(ReadRequest::ALL, false, &headers).await.unwrap()).await
    });
    drop(second);
    let readers: Vec<_> = readers.map(Box::pin).collect();
    let all = futures_of(readers).await;
    assert!(all.iter().all(|got| got.trim_end() == expected));
    assert_eq!(room.held_bytes(), 0);
}

/// Runs futures concurrently.
async fn futures_of<F: Future<Output = String> + Unpin>(mut futures: Vec<F>) -> Vec<String> {
    let mut done = Vec::new();
    poll_fn(|cx| {
        futures.retain_mut(|future| match std::pin::Pin::new(future).poll(cx) {
            Poll::Ready(got) => {
                done.push(got);
                false
            }
            Poll::Pending => true,
        });
        if futures.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done
}

#[tokio::test]
async fn small_messages_wait_for_no_listing_and_large_ones_have_their_room() {
    let texts = ["short".to_owned(), "x".repeat(100_000), "y".repeat(1000)];
    let (_writer, log) = log_of(&texts);
    let room = ListingRoom::new(20_000);
    let held = room.clone().hold(20_000).await;
    for id in [0, 2] {
        assert!(message((&log, &room), log.durable_end(), id).await.is_ok());
    }
    let mut large = Box::pin(message((&log, &room), log.durable_end(), 1));
    let mut context = Context::from_waker(Waker::noop());
    assert!(large.as_mut().poll(&mut context).is_pending());
    drop(held);
    // More than the budget: it then has all of it.
    assert!(text(large.await.ok().unwrap()).await.contains(&texts[1]));
    assert_eq!(room.held_bytes(), 0);
}

#[test]
fn pages_of_usual_size_wait_for_no_long_messages_and_all_of_them_keep_to_the_limit() {
    let (_writer, log) = log_of(&vec!["x".repeat(60_000); 4]);
    let (room, mut context) = (ListingRoom::default(), Context::from_waker(Waker::noop()));
    let mut long = Vec::new();
    let mut waits = loop {
        let mut holds = Box::pin(room.clone().hold(2 << 20));
        match holds.as_mut().poll(&mut context) {
            Poll::Ready(held) => long.push(held),
            Poll::Pending => break holds,
        }
    };
    let mut pages = Vec::new();
    for _ in 0..100 {
        let mut stream = stream(&log, &room, 4);
        let Poll::Ready(Some(piece)) = next(&mut stream) else { panic!("a piece") };
        pages.push((stream, piece));
    }
    assert!((40..64).contains(&long.len()) && room.held_bytes() <= LISTING_BYTES_MAX);
    long.clear();
    assert!(waits.as_mut().poll(&mut context).is_ready());
}

#[test]
fn pages_shrink_as_readers_add_up_so_that_thousands_have_room() {
    let (_writer, log) = log_of(&vec!["x".repeat(1000); 200]);
    let room = ListingRoom::default();
    let mut held = Vec::new();
    loop {
        let mut stream = stream(&log, &room, 200);
        let Poll::Ready(Some(piece)) = next(&mut stream) else { break };
        held.push((stream, piece));
        assert!(room.held_bytes() <= LISTING_BYTES_MAX);
    }
    let readers = held.len();
    assert!((1500..6000).contains(&readers), "{readers}");
    assert!(held[0].1.len() > 8 * held[readers - 1].1.len());
}

#[test]
fn without_a_flag_listings_have_the_room_that_these_tests_give_them() {
    let config = parse_node::<MasterConfig>(["master-node"]).unwrap();
    assert_eq!(config.common.max_listing_bytes, LISTING_BYTES_MAX);
}
