//! The host names and origins that a node accepts.

use hyper::Request;

use super::*;

fn names() -> HostNames {
    let allowed = ["log.example.org", "Proxy"].map(str::to_owned);
    HostNames::new("Master-1".parse().unwrap(), allowed)
}

/// Checks a request with these header lines: by a new check, and by one that has admitted a request
/// for `localhost` before.
fn check(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<(), RequestProblem> {
    let head = parts(method, target, headers);
    let used = HostCheck::new(names());
    used.check(&parts("GET", "/", &[("host", "localhost")])).unwrap();
    let checked = used.check(&head);
    assert_eq!(used.check(&head), checked);
    assert_eq!(HostCheck::new(names()).check(&head), checked);
    checked
}

fn parts(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn host(host: &str) -> Result<(), RequestProblem> {
    check("GET", "/messages", &[("host", host)])
}

fn code(checked: Result<(), RequestProblem>) -> String {
    checked.map_or_else(|problem| problem.code().to_string(), |()| "ok".to_owned())
}

#[test]
fn addresses_localhost_and_the_nodes_own_names_are_taken_with_any_port() {
    for name in [
        "127.0.0.1",
        "10.5.0.100",
        "255.255.255.255",
        "[::1]",
        "[fe80::1%25eth0]",
        "[::ffff:10.0.0.1]",
        "localhost",
        "LocalHost",
        "master-1",
        "Master-1",
        "log.example.org",
        "proxy",
    ] {
        for port in ["", ":", ":80", ":8000", ":65535"] {
            assert_eq!(host(&format!("{name}{port}")), Ok(()), "{name}{port}");
        }
    }
}

#[test]
fn other_names_are_refused_and_the_flag_is_named() {
    for name in [
        "evil.example",
        "evil.example:8000",
        "",
        ":8000",
        "master",
        "localhost.evil.example",
        "xlocalhost",
        "127.0.0.1.evil.example",
        "1.2.3",
        "0x7f000001",
        "log.example.org.",
        "%6cocalhost",
    ] {
        let problem = host(name).unwrap_err();
        assert_eq!(problem.code().as_str(), "wrong-host", "{name}");
        let detail = problem.to_string();
        assert!(detail.contains("--allowed-hosts") && detail.contains("\"Master-1\""), "{detail}");
    }
}

#[test]
fn a_host_that_is_missing_doubled_or_invalid_is_a_bad_request() {
    for name in [
        "a b/c@d",
        "user@localhost",
        "localhost/",
        "localhost:80a",
        "localhost:-1",
        "a:b:c",
        "::1",
        "[::1",
        "[::1]8000",
        "[1.2.3.4]",
        "[v1.a]",
        "localhost:80:80",
        "local%host",
        "local%6",
        "a,b c",
        "lo\\cal",
        "http://localhost",
    ] {
        assert_eq!(code(host(name)), "bad-request", "{name}");
    }
    let doubled = [("host", "localhost"), ("host", "localhost")];
    assert_eq!(code(check("GET", "/", &doubled)), "bad-request");
    assert_eq!(code(check("GET", "/", &[])), "bad-request");
}

#[test]
fn a_request_of_http_1_0_needs_no_host_but_a_right_one_where_it_has_one() {
    let check = |hosts: &[&str]| {
        let mut request = Request::builder().version(Version::HTTP_10).uri("/health");
        for host in hosts {
            request = request.header("host", *host);
        }
        code(names().check(&request.body(()).unwrap().into_parts().0))
    };
    assert_eq!(check(&[]), "ok");
    assert_eq!(check(&["localhost"]), "ok");
    assert_eq!(check(&["evil.example"]), "wrong-host");
    assert_eq!(check(&["localhost", "localhost"]), "bad-request");
}

#[test]
fn the_host_of_an_absolute_target_counts_and_not_the_header() {
    let get = |target: &str, host: &str| code(check("GET", target, &[("host", host)]));
    assert_eq!(get("http://localhost:8000/messages", "evil.example"), "ok");
    assert_eq!(get("http://evil.example/messages", "localhost"), "wrong-host");
    assert_eq!(get("http://user@localhost/messages", "localhost"), "bad-request");
    assert_eq!(get("http://localhost/messages", "a b"), "bad-request");
    assert_eq!(code(check("GET", "http://localhost/messages", &[])), "bad-request");
}

#[test]
fn what_changes_something_comes_from_no_page_of_another_origin() {
    let send = |method: &str, host: &str, origin: &str| {
        code(check(method, "/messages", &[("host", host), ("origin", origin)]))
    };
    for (host, origin) in [
        ("localhost:8000", "http://localhost:8000"),
        ("LOCALHOST:8000", "http://localhost:8000"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("log.example.org", "https://log.example.org"),
        ("log.example.org:443", "https://log.example.org"),
        ("[::1]:8000", "http://[0:0::1]:8000"),
    ] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            assert_eq!(send(method, host, origin), "ok", "{method} {host} {origin}");
        }
    }
    for (host, origin) in [
        ("localhost:8000", "http://localhost:3000"),
        ("localhost:8000", "http://localhost"),
        ("localhost:8000", "http://127.0.0.1:8000"),
        ("localhost:80", "https://localhost"),
        ("localhost", "http://evil.example"),
        ("localhost", "null"),
        ("localhost", ""),
        ("localhost", "localhost"),
        ("localhost", "file://localhost"),
        ("localhost", "http://localhost/"),
    ] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            assert_eq!(send(method, host, origin), "wrong-origin", "{method} {host} {origin}");
        }
        for method in ["GET", "HEAD"] {
            assert_eq!(send(method, host, origin), "ok", "{method} {host} {origin}");
        }
    }
    let (own, other) = (("origin", "http://localhost"), ("origin", "http://evil.example"));
    let both = [("host", "localhost"), own, other];
    assert_eq!(code(check("POST", "/messages", &both)), "wrong-origin");
}
