//! The table of methods and paths, and the node behind it.

use acklog_api::{OPENAPI, Role, paths};
use acklog_log::LogReader;
use acklog_protocol::Wait;
use acklog_types::{Faults, MessageId, NodeName};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Uri};
use tracing::{debug, trace};

use super::accepted::RequestKind;
use super::append;
use super::body::BodyLimits;
use super::config::{HttpConfig, ServedNode};
use super::connection::Handler;
use super::events;
use super::faults;
use super::followers::FollowerLimit;
use super::health::{OfSecondary, health, ready};
use super::host::HostCheck;
use super::listing::ListingRoom;
use super::paths::{Path, ServedRole, is_listed, takes_messages};
use super::problem::{NO_STORE, RequestProblem, clip};
use super::query;
use super::read::{self, ListingSelection};
use super::receipt;
use super::response::{ResponseBody, ready_made_json};
use super::transfer::{self, refuse_encoded};
use crate::server::node::{Appender, MasterHandle, SecondaryHandle};

/// The value of `Cache-Control` for answers that never change: a year, the conventional maximum.
const CACHE_FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The action that a request asks for. `HEAD` asks for the same as `GET`: hyper leaves the body
/// out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Route {
    /// An action of both roles.
    Common(CommonRoute),
    /// An action of a master, which a secondary refuses and names its master.
    Master(MasterRoute),
}

/// An action of a node of either role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CommonRoute {
    /// Lists the methods; the value of `Allow`.
    Options(&'static str),
    Messages(ListingSelection),
    Message(u64),
    Health,
    Ready,
    Faults(FaultsRoute),
    Events,
    OpenApi,
}

/// An action of a master only.
#[derive(Clone, Debug, PartialEq, Eq)]
enum MasterRoute {
    /// Stores a message; a refusal needs the value of `Allow`.
    Append(&'static str),
    /// Shows a message once enough nodes have it.
    Wait(u64, Wait),
    /// Shows which nodes have a message.
    Receipt(u64),
    Forget(NodeName),
}

/// An action on faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FaultsRoute {
    Show,
    Set,
    Clear,
    Disconnect,
}

/// The facts of a node on which the table depends.
#[derive(Clone, Copy, Debug)]
struct RouteTable {
    role: ServedRole,
    allow_faults: bool,
}

impl RouteTable {
    /// Finds the action of a request.
    ///
    /// # Errors
    /// In this order: an unknown path, a method that the path does not accept, faults that are off,
    /// a bad query, a bad last part of the path.
    fn route(self, method: &Method, uri: &Uri) -> Result<Route, RequestProblem> {
        let path = Path::parse(uri.path()).ok_or(RequestProblem::NoPath)?;
        let allow = path.allow(self.role);
        match path {
            Path::Secondary(_) | Path::Receipt(_) if self.role == ServedRole::Secondary => {
                return Err(RequestProblem::NotAMastersPath);
            }
            _ if method == Method::OPTIONS => {
                return Ok(Route::Common(CommonRoute::Options(allow)));
            }
            Path::Node => return Err(RequestProblem::NoPath),
            Path::NewMessage | Path::Messages
                if self.role == ServedRole::Secondary && method == Method::POST =>
            {
                return Ok(Route::Master(MasterRoute::Append(allow)));
            }
            _ => {}
        }
        if !is_listed(method, allow) {
            return Err(RequestProblem::Method { allow });
        }
        if matches!(path, Path::Faults | Path::FaultsDisconnect) && !self.allow_faults {
            return Err(RequestProblem::FaultsOff);
        }
        resource(path, method, uri.query(), allow)
    }
}

/// Finds the action of a request whose path accepts its method; `allow` are all that it accepts.
fn resource(
    path: Path<'_>,
    method: &Method,
    query: Option<&str>,
    allow: &'static str,
) -> Result<Route, RequestProblem> {
    let (mut selection, mut wait) = (ListingSelection::ALL, None);
    match path {
        Path::Messages if method != Method::POST => selection = query::selection(query)?,
        Path::Message(_) => wait = query::wait(query)?,
        _ => query::none(query)?,
    }
    let common = match path {
        Path::Node => return Err(RequestProblem::NoPath),
        Path::NewMessage => return Ok(Route::Master(MasterRoute::Append(allow))),
        Path::Messages if method == Method::POST => {
            return Ok(Route::Master(MasterRoute::Append(allow)));
        }
        Path::Messages => CommonRoute::Messages(selection),
        Path::Receipt(id) => {
            let id = query::number(id).ok_or(RequestProblem::NoNumber)?;
            return Ok(Route::Master(MasterRoute::Receipt(id)));
        }
        // A number that is too large is a number, of a message that does not exist.
        Path::Message(id) => {
            let id = query::number(id).ok_or(RequestProblem::NoNumber)?;
            match wait {
                Some(wait) => return Ok(Route::Master(MasterRoute::Wait(id, wait))),
                None => CommonRoute::Message(id),
            }
        }
        Path::Health => CommonRoute::Health,
        Path::Ready => CommonRoute::Ready,
        Path::Events => CommonRoute::Events,
        Path::OpenApi => CommonRoute::OpenApi,
        Path::Secondary(name) => match name.parse::<NodeName>() {
            Ok(name) => return Ok(Route::Master(MasterRoute::Forget(name))),
            Err(error) => return Err(RequestProblem::Name(error.to_string())),
        },
        Path::FaultsDisconnect => CommonRoute::Faults(FaultsRoute::Disconnect),
        Path::Faults => CommonRoute::Faults(match *method {
            Method::PUT => FaultsRoute::Set,
            Method::DELETE => FaultsRoute::Clear,
            _ => FaultsRoute::Show,
        }),
    };
    Ok(Route::Common(common))
}

/// The node as one HTTP thread sees it.
pub(super) struct App {
    node: NodeHandle,
    hosts: HostCheck,
    /// Whether the id of a durable message is never given to another one.
    ids_are_stable: bool,
    room: ListingRoom,
    followers: FollowerLimit,
    allow_faults: bool,
    limits: BodyLimits,
    /// For faults, which are short however long messages may be.
    faults_limits: BodyLimits,
}

enum NodeHandle {
    Master(MasterHandle, Appender),
    Secondary(SecondaryHandle),
}

impl App {
    /// Creates the view of the calling HTTP thread; must be called inside that thread's runtime.
    pub(super) fn new(
        node: ServedNode,
        limits: BodyLimits,
        (room, followers): (ListingRoom, FollowerLimit),
        config: &HttpConfig,
    ) -> Self {
        let node = match node {
            ServedNode::Master(master) => {
                let appender = master.appender();
                NodeHandle::Master(master, appender)
            }
            ServedNode::Secondary(secondary) => NodeHandle::Secondary(secondary),
        };
        let HttpConfig { allow_faults, ids_are_stable, .. } = *config;
        let hosts = HostCheck::new(config.hosts.clone());
        let faults_limits = BodyLimits::new(0);
        Self { node, hosts, ids_are_stable, room, followers, allow_faults, limits, faults_limits }
    }

    fn table(&self) -> RouteTable {
        let role = match self.node {
            NodeHandle::Master(..) => ServedRole::Master,
            NodeHandle::Secondary(_) => ServedRole::Secondary,
        };
        RouteTable { role, allow_faults: self.allow_faults }
    }

    /// Handles all requests about faults, the same for both roles.
    async fn faults(
        &self,
        route: FaultsRoute,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Response<ResponseBody>, RequestProblem> {
        let node = match &self.node {
            NodeHandle::Master(master, _) => master.faults(),
            NodeHandle::Secondary(secondary) => secondary.faults(),
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

    /// Carries out an action of both roles.
    async fn common(
        &self,
        route: CommonRoute,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Response<ResponseBody>, RequestProblem> {
        match route {
            CommonRoute::Options(allow) => Ok(options(allow)),
            CommonRoute::Messages(selection) => {
                read::messages(self.log(), selection, headers).await
            }
            CommonRoute::Message(id) => {
                let mut response = read::message(self.log(), id).await?;
                if self.ids_are_stable {
                    response.headers_mut().insert(CACHE_CONTROL, CACHE_FOR_EVER);
                }
                Ok(response)
            }
            CommonRoute::Health => match &self.node {
                NodeHandle::Master(master, _) => Ok(health(&master.health().await?)),
                NodeHandle::Secondary(node) => Ok(health(&of_secondary(node).await?)),
            },
            CommonRoute::Ready => match &self.node {
                NodeHandle::Master(master, _) => Ok(ready(&master.health().await?)),
                NodeHandle::Secondary(node) => Ok(ready(&of_secondary(node).await?)),
            },
            CommonRoute::Faults(route) => self.faults(route, headers, body).await,
            CommonRoute::Events => {
                let node = match &self.node {
                    NodeHandle::Master(master, _) => (master.events(), Role::Master),
                    NodeHandle::Secondary(node) => (node.events(), Role::Secondary),
                };
                events::answer(node, &self.followers, headers)
            }
            CommonRoute::OpenApi => Ok(ready_made_json(OPENAPI)),
        }
    }

    async fn master(
        &self,
        master: &MasterHandle,
        appender: &Appender,
        route: MasterRoute,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Response<ResponseBody>, RequestProblem> {
        match route {
            MasterRoute::Append(_) => {
                refuse_encoded(headers)?;
                append::append((master, appender), &self.limits, headers, body).await
            }
            MasterRoute::Wait(id, wait) => {
                let outcome = appender.wait(MessageId::new(id), wait).await?;
                let accepted = append::committed(outcome, None)?;
                read::acked_message(self.log(), &accepted.receipt).await
            }
            MasterRoute::Receipt(id) => Box::pin(receipt::receipt(master, id)).await,
            MasterRoute::Forget(name) => Ok(health(&master.forget(name).await??)),
        }
    }

    /// Returns the node's log, and the memory of its listings.
    fn log(&self) -> (&LogReader, &ListingRoom) {
        let reader = match &self.node {
            NodeHandle::Master(master, _) => master.reader(),
            NodeHandle::Secondary(secondary) => secondary.reader(),
        };
        (reader, &self.room)
    }
}

async fn of_secondary(secondary: &SecondaryHandle) -> Result<OfSecondary<'_>, RequestProblem> {
    Ok(OfSecondary(secondary.health().await?, secondary.master_address()))
}

/// Returns why a secondary does not carry out a master's action.
async fn not_the_master(secondary: &SecondaryHandle, route: MasterRoute) -> RequestProblem {
    // Best effort: without an answer of the core task, the address must do.
    let master = secondary.health().await.ok().and_then(|health| health.master);
    let master = master.map(|name| name.to_string());
    let address = secondary.master_address().to_owned();
    match route {
        MasterRoute::Append(allow) => RequestProblem::NotMaster { allow, master, address },
        MasterRoute::Wait(..) => RequestProblem::NotMastersWait { master, address },
        MasterRoute::Receipt(_) | MasterRoute::Forget(_) => RequestProblem::NotAMastersPath,
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
fn kind(head: &Parts) -> RequestKind {
    if head.method == Method::POST && takes_messages(head.uri.path()) {
        return RequestKind::Append { keyed: head.headers.contains_key(&append::IDEMPOTENCY_KEY) };
    }
    RequestKind::Idempotent
}

impl App {
    async fn respond(
        &self,
        head: &Parts,
        body: Incoming,
    ) -> Result<Response<ResponseBody>, RequestProblem> {
        transfer::check(&head.headers)?;
        // A host alone is the target of a tunnel.
        if head.uri.authority().is_some()
            && head.uri.scheme().is_none()
            && head.method != Method::CONNECT
        {
            return Err(RequestProblem::NoTarget);
        }
        self.hosts.check(head)?;
        match (self.table().route(&head.method, &head.uri)?, &self.node) {
            (Route::Common(route), _) => self.common(route, &head.headers, body).await,
            (Route::Master(route), NodeHandle::Master(master, appender)) => {
                self.master(master, appender, route, &head.headers, body).await
            }
            (Route::Master(route), NodeHandle::Secondary(node)) => {
                Err(not_the_master(node, route).await)
            }
        }
    }
}

impl Handler for App {
    fn discarded_bytes(&self) -> usize {
        self.limits.discarded_bytes()
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let (head, body) = request.into_parts();
        let answer = self.respond(&head, body).await;
        let mut response = answer.unwrap_or_else(|problem| problem.answer_to(kind(&head)));
        response.headers_mut().entry(CACHE_CONTROL).or_insert(NO_STORE);
        // Neither can contain a line break: hyper refuses such heads.
        let (method, http_status) = (&head.method, response.status().as_u16());
        match head.uri.path() {
            // Each prober asks every few seconds.
            path @ (paths::HEALTH | paths::READY) => {
                trace!(%method, %path, http_status, "request answered");
            }
            path => debug!(%method, path = %clip(path), http_status, "request answered"),
        }
        response
    }
}

#[cfg(test)]
mod tests;
