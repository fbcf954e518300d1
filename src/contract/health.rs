//! The body of the health of a node.

use std::time::Duration;

use acklog_api as api;
use acklog_protocol::{DiskHealth, MasterHealth, MemberHealth, RefusedHealth, SecondaryHealth};
use acklog_types::{DiskFault, LogEnd};

/// The health of a node, ready to be told.
pub trait HealthReport {
    /// Returns whether the node does its whole job.
    fn is_ready(&self) -> bool;

    /// Returns the body that tells it.
    fn report(&self) -> api::Health;
}

impl HealthReport for MasterHealth {
    fn is_ready(&self) -> bool {
        Self::is_ready(self)
    }

    fn report(&self) -> api::Health {
        api::Health::Master(api::MasterHealth {
            name: Some(self.name.to_string()),
            role: api::Role::Master,
            mode: Some(if self.read_only { api::Mode::ReadOnly } else { api::Mode::ReadWrite }),
            log_start: Some(self.log_start.get()),
            log_end: Some(self.log_end.get()),
            committed_end: self.committed_end.map(LogEnd::get),
            epoch: Some(self.epoch.get()),
            cluster_size: Some(self.cluster_size.into()),
            quorum: self.quorum.map(|quorum| api::Quorum {
                required: Some(quorum.required.into()),
                healthy: Some(quorum.healthy.into()),
            }),
            waiting_senders: Some(self.waiting_senders as u64),
            secondaries: self.secondaries.iter().map(member).collect(),
            refused: self.refused.iter().map(refused).collect(),
            disk: disk(self.disk.as_ref()),
        })
    }
}

/// A secondary's health together with the address at which it dials its master, as `host:port`.
pub struct OfSecondary(pub SecondaryHealth, pub String);

impl HealthReport for OfSecondary {
    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    fn report(&self) -> api::Health {
        let Self(health, address) = self;
        api::Health::Secondary(api::SecondaryHealth {
            name: Some(health.name.to_string()),
            role: api::Role::Secondary,
            phase: Some(word(health.phase.as_str())),
            log_start: Some(health.log_start.get()),
            log_end: Some(health.log_end.get()),
            committed_end: health.committed_end.map(LogEnd::get),
            epoch: Some(health.epoch.get()),
            buffered: Some(health.buffered),
            master: Some(api::MasterLink {
                address: Some(address.clone()),
                connected: Some(health.connected),
                name: health.master.as_ref().map(ToString::to_string),
                log_end: health.master_log_end.map(LogEnd::get),
                last_error: health.last_error.clone(),
            }),
            disk: disk(health.disk.as_ref()),
        })
    }
}

fn member(member: &MemberHealth) -> api::MemberHealth {
    api::MemberHealth {
        name: Some(member.name.to_string()),
        status: Some(word(member.status.as_str())),
        phase: Some(word(member.phase.as_str())),
        acked_end: member.acked_end.map(LogEnd::get),
        lag: member.lag,
        in_flight: Some(member.in_flight as u64),
        retries: Some(member.retries),
        rtt_ms: member.rtt.map(millis_with_fraction),
        last_seen_ms: member.last_seen.map(whole_millis),
        address: member.address.clone(),
    }
}

fn refused(refused: &RefusedHealth) -> api::Refused {
    api::Refused {
        name: refused.name.as_ref().map(ToString::to_string),
        code: Some(word(refused.code.as_str())),
        log_end: refused.log_end.map(LogEnd::get),
        last_seen_ms: refused.last_seen.map(whole_millis),
    }
}

fn disk(disk: Option<&DiskHealth>) -> Option<api::Disk> {
    let (state, detail) = match disk? {
        DiskHealth::Ok => (api::DiskState::Ok, None),
        DiskHealth::Faulty(fault) => {
            let (state, detail) = disk_state(fault);
            (state, Some(detail.to_owned()))
        }
    };
    Some(api::Disk { state: Some(state), detail })
}

/// Returns a fault of the disk as its state and its detail.
pub fn disk_state(fault: &DiskFault) -> (api::DiskState, &str) {
    match fault {
        DiskFault::Failed { detail } => (api::DiskState::Failed, detail),
        DiskFault::Damaged { detail } => (api::DiskState::Damaged, detail),
        DiskFault::Full { detail } => (api::DiskState::Full, detail),
        DiskFault::Stalled { detail } => (api::DiskState::Stalled, detail),
    }
}

/// Converts a word of the protocol to the contract's type.
fn word<W: From<String>>(word: &str) -> W {
    W::from(word.to_owned())
}

/// Returns milliseconds with three decimals: less than a microsecond means nothing.
pub fn millis_with_fraction(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// Returns whole milliseconds, rounded down.
fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod of_test;

#[cfg(test)]
mod tests {
    use acklog_protocol::frame::RefusalCode;
    use acklog_protocol::{MemberPhase, QuorumHealth, SecondaryPhase, Status};

    use acklog_types::NodeName;

    use super::*;

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    fn text(health: &impl HealthReport) -> String {
        serde_json::to_string(&health.report()).unwrap()
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
            cluster_size: 3,
            waiting_senders: 4,
            secondaries: vec![bonnie, clyde],
            ..of_test::master()
        };
        assert_eq!(
            text(&health),
            concat!(
                r#"{"name":"master","role":"master","mode":"read-write","logStart":0,"#,
                r#""logEnd":8,"committedEnd":7,"epoch":1,"clusterSize":3,"quorum":null,"#,
                r#""waitingSenders":4,"secondaries":["#,
                r#"{"name":"bonnie","status":"healthy","phase":"ready","ackedEnd":7,"lag":1,"#,
                r#""inFlight":2,"retries":3,"rttMs":0.231,"lastSeenMs":12,"#,
                r#""address":"127.0.0.1:41000"},"#,
                r#"{"name":"clyde","status":"unhealthy","phase":"disconnected","ackedEnd":null,"#,
                r#""lag":null,"inFlight":2,"retries":3,"rttMs":null,"lastSeenMs":null,"#,
                r#""address":null}],"refused":[],"disk":null}"#,
            )
        );
        let unknown = MasterHealth { committed_end: None, ..health.clone() };
        assert!(text(&unknown).contains(r#""logEnd":8,"committedEnd":null,"epoch":1"#));
        assert!(health.is_ready());
        health.read_only = true;
        health.quorum = Some(QuorumHealth { required: 2, healthy: 1 });
        assert!(text(&health).contains(r#""mode":"read-only""#));
        assert!(text(&health).contains(r#""quorum":{"required":2,"healthy":1}"#));
        assert!(!health.is_ready());
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
        let refused = vec![dora, unknown];
        let mut health = MasterHealth { refused, is_emptier: true, ..of_test::master() };
        let shown = concat!(
            r#""refused":[{"name":"dora","code":"other-log","logEnd":5,"lastSeenMs":1400},"#,
            r#"{"name":null,"code":"version","logEnd":null,"lastSeenMs":null}]"#
        );
        assert!(text(&health).contains(shown), "{}", text(&health));
        assert!(!health.is_ready());
        health.is_emptier = false;
        assert!(health.is_ready(), "only who began with this start minds");
    }

    #[test]
    fn a_secondarys_health_has_the_members_of_the_contract_in_order() {
        let phase = SecondaryPhase::CatchingUp;
        let health = SecondaryHealth { phase, ..of_test::secondary() };
        assert_eq!(
            text(&OfSecondary(health.clone(), "127.0.0.1:6000".to_owned())),
            concat!(
                r#"{"name":"bonnie","role":"secondary","phase":"catching-up","logStart":0,"#,
                r#""logEnd":5,"committedEnd":4,"epoch":1,"buffered":2,"#,
                r#""master":{"address":"127.0.0.1:6000","connected":true,"#,
                r#""name":"master","logEnd":9,"lastError":null},"disk":null}"#,
            )
        );
        for (phase, connected, is_ready) in [
            (SecondaryPhase::Ready, true, true),
            (SecondaryPhase::Ready, false, false),
            (SecondaryPhase::CatchingUp, true, false),
            (SecondaryPhase::Diverged, false, false),
            (SecondaryPhase::Failed, false, false),
        ] {
            let health = SecondaryHealth { phase, connected, ..health.clone() };
            assert_eq!(OfSecondary(health, "m:1".to_owned()).is_ready(), is_ready);
        }
        let last_error = Some("no connection within 5s".to_owned());
        let failing = SecondaryHealth { last_error, ..health.clone() };
        let shown = text(&OfSecondary(failing, "m:1".to_owned()));
        assert!(shown.contains(r#""lastError":"no connection within 5s"}"#), "{shown}");
        let detail = "00000000000000000000.log at 17".to_owned();
        let damaged = Some(DiskHealth::Faulty(DiskFault::Damaged { detail }));
        let health = SecondaryHealth { disk: damaged, ..health };
        assert!(
            text(&OfSecondary(health, "m:1".to_owned()))
                .contains(r#""disk":{"state":"damaged","det"#)
        );
    }

    #[test]
    fn each_word_of_the_protocol_is_one_of_the_contract() {
        use acklog_protocol::frame::RefusalCode as Code;
        let statuses = [Status::Healthy, Status::Suspected, Status::Unhealthy];
        let statuses = statuses.map(|status| word::<api::MemberStatus>(status.as_str()));
        assert_eq!(statuses, api::MemberStatus::ALL);
        let rows = [MemberPhase::CatchingUp, MemberPhase::Ready, MemberPhase::Disconnected];
        let own = [
            SecondaryPhase::Connecting,
            SecondaryPhase::CatchingUp,
            SecondaryPhase::Ready,
            SecondaryPhase::Refused,
            SecondaryPhase::Diverged,
            SecondaryPhase::Failed,
        ];
        let words =
            rows.map(MemberPhase::as_str).into_iter().chain(own.map(SecondaryPhase::as_str));
        let phases: Vec<api::Phase> = words.map(word).collect();
        assert!(phases.iter().all(|phase| api::Phase::ALL.contains(phase)), "{phases:?}");
        assert!(api::Phase::ALL.iter().all(|phase| phases.contains(phase)));
        let codes = [
            Code::Version,
            Code::NameTaken,
            Code::ClusterFull,
            Code::NotListed,
            Code::Epoch,
            Code::OtherLog,
            Code::LongerLog,
            Code::OtherRecord,
        ];
        assert_eq!(
            codes.map(|code| word::<api::RefusedCode>(code.as_str())),
            api::RefusedCode::ALL
        );
    }
}
