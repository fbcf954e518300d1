//! The table of methods and paths, and the node behind it.

use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response, Uri};
use tracing::debug;

use super::append;
use super::body::{BodyLimits, ResponseBody};
use super::connection::Answer;
use super::faults;
use super::health::{OfSecondary, health, ready};
use super::problem::{Problem, clip};
use super::query;
use super::read::{self, ListingRoom, Selection};
use super::server::Node;
use crate::node::{Appender, MasterHandle, NodeFaults, SecondaryHandle};
use crate::protocol::Wait;
use crate::types::{Faults, MessageId, NodeName};

/// Which of the two roles a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Master,
    Secondary,
}

/// A path that a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path<'a> {
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

    /// The methods that the path takes, as the header `Allow` names them.
    fn allow(self, role: Role) -> &'static str {
        match (self, role) {
            (Self::NewMessage, Role::Master) | (Self::FaultsDisconnect, _) => "POST",
            // The path is known and takes nothing: an empty `Allow` says just that.
            (Self::NewMessage, Role::Secondary) => "",
            (Self::Messages, Role::Master) => "GET, HEAD, POST",
            (Self::Messages, Role::Secondary)
            | (Self::Message(_) | Self::Health | Self::Ready, _) => "GET, HEAD",
            (Self::Secondary(_), _) => "DELETE",
            (Self::Faults, _) => "GET, HEAD, PUT, DELETE",
        }
    }
}

/// Finds out what a request asks for.
///
/// # Errors
/// In this order: an unknown path, a method that the path does not take, a bad query, a bad last
/// part of the path.
fn route(role: Role, method: &Method, uri: &Uri) -> Result<Route, Problem> {
    let path = Path::parse(uri.path()).ok_or(Problem::NoPath)?;
    let allow = path.allow(role);
    if role == Role::Secondary {
        match path {
            Path::Secondary(_) => return Err(Problem::NotAMastersPath),
            Path::NewMessage | Path::Messages if method == Method::POST => {
                return Ok(Route::Misdirected(allow));
            }
            _ => {}
        }
    }
    if !allow.split(", ").any(|allowed| allowed == method.as_str()) {
        return Err(Problem::Method { allow });
    }
    let (mut selection, mut wait) = (Selection::ALL, None);
    match path {
        Path::Messages if method != Method::POST => selection = query::selection(uri.query())?,
        Path::Message(_) => wait = query::wait(uri.query())?,
        _ => query::none(uri.query())?,
    }
    match path {
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
    limits: BodyLimits,
    room: ListingRoom,
    allow_faults: bool,
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
        allow_faults: bool,
    ) -> Self {
        let node = match node {
            Node::Master(master) => {
                let appender = master.appender();
                Behind::Master(master, appender)
            }
            Node::Secondary(secondary) => Behind::Secondary(secondary),
        };
        Self { node, limits, room, allow_faults }
    }

    /// Everything about faults, the same for both kinds of node.
    async fn faults(
        &self,
        route: FaultsRoute,
        body: Incoming,
    ) -> Result<Response<ResponseBody>, Problem> {
        if !self.allow_faults {
            return Err(Problem::FaultsOff);
        }
        let node = match &self.node {
            Behind::Master(master, _) => NodeFaults::Master(master),
            Behind::Secondary(secondary) => NodeFaults::Secondary(secondary),
        };
        Ok(match route {
            FaultsRoute::Show => faults::shown(node.show().await?),
            FaultsRoute::Clear => faults::shown(node.set(Faults::default()).await?),
            FaultsRoute::Set => {
                let wanted = faults::parse(&self.limits.collect(body).await?.bytes)?;
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
            Route::Append => append::append(appender, &self.limits, headers, body).await,
            Route::Messages(selection) => read::messages(log, selection, headers).await,
            Route::Message(id) => read::message(log, id).await,
            Route::Wait(id, wait) => {
                let outcome = appender.wait(MessageId::new(id), wait).await?;
                let accepted = append::committed(outcome, None)?;
                read::acked_message(log, &accepted.receipt).await
            }
            Route::Health => Ok(health(&master.health().await?)),
            Route::Ready => Ok(ready(&master.health().await?)),
            Route::Forget(name) => Ok(health(&master.forget(name).await??)),
            Route::Misdirected(_) | Route::Faults(_) => unreachable!("answered before"),
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
        Route::Append | Route::Forget(_) | Route::Faults(_) => {
            unreachable!("a master's only, or answered before")
        }
    }
}

impl Answer for App {
    fn discarded_bytes(&self) -> usize {
        self.limits.discarded_bytes()
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let (head, body) = request.into_parts();
        let role = match self.node {
            Behind::Master(..) => Role::Master,
            Behind::Secondary(_) => Role::Secondary,
        };
        let answer = match (route(role, &head.method, &head.uri), &self.node) {
            (Err(problem), _) => Err(problem),
            (Ok(Route::Faults(route)), _) => self.faults(route, body).await,
            (Ok(route), Behind::Master(master, appender)) => {
                self.master(master, appender, route, &head.headers, body).await
            }
            (Ok(route), Behind::Secondary(node)) => {
                secondary(node, &self.room, route, &head.headers).await
            }
        };
        let response = answer.unwrap_or_else(Problem::into_response);
        // Neither can hold a line break: hyper refuses such heads.
        debug!(
            method = %head.method,
            path = %clip(head.uri.path()),
            status = response.status().as_u16(),
            "request answered"
        );
        response
    }
}

#[cfg(test)]
mod tests;
