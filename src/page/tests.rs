//! The table of files against the folder, the references between them, and their answers.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use acklog_api::recording::RECORDING_VERSION;
use acklog_api::{EventKind, SampledEvents};

use super::*;

fn answer(file: &PageFile, tags: Option<&str>) -> Response<Bytes> {
    let tags = tags.map(|tags| (IF_NONE_MATCH, HeaderValue::from_str(tags).unwrap()));
    file.answer(&tags.into_iter().collect())
}

/// Returns the texts between an opening and the next quote.
fn quoted<'a>(text: &'a str, opening: &str) -> Vec<&'a str> {
    text.split(opening).skip(1).filter_map(|rest| rest.split(['"', '\'', ')']).next()).collect()
}

/// Returns the paths that a file refers to, as they stand there.
fn references(file: &PageFile) -> Vec<&'static str> {
    let text = str::from_utf8(file.bytes).expect("a text");
    let openings: &[&str] = match file.name.rsplit_once('.').expect("an extension").1 {
        "html" => &["src=\"", "href=\""],
        "css" => &["url(\"", "@import \""],
        "js" => &["from \"", "import \"", "import(\"", "from '", "import '", "import('"],
        _ => &[],
    };
    openings.iter().flat_map(|opening| quoted(text, opening)).collect()
}

/// Returns the path of a reference, as a browser resolves it.
fn resolved(file: &PageFile, reference: &str) -> String {
    let folder = if file.name == "index.html" { "" } else { paths::PAGE_FILES };
    match reference.strip_prefix("./").unwrap_or(reference) {
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => format!("{folder}/{relative}"),
    }
}

#[test]
fn the_table_has_every_file_of_the_folder_and_each_has_a_type() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let found = entries.map(|entry| entry.file_name().into_string().unwrap());
    // Node.js needs a manifest to take the files for modules; browsers do not.
    let is_of_page = |name: &String| !name.ends_with(".rs") && name != "package.json";
    let found: BTreeSet<String> = found.filter(is_of_page).collect();
    let listed: BTreeSet<String> = FILES.iter().map(|file| file.name.to_owned()).collect();
    assert_eq!(found, listed);
    assert_eq!(FILES[0].name, "index.html");
    for file in FILES {
        assert_ne!(file.content_type(), "application/octet-stream", "{}", file.name);
    }
}

#[test]
fn every_reference_leads_to_a_file_or_to_a_path_of_a_node() {
    let of_a_node = [paths::HEALTH, paths::EVENTS, paths::MESSAGES, paths::OPENAPI];
    for file in FILES {
        for reference in references(file) {
            let path = resolved(file, reference);
            let is_known = at(&path).is_some() || of_a_node.contains(&path.as_str());
            assert!(is_known || reference.starts_with('#'), "{}: {reference}", file.name);
        }
    }
}

#[test]
fn references_are_found_and_resolved() {
    let html = PageFile {
        name: "index.html",
        bytes: br#"<link href="page/a.css"><script src="/page/main.js"></script>"#,
    };
    assert_eq!(references(&html), ["/page/main.js", "page/a.css"]);
    let script =
        PageFile { name: "main.js", bytes: b"import {a} from \"./a.js\";\nimport('./b.js')" };
    assert_eq!(references(&script), ["./a.js", "./b.js"]);
    assert_eq!(resolved(&html, "page/a.css"), "/page/a.css");
    assert_eq!(resolved(&script, "./a.js"), "/page/a.js");
}

#[test]
fn no_file_breaks_the_policy_by_what_stands_in_it() {
    for file in FILES {
        let text = str::from_utf8(file.bytes).expect("a text");
        for banned in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!text.contains(banned), "{}: {banned}", file.name);
        }
        if file.name.ends_with(".html") {
            for banned in [" style=", " onclick=", " onload=", "<style", "javascript:"] {
                assert!(!text.contains(banned), "{}: {banned}", file.name);
            }
        }
    }
}

/// Returns what stands between a text, which is in all scripts once, and the end that follows.
fn between(opening: &str, end: &str) -> &'static str {
    let scripts = FILES.iter().filter(|file| file.name.ends_with(".js"));
    let texts = scripts.map(|file| str::from_utf8(file.bytes).expect("a text"));
    let found: Vec<&str> = texts.flat_map(|text| text.split(opening).skip(1)).collect();
    assert_eq!(found.len(), 1, "{opening}");
    found[0].split_once(end).expect("an end").0
}

#[test]
fn numbers_that_the_page_shares_with_nodes_are_the_same() {
    let number = |name: &str| between(&format!("const {name} = "), ";").parse::<u64>().unwrap();
    assert_eq!(number("BUSY_EVERY"), SampledEvents::EVERY_WHEN_BUSY);
    assert_eq!(number("VERSION"), RECORDING_VERSION);
}

#[test]
fn the_page_has_a_sentence_for_each_kind_of_event() {
    let lines = between("const SENTENCES = {\n", "\n};").lines();
    // Lines that are further in go on with the sentence above.
    let keys = lines.filter_map(|line| line.strip_prefix("  ").filter(|it| !it.starts_with(' ')));
    let told: BTreeSet<&str> =
        keys.map(|line| line.split_once(": (").expect("a kind").0.trim_matches('"')).collect();
    let known: BTreeSet<&str> = EventKind::ALL.iter().map(EventKind::as_str).collect();
    let untold: Vec<_> = known.difference(&told).collect();
    assert_eq!(untold, [&"cut", &"trimmed"], "those that no node tells yet");
    assert!(told.is_subset(&known), "{:?}", told.difference(&known));
}

#[test]
fn a_file_is_found_by_its_path() {
    assert_eq!(at("/").unwrap().name, "index.html");
    assert_eq!(at("/page/index.html").unwrap().name, "index.html");
    for path in ["", "/page", "/page/", "/page/mod.rs", "/page/../index.html", "/index.html"] {
        assert!(at(path).is_none(), "{path}");
    }
}

#[test]
fn a_client_that_has_a_file_is_not_sent_it_again() {
    let file = &FILES[0];
    let whole = answer(file, None);
    assert_eq!((whole.status(), &whole.body()[..]), (StatusCode::OK, file.bytes));
    assert_eq!(whole.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    let tag = whole.headers()[ETAG].to_str().unwrap().to_owned();
    for tags in [tag.clone(), format!("W/{tag}"), format!("\"a\", {tag}"), "*".to_owned()] {
        let same = answer(file, Some(&tags));
        assert_eq!((same.status(), same.body().len()), (StatusCode::NOT_MODIFIED, 0), "{tags}");
        assert_eq!(same.headers()[ETAG], tag);
        assert!(same.headers().contains_key(CONTENT_SECURITY_POLICY));
    }
    assert_eq!(answer(file, Some("\"other\"")).status(), StatusCode::OK);
    assert_ne!(PageFile { bytes: b"other", ..*file }.tag(), tag);
}

#[test]
fn the_policy_allows_nothing_from_elsewhere_and_nothing_inline() {
    let answer = answer(&FILES[0], None);
    let headers = answer.headers();
    let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    let directives: Vec<&str> = policy.split("; ").collect();
    assert_eq!(directives[0], "default-src 'none'");
    assert!(directives.iter().all(|it| it.ends_with(" 'none'") || it.ends_with(" 'self'")));
    for name in ["base-uri", "form-action", "frame-ancestors"] {
        assert!(directives.contains(&format!("{name} 'none'").as_str()), "{policy}");
    }
    assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(headers[REFERRER_POLICY], "no-referrer");
    assert_eq!(headers[CACHE_CONTROL], "no-cache");
}
