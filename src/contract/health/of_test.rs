//! Reports for tests, which change what theirs is about.

use acklog_protocol::{MasterHealth, SecondaryHealth, SecondaryPhase};
use acklog_types::{Epoch, LogEnd};

/// Returns the report of a master in memory that is alone.
pub(crate) fn master() -> MasterHealth {
    MasterHealth {
        name: "master".parse().unwrap(),
        read_only: false,
        log_start: LogEnd::ZERO,
        log_end: LogEnd::new(8),
        committed_end: Some(LogEnd::new(7)),
        epoch: Epoch::FIRST,
        cluster_size: 1,
        quorum: None,
        waiting_senders: 0,
        secondaries: Vec::new(),
        refused: Vec::new(),
        is_emptier: false,
        disk: None,
    }
}

/// Returns the report of a secondary in memory that is connected and ready.
pub(crate) fn secondary() -> SecondaryHealth {
    SecondaryHealth {
        name: "bonnie".parse().unwrap(),
        phase: SecondaryPhase::Ready,
        log_start: LogEnd::ZERO,
        log_end: LogEnd::new(5),
        committed_end: Some(LogEnd::new(4)),
        epoch: Epoch::FIRST,
        buffered: 2,
        connected: true,
        master: Some("master".parse().unwrap()),
        master_http_port: Some(8000),
        master_log_end: Some(LogEnd::new(9)),
        last_error: None,
        disk: None,
    }
}
