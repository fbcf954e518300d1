//! Which bodies are a message or a batch to append.

use super::*;
use crate::server::http::params::TIMEOUT_MAX;

const MAX: usize = 1000;

fn parsed(body: &str) -> (String, Option<WriteConcern>, Option<u64>) {
    let append = parse(body.as_bytes(), MAX).unwrap_or_else(|problem| panic!("{problem}"));
    let millis = append.wait.timeout.map(|timeout| timeout.as_millis() as u64);
    assert_eq!((append.batch.len(), append.count), (1, None));
    let text = append.batch.iter().collect();
    (text, append.wait.write_concern, millis)
}

fn refused(body: impl AsRef<[u8]>) -> String {
    let body = body.as_ref();
    let problem = parse(body, MAX).unwrap_err();
    assert_eq!(problem.status().as_u16(), 400, "{}", String::from_utf8_lossy(body));
    problem.to_string()
}

#[test]
fn a_message_alone_leaves_the_rest_to_the_node() {
    assert_eq!(parsed(r#"{"message": "Msg1"}"#), ("Msg1".to_owned(), None, None));
    assert_eq!(parsed(" \n{\"message\":\"\"}\r\n").0, "");
    assert_eq!(parsed("\u{feff}{\"message\":\"\u{feff}a\"}").0, "\u{feff}a");
    let nulls = r#"{"writeConcern":null,"w":null,"timeoutMs":null,"message":"a"}"#;
    assert_eq!(parsed(nulls), ("a".to_owned(), None, None));
}

#[test]
fn a_write_concern_is_a_number_or_a_word_under_either_name() {
    let concern = |text: &str| parsed(&format!(r#"{{"message":"a",{text}}}"#)).1.unwrap();
    assert_eq!(concern(r#""w":2"#), WriteConcern::Nodes(2));
    assert_eq!(concern(r#""writeConcern":0"#), WriteConcern::Nodes(1));
    assert_eq!(concern(r#""w":"majority""#), WriteConcern::Majority);
    assert_eq!(concern(r#""writeConcern":"all""#), WriteConcern::All);
    assert_eq!(concern(r#""writeConcern":3,"w":3"#), WriteConcern::Nodes(3));
    assert_eq!(concern(r#""writeConcern":null,"w":3"#), WriteConcern::Nodes(3));
    assert_eq!(concern(r#""w":18446744073709551615"#), WriteConcern::Nodes(u64::MAX));
    for (text, nodes) in [("2.0", 2), ("2e0", 2), ("20E-1", 2), ("-0", 1), ("1e2", 100)] {
        assert_eq!(concern(&format!("\"w\":{text}")), WriteConcern::Nodes(nodes), "{text}");
    }
}

#[test]
fn a_timeout_is_a_whole_number_however_large() {
    let timeout = |text: &str| parsed(&format!(r#"{{"message":"a","timeoutMs":{text}}}"#)).2;
    assert_eq!(timeout("0"), Some(0));
    assert_eq!(timeout("1500"), Some(1500));
    assert_eq!(timeout("18446744073709551615"), Some(TIMEOUT_MAX.as_millis() as u64));
}

#[test]
fn escapes_are_decoded() {
    let text = parsed(r#"{"message":"\u0041\"\\\n\ud83e\udd80\u0000\u2028"}"#).0;
    assert_eq!(text, "A\"\\\n🦀\0\u{2028}");
    assert_eq!(parsed(r#"{"\u006dessage":"a"}"#).0, "a");
}

#[test]
fn what_is_no_object_is_refused() {
    for body in ["", " ", "[]", r#"["a"]"#, "\"a\"", "1", "-1", "1.5", "true", "null", "{"] {
        refused(body);
    }
    for body in ["message=a", r#"{"message":"a"}x"#, r#"{"message":"a"}{}"#, "{'message':'a'}"] {
        assert!(refused(body).contains("no JSON"), "{body}");
    }
    for body in [r#"{"message":"a",}"#, r#"{"message":"a"#] {
        refused(body);
    }
    for body in ["\u{feff}", "\u{feff}\u{feff}{\"message\":\"a\"}", " \u{feff}{\"message\":\"a\"}"]
    {
        refused(body);
    }
    refused("[".repeat(100_000));
    refused(format!("{{\"message\":{}", "[".repeat(100_000)));
}

#[test]
fn what_is_no_unicode_is_refused() {
    refused(b"{\"message\":\"\xff\"}");
    refused(b"{\"message\":\"\xed\xa0\x80\"}");
    refused(r#"{"message":"\ud800"}"#);
    refused(r#"{"message":"\udc00\ud800"}"#);
    refused("{\"message\":\"a\nb\"}");
}

#[test]
fn a_message_that_is_missing_or_no_string_is_refused() {
    for body in ["{}", r#"{"message":null}"#, r#"{"w":1}"#] {
        assert!(refused(body).contains("\"message\" is missing"), "{body}");
    }
    for value in ["1", "-1", "1.5", "true", "[]", "{}", "[\"a\"]", "{\"a\":[1]}"] {
        let detail = refused(format!("{{\"message\":{value}}}"));
        assert!(detail.contains("\"message\" is a string, not"), "{detail}");
    }
}

#[test]
fn an_unknown_write_concern_or_timeout_is_refused() {
    let bad =
        ["-1", "1.5", "1e-2", "1e300", "-1.0", "true", "\"2\"", "\"ALL\"", "\"\"", "[1]", "{}"];
    for member in ["writeConcern", "w", "timeoutMs"] {
        for value in bad.iter().chain(&["18446744073709551616"]) {
            let detail = refused(format!(r#"{{"message":"a","{member}":{value}}}"#));
            assert!(detail.contains(member), "{detail}");
        }
    }
    refused(r#"{"message":"a","timeoutMs":"all"}"#);
}

#[test]
fn unknown_and_repeated_members_are_refused_even_when_null() {
    for member in ["writeconcern", "write_concern", "W", "Message", "", "id", "timeout"] {
        let detail = refused(format!(r#"{{"message":"a","{member}":null}}"#));
        assert!(detail.contains("is not known"), "{detail}");
    }
    for body in [
        r#"{"message":"a","message":"a"}"#,
        r#"{"message":"a","w":null,"w":2}"#,
        r#"{"message":"a","w":2,"w":2}"#,
        r#"{"message":null,"message":"a"}"#,
    ] {
        assert!(refused(body).contains("given twice"), "{body}");
    }
    for body in [r#""w":1,"writeConcern":2"#, r#""w":"all","writeConcern":3"#] {
        assert!(refused(format!("{{\"message\":\"a\",{body}}}")).contains("differ"));
    }
}

#[test]
fn a_key_stands_in_a_line_alone_and_is_told_apart_from_the_header() {
    let line = |body: &str| parse_line(body.as_bytes(), MAX);
    let key = line(r#"{"message":"a","key":"K"}"#).unwrap().key;
    assert_eq!(key.as_ref().map(IdempotencyKey::as_str), Some("K"));
    let long = format!(r#"{{"message":"a","key":"{}"}}"#, "k".repeat(129));
    for body in [r#"{"message":"a","key":""}"#, r#"{"message":"a","key":"a b"}"#, &long] {
        let detail = line(body).unwrap_err().to_string();
        assert!(detail.starts_with("the member \"key\" cannot be used: "), "{detail}");
        assert!(detail.contains("1 to 128 visible ASCII") && !detail.contains("header"));
    }
    let wrong = line(r#"{"message":"a","key":5}"#).unwrap_err().to_string();
    assert!(wrong.contains("\"key\" is a string, not the number 5"), "{wrong}");
    let unknown = line(r#"{"message":"a","kee":5}"#).unwrap_err().to_string();
    assert!(unknown.contains("in a line of an append stream, \"key\""), "{unknown}");
    assert!(refused(r#"{"message":"a","key":"K"}"#).contains("the header Idempotency-Key"));
}

#[test]
fn no_detail_repeats_more_than_a_little_of_the_body() {
    let long = "x".repeat(100_000);
    for body in [
        format!("\"{long}\""),
        format!("{{\"{long}\":1}}"),
        format!("{{\"message\":\"a\",\"w\":\"{long}\"}}"),
        format!("{{\"message\":\"a\",\"timeoutMs\":\"{long}\"}}"),
        format!("{{\"message\":\"a\",\"timeoutMs\":{}}}", "9".repeat(100_000)),
        long,
    ] {
        assert!(refused(body).len() < 400);
    }
}

#[test]
fn a_message_is_measured_in_bytes_of_the_decoded_string() {
    let longest = format!("{{\"message\":\"{}\"}}", "\\u0041".repeat(MAX));
    assert_eq!(parsed(&longest).0.len(), MAX);
    let longer = format!("{{\"message\":\"{}\"}}", "é".repeat(MAX / 2 + 1));
    let problem = parse(longer.as_bytes(), MAX).unwrap_err();
    assert_eq!(problem, RequestProblem::MessageTooLong { length: MAX + 2, limit: MAX });
    assert_eq!(problem.status().as_u16(), 413);
}

fn batch(body: &str) -> Vec<String> {
    let asked = parse(body.as_bytes(), MAX).unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(asked.count, Some(asked.batch.len()));
    asked.batch.iter().map(str::to_owned).collect()
}

#[test]
fn several_messages_are_a_batch_and_one_may_be_too() {
    assert_eq!(batch(r#"{"messages":["a","","\u0062\n"],"w":2}"#), ["a", "", "b\n"]);
    assert_eq!(batch(r#"{"message":null,"messages":["a"]}"#), ["a"]);
}

#[test]
fn a_batch_that_is_none_is_refused_with_what_is_wrong() {
    for (body, told) in [
        (r#"{"messages":[]}"#, "\"messages\" is empty"),
        (r#"{"messages":null}"#, "\"message\" is missing"),
        (r#"{"messages":"a"}"#, "\"messages\" is an array of strings, not the string \"a\""),
        (r#"{"messages":["a",7,true]}"#, "the one at index 1 is the number 7"),
        (r#"{"messages":[["a"]]}"#, "the one at index 0 is an array"),
        (r#"{"messages":[null]}"#, "the one at index 0 is null"),
        (r#"{"message":"a","messages":["b"]}"#, "both given"),
        (r#"{"messages":["a"],"messages":["b"]}"#, "given twice"),
        (r#"{"message":["a"]}"#, "\"message\" is a string, not an array"),
    ] {
        let detail = refused(body);
        assert!(detail.contains(told), "{detail}");
    }
}

#[test]
fn each_message_of_a_batch_has_the_limit_of_one_and_all_together_that_of_a_frame() {
    let longer = format!(r#"{{"messages":["a","{}"]}}"#, "x".repeat(MAX + 1));
    let problem = parse(longer.as_bytes(), MAX).unwrap_err();
    assert_eq!(problem, RequestProblem::MessageTooLong { length: MAX + 1, limit: MAX });
    // So many empty messages fit into a body and a frame; one more does not.
    let most = (BATCH_BYTES_MAX - 1 - IDEMPOTENCY_KEY_BYTES_MAX) / RECORD_HEADER_BYTES;
    let empty = |count: usize| format!(r#"{{"messages":[""{}]}}"#, r#","""#.repeat(count - 1));
    assert_eq!(parse(empty(most).as_bytes(), MAX).unwrap().batch.len(), most);
    let problem = parse(empty(most + 1).as_bytes(), MAX).unwrap_err();
    assert_eq!(problem, RequestProblem::BatchTooLong { length: record_bytes_max(most + 1, 0) });
    assert_eq!(problem.status().as_u16(), 413);
    assert!(problem.to_string().contains("several batches"), "{problem}");
}
