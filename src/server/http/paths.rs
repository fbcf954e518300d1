//! The paths of a node, and the methods that each accepts.

use acklog_api::paths as known;
use hyper::Method;

/// The role of the node that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServedRole {
    Master,
    Secondary,
}

/// All methods that some path accepts, for `OPTIONS *`.
pub(super) const ALL_METHODS: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS";

/// A path of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path<'a> {
    /// `*`: the node as a whole, which has nothing to get.
    Node,
    /// The page.
    Page,
    /// A file of the page.
    PageFile(&'a str),
    NewMessage,
    Messages,
    Message(&'a str),
    Receipt(&'a str),
    Health,
    Ready,
    Secondary(&'a str),
    Faults,
    FaultsDisconnect,
    Events,
    Metrics,
    OpenApi,
}

/// The patterns of all paths, as the OpenAPI document writes them, and last that of all others.
pub(super) const PATTERNS: [&str; 15] = [
    "/",
    "/newMessage",
    "/messages",
    "/messages/{id}",
    "/messages/{id}/receipt",
    "/health",
    "/ready",
    "/secondaries/{name}",
    "/faults",
    "/faults/disconnect",
    "/events",
    "/metrics",
    "/openapi.json",
    "/page/{file}",
    "other",
];

/// Returns the place in [`PATTERNS`] of the pattern that a path fits.
pub(super) fn pattern_of(path: Option<Path<'_>>) -> usize {
    match path {
        // `*` asks for nothing but the methods, as `/` may.
        Some(Path::Node | Path::Page) => 0,
        Some(Path::NewMessage) => 1,
        Some(Path::Messages) => 2,
        Some(Path::Message(_)) => 3,
        Some(Path::Receipt(_)) => 4,
        Some(Path::Health) => 5,
        Some(Path::Ready) => 6,
        Some(Path::Secondary(_)) => 7,
        Some(Path::Faults) => 8,
        Some(Path::FaultsDisconnect) => 9,
        Some(Path::Events) => 10,
        Some(Path::Metrics) => 11,
        Some(Path::OpenApi) => 12,
        Some(Path::PageFile(_)) => 13,
        None => 14,
    }
}

impl<'a> Path<'a> {
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        let one = |rest: &'a str| (!rest.is_empty() && !rest.contains('/')).then_some(rest);
        match path {
            "*" => Some(Self::Node),
            known::PAGE => Some(Self::Page),
            known::NEW_MESSAGE => Some(Self::NewMessage),
            known::MESSAGES => Some(Self::Messages),
            known::HEALTH => Some(Self::Health),
            known::READY => Some(Self::Ready),
            known::FAULTS => Some(Self::Faults),
            known::FAULTS_DISCONNECT => Some(Self::FaultsDisconnect),
            known::EVENTS => Some(Self::Events),
            known::METRICS => Some(Self::Metrics),
            known::OPENAPI => Some(Self::OpenApi),
            _ => match below(path, known::MESSAGES) {
                Some(rest) => match rest.split_once('/') {
                    Some((id, known::RECEIPT)) => one(id).map(Self::Receipt),
                    _ => one(rest).map(Self::Message),
                },
                None => match below(path, known::PAGE_FILES) {
                    Some(name) => one(name).map(Self::PageFile),
                    None => below(path, known::SECONDARIES).and_then(one).map(Self::Secondary),
                },
            },
        }
    }

    /// Returns whether a `POST` to this path appends.
    pub(super) fn takes_messages(self) -> bool {
        matches!(self, Self::NewMessage | Self::Messages)
    }

    /// Returns the methods that the path accepts, as the header `Allow` names them.
    pub(super) fn allow(self, role: ServedRole) -> &'static str {
        match (self, role) {
            (Self::Node, _) => ALL_METHODS,
            (Self::NewMessage, ServedRole::Master) | (Self::FaultsDisconnect, _) => "POST, OPTIONS",
            (Self::NewMessage, ServedRole::Secondary) => "OPTIONS",
            (Self::Messages, ServedRole::Master) => "GET, HEAD, POST, OPTIONS",
            (Self::Messages, ServedRole::Secondary)
            | (
                Self::Page
                | Self::PageFile(_)
                | Self::Message(_)
                | Self::Receipt(_)
                | Self::Health
                | Self::Ready
                | Self::Events
                | Self::Metrics
                | Self::OpenApi,
                _,
            ) => "GET, HEAD, OPTIONS",
            (Self::Secondary(_), _) => "DELETE, OPTIONS",
            (Self::Faults, _) => "GET, HEAD, PUT, DELETE, OPTIONS",
        }
    }
}

/// Returns the rest of a path below a folder.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

/// Returns whether a method is one of those in a value of `Allow`.
pub(super) fn is_listed(method: &Method, allow: &str) -> bool {
    let mut listed = allow.as_bytes().split(|&byte| byte == b',');
    listed.any(|listed| listed.trim_ascii_start() == method.as_str().as_bytes())
}
