//! The list of messages of a node, as it is told.

use acklog_log::in_memory;
use acklog_types::Batch;

use super::*;

fn texts(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|id| format!("m{id}")).collect()
}

fn at(end: u64) -> LogEnd {
    LogEnd::new(end)
}

#[test]
fn a_reader_begins_with_the_last_messages_and_is_told_at_most_so_many_at_once() {
    let (log, mut place) = (Some(LogId::new(7)), ListPlace::default());
    assert_eq!(place.next(log, at(0), at(0)), Some((at(0), at(0))), "an empty list is told");
    assert_eq!(place.next(log, at(0), at(1000)), Some((at(800), at(1000))));
    assert_eq!(place.next(log, at(900), at(1000)), Some((at(900), at(1000))), "trimmed");
    place.take(log, at(1000));
    assert_eq!(place.next(log, at(0), at(1000)), None);
    assert_eq!(place.next(log, at(0), at(1003)), Some((at(1000), at(1003))));
    assert_eq!(place.next(log, at(0), at(9000)), Some((at(8900), at(9000))), "some are left out");
    assert_eq!(place.next(log, at(0), at(10)), Some((at(0), at(10))), "it was cut");
    let other = Some(LogId::new(8));
    assert_eq!(place.next(other, at(0), at(1000)), Some((at(800), at(1000))), "another log");
    assert_eq!(place.next(None, at(0), at(0)), Some((at(0), at(0))), "none any more");
}

#[test]
fn texts_of_all_pages_are_read_in_their_order() {
    let (mut writer, reader) = in_memory();
    for id in 0..300 {
        writer.append(0, None, &Batch::from(format!("m{id}").as_str()));
    }
    writer.flush();
    let read = |from, until| read_texts(&reader, at(from), at(until));
    let whole = ReadTexts { runs: vec![(at(100), texts(100..300))], end: at(300) };
    assert_eq!(read(100, 300), whole);
    assert_eq!(read(7, 9).runs, [(at(7), texts(7..9))]);
    assert_eq!(read(300, 300).runs, [(at(300), Vec::new())]);
    assert_eq!(read(300, 305), ReadTexts { runs: Vec::new(), end: at(300) }, "not there yet");
}

#[test]
fn a_long_text_is_cut_between_characters() {
    assert_eq!(cut(b""), "");
    for character in ["a", "\u{e4}", "\u{20ac}", "\u{1f41f}"] {
        let whole = character.repeat(TEXT_CHARS_MAX);
        assert_eq!(cut(whole.as_bytes()), whole);
        for more in [1, 5000] {
            let cut = cut(character.repeat(TEXT_CHARS_MAX + more).as_bytes());
            assert_eq!(cut, format!("{}…", character.repeat(TEXT_CHARS_MAX - 1)));
        }
    }
}
