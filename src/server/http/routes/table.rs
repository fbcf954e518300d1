//! The table of methods and paths: which action a request asks for.

use acklog_api::{EventsRequest, paths};
use acklog_protocol::Wait;
use acklog_types::NodeName;
use hyper::Method;

use crate::page::{self, PageFile};
use crate::server::http::paths::{Path, ServedRole, is_listed};
use crate::server::http::problem::RequestProblem;
use crate::server::http::query;
use crate::server::http::read_request::ReadRequest;

/// The action that a request asks for. `HEAD` asks for the same as `GET`: hyper leaves the body
/// out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// An action of both roles.
    Common(CommonRoute),
    /// An action on the faults of the node of this name.
    FaultsOf(FaultsRoute, NodeName),
    /// An action of a master, which a secondary refuses and names its master.
    Master(MasterRoute),
    /// Anything at a path that only a master has, asked of a secondary.
    NotASecondarys,
}

/// An action of a node of either role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommonRoute {
    /// Lists the methods; the value of `Allow`.
    Options(&'static str),
    /// Shows a file of the page.
    Page(&'static PageFile),
    Messages(ReadRequest),
    Message(u64),
    Health,
    Ready,
    Faults(FaultsRoute),
    Events(EventsRequest),
    Metrics,
    OpenApi,
}

/// An action of a master only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MasterRoute {
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
pub(super) enum FaultsRoute {
    Show,
    Set,
    Clear,
    Disconnect,
}

/// The facts of a node on which the table depends.
#[derive(Clone, Copy, Debug)]
pub(super) struct RouteTable {
    pub(super) role: ServedRole,
    pub(super) allow_faults: bool,
}

impl RouteTable {
    /// Finds the action of a request; none is the path that is not known.
    ///
    /// # Errors
    /// In this order: an unknown path, a method that the path does not accept, faults that are off,
    /// a bad query, a bad last part of the path.
    pub(super) fn route(
        self,
        method: &Method,
        path: Option<Path<'_>>,
        query: Option<&str>,
    ) -> Result<Route, RequestProblem> {
        let path = path.ok_or(RequestProblem::NoPath)?;
        let allow = path.allow(self.role);
        match path {
            Path::Secondary(_) | Path::Receipt(_) if self.role == ServedRole::Secondary => {
                return Ok(Route::NotASecondarys);
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
        match path {
            Path::Faults | Path::FaultsDisconnect => self.faults(path, method, query),
            _ => resource(path, method, query, allow),
        }
    }

    /// Finds the action of a request about faults. Whether they are allowed is up to the node that
    /// it names.
    fn faults(
        self,
        path: Path<'_>,
        method: &Method,
        query: Option<&str>,
    ) -> Result<Route, RequestProblem> {
        let route = match (path, method) {
            (Path::FaultsDisconnect, _) => FaultsRoute::Disconnect,
            (_, &Method::PUT) => FaultsRoute::Set,
            (_, &Method::DELETE) => FaultsRoute::Clear,
            _ => FaultsRoute::Show,
        };
        match query::node(query) {
            Ok(Some(name)) => Ok(Route::FaultsOf(route, name)),
            _ if !self.allow_faults => Err(RequestProblem::FaultsOff),
            Ok(None) => Ok(Route::Common(CommonRoute::Faults(route))),
            Err(problem) => Err(problem),
        }
    }
}

/// Finds the action of a request whose path accepts its method; `allow` are all that it accepts.
fn resource(
    path: Path<'_>,
    method: &Method,
    query: Option<&str>,
    allow: &'static str,
) -> Result<Route, RequestProblem> {
    let (mut read, mut wait) = (ReadRequest::ALL, None);
    let mut events = EventsRequest::default();
    match path {
        Path::Messages if method != Method::POST => read = query::read(query)?,
        Path::Message(_) => wait = query::wait(query)?,
        Path::Events => events = query::events(query)?,
        _ => query::none(query)?,
    }
    let common = match path {
        Path::Node | Path::Faults | Path::FaultsDisconnect => return Err(RequestProblem::NoPath),
        Path::Page => page_file(page::at(paths::PAGE))?,
        Path::PageFile(name) => page_file(page::named(name))?,
        Path::NewMessage => return Ok(Route::Master(MasterRoute::Append(allow))),
        Path::Messages if method == Method::POST => {
            return Ok(Route::Master(MasterRoute::Append(allow)));
        }
        Path::Messages => CommonRoute::Messages(read),
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
        Path::Events => CommonRoute::Events(events),
        Path::Metrics => CommonRoute::Metrics,
        Path::OpenApi => CommonRoute::OpenApi,
        Path::Secondary(name) => match name.parse::<NodeName>() {
            Ok(name) => return Ok(Route::Master(MasterRoute::Forget(name))),
            Err(error) => return Err(RequestProblem::Name(error.to_string())),
        },
    };
    Ok(Route::Common(common))
}

fn page_file(file: Option<&'static PageFile>) -> Result<CommonRoute, RequestProblem> {
    file.map(CommonRoute::Page).ok_or(RequestProblem::NoPath)
}
