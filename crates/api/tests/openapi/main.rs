//! `docs/openapi.json` against the types, words and names of this crate, in both directions.

// Test helpers: a panic is the failure.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod bodies;
mod schema;

use std::collections::BTreeSet;

use acklog_api::follow::GapReason;
use acklog_api::{
    DiskState, EventAnswer, EventKind, MemberStatus, Mode, OPENAPI, Outcome, Phase, ProblemCode,
    RefusedCode, headers, paths, query,
};
use serde_json::Value;

use self::schema::{document, resolved};

#[test]
fn words_and_codes_are_listed_and_no_others() {
    let document = document();
    let listed = |pointer: &str| -> BTreeSet<String> {
        let words = document.pointer(&format!("/components/{pointer}/enum"));
        words
            .unwrap_or_else(|| panic!("{pointer}"))
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    fn words<W: ToString>(words: &[W]) -> BTreeSet<String> {
        words.iter().map(ToString::to_string).collect()
    }
    assert_eq!(listed("schemas/ProblemCode"), words(ProblemCode::ALL));
    assert_eq!(listed("schemas/Outcome"), words(Outcome::ALL));
    assert_eq!(listed("schemas/Gap/properties/why"), words(GapReason::ALL));
    assert_eq!(listed("schemas/EventKind"), words(EventKind::ALL));
    assert_eq!(listed("schemas/EventBody/properties/answer"), words(EventAnswer::ALL));
    assert_eq!(listed("schemas/MasterHealth/properties/mode"), words(Mode::ALL));
    assert_eq!(listed("schemas/MemberHealth/properties/status"), words(MemberStatus::ALL));
    assert_eq!(listed("schemas/Refused/properties/code"), words(RefusedCode::ALL));
    assert_eq!(listed("schemas/Disk/properties/state"), words(DiskState::ALL));
    let rows = listed("schemas/MemberHealth/properties/phase");
    let own = listed("schemas/SecondaryHealth/properties/phase");
    assert_eq!(&rows | &own, words(Phase::ALL));
    let mut statuses = BTreeSet::new();
    for code in ProblemCode::ALL {
        let status = code.status().unwrap();
        statuses.insert(format!("Problem{status}"));
        let of_status: Vec<_> =
            ProblemCode::ALL.iter().filter(|code| code.status() == Some(status)).cloned().collect();
        let schema = format!(
            "responses/Problem{status}/content/application~1problem+json/schema/properties/code"
        );
        assert_eq!(listed(&schema), words(&of_status), "{status}");
    }
    statuses.insert("Options".to_owned());
    let responses = document["components"]["responses"].as_object().unwrap();
    assert_eq!(responses.keys().cloned().collect::<BTreeSet<_>>(), statuses);
}

#[test]
fn parameters_are_those_of_their_routes_and_no_others() {
    let document = document();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let given = operation.get("parameters").and_then(Value::as_array);
            let named = |place: &str| -> Vec<&str> {
                let parameters = given.into_iter().flatten().map(|it| resolved(&document, it));
                let here = parameters.filter(|parameter| parameter["in"] == place);
                here.map(|parameter| parameter["name"].as_str().unwrap()).collect()
            };
            let is_read = matches!(method.as_str(), "get" | "head");
            let expected: &[&str] = match path.as_str() {
                paths::MESSAGES if is_read => &query::OF_LISTING,
                "/messages/{id}" if is_read => &query::OF_WAIT,
                paths::EVENTS if is_read => &query::OF_EVENTS,
                paths::FAULTS | paths::FAULTS_DISCONNECT if method != "options" => {
                    &query::OF_FAULTS
                }
                _ => &[],
            };
            assert_eq!(named("query"), expected, "{method} {path}");
            let is_append =
                method == "post" && [paths::MESSAGES, paths::NEW_MESSAGE].contains(&path.as_str());
            let keys: Vec<_> =
                named("header").iter().map(|name| name.to_ascii_lowercase()).collect();
            let expected: &[&str] = match path.as_str() {
                paths::EVENTS | paths::MESSAGES if is_read => &[headers::LAST_EVENT_ID],
                paths::PAGE | "/page/{file}" if is_read => &["if-none-match"],
                _ if is_append => &[headers::IDEMPOTENCY_KEY],
                _ => &[],
            };
            assert_eq!(keys, expected, "{method} {path}");
        }
    }
}

#[test]
fn streams_ask_proxies_to_pass_each_piece_on() {
    for (path, methods) in document()["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let answer = operation["responses"]["200"]["headers"].as_object();
            let given = answer.into_iter().flatten().find_map(|(name, header)| {
                name.eq_ignore_ascii_case(headers::X_ACCEL_BUFFERING).then_some(header)
            });
            // A listing that ends by itself has no such header.
            let is_required = match (path.as_str(), method.as_str()) {
                (paths::MESSAGES | paths::NEW_MESSAGE, "post") => Some(true),
                (paths::EVENTS, "get") => Some(true),
                (paths::MESSAGES, "get") => Some(false),
                _ => None,
            };
            let told = given.map(|header| header["required"] == true);
            assert_eq!(told, is_required, "{method} {path}");
            assert!(given.is_none_or(|header| header["schema"]["const"] == "no"), "{path}");
        }
    }
}

#[test]
fn the_document_is_of_this_version() {
    let document = document();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["openapi"], "3.1.0");
    assert!(OPENAPI.ends_with("}\n"));
}
