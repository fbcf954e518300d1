//! When the master answers who asks it to forget a secondary.

use std::sync::Arc;

use super::*;
use crate::log::disk::{DiskOptions, Recovered, Role, Sizes, recover};
use crate::sim::SimDisk;
use crate::types::{Faults, Fsync, LogId, Losses, WriteConcern};

const LOG: LogId = LogId::new(7);

fn opened(disk: &SimDisk) -> Recovered {
    let (role, fsync, sizes) = (Role::Master, Fsync::Always, Sizes::DEFAULT);
    let require_log = false;
    let options = DiskOptions { role, fsync, new_log: LOG, keys: 0, seed: 1, require_log, sizes };
    recover(Arc::new(disk.mounted()), options).unwrap()
}

fn options() -> MasterOptions {
    MasterOptions {
        name: "master".parse().unwrap(),
        log: LOG,
        request_timeout: Duration::from_secs(1),
        faults: Faults::default(),
        heartbeat_interval: Duration::from_secs(1),
        cluster_size: None,
        secondaries: None,
        default_write_concern: WriteConcern::Majority,
        quorum: None,
        max_waiting: 10,
        idempotency_window: 10,
        seed: 1,
    }
}

#[tokio::test]
async fn who_forgets_a_secondary_is_answered_when_that_is_on_disk() {
    let (disk, bonnie) = (SimDisk::new(), "bonnie".parse::<NodeName>().unwrap());
    let mut before = opened(&disk);
    before.opened.writer.remember(1, vec![bonnie.clone()], Losses::default());
    before.committer.write();
    // No thread writes for this log: the disk takes as long as the test wants.
    let Recovered { opened: log, mut committer, .. } = opened(&disk);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let handle = start_master(options(), log, listener, stop.clone(), &tasks);
    let mut forgetting = std::pin::pin!(handle.forget(bonnie));
    // Each health is a turn of the core's: it had time to answer.
    for turn in 0.. {
        let secondaries = tokio::select! {
            biased;
            _ = &mut forgetting => panic!("answered before it is on disk"),
            health = handle.health() => health.unwrap().secondaries,
        };
        if secondaries.is_empty() && turn > 2 {
            break;
        }
    }
    committer.write();
    assert!(forgetting.await.unwrap().is_ok());
    assert!(opened(&disk).opened.members.is_empty(), "no restart brings it back");
    stop.cancel();
}
