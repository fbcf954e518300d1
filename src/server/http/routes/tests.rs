//! The table of methods and paths.

use std::time::Duration;

use acklog_protocol::Wait;
use acklog_types::WriteConcern;
use hyper::Uri;
use hyper::header::{ALLOW, HeaderValue};

use super::*;
use crate::server::http::paths::{ALL_METHODS, PATTERNS, pattern_of};
use crate::server::http::read_request::{ReadBegin, ReadRequest};

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get"];

fn find(role: ServedRole, method: &str, uri: &str) -> Result<Route, RequestProblem> {
    let uri: Uri = uri.parse().unwrap();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    RouteTable { role, allow_faults: true }.route(&method, Path::parse(uri.path()), uri.query())
}

fn common_message(id: u64) -> Route {
    Route::Common(CommonRoute::Message(id))
}

fn status(role: ServedRole, method: &str, uri: &str) -> u16 {
    find(role, method, uri).map_or_else(|problem| problem.status().as_u16(), |_| 200)
}

#[test]
fn each_path_takes_its_methods_and_names_them_when_asked_for_another() {
    use ServedRole::{Master, Secondary};
    let table: &[(ServedRole, &str, &str)] = &[
        (Master, "/", "GET, HEAD, OPTIONS"),
        (Master, "/page/index.html", "GET, HEAD, OPTIONS"),
        (Master, "/newMessage", "POST, OPTIONS"),
        (Master, "/messages", "GET, HEAD, POST, OPTIONS"),
        (Master, "/messages/3", "GET, HEAD, OPTIONS"),
        (Master, "/messages/3/receipt", "GET, HEAD, OPTIONS"),
        (Master, "/health", "GET, HEAD, OPTIONS"),
        (Master, "/ready", "GET, HEAD, OPTIONS"),
        (Master, "/secondaries/bonnie", "DELETE, OPTIONS"),
        (Master, "/faults", "GET, HEAD, PUT, DELETE, OPTIONS"),
        (Master, "/faults/disconnect", "POST, OPTIONS"),
        (Master, "/events", "GET, HEAD, OPTIONS"),
        (Master, "/metrics", "GET, HEAD, OPTIONS"),
        (Master, "/openapi.json", "GET, HEAD, OPTIONS"),
        (Secondary, "/", "GET, HEAD, OPTIONS"),
        (Secondary, "/page/index.html", "GET, HEAD, OPTIONS"),
        (Secondary, "/newMessage", "OPTIONS"),
        (Secondary, "/messages", "GET, HEAD, OPTIONS"),
        (Secondary, "/messages/3", "GET, HEAD, OPTIONS"),
        (Secondary, "/health", "GET, HEAD, OPTIONS"),
        (Secondary, "/ready", "GET, HEAD, OPTIONS"),
        (Secondary, "/faults", "GET, HEAD, PUT, DELETE, OPTIONS"),
        (Secondary, "/faults/disconnect", "POST, OPTIONS"),
        (Secondary, "/events", "GET, HEAD, OPTIONS"),
        (Secondary, "/metrics", "GET, HEAD, OPTIONS"),
        (Secondary, "/openapi.json", "GET, HEAD, OPTIONS"),
    ];
    for &(role, path, allow) in table {
        for method in METHODS {
            let is_allowed = allow.split(", ").any(|allowed| allowed == method);
            match find(role, method, path) {
                Err(problem @ RequestProblem::Method { .. }) => {
                    let response = problem.answer_to(RequestKind::Idempotent);
                    assert!(!is_allowed, "{method} {path}");
                    assert_eq!(response.status().as_u16(), 405);
                    assert_eq!(response.headers()[ALLOW], HeaderValue::from_static(allow));
                }
                Ok(Route::Master(MasterRoute::Append(named))) if role == Secondary => {
                    assert_eq!((method, named), ("POST", allow));
                }
                Ok(Route::Common(CommonRoute::Options(named))) => {
                    assert_eq!((method, named), ("OPTIONS", allow))
                }
                Ok(_) => assert!(is_allowed, "{method} {path}"),
                Err(other) => panic!("{method} {path}: {other}"),
            }
        }
    }
}

/// All paths, in the order of [`PATTERNS`].
const PATHS: [Path<'_>; PATTERNS.len() - 1] = [
    Path::Page,
    Path::NewMessage,
    Path::Messages,
    Path::Message("{id}"),
    Path::Receipt("{id}"),
    Path::Health,
    Path::Ready,
    Path::Secondary("{name}"),
    Path::Faults,
    Path::FaultsDisconnect,
    Path::Events,
    Path::Metrics,
    Path::OpenApi,
    Path::PageFile("{file}"),
];

#[test]
fn the_document_has_the_paths_and_methods_of_a_master_and_no_others() {
    let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
    let documented = document["paths"].as_object().unwrap();
    assert_eq!(documented.len(), PATHS.len());
    assert_eq!(PATTERNS.get(pattern_of(None)), Some(&"other"));
    for (n, (path, written)) in PATHS.into_iter().zip(PATTERNS).enumerate() {
        assert_eq!((pattern_of(Some(path)), Path::parse(written)), (n, Some(path)));
        let methods = documented[written].as_object().unwrap().keys();
        let mut methods: Vec<_> = methods.map(|method| method.to_ascii_uppercase()).collect();
        let allow = path.allow(ServedRole::Master);
        let mut allowed: Vec<_> = allow.split(", ").collect();
        methods.sort_unstable();
        allowed.sort_unstable();
        assert_eq!(methods, allowed, "{written}");
        let by_secondary: Vec<_> = path.allow(ServedRole::Secondary).split(", ").collect();
        for (method, operation) in documented[written].as_object().unwrap() {
            let text = operation["description"].as_str().unwrap();
            let is_both = by_secondary.contains(&method.to_ascii_uppercase().as_str())
                && !matches!(path, Path::Secondary(_) | Path::Receipt(_));
            assert_eq!(
                text.starts_with("Answered by the master only"),
                !is_both,
                "{method} {written}"
            );
        }
    }
}

#[test]
fn options_are_told_for_the_node_as_a_whole_and_whatever_the_query() {
    let options = |path: &str| find(ServedRole::Master, "OPTIONS", path);
    assert_eq!(options("*"), Ok(Route::Common(CommonRoute::Options(ALL_METHODS))));
    assert!(matches!(options("/messages?from=x"), Ok(Route::Common(CommonRoute::Options(_)))));
    let answer = super::options("GET, OPTIONS");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()[ALLOW]),
        (204, &"GET, OPTIONS".parse().unwrap())
    );
}

#[test]
fn faults_that_are_off_are_refused_before_anything_else_of_the_request_is_looked_at() {
    let find = |method: &str, uri: &str| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let uri: Uri = uri.parse().unwrap();
        RouteTable { role: ServedRole::Master, allow_faults: false }.route(
            &method,
            Path::parse(uri.path()),
            uri.query(),
        )
    };
    for (method, uri) in [
        ("GET", "/faults"),
        ("HEAD", "/faults"),
        ("PUT", "/faults?x=1"),
        ("DELETE", "/faults"),
        ("POST", "/faults/disconnect"),
    ] {
        assert_eq!(find(method, uri), Err(RequestProblem::FaultsOff), "{method} {uri}");
    }
    assert!(matches!(find("POST", "/faults"), Err(RequestProblem::Method { .. })));
    assert!(matches!(find("OPTIONS", "/faults"), Ok(Route::Common(CommonRoute::Options(_)))));
}

#[test]
fn a_post_to_a_secondary_is_misdirected_on_either_path() {
    for path in ["/newMessage", "/messages", "/messages?from=1"] {
        let found = find(ServedRole::Secondary, "POST", path);
        assert!(matches!(found, Ok(Route::Master(MasterRoute::Append(_)))));
    }
}

#[test]
fn head_asks_for_what_get_asks_for() {
    for path in ["/", "/messages?from=3", "/messages/3", "/health", "/ready", "/faults"] {
        assert_eq!(find(ServedRole::Master, "HEAD", path), find(ServedRole::Master, "GET", path));
    }
}

#[test]
fn other_paths_are_unknown() {
    for method in METHODS.into_iter().filter(|method| *method != "OPTIONS") {
        assert_eq!(status(ServedRole::Master, method, "*"), 404, "{method} *");
    }
    let paths = [
        "/message",
        "/newmessage",
        "/newMessage/",
        "/messages/",
        "/messages/1/2",
        "/secondaries",
        "/secondaries/",
        "/secondaries/a/b",
        "/faults/",
        "/Health",
        "//health",
    ];
    for path in paths {
        for method in METHODS {
            assert_eq!(status(ServedRole::Master, method, path), 404, "{method} {path}");
        }
    }
    for method in METHODS {
        for path in ["/secondaries/bonnie", "/messages/3/receipt"] {
            assert_eq!(find(ServedRole::Secondary, method, path), Ok(Route::NotASecondarys));
        }
    }
}

#[test]
fn from_and_limit_are_whole_numbers_given_once() {
    let found = |query: &str| find(ServedRole::Secondary, "GET", &format!("/messages{query}"));
    let selection = |from, limit| {
        let begin = ReadBegin::From(from);
        let read = ReadRequest { begin, limit, ..ReadRequest::ALL };
        Ok(Route::Common(CommonRoute::Messages(read)))
    };
    assert_eq!(found(""), selection(0, u64::MAX));
    assert_eq!(found("?"), selection(0, u64::MAX));
    assert_eq!(found("?from=3"), selection(3, u64::MAX));
    assert_eq!(found("?limit=0&from=18446744073709551615"), selection(u64::MAX, 0));
    assert_eq!(found("?from=99999999999999999999999"), selection(u64::MAX, u64::MAX));
    let bad = [
        "from",
        "from=",
        "from=-1",
        "from=+1",
        "from=1.5",
        "from=a",
        "limit=1e3",
        "from=%20",
        "from=1&from=1",
        "limit=1&from=2&limit=1",
        "form=1",
        "From=1",
        "w=2",
        "=1",
        "from=1&x",
    ];
    for query in bad {
        assert_eq!(
            status(ServedRole::Master, "GET", &format!("/messages?{query}")),
            400,
            "{query}"
        );
    }
}

#[test]
fn no_other_route_takes_parameters() {
    let routes = [
        ("POST", "/newMessage"),
        ("POST", "/messages"),
        ("GET", "/health"),
        ("HEAD", "/ready"),
        ("DELETE", "/secondaries/bonnie"),
        ("GET", "/faults"),
        ("POST", "/faults/disconnect"),
        ("GET", "/openapi.json"),
        ("GET", "/"),
        ("GET", "/page/index.html"),
    ];
    for (method, path) in routes {
        for query in ["w=2", "from=1", "x"] {
            assert_eq!(
                status(ServedRole::Master, method, &format!("{path}?{query}")),
                400,
                "{path}"
            );
        }
    }
}

#[test]
fn an_id_is_a_whole_number_and_one_that_is_too_large_is_nobodys() {
    assert_eq!(find(ServedRole::Master, "GET", "/messages/007"), Ok(common_message(7)));
    let too_large = find(ServedRole::Master, "GET", "/messages/18446744073709551616");
    assert_eq!(too_large, Ok(common_message(u64::MAX)));
    for id in ["a", "-1", "+1", "1.0", "0x1", "%31", "1a"] {
        assert_eq!(status(ServedRole::Master, "GET", &format!("/messages/{id}")), 400, "{id}");
    }
}

#[test]
fn names_that_nobody_can_have_are_refused() {
    let bonnie = Ok(Route::Master(MasterRoute::Forget("bonnie".parse().unwrap())));
    assert_eq!(find(ServedRole::Master, "DELETE", "/secondaries/bonnie"), bonnie);
    for name in ["a%20b", "a%2fb", "~", &"x".repeat(65)] {
        assert_eq!(status(ServedRole::Master, "DELETE", &format!("/secondaries/{name}")), 400);
    }
}

#[test]
fn a_message_may_be_waited_for_with_the_words_of_an_append() {
    let found = |query: &str| find(ServedRole::Master, "GET", &format!("/messages/3?{query}"));
    let waits = |write_concern, ms: Option<u64>| {
        let timeout = ms.map(Duration::from_millis);
        Ok(Route::Master(MasterRoute::Wait(3, Wait::until(Some(write_concern), timeout))))
    };
    assert_eq!(found(""), Ok(common_message(3)));
    assert_eq!(found("writeConcern=3"), waits(WriteConcern::Nodes(3), None));
    assert_eq!(found("w=0&timeoutMs=0"), waits(WriteConcern::Nodes(1), Some(0)));
    assert_eq!(found("timeoutMs=20&w=majority"), waits(WriteConcern::Majority, Some(20)));
    assert_eq!(found("writeConcern=all&w=all"), waits(WriteConcern::All, None));
    let head = find(ServedRole::Master, "HEAD", "/messages/3?w=2");
    assert_eq!(head, waits(WriteConcern::Nodes(2), None));
    for query in [
        "timeoutMs=5",
        "w=most",
        "w=-1",
        "w=",
        "w=1.5",
        "w=2&w=2",
        "w=2&writeConcern=3",
        "w=2&timeoutMs=soon",
        "writeconcern=2",
        "from=1",
    ] {
        assert_eq!(
            status(ServedRole::Master, "GET", &format!("/messages/3?{query}")),
            400,
            "{query}"
        );
    }
    assert_eq!(status(ServedRole::Master, "GET", "/messages/x?w=2"), 400);
}
