//! The page that shows a cluster: plain files beside this one, embedded into the programs.
//!
//! A node serves them, and so does the runner of a scenario that is watched. The browser asks
//! before each use whether a file changed ([`ETAG`]), so that a page never mixes files of two
//! releases for long, and its policy lets it speak only with the server that it came from.
//!
//! A new file is a line in [`FILES`].

use acklog_api::paths;
use bytes::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

/// A file of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageFile {
    /// Its name in the folder.
    pub name: &'static str,
    bytes: &'static [u8],
}

/// Embeds files of this folder.
macro_rules! files {
    ($($name:literal,)*) => {
        &[$(PageFile { name: $name, bytes: include_bytes!($name) },)*]
    };
}

/// All files of the page; the first one is the page itself.
pub const FILES: &[PageFile] = files![
    "index.html",
    "app.js",
    "append-queue.js",
    "appends.js",
    "arrow.js",
    "band-marks.js",
    "bands.js",
    "clock.js",
    "commands.js",
    "concern-choices.js",
    "density.js",
    "disturbance.js",
    "dom.js",
    "exchanges.js",
    "fault-switches.js",
    "icon.svg",
    "items.js",
    "json.js",
    "labels.js",
    "lanes.js",
    "list-window.js",
    "main.js",
    "marks.js",
    "model.js",
    "node-words.js",
    "nodes.js",
    "parts.css",
    "rate-counts.js",
    "rates.js",
    "recording-format.js",
    "recording.js",
    "sampling.js",
    "scenery.js",
    "sentences.js",
    "shapes.js",
    "sight.js",
    "source.js",
    "stage.js",
    "story.js",
    "style.css",
    "text-width.js",
    "theme.js",
    "things.js",
    "time-controls.js",
    "timed.js",
    "timeline.css",
    "timeline.js",
    "tour-script.js",
    "tour.js",
    "view-append.js",
    "view-cluster.js",
    "view-help.js",
    "view-nodes.js",
    "view-receipt.js",
    "view-status.js",
    "view-story.js",
    "view.js",
    "views.js",
    "words.js",
];

/// The rules that a browser enforces: scripts, styles, pictures and requests of the same server
/// only, nothing inline, no frame around the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The headers of each answer beside its own, by their names.
const COMMON_HEADERS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    // May be kept, and is asked about before each use.
    (CACHE_CONTROL, "no-cache"),
];

/// Returns the file at a path of a URL; none where there is no such file.
pub fn at(path: &str) -> Option<&'static PageFile> {
    if path == paths::PAGE {
        return FILES.first();
    }
    named(path.strip_prefix(paths::PAGE_FILES)?.strip_prefix('/')?)
}

/// Returns the file of this name; none where there is no such file.
pub fn named(name: &str) -> Option<&'static PageFile> {
    FILES.iter().find(|file| file.name == name)
}

impl PageFile {
    /// Returns the answer to a request for the file with these headers: the whole file, or 304
    /// where the client has it already.
    pub fn answer(&self, request: &HeaderMap) -> Response<Bytes> {
        let tag = self.tag();
        let has_it = request.get_all(IF_NONE_MATCH).iter().any(|tags| names(tags, &tag));
        let (status, body) = if has_it {
            (StatusCode::NOT_MODIFIED, Bytes::new())
        } else {
            (StatusCode::OK, Bytes::from_static(self.bytes))
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        for (name, value) in COMMON_HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type()));
        headers.extend(HeaderValue::try_from(tag).map(|tag| (ETAG, tag)));
        response
    }

    /// Returns the entity tag: the length and a checksum.
    fn tag(&self) -> String {
        format!("\"{:x}-{:08x}\"", self.bytes.len(), crc32c::crc32c(self.bytes))
    }

    fn content_type(&self) -> &'static str {
        match self.name.rsplit_once('.') {
            Some((_, "html")) => "text/html; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "application/octet-stream",
        }
    }
}

/// Returns whether a value of `If-None-Match` names a tag (RFC 9110, 13.1.2).
fn names(tags: &HeaderValue, tag: &str) -> bool {
    let tags = tags.to_str().unwrap_or_default().split(',').map(str::trim);
    tags.map(|given| given.strip_prefix("W/").unwrap_or(given))
        .any(|given| [tag, "*"].contains(&given))
}

#[cfg(test)]
mod tests;
