//! Copies of directories, and masters that were restored from older ones.

use std::fs;
use std::ops::ControlFlow;

use acklog_log::disk::{DiskOptions, Role, Sizes};
use acklog_log::inspect::inspect;
use acklog_log::open;
use acklog_types::{IdRange, LogEnd};

use super::tests::{append, directory, indexed, opened, printed, refusal, segments};

#[tokio::test]
async fn what_lies_far_before_a_range_in_its_segment_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let sizes = Sizes::of_segments(50_000);
    let options = DiskOptions { sizes, ..DiskOptions::OF_TESTS };
    let (mut log, background) = open(dir.path(), options).unwrap();
    for n in 0..40 {
        log.writer.append(0, None, &"x".repeat(2000).as_str().into());
        log.writer.flush();
        while log.reader.durable_end() == LogEnd::new(n) {
            log.reader.changed().await;
        }
    }
    indexed(dir.path()).await;
    background.close();
    let range = IdRange::new(LogEnd::new(20), LogEnd::new(21));
    let mut shown = Vec::new();
    let mut show = |record: &acklog_types::Record<'_>| {
        shown.push(record.id.get());
        ControlFlow::Continue(())
    };
    let found = inspect(dir.path(), range, &mut show, &mut |_, _| {}).unwrap();
    assert_eq!(shown, [20]);
    assert!(found.bytes < 4 * 2100, "{} bytes were read", found.bytes);
}

#[tokio::test]
async fn a_running_node_is_backed_up_and_its_copy_starts_with_all_that_was_there() {
    let (dir, parent) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut log, background) = opened(dir.path(), Role::Master);
    append(&mut log, 12).await;
    let target = parent.path().join("copy");
    let said = printed(&["backup", target.to_str().unwrap()], dir.path());
    assert!(said.contains("below id 12") && !said.contains(" 0 segments linked"), "{said}");
    append(&mut log, 5).await;
    let refused = refusal(&["backup", target.to_str().unwrap()], dir.path());
    assert!(refused.contains("exists already"), "{refused}");
    let table = printed(&["verify"], &target);
    assert!(table.contains("synced end      12\n") && table.ends_with("\nwhole\n"), "{table}");
    // Writes to the copy do not reach the original, nor the other way round.
    let (mut copy, of_copy) = opened(&target, Role::Master);
    assert_eq!(copy.reader.durable_end(), LogEnd::new(12));
    append(&mut copy, 9).await;
    of_copy.close();
    background.close();
    assert!(printed(&["verify"], dir.path()).contains("messages        17\n"));
    assert!(printed(&["verify"], &target).contains("messages        21\n"));
}

#[tokio::test]
async fn a_damaged_log_is_not_backed_up_and_nothing_is_left_of_the_attempt() {
    let (dir, parent) = (directory(Role::Master).await, tempfile::tempdir().unwrap());
    fs::remove_file(segments(dir.path()).remove(1)).unwrap();
    let target = parent.path().join("copy");
    assert!(refusal(&["backup", target.to_str().unwrap()], dir.path()).contains("is missing"));
    let other = directory(Role::Master).await;
    let nowhere = parent.path().join("nowhere/copy");
    let refused = refusal(&["backup", nowhere.to_str().unwrap()], other.path());
    assert!(refused.contains("make it first (mkdir -p ") && refused.contains("nowhere"));
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
}
