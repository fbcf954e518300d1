//! Listings and single messages as JSON.

use std::task::{Context, Poll, Waker};

use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::stream::PAGE_BYTES;
use super::*;
use crate::log::{LogWriter, in_memory};
use crate::types::Batch;

fn log_of(texts: &[String]) -> (LogWriter, LogReader) {
    log_of_batches(texts, 1)
}

/// With so many messages in a batch.
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

fn expected(texts: &[String]) -> Value {
    let row = |(id, text)| json!({"id": id, "message": text});
    texts.iter().enumerate().map(row).collect()
}

async fn array(log: &LogReader, selection: Selection) -> Result<Response<ResponseBody>, Problem> {
    messages(log, selection, &HeaderMap::new()).await
}

async fn lines(log: &LogReader, selection: Selection) -> Response<ResponseBody> {
    let headers = HeaderMap::from_iter([(ACCEPT, APPLICATION_NDJSON)]);
    messages(log, selection, &headers).await.unwrap()
}

async fn text(response: Response<ResponseBody>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The text of an answer that is one line of JSON.
async fn line(response: Response<ResponseBody>) -> String {
    let text = text(response).await;
    text.strip_suffix('\n').expect("a line feed behind the body").to_owned()
}

/// Several megabytes of all sorts of texts, some of them longer than a page.
fn texts() -> Vec<String> {
    let specials = ["Msg", "\"\\/\u{1}\u{1f}\n\t", "Повідомлення", "🦀\u{2028}", "x"];
    let text = |n: usize| {
        let special = specials[n % specials.len()];
        let repeats = if n % 700 == 3 { 60_000 } else { n % 97 };
        format!("{n} {}", special.repeat(repeats))
    };
    (0..5000).map(text).collect()
}

/// Messages in a batch: singly, of less than a page, and all of [`texts`] as one.
const BATCHES: [usize; 3] = [1, 50, 5000];

#[tokio::test]
async fn a_streamed_log_equals_what_serde_json_writes() {
    let texts = texts();
    let expected = serde_json::to_string(&expected(&texts)).unwrap();
    assert!(expected.len() > 4_000_000);
    for length in BATCHES {
        let (_writer, log) = log_of_batches(&texts, length);
        let got = line(array(&log, Selection::ALL).await.unwrap()).await;
        assert!(got == expected, "batches of {length}");
    }
}

#[tokio::test]
async fn no_piece_is_much_longer_than_a_page_and_none_is_empty() {
    for length in BATCHES {
        look_at_pieces(log_of_batches(&texts(), length).1);
    }
}

fn look_at_pieces(log: LogReader) {
    let mut stream =
        MessageStream::new(log, IdRange::new(LogEnd::ZERO, LogEnd::new(5000)), Form::ARRAY);
    let (mut pieces, mut turns) = (0, 0);
    loop {
        match stream.poll_chunk(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(piece)) => {
                let piece = piece.unwrap();
                assert!(!piece.is_empty());
                assert!(piece.len() < 6 * PAGE_BYTES + 1000, "{}", piece.len());
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
            let got = line(array(&log, Selection { from, limit }).await.unwrap()).await;
            assert_eq!(got, rows.to_string(), "from {from} limit {limit}");
        }
    }
}

#[tokio::test]
async fn the_end_is_fixed_when_the_request_begins() {
    let texts = texts();
    let (mut writer, log) = log_of(&texts);
    let response = array(&log, Selection::ALL).await.unwrap();
    writer.append(0, None, &"late".into());
    writer.flush();
    assert!(!text(response).await.contains("late"));
}

#[tokio::test]
async fn one_message_is_an_object_whatever_its_length() {
    let texts = ["short".to_owned(), "\u{1}long\"".repeat(100_000), "behind".to_owned()];
    let (_writer, log) = log_of(&texts);
    for (id, text_of) in texts.iter().enumerate() {
        let got = line(message(&log, id as u64).await.ok().unwrap()).await;
        let expected = json!({"id": id, "message": text_of}).to_string();
        assert!(got == expected, "message {id}");
    }
    for id in [3, u64::MAX] {
        let problem = message(&log, id).await.err();
        assert_eq!(problem, Some(Problem::NoMessage { end: LogEnd::new(3) }));
    }
}

#[tokio::test]
async fn a_message_that_was_waited_for_tells_who_has_it_whatever_its_length() {
    let texts = ["short".to_owned(), "\u{1}long\"".repeat(100_000)];
    let (_writer, log) = log_of(&texts);
    for (id, text_of) in texts.iter().enumerate() {
        let acked_by = ["master", "bonnie"].map(|name| name.parse().unwrap()).into();
        let id = MessageId::new(id as u64);
        let receipt = Receipt { id, write_concern: 2, acked_by, stored: true, replayed: false };
        let got = line(acked_message(&log, &receipt).await.ok().unwrap()).await;
        let head = format!("{{\"id\":{id},\"message\":\"");
        let tail = r#"","writeConcern":2,"ackedBy":["master","bonnie"]}"#;
        assert!(got.starts_with(&head) && got.ends_with(tail), "message {id}");
        let read: Value = serde_json::from_str(&got).unwrap();
        assert!(read["message"] == text_of.as_str(), "message {id}");
    }
}

#[tokio::test]
async fn what_fits_in_a_page_has_a_length() {
    use hyper::body::Body;
    let (_writer, log) = log_of(&["a".to_owned()]);
    assert!(array(&log, Selection::ALL).await.unwrap().body().size_hint().exact().is_some());
    let (_writer, log) = log_of(&texts());
    assert!(array(&log, Selection::ALL).await.unwrap().body().size_hint().exact().is_none());
}

#[tokio::test]
async fn lines_are_the_rows_of_the_array_each_with_its_line_end() {
    let texts = texts();
    let (_writer, log) = log_of(&texts);
    let rows = expected(&texts);
    let all: String = rows.as_array().unwrap().iter().map(|row| format!("{row}\n")).collect();
    assert!(text(lines(&log, Selection::ALL).await).await == all);
    let some = text(lines(&log, Selection { from: 4998, limit: 1 }).await).await;
    assert_eq!(some, format!("{}\n", rows[4998]));
    assert_eq!(text(lines(&log, Selection { from: 5000, limit: 9 }).await).await, "");
}

#[tokio::test]
async fn a_listing_says_what_it_is_and_that_this_depends_on_what_was_asked_for() {
    let (_writer, log) = log_of(&["a".to_owned()]);
    let list = array(&log, Selection::ALL).await.unwrap();
    assert_eq!(list.headers()[CONTENT_TYPE], "application/json");
    assert_eq!(list.headers()[VARY], "accept");
    let list = lines(&log, Selection::ALL).await;
    assert_eq!(list.headers()[CONTENT_TYPE], "application/x-ndjson");
    assert_eq!(list.headers()[VARY], "accept");
    assert_eq!(message(&log, 0).await.ok().unwrap().headers().get(VARY), None);
}
