//! The node behind the table of methods and paths.

mod table;

use std::rc::Rc;
use std::sync::Arc;

use acklog_api::{OPENAPI, Outcome, paths};
use acklog_log::LogReader;
use acklog_types::{Faults, MessageId, NodeName};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use tokio_util::sync::CancellationToken;
use tracing::{debug, trace};

use self::table::{CommonRoute, FaultsRoute, MasterRoute, Route, RouteTable};
use super::accepted::RequestKind;
use super::append;
use super::body::BodyLimits;
use super::client::RefusedBytes;
use super::config::{HttpConfig, ServedNode};
use super::connection::Handler;
use super::connections::Connections;
use super::events::{self, NodeView};
use super::faults;
use super::follow::{FollowHub, FollowerLimit};
use super::forward::{forward, was_passed_on};
use super::host::HostCheck;
use super::known_master::KnownMaster;
use super::listing::ListingRoom;
use super::metrics::{FreeSpace, MetricsSources};
use super::paths::{Path, ServedRole};
use super::peer::PeerConnections;
use super::problem::{NO_STORE, RequestProblem, clip};
use super::read::{self, LogView};
use super::readiness::{health, ready};
use super::receipt;
use super::response::{ResponseBody, json_response, ready_made_json};
use super::served::health_of;
use super::tally::{Tallies, Tally};
use super::transfer::{self, refuse_encoded};
use crate::server::node::{Appender, MasterHandle, SecondaryHandle};

/// The value of `Cache-Control` for answers that never change: a year, the conventional maximum.
const CACHE_FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The node as one HTTP thread sees it.
pub(super) struct App {
    node: NodeHandle,
    /// The same node, as it is told of.
    told: NodeView,
    hosts: HostCheck,
    /// Whether the id of a durable message is never given to another one.
    ids_are_stable: bool,
    view: LogView,
    limits: BodyLimits,
    /// For faults, which are short however long messages may be.
    faults_limits: BodyLimits,
    /// The numbers that this thread counts.
    tally: Rc<Tally>,
    metrics: MetricsSources,
    /// Cancelled when the server stops.
    closing: CancellationToken,
}

/// What all HTTP threads share.
#[derive(Clone)]
pub(super) struct SharedByThreads {
    pub(super) limits: BodyLimits,
    pub(super) room: ListingRoom,
    pub(super) followers: FollowerLimit,
    pub(super) peers: PeerConnections,
    pub(super) connections: Arc<Connections>,
    pub(super) tallies: Tallies,
    pub(super) free_space: FreeSpace,
}

enum NodeHandle {
    Master(MasterHandle, Appender),
    Secondary(SecondaryHandle),
}

impl App {
    /// Creates the view of the calling HTTP thread; must be called inside that thread's runtime.
    pub(super) fn new(node: ServedNode, shared: SharedByThreads, config: &HttpConfig) -> Self {
        let SharedByThreads { limits, room, followers, peers, connections, tallies, free_space } =
            shared;
        let log = node.reader();
        let (positions, secondary) = match &node {
            ServedNode::Master(master) => (master.positions(), None),
            ServedNode::Secondary(node) => (node.positions(), Some(node.clone())),
        };
        let hub = FollowHub::new(positions.clone());
        let tally = Rc::new(tallies.register(positions.clone()));
        let metrics = MetricsSources {
            node: node.clone(),
            followers: followers.clone(),
            connections,
            tallies,
            free_space,
            started: config.started,
        };
        tokio::task::spawn_local(hub.clone().run());
        let view = LogView {
            log: log.clone(),
            positions: positions.clone(),
            room,
            hub,
            followers,
            default_concern: config.default_read_concern,
            secondary,
        };
        let HttpConfig { allow_faults, ids_are_stable, .. } = *config;
        let (log, positions) = (view.log.clone(), view.positions.clone());
        let told = NodeView { node: node.clone(), log, positions, allow_faults, peers };
        let node = match node {
            ServedNode::Master(master) => {
                let appender = master.appender();
                NodeHandle::Master(master, appender)
            }
            ServedNode::Secondary(secondary) => NodeHandle::Secondary(secondary),
        };
        let hosts = HostCheck::new(config.hosts.clone());
        let faults_limits = BodyLimits::new(0);
        let closing = CancellationToken::new();
        Self {
            node,
            told,
            hosts,
            ids_are_stable,
            view,
            limits,
            faults_limits,
            tally,
            metrics,
            closing,
        }
    }

    fn table(&self) -> RouteTable {
        let role = match self.node {
            NodeHandle::Master(..) => ServedRole::Master,
            NodeHandle::Secondary(_) => ServedRole::Secondary,
        };
        RouteTable { role, allow_faults: self.told.allow_faults }
    }

    /// Handles all requests about faults, the same for both roles.
    async fn faults(
        &self,
        route: FaultsRoute,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Response<ResponseBody>, RequestProblem> {
        let node = self.told.node.faults();
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

    /// Handles a request about the faults of the node of this name.
    async fn faults_of(
        &self,
        route: FaultsRoute,
        name: NodeName,
        head: &Parts,
        body: Incoming,
    ) -> Result<Response<ResponseBody>, RequestProblem> {
        let own = self.told.node.events().node();
        if name == *own {
            return match self.told.allow_faults {
                true => self.faults(route, &head.headers, body).await,
                false => Err(RequestProblem::FaultsOff),
            };
        }
        if was_passed_on(&head.headers) {
            let detail = format!(
                "{own}, another node, is at its address; see that it runs, and that no other node \
                 has its HTTP port"
            );
            return Err(RequestProblem::NodeUnreachable { name, detail });
        }
        match &self.told.node {
            ServedNode::Secondary(node) => {
                Err(RequestProblem::NotPassedOn(KnownMaster::of(node).await))
            }
            ServedNode::Master(master) => {
                refuse_encoded(&head.headers)?;
                let body = match route {
                    FaultsRoute::Set => self.faults_limits.collect(body).await?.bytes,
                    _ => Bytes::new(),
                };
                forward((master, &self.told.peers), name, head, body).await
            }
        }
    }

    /// Carries out an action of both roles.
    async fn common(
        &self,
        route: CommonRoute,
        head: &Parts,
        body: Incoming,
    ) -> Result<Response<ResponseBody>, RequestProblem> {
        let headers = &head.headers;
        match route {
            CommonRoute::Options(allow) => Ok(options(allow)),
            CommonRoute::Page(file) => Ok(file.answer(headers).map(ResponseBody::full)),
            CommonRoute::Messages(request) => {
                self.view.messages(request, head.method == Method::HEAD, headers).await
            }
            CommonRoute::Message(id) => {
                let mut response = self.view.message(id).await?;
                if self.ids_are_stable {
                    response.headers_mut().insert(CACHE_CONTROL, CACHE_FOR_EVER);
                }
                Ok(response)
            }
            CommonRoute::Health => Ok(json_response(&self.told.node.health().await?)),
            CommonRoute::Ready => match &self.node {
                NodeHandle::Master(master, _) => Ok(ready(&master.health().await?)),
                NodeHandle::Secondary(node) => Ok(ready(&health_of(node).await?)),
            },
            CommonRoute::Faults(route) => self.faults(route, headers, body).await,
            CommonRoute::Events(request) => {
                events::answer(&self.told, request, &self.view.followers, headers)
            }
            CommonRoute::Metrics => Ok(Box::pin(self.metrics.answer(headers)).await?),
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
                if append::is_stream(headers) {
                    let bounds = (&self.limits, &self.closing);
                    let (node, tally) = ((master.reader(), appender), self.tally.clone());
                    return append::append_stream(node, bounds, tally, headers, body).await;
                }
                let counted = (&self.limits, &*self.tally);
                append::append((master.reader(), appender), counted, headers, body).await
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
        (&self.view.log, &self.view.room)
    }
}

/// Returns why a secondary does not carry out a master's action.
async fn not_the_master(secondary: &SecondaryHandle, route: MasterRoute) -> RequestProblem {
    let master = KnownMaster::of(secondary).await;
    match route {
        MasterRoute::Append(allow) => RequestProblem::NotMaster { allow, master },
        MasterRoute::Wait(..) => RequestProblem::NotMastersWait(master),
        MasterRoute::Receipt(_) | MasterRoute::Forget(_) => RequestProblem::NotAMastersPath(master),
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
fn kind(head: &Parts, path: Option<Path<'_>>) -> RequestKind {
    if head.method == Method::POST && path.is_some_and(Path::takes_messages) {
        return RequestKind::Append { keyed: head.headers.contains_key(&append::IDEMPOTENCY_KEY) };
    }
    RequestKind::Idempotent
}

impl App {
    async fn respond(
        &self,
        head: &Parts,
        path: Option<Path<'_>>,
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
        match (self.table().route(&head.method, path, head.uri.query())?, &self.node) {
            (Route::Common(route), _) => self.common(route, head, body).await,
            (Route::FaultsOf(route, name), _) => self.faults_of(route, name, head, body).await,
            (Route::Master(route), NodeHandle::Master(master, appender)) => {
                self.master(master, appender, route, &head.headers, body).await
            }
            (Route::Master(route), NodeHandle::Secondary(node)) => {
                Err(not_the_master(node, route).await)
            }
            (Route::NotASecondarys, NodeHandle::Secondary(node)) => {
                Err(RequestProblem::NotAMastersPath(KnownMaster::of(node).await))
            }
            (Route::NotASecondarys, NodeHandle::Master(..)) => Err(RequestProblem::NoPath),
        }
    }
}

impl Handler for App {
    fn discarded_bytes(&self) -> usize {
        self.limits.discarded_bytes()
    }

    fn stop(&self) {
        self.view.hub.close();
        self.closing.cancel();
    }

    fn refused(&self, refused: RefusedBytes) {
        self.tally.answered(None, refused.status);
        if refused.is_append {
            self.tally.failed(&Outcome::Refused, 1);
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let (head, body) = request.into_parts();
        let path = Path::parse(head.uri.path());
        let mut response = match self.respond(&head, path, body).await {
            Ok(response) => response,
            Err(problem) => {
                let kind = kind(&head, path);
                if let (RequestKind::Append { .. }, Some(outcome)) = (kind, problem.outcome(kind)) {
                    self.tally.failed(&outcome, 1);
                }
                problem.answer_to(kind)
            }
        };
        self.tally.answered(path, response.status());
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
