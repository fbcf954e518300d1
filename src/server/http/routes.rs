//! The table of methods and paths, and the node behind it.

use acklog_protocol::Wait;
use acklog_types::{Faults, MessageId, NodeName};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Uri};
use tracing::{debug, trace};

use super::append;
use super::body::{BodyLimits, ResponseBody};
use super::connection::Answer;
use super::faults;
use super::health::{OfSecondary, health, ready};
use super::host::HostCheck;
use super::problem::{Kind, NO_STORE, Problem, clip};
use super::query;
use super::read::{self, ListingRoom, Selection};
use super::server::{HttpConfig, Node};
use super::transfer::{self, refuse_encoded};
use crate::server::node::{Appender, MasterHandle, SecondaryHandle};

/// Which of the two roles a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Master,
    Secondary,
}

/// All methods that some path takes, for `OPTIONS *`.
const ALL_METHODS: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS";

/// The value of `Cache-Control` for what can never be different: a year, which stands for ever.
const CACHE_FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A path that a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path<'a> {
    /// `*` and `/`: the node as a whole, which has nothing to get.
    Node,
    NewMessage,
    Messages,
    Message(&'a str),
    Health,
    Ready,
    Secondary(&'a str),
    Faults,
    FaultsDisconnect,
}

/// What a request asks for. `HEAD` asks for the same as `GET`: hyper leaves the body out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Route {
    /// Which methods there are; the value of `Allow`.
    Options(&'static str),
    Append,
    /// A message that was sent to a secondary; the answer needs the value of `Allow`.
    Misdirected(&'static str),
    Messages(Selection),
    Message(u64),
    /// The same once enough nodes have it.
    Wait(u64, Wait),
    Health,
    Ready,
    Forget(NodeName),
    Faults(FaultsRoute),
}

/// What a request asks about faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FaultsRoute {
    Show,
    Set,
    Clear,
    Disconnect,
}

impl<'a> Path<'a> {
    fn parse(path: &'a str) -> Option<Self> {
        let one = |rest: &'a str| (!rest.is_empty() && !rest.contains('/')).then_some(rest);
        match path {
            "*" | "/" => Some(Self::Node),
            "/newMessage" => Some(Self::NewMessage),
            "/messages" => Some(Self::Messages),
            "/health" => Some(Self::Health),
            "/ready" => Some(Self::Ready),
            "/faults" => Some(Self::Faults),
            "/faults/disconnect" => Some(Self::FaultsDisconnect),
            _ => match path.strip_prefix("/messages/") {
                Some(rest) => one(rest).map(Self::Message),
                None => path.strip_prefix("/secondaries/").and_then(one).map(Self::Secondary),
            },
        }
    }

    /// Returns the methods that the path takes, as the header `Allow` names them.
    fn allow(self, role: Role) -> &'static str {
        match (self, role) {
            (Self::Node, _) => ALL_METHODS,
            (Self::NewMessage, Role::Master) | (Self::FaultsDisconnect, _) => "POST, OPTIONS",
            (Self::NewMessage, Role::Secondary) => "OPTIONS",
            (Self::Messages, Role::Master) => "GET, HEAD, POST, OPTIONS",
            (Self::Messages, Role::Secondary)
            | (Self::Message(_) | Self::Health | Self::Ready, _) => "GET, HEAD, OPTIONS",
            (Self::Secondary(_), _) => "DELETE, OPTIONS",
            (Self::Faults, _) => "GET, HEAD, PUT, DELETE, OPTIONS",
        }
    }
}

/// The facts of a node on which the table depends.
#[derive(Clone, Copy, Debug)]
struct Table {
    role: Role,
    allow_faults: bool,
}

impl Table {
    /// Finds out what a request asks for.
    ///
    /// # Errors
    /// In this order: an unknown path, a method that the path does not take, faults that are off,
    /// a bad query, a bad last part of the path.
    fn route(self, method: &Method, uri: &Uri) -> Result<Route, Problem> {
        let path = Path::parse(uri.path()).ok_or(Problem::NoPath)?;
        let allow = path.allow(self.role);
        match path {
            Path::Secondary(_) if self.role == Role::Secondary => {
                return Err(Problem::NotAMastersPath);
            }
            _ if method == Method::OPTIONS => return Ok(Route::Options(allow)),
            Path::Node => return Err(Problem::NoPath),
            Path::NewMessage | Path::Messages
                if self.role == Role::Secondary && method == Method::POST =>
            {
                return Ok(Route::Misdirected(allow));
            }
            _ => {}
        }
        if !is_listed(method, allow) {
            return Err(Problem::Method { allow });
        }
        if matches!(path, Path::Faults | Path::FaultsDisconnect) && !self.allow_faults {
            return Err(Problem::FaultsOff);
        }
        resource(path, method, uri.query())
    }
}

/// Returns whether a method is one of those that a value of `Allow` names.
fn is_listed(method: &Method, allow: &str) -> bool {
    let mut listed = allow.as_bytes().split(|&byte| byte == b',');
    listed.any(|listed| listed.trim_ascii_start() == method.as_str().as_bytes())
}

/// Finds out what a request asks for whose path takes its method.
fn resource(path: Path<'_>, method: &Method, query: Option<&str>) -> Result<Route, Problem> {
    let (mut selection, mut wait) = (Selection::ALL, None);
    match path {
        Path::Messages if method != Method::POST => selection = query::selection(query)?,
        Path::Message(_) => wait = query::wait(query)?,
        _ => query::none(query)?,
    }
    match path {
        Path::Node => Err(Problem::NoPath),
        Path::NewMessage => Ok(Route::Append),
        Path::Messages if method == Method::POST => Ok(Route::Append),
        Path::Messages => Ok(Route::Messages(selection)),
        // A number that is too large is a number, of a message that is not there.
        Path::Message(id) => {
            let id = query::number(id).ok_or(Problem::NoNumber)?;
            Ok(wait.map_or(Route::Message(id), |wait| Route::Wait(id, wait)))
        }
        Path::Health => Ok(Route::Health),
        Path::Ready => Ok(Route::Ready),
        Path::Secondary(name) => match name.parse::<NodeName>() {
            Ok(name) => Ok(Route::Forget(name)),
            Err(error) => Err(Problem::Name(error.to_string())),
        },
        Path::FaultsDisconnect => Ok(Route::Faults(FaultsRoute::Disconnect)),
        Path::Faults => Ok(Route::Faults(match *method {
            Method::PUT => FaultsRoute::Set,
            Method::DELETE => FaultsRoute::Clear,
            _ => FaultsRoute::Show,
        })),
    }
}

/// The node as one HTTP thread sees it: answers what the table finds.
pub(super) struct App {
    node: Behind,
    hosts: HostCheck,
    /// Whether the id of a durable message never comes to name another one.
    ids_are_stable: bool,
    room: ListingRoom,
    allow_faults: bool,
    limits: BodyLimits,
    /// For faults, which are short whatever messages may be.
    faults_limits: BodyLimits,
}

enum Behind {
    Master(MasterHandle, Appender),
    Secondary(SecondaryHandle),
}

impl App {
    /// The node behind the calling HTTP thread; must be called inside that thread's runtime.
    pub(super) fn new(
        node: Node,
        limits: BodyLimits,
        room: ListingRoom,
        config: &HttpConfig,
    ) -> Self {
        let node = match node {
            Node::Master(master) => {
                let appender = master.appender();
                Behind::Master(master, appender)
            }
            Node::Secondary(secondary) => Behind::Secondary(secondary),
        };
        let HttpConfig { allow_faults, ids_are_stable, .. } = *config;
        let hosts = HostCheck::new(config.hosts.clone());
        let faults_limits = BodyLimits::new(0);
        Self { node, hosts, ids_are_stable, room, allow_faults, limits, faults_limits }
    }

    fn table(&self) -> Table {
        let role = match self.node {
            Behind::Master(..) => Role::Master,
            Behind::Secondary(_) => Role::Secondary,
        };
        Table { role, allow_faults: self.allow_faults }
    }

    /// Everything about faults, the same for both kinds of node.
    async fn faults(
        &self,
        route: FaultsRoute,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Response<ResponseBody>, Problem> {
        let node = match &self.node {
            Behind::Master(master, _) => master.faults(),
            Behind::Secondary(secondary) => secondary.faults(),
        };
        Ok(match route {
            FaultsRoute::Show => faults::shown(node.show().await?),
            FaultsRoute::Clear => faults::shown(node.set(Faults::default()).await?),
            FaultsRoute::Set => {
                refuse_encoded(headers)?;
                let wanted = faults::parse(&self.faults_limits.collect(body).await?.bytes)?;
                faults::shown(node.set(wanted).await?)
            }
            FaultsRoute::Disconnect => faults::disconnected(node.disconnect().await?),
        })
    }

    async fn master(
        &self,
        master: &MasterHandle,
        appender: &Appender,
        route: Route,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Response<ResponseBody>, Problem> {
        let log = (master.reader(), &self.room);
        match route {
            Route::Append => {
                refuse_encoded(headers)?;
                append::append(appender, &self.limits, headers, body).await
            }
            Route::Messages(selection) => read::messages(log, selection, headers).await,
            Route::Message(id) => {
                let mut response = read::message(log, id).await?;
                if self.ids_are_stable {
                    response.headers_mut().insert(CACHE_CONTROL, CACHE_FOR_EVER);
                }
                Ok(response)
            }
            Route::Wait(id, wait) => {
                let outcome = appender.wait(MessageId::new(id), wait).await?;
                let accepted = append::committed(outcome, None)?;
                read::acked_message(log, &accepted.receipt).await
            }
            Route::Health => Ok(health(&master.health().await?)),
            Route::Ready => Ok(ready(&master.health().await?)),
            Route::Forget(name) => Ok(health(&master.forget(name).await??)),
            Route::Options(_) | Route::Misdirected(_) | Route::Faults(_) => {
                unreachable!("answered before")
            }
        }
    }
}

async fn secondary(
    secondary: &SecondaryHandle,
    room: &ListingRoom,
    route: Route,
    headers: &HeaderMap,
) -> Result<Response<ResponseBody>, Problem> {
    let address = secondary.master_address();
    let log = (secondary.reader(), room);
    match route {
        Route::Messages(selection) => read::messages(log, selection, headers).await,
        Route::Message(id) => read::message(log, id).await,
        Route::Health => Ok(health(&OfSecondary(secondary.health().await?, address))),
        Route::Ready => Ok(ready(&OfSecondary(secondary.health().await?, address))),
        Route::Misdirected(_) | Route::Wait(..) => {
            // The name is worth a question to the core; without an answer the address has to do.
            let master = secondary.health().await.ok().and_then(|health| health.master);
            let (master, address) = (master.map(|name| name.to_string()), address.to_owned());
            Err(match route {
                Route::Misdirected(allow) => Problem::NotMaster { allow, master, address },
                _ => Problem::NotMastersWait { master, address },
            })
        }
        Route::Options(_) | Route::Append | Route::Forget(_) | Route::Faults(_) => {
            unreachable!("a master's only, or answered before")
        }
    }
}

/// Returns the answer to `OPTIONS`.
fn options(allow: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(Vec::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// Returns the kind of a request, as far as its error depends on it.
fn kind(head: &Parts) -> Kind {
    if head.method == Method::POST && takes_messages(head.uri.path()) {
        return Kind::Append { keyed: head.headers.contains_key(&append::IDEMPOTENCY_KEY) };
    }
    Kind::Idempotent
}

/// Returns whether a `POST` to this path appends.
pub(super) fn takes_messages(path: &str) -> bool {
    matches!(Path::parse(path), Some(Path::NewMessage | Path::Messages))
}

impl App {
    async fn respond(
        &self,
        head: &Parts,
        body: Incoming,
    ) -> Result<Response<ResponseBody>, Problem> {
        transfer::check(&head.headers)?;
        // A host alone, which is for tunnels.
        if head.uri.authority().is_some()
            && head.uri.scheme().is_none()
            && head.method != Method::CONNECT
        {
            return Err(Problem::NoTarget);
        }
        self.hosts.check(head)?;
        match (self.table().route(&head.method, &head.uri)?, &self.node) {
            (Route::Options(allow), _) => Ok(options(allow)),
            (Route::Faults(route), _) => self.faults(route, &head.headers, body).await,
            (route, Behind::Master(master, appender)) => {
                self.master(master, appender, route, &head.headers, body).await
            }
            (route, Behind::Secondary(node)) => {
                secondary(node, &self.room, route, &head.headers).await
            }
        }
    }
}

impl Answer for App {
    fn discarded_bytes(&self) -> usize {
        self.limits.discarded_bytes()
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let (head, body) = request.into_parts();
        let answer = self.respond(&head, body).await;
        let mut response = answer.unwrap_or_else(|problem| problem.answer_to(kind(&head)));
        response.headers_mut().entry(CACHE_CONTROL).or_insert(NO_STORE);
        // Neither can hold a line break: hyper refuses such heads.
        let (method, http_status) = (&head.method, response.status().as_u16());
        match head.uri.path() {
            // Each prober asks every few seconds.
            path @ ("/health" | "/ready") => {
                trace!(%method, %path, http_status, "request answered");
            }
            path => debug!(%method, path = %clip(path), http_status, "request answered"),
        }
        response
    }
}

#[cfg(test)]
mod tests;
