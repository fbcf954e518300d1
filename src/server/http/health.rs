//! `/health` and `/ready`: the facts that a node tells about itself, as JSON.

use std::time::Duration;

use acklog_protocol::{DiskHealth, MasterHealth, MemberHealth, RefusedHealth, SecondaryHealth};
use acklog_types::{DiskFault, LogEnd, NodeName};
use hyper::header::CONTENT_TYPE;
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::body::ResponseBody;
use super::read::APPLICATION_JSON;

/// What a node tells about itself, ready to be sent.
pub(super) trait Health {
    /// Whether the node does its whole job.
    fn is_ready(&self) -> bool;

    /// The body of the answer.
    fn json(&self) -> Vec<u8>;
}

/// The answer to `/health`.
pub(super) fn health(health: &impl Health) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(health.json()));
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_JSON);
    response
}

/// The answer to `/ready`: the same body under a status that load balancers understand.
pub(super) fn ready(node: &impl Health) -> Response<ResponseBody> {
    let mut response = health(node);
    if !node.is_ready() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

impl Health for MasterHealth {
    fn is_ready(&self) -> bool {
        Self::is_ready(self)
    }

    fn json(&self) -> Vec<u8> {
        to_json(&MasterJson {
            name: self.name.as_str(),
            role: "master",
            mode: if self.read_only { "read-only" } else { "read-write" },
            log_end: self.log_end.get(),
            cluster_size: self.cluster_size,
            quorum: self
                .quorum
                .map(|quorum| QuorumJson { required: quorum.required, healthy: quorum.healthy }),
            waiting_senders: self.waiting_senders,
            secondaries: self.secondaries.iter().map(member).collect(),
            refused: self.refused.iter().map(refused).collect(),
            disk: disk(self.disk.as_ref()),
        })
    }
}

/// A secondary's health together with where it dials its master, as `host:port`.
pub(super) struct OfSecondary<'a>(pub(super) SecondaryHealth, pub(super) &'a str);

impl Health for OfSecondary<'_> {
    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    fn json(&self) -> Vec<u8> {
        let Self(health, address) = self;
        to_json(&SecondaryJson {
            name: health.name.as_str(),
            role: "secondary",
            phase: health.phase.as_str(),
            log_end: health.log_end.get(),
            buffered: health.buffered,
            master: ItsMasterJson {
                address,
                connected: health.connected,
                name: health.master.as_ref().map(|name| name.as_str()),
                log_end: health.master_log_end.map(|end| end.get()),
                last_error: health.last_error.as_deref(),
            },
            disk: disk(health.disk.as_ref()),
        })
    }
}

fn member(member: &MemberHealth) -> MemberJson<'_> {
    MemberJson {
        name: member.name.as_str(),
        status: member.status.as_str(),
        phase: member.phase.as_str(),
        acked_end: member.acked_end.map(LogEnd::get),
        lag: member.lag,
        in_flight: member.in_flight,
        retries: member.retries,
        rtt_ms: member.rtt.map(millis_with_fraction),
        last_seen_ms: member.last_seen.map(|ago| ago.as_millis()),
        address: member.address.as_deref(),
    }
}

fn refused(refused: &RefusedHealth) -> RefusedJson<'_> {
    RefusedJson {
        name: refused.name.as_ref().map(NodeName::as_str),
        code: refused.code.as_str(),
        log_end: refused.log_end.map(LogEnd::get),
        last_seen_ms: refused.last_seen.map(|ago| ago.as_millis()),
    }
}

fn disk(disk: Option<&DiskHealth>) -> Option<DiskJson<'_>> {
    let (state, detail) = match disk? {
        DiskHealth::Ok => ("ok", None),
        DiskHealth::Faulty(DiskFault::Failed { detail }) => ("failed", Some(detail.as_str())),
        DiskHealth::Faulty(DiskFault::Damaged { detail }) => ("damaged", Some(detail.as_str())),
        DiskHealth::Faulty(DiskFault::Full { detail }) => ("full", Some(detail.as_str())),
        DiskHealth::Faulty(DiskFault::Stalled { detail }) => ("stalled", Some(detail.as_str())),
    };
    Some(DiskJson { state, detail })
}

/// Milliseconds with three digits behind the point: microseconds are the finest that means
/// anything.
fn millis_with_fraction(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// Returns a value as the body of an answer, with a line feed behind it.
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut body = serde_json::to_vec(value).expect("numbers and strings always have a JSON form");
    body.push(b'\n');
    body
}

/// The master's health in the order and under the names of the contract.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MasterJson<'a> {
    name: &'a str,
    role: &'static str,
    mode: &'static str,
    log_end: u64,
    cluster_size: u16,
    quorum: Option<QuorumJson>,
    waiting_senders: usize,
    secondaries: Vec<MemberJson<'a>>,
    refused: Vec<RefusedJson<'a>>,
    /// Null: the log is in memory.
    disk: Option<DiskJson<'a>>,
}

#[derive(Serialize)]
struct DiskJson<'a> {
    state: &'static str,
    detail: Option<&'a str>,
}

#[derive(Serialize)]
struct QuorumJson {
    required: u16,
    healthy: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RefusedJson<'a> {
    name: Option<&'a str>,
    code: &'static str,
    log_end: Option<u64>,
    last_seen_ms: Option<u128>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberJson<'a> {
    name: &'a str,
    status: &'static str,
    phase: &'static str,
    acked_end: Option<u64>,
    lag: Option<u64>,
    in_flight: usize,
    retries: u64,
    rtt_ms: Option<f64>,
    last_seen_ms: Option<u128>,
    address: Option<&'a str>,
}

/// A secondary's health in the order and under the names of the contract.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecondaryJson<'a> {
    name: &'a str,
    role: &'static str,
    phase: &'static str,
    log_end: u64,
    buffered: u64,
    master: ItsMasterJson<'a>,
    /// Null: the log is in memory.
    disk: Option<DiskJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItsMasterJson<'a> {
    address: &'a str,
    connected: bool,
    name: Option<&'a str>,
    log_end: Option<u64>,
    /// Why the last attempt to reach it failed; null while connected.
    last_error: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use acklog_protocol::frame::RefusalCode;
    use acklog_protocol::{MemberPhase, QuorumHealth, SecondaryPhase, Status};

    use super::*;

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    fn text(health: &impl Health) -> String {
        let text = String::from_utf8(health.json()).unwrap();
        text.strip_suffix('\n').expect("a line feed behind the body").to_owned()
    }

    fn failed(detail: &str) -> DiskHealth {
        DiskHealth::Faulty(DiskFault::Failed { detail: detail.to_owned() })
    }

    #[test]
    fn a_masters_health_has_the_members_of_the_contract_in_order() {
        let bonnie = MemberHealth {
            name: name("bonnie"),
            status: Status::Healthy,
            phase: MemberPhase::Ready,
            acked_end: Some(LogEnd::new(7)),
            lag: Some(1),
            in_flight: 2,
            retries: 3,
            rtt: Some(Duration::from_nanos(231_999)),
            last_seen: Some(Duration::from_micros(12_900)),
            address: Some("127.0.0.1:41000".to_owned()),
        };
        let clyde = MemberHealth {
            name: name("clyde"),
            status: Status::Unhealthy,
            phase: MemberPhase::Disconnected,
            acked_end: None,
            lag: None,
            rtt: None,
            last_seen: None,
            address: None,
            ..bonnie.clone()
        };
        let mut health = MasterHealth {
            name: name("master"),
            read_only: false,
            log_end: LogEnd::new(8),
            cluster_size: 3,
            quorum: None,
            waiting_senders: 4,
            secondaries: vec![bonnie, clyde],
            refused: Vec::new(),
            is_emptier: false,
            disk: None,
        };
        assert_eq!(
            text(&health),
            concat!(
                r#"{"name":"master","role":"master","mode":"read-write","logEnd":8,"#,
                r#""clusterSize":3,"quorum":null,"waitingSenders":4,"secondaries":["#,
                r#"{"name":"bonnie","status":"healthy","phase":"ready","ackedEnd":7,"lag":1,"#,
                r#""inFlight":2,"retries":3,"rttMs":0.231,"lastSeenMs":12,"#,
                r#""address":"127.0.0.1:41000"},"#,
                r#"{"name":"clyde","status":"unhealthy","phase":"disconnected","ackedEnd":null,"#,
                r#""lag":null,"inFlight":2,"retries":3,"rttMs":null,"lastSeenMs":null,"#,
                r#""address":null}],"refused":[],"disk":null}"#,
            )
        );
        assert_eq!(ready(&health).status(), StatusCode::OK);
        health.read_only = true;
        health.quorum = Some(QuorumHealth { required: 2, healthy: 1 });
        assert!(text(&health).contains(r#""mode":"read-only""#));
        assert!(text(&health).contains(r#""quorum":{"required":2,"healthy":1}"#));
        assert_eq!(ready(&health).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(self::health(&health).status(), StatusCode::OK);
        for (disk, shown) in [
            (DiskHealth::Ok, r#""disk":{"state":"ok","detail":null}}"#),
            (failed("no space"), r#""disk":{"state":"failed","detail":"no space"}}"#),
        ] {
            health.disk = Some(disk);
            assert!(text(&health).ends_with(shown), "{}", text(&health));
        }
    }

    #[test]
    fn a_master_names_whom_it_refused_and_is_not_ready_where_its_log_is_the_new_one() {
        let (code, log_end) = (RefusalCode::OtherLog, Some(LogEnd::new(5)));
        let last_seen = Some(Duration::from_micros(1_400_900));
        let dora = RefusedHealth { name: Some(name("dora")), code, log_end, last_seen };
        let unknown = RefusedHealth {
            name: None,
            code: RefusalCode::Version,
            log_end: None,
            last_seen: None,
        };
        let mut health = MasterHealth {
            name: name("master"),
            read_only: false,
            log_end: LogEnd::new(8),
            cluster_size: 1,
            quorum: None,
            waiting_senders: 0,
            secondaries: Vec::new(),
            refused: vec![dora, unknown],
            is_emptier: true,
            disk: None,
        };
        let shown = concat!(
            r#""refused":[{"name":"dora","code":"other-log","logEnd":5,"lastSeenMs":1400},"#,
            r#"{"name":null,"code":"version","logEnd":null,"lastSeenMs":null}]"#
        );
        assert!(text(&health).contains(shown), "{}", text(&health));
        assert_eq!(ready(&health).status(), StatusCode::SERVICE_UNAVAILABLE);
        health.is_emptier = false;
        assert_eq!(ready(&health).status(), StatusCode::OK, "only who began with this start minds");
    }

    #[test]
    fn a_secondarys_health_has_the_members_of_the_contract_in_order() {
        let health = SecondaryHealth {
            name: name("bonnie"),
            phase: SecondaryPhase::CatchingUp,
            log_end: LogEnd::new(5),
            buffered: 2,
            connected: true,
            master: Some(name("master")),
            master_log_end: Some(LogEnd::new(9)),
            last_error: None,
            disk: None,
        };
        assert_eq!(
            text(&OfSecondary(health.clone(), "127.0.0.1:6000")),
            concat!(
                r#"{"name":"bonnie","role":"secondary","phase":"catching-up","logEnd":5,"#,
                r#""buffered":2,"master":{"address":"127.0.0.1:6000","connected":true,"#,
                r#""name":"master","logEnd":9,"lastError":null},"disk":null}"#,
            )
        );
        for (phase, connected, status) in [
            (SecondaryPhase::Ready, true, 200),
            (SecondaryPhase::Ready, false, 503),
            (SecondaryPhase::CatchingUp, true, 503),
            (SecondaryPhase::Diverged, false, 503),
            (SecondaryPhase::Failed, false, 503),
        ] {
            let health = SecondaryHealth { phase, connected, ..health.clone() };
            assert_eq!(ready(&OfSecondary(health, "m:1")).status().as_u16(), status);
        }
        let last_error = Some("no connection within 5s".to_owned());
        let failing = SecondaryHealth { last_error, ..health.clone() };
        let shown = text(&OfSecondary(failing, "m:1"));
        assert!(shown.contains(r#""lastError":"no connection within 5s"}"#), "{shown}");
        let detail = "00000000000000000000.log at 17".to_owned();
        let damaged = Some(DiskHealth::Faulty(DiskFault::Damaged { detail }));
        let health = SecondaryHealth { disk: damaged, ..health };
        assert!(text(&OfSecondary(health, "m:1")).contains(r#""disk":{"state":"damaged","det"#));
    }
}
