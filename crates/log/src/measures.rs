//! The numbers of a log that operators watch: times of syncs, sizes, free space.

use acklog_types::{DurationCounts, LogEnd};

use super::LogReader;

/// The numbers that a log has counted since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogMeasures {
    /// The times that syncs of a log on disk took; none for a log in memory.
    pub syncs: Option<DurationCounts>,
    /// Messages that a crash left torn at the log's end and that were cut off when it was opened,
    /// as far as they are known.
    pub cut_messages: u64,
}

impl LogReader {
    /// Returns what was counted since the log was opened. Takes no lock.
    pub fn measures(&self) -> LogMeasures {
        let syncs = self.shared.disk.as_ref().map(|disk| disk.syncs.counts());
        LogMeasures { syncs, cut_messages: self.shared.before.cut_messages }
    }

    /// Returns the bytes that the file system of a log on disk has left for this process; none if
    /// it does not tell, and for a log in memory. Waits for the file system, which may hang.
    pub fn free_bytes(&self) -> Option<u64> {
        self.shared.disk.as_ref()?.segments.free_bytes()
    }

    /// Returns the bytes of the records from `from` on and below `until`, durable or not. What is
    /// no longer in memory is estimated from the lengths of the files. Never reads a file.
    pub fn bytes_between(&self, from: LogEnd, until: LogEnd) -> u64 {
        let (in_memory, bytes) = self.shared.recent().bytes_between(from, until);
        match &self.shared.disk {
            Some(disk) if from < in_memory => {
                bytes + disk.segments.bytes_between(from, in_memory.min(until))
            }
            _ => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{DiskOptions, Sizes};
    use crate::{LogWriter, SimDisk, in_memory, open_on};

    /// Appends messages whose records have 100 bytes each.
    fn append(writer: &mut LogWriter, count: u64) {
        for _ in 0..count {
            writer.append(1, None, &"x".repeat(75).as_str().into());
        }
        writer.flush();
    }

    fn at(end: u64) -> LogEnd {
        LogEnd::new(end)
    }

    #[test]
    fn bytes_in_memory_are_exact() {
        let (mut writer, reader) = in_memory();
        // Several chunks.
        append(&mut writer, 25_000);
        for (from, until) in [(0, 25_000), (7, 7), (7, 8), (10_000, 20_000), (24_999, 25_000)] {
            assert_eq!(reader.bytes_between(at(from), at(until)), 100 * (until - from));
        }
        assert_eq!(reader.bytes_between(at(9), at(8)), 0);
        assert_eq!(reader.measures(), LogMeasures { syncs: None, cut_messages: 0 });
        assert_eq!(reader.free_bytes(), None);
    }

    #[tokio::test]
    async fn bytes_in_files_are_estimated_and_each_sync_is_counted() {
        let sizes = Sizes { recent_bytes: 0, chunk_bytes: 1000, ..Sizes::of_segments(10_000) };
        let options = DiskOptions { sizes, ..DiskOptions::OF_TESTS };
        let (mut opened, background) = open_on(SimDisk::default(), options).unwrap();
        let reader = opened.reader.clone();
        for end in (20..=1000).step_by(20) {
            append(&mut opened.writer, 20);
            while reader.durable_end() < at(end) {
                reader.changed().await;
            }
        }
        assert!(!reader.is_recent(at(900)), "little is in memory");
        for (from, until) in [(0, 1000), (5, 905), (150, 250), (990, 1000)] {
            let bytes = 100 * (until - from);
            let told = reader.bytes_between(at(from), at(until));
            assert!((bytes * 9 / 10..=bytes * 15 / 10).contains(&told), "{from}..{until}: {told}");
        }
        let syncs = reader.measures().syncs.expect("it is on disk");
        assert!(syncs.count() >= 50, "{syncs:?}");
        drop(opened);
        background.close();
    }
}
