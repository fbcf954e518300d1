//! The time at which the master answers a request to forget a secondary.

use std::sync::Arc;

use acklog_log::SimDisk;
use acklog_log::disk::{DiskOptions, Recovered, recover};
use acklog_types::Losses;

use super::*;

fn opened(disk: &SimDisk) -> Recovered {
    recover(Arc::new(disk.mounted()), DiskOptions::OF_TESTS).unwrap()
}

fn options() -> MasterOptions {
    MasterOptions { log: DiskOptions::OF_TESTS.new_log, ..tests::options() }
}

#[tokio::test]
async fn who_forgets_a_secondary_is_answered_when_that_is_on_disk() {
    let (disk, bonnie) = (SimDisk::new(), "bonnie".parse::<NodeName>().unwrap());
    let mut before = opened(&disk);
    before.opened.writer.persist_members(1, vec![bonnie.clone()], Losses::default());
    before.committer.write();
    // No thread writes for this log: the disk takes as long as the test wants.
    let Recovered { opened: log, mut committer, .. } = opened(&disk);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let handle = start_master(options(), Faults::default(), log, listener, stop.clone(), &tasks);
    let mut forgetting = std::pin::pin!(handle.forget(bonnie));
    // Each health is an iteration of the core's: it had time to answer.
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
