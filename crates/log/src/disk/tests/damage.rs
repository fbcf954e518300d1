//! Cut, flipped and missing bytes: what is refused, what is cut off, and what is never served.

use super::*;

/// A log that was killed after several commits of batches.
struct Crashed {
    disk: SimDisk,
    /// The end of each batch.
    ends: Vec<u64>,
    /// Everything below is known to be flushed; the commit behind it may be torn.
    synced: u64,
    /// Bytes of the records of that commit.
    unsynced_bytes: usize,
}

impl Crashed {
    fn new(commits: &[&[u64]], sizes: Sizes) -> Self {
        let disk = SimDisk::new();
        let mut log = open_with(&disk, DiskOptions { sizes, ..OPTIONS }).unwrap();
        commits.iter().for_each(|counts| commit_batches(&mut log, counts));
        let counts = commits.iter().copied().flatten();
        let ends: Vec<u64> = counts
            .scan(0, |end, count| {
                *end += count;
                Some(*end)
            })
            .collect();
        let end = ends.last().copied().unwrap();
        let synced = end - commits.last().unwrap().iter().sum::<u64>();
        let range = IdRange::new(LogEnd::new(synced), LogEnd::new(end));
        let unsynced_bytes = log.opened.reader.read_range(range).unwrap().bytes();
        disk.kill();
        Self { disk, ends, synced, unsynced_bytes }
    }

    /// Returns the last file, and the end of what was written to it.
    fn last(&self) -> (String, u64) {
        let name = segments(&self.disk).pop().unwrap();
        let data = self.disk.bytes(&name).iter().rposition(|&byte| byte != 0).unwrap() + 1;
        (name, data as u64)
    }
}

const SINGLES: &[&[u64]] = &[&[1, 1], &[1, 1, 1], &[1, 1, 1, 1]];

/// Batches alone, behind others and before others in their commit, one of them longer than a
/// segment.
const BATCHES: [&[&[u64]]; 2] = [&[&[1, 2], &[3], &[1, 4, 2, 1]], &[&[2], &[1, 2, 14]]];

#[test]
fn every_cut_is_a_torn_tail_or_refused_and_what_is_kept_goes_on() {
    cut_everywhere(&Crashed::new(SINGLES, SIZES));
}

#[test]
fn every_cut_inside_a_batch_keeps_the_batches_before_it_and_nothing_of_it() {
    BATCHES.iter().for_each(|commits| cut_everywhere(&Crashed::new(commits, SIZES)));
}

fn cut_everywhere(crashed: &Crashed) {
    let synced = crashed.synced;
    let (name, data) = crashed.last();
    // From here on the last group's header is whole.
    let last_header = data - crashed.unsynced_bytes as u64;
    let mut kept = Vec::new();
    for length in 0..=crashed.disk.bytes(&name).len() as u64 {
        let disk = crashed.disk.snapshot();
        disk.cut(&name, length);
        match open_with(&disk, OPTIONS) {
            Ok(mut log) => {
                let found = log.opened.reader.durable_end().get();
                assert_whole(&log, found);
                // The last group's header has the flushed end; the group before has a lower one.
                assert!(found >= synced || length < last_header, "{found} at length {length}");
                kept.push(found);
                commit(&mut log, &[3]);
                disk.crash(&mut ChaCha8Rng::seed_from_u64(length));
                assert_whole(&open(&disk), found + 3);
            }
            Err(error) => {
                assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
                assert!(error.to_string().contains(&name), "{error}");
                assert!(length < 64, "without the file's header: length {length}");
            }
        }
    }
    assert!(kept.is_sorted(), "the more is left, the more is kept");
    kept.dedup();
    assert_eq!(kept[0], 0);
    assert_eq!(kept[1..], crashed.ends);
}

/// Flips each bit of each file in turn. A log that opens must show what was written, from the front
/// on, or fail visibly.
fn flip_every_bit(disk: &SimDisk, synced: u64, end: u64) -> (usize, usize) {
    let (mut opened, mut refused) = (0, 0);
    for name in crate::storage::Storage::list(disk).unwrap() {
        for bit in 0..disk.bytes(&name).len() as u64 * 8 {
            let disk = disk.snapshot();
            disk.flip_bit(&name, bit);
            match open_with(&disk, OPTIONS) {
                Ok(log) => {
                    opened += 1;
                    let found = log.opened.reader.durable_end().get();
                    assert!((synced..=end).contains(&found), "{name} bit {bit}: {found}");
                    let is_readable = read_all(&log.opened.reader, 300);
                    let fault = log.opened.reader.disk_fault();
                    assert_eq!(is_readable, fault.is_none(), "{name} bit {bit}: {fault:?}");
                }
                Err(error) => {
                    refused += 1;
                    assert!(
                        matches!(error, OpenError::Damaged { .. }),
                        "{name} bit {bit}: {error}"
                    );
                }
            }
        }
    }
    (opened, refused)
}

#[test]
fn no_flipped_bit_of_a_crashed_log_is_served_or_ends_it_below_what_was_synced() {
    for commits in [SINGLES, BATCHES[0]] {
        let Crashed { disk, ends, synced, .. } = Crashed::new(commits, SIZES);
        let (opened, refused) = flip_every_bit(&disk, synced, *ends.last().unwrap());
        assert!(opened > 1000 && refused > 1000, "{opened} opened, {refused} refused");
    }
}

#[test]
fn no_flipped_bit_of_a_stopped_log_with_old_segments_goes_unnoticed() {
    let disk = SimDisk::new();
    let mut log = open(&disk);
    [&[3][..], &[2, 2], &[6], &[1, 1]].iter().for_each(|counts| commit_batches(&mut log, counts));
    log.scrubber.index_sealed();
    log.committer.close();
    disk.kill();
    assert_eq!(segments(&disk).len(), 2);
    flip_every_bit(&disk, 15, 15);
}

#[test]
fn the_scrub_finds_damage_in_old_segments() {
    let (disk, mut log) = committed(&[10; 5]);
    let first = segments(&disk)[0].clone();
    disk.flip_bit(&first, 1500);
    assert_eq!(log.opened.reader.disk_fault(), None);
    log.scrubber.scrub_next();
    let Some(DiskFault::Damaged { detail }) = log.opened.reader.disk_fault() else {
        panic!("the damage was not found");
    };
    assert!(detail.contains(&first) && detail.contains("offset"), "{detail}");
}

/// Returns the file and the bit at which the text of a message begins.
fn bit_of(disk: &SimDisk, n: u64) -> (String, u64) {
    let found = segments(disk).into_iter().find_map(|name| {
        let at = memchr::memmem::find(&disk.bytes(&name), text(n).as_bytes())?;
        Some((name, at as u64 * 8))
    });
    found.unwrap()
}

#[test]
fn a_damaged_record_hides_neither_its_neighbours_nor_the_page_before_it() {
    let (disk, mut log) = committed(&[2, 5, 10, 10]);
    commit_batches(&mut log, &[1; 30]);
    let (name, bit) = bit_of(&disk, 4);
    disk.flip_bit(&name, bit);
    let reader = &log.opened.reader;
    let read = |from, until| reader.read(LogEnd::new(from), LogEnd::new(until), 100_000);
    let before = read(2, 40).unwrap();
    assert_eq!(before.range(), IdRange::new(LogEnd::new(2), LogEnd::new(4)));
    assert_eq!(reader.read_appended(MessageId::new(3)).unwrap().range().len(), 1);
    assert_eq!(reader.disk_fault(), None);
    assert!(read(4, 5).is_err());
    assert!(!read(5, 7).unwrap().range().is_empty());
    assert!(matches!(reader.disk_fault(), Some(DiskFault::Damaged { .. })));
}

#[test]
fn a_damaged_header_of_a_group_hides_no_other_group() {
    let (disk, log) = committed(&[1; 20]);
    let name = segments(&disk)[0].clone();
    let bytes = disk.bytes(&name);
    let header = format::SegmentHeader::decode(bytes.first_chunk().unwrap()).unwrap();
    let marker = header.sync_marker.to_le_bytes();
    let groups: Vec<(usize, IdRange)> = memchr::memmem::find_iter(&bytes, &marker)
        .filter_map(|at| Some((at, header.decode_group(&bytes[at..])?)))
        .map(|(at, group)| (at, IdRange::new(group.first, group.end())))
        .collect();
    let [_, one, _, other, _, ..] = groups[..] else { panic!("too few groups: {groups:?}") };
    [one, other].iter().for_each(|(at, _)| disk.flip_bit(&name, (*at as u64 + 9) * 8));
    let reader = &log.opened.reader;
    for n in (0..20).map(LogEnd::new) {
        let is_damaged = [one, other].iter().any(|(_, ids)| ids.start() <= n && n < ids.end());
        assert_eq!(reader.read(n, n.plus(1), 0).is_err(), is_damaged, "message {n}");
        let page = reader.read_page(n, n.plus(1), 1000, &mut PageCursor::default());
        assert_eq!(page.is_err(), is_damaged, "message {n} in a page");
    }
}

/// Returns the disk of a node that was killed after it had indexed its sealed segments, and the
/// path of the first index.
fn indexed() -> (SimDisk, String) {
    let (disk, mut log) = committed(&[10; 5]);
    log.scrubber.index_sealed();
    disk.kill();
    let index = segments(&disk)[0].replace(".log", ".index");
    (disk, index)
}

#[test]
fn an_index_that_leads_nowhere_is_not_believed_over_its_segment() {
    let (disk, index) = indexed();
    // From another life of the directory, in which the segment had another end.
    let other = SimDisk::new();
    let mut log = open(&other);
    commit(&mut log, &[1; 40]);
    log.scrubber.index_sealed();
    assert_ne!(segments(&other)[1], segments(&disk)[1]);
    let file = crate::storage::Storage::create(&disk, &index).unwrap();
    file.write_at(0, &other.bytes(&index)).unwrap();
    assert_whole(&open(&disk), 50);
    let log = open(&disk);
    assert_eq!(log.opened.keys.len(), 17);
    // A running node does not serve it either.
    let file = crate::storage::Storage::open(&disk, &segments(&disk)[0]).unwrap();
    let header = scan::read_header(&*file).unwrap().unwrap();
    let mut nowhere = index::SparseIndex::new(LogEnd::ZERO);
    (0..3).for_each(|_| nowhere.push(1, 5000, 4900));
    nowhere.store(&disk, &header, Some(&[])).unwrap();
    assert_whole(&log, 50);
}

#[test]
fn damaged_keys_of_an_index_are_made_again_and_damage_met_meanwhile_is_told() {
    let (disk, index) = indexed();
    let whole = disk.bytes(&index);
    disk.flip_bit(&index, whole.len() as u64 * 8 - 1);
    let mended = disk.snapshot();
    assert_eq!(open(&mended).opened.keys.len(), 17);
    assert_eq!(mended.bytes(&index), whole);
    let (name, bit) = bit_of(&disk, 4);
    disk.flip_bit(&name, bit);
    let refused = open_with(&disk, OPTIONS).unwrap_err();
    assert!(refused.to_string().contains("checksum of message 4"), "{refused}");
}

#[test]
fn only_a_file_with_no_more_than_a_header_is_set_aside() {
    let (disk, mut log) = committed(&[3]);
    let manifest = disk.bytes("manifest");
    commit(&mut log, &[10; 5]);
    disk.kill();
    let last = segments(&disk).pop().unwrap();
    let file = crate::storage::Storage::create(&disk, "manifest").unwrap();
    file.write_at(0, &manifest).unwrap();
    disk.flip_bit(&last, 33 * 8);
    let refused = open_with(&disk, OPTIONS).unwrap_err().to_string();
    assert!(refused.contains("the manifest is older than this file"), "{refused}");
    assert!(segments(&disk).contains(&last), "nothing was set aside");
}

#[test]
fn files_that_were_set_aside_before_are_kept() {
    let (disk, _log) = committed(&[3]);
    disk.kill();
    let begun = "00000000000000000003.log";
    for (number, aside) in ["", "-2", "-3"].iter().enumerate() {
        let file = crate::storage::Storage::create(&disk, begun).unwrap();
        file.write_at(0, &[7; 9][..number]).unwrap();
        assert_whole(&open(&disk), 3);
        assert_eq!(disk.bytes(&format!("{begun}.unused{aside}")).len(), number);
    }
}

#[test]
fn a_sealed_file_that_is_cut_off_is_found_at_the_start() {
    let (disk, mut log) = committed(&[10; 5]);
    log.scrubber.index_sealed();
    disk.kill();
    let name = &segments(&disk)[0];
    let length = disk.bytes(name).len() as u64;
    for cut in [1, 40, 300, length - 64] {
        let disk = disk.snapshot();
        disk.cut(name, length - cut);
        let refused = open_with(&disk, OPTIONS).unwrap_err().to_string();
        assert!(refused.contains(name), "{refused}");
    }
}

#[test]
fn a_file_that_changed_places_with_another_is_not_read() {
    let (disk, _log) = committed(&[10; 5]);
    disk.kill();
    let log = open(&disk);
    let [first, second] = [0, 1].map(|at| segments(&disk)[at].clone());
    let bytes = disk.bytes(&second);
    let file = crate::storage::Storage::create(&disk, &first).unwrap();
    file.write_at(0, &bytes).unwrap();
    assert!(!read_all(&log.opened.reader, 333));
    let Some(DiskFault::Damaged { detail }) = log.opened.reader.disk_fault() else {
        panic!("it was read");
    };
    assert!(detail.contains("another segment's"), "{detail}");
}

#[test]
fn a_start_reads_no_more_of_an_old_segment_than_two_heads() {
    let (disk, mut log) = committed(&[40; 30]);
    log.scrubber.index_sealed();
    disk.kill();
    let before = disk.counts().reads;
    let log = open_with(&disk, DiskOptions { keys: 0, ..OPTIONS }).unwrap();
    let (segments, reads) = (segments(&disk).len() as u64, disk.counts().reads - before);
    assert_whole(&log, 1200);
    assert!(segments >= 30 && reads < 2 * segments + 10, "{reads} reads of {segments} segments");
}

#[test]
fn a_pass_of_the_scrub_reads_each_old_segment_and_pauses_behind_each() {
    use std::time::Duration;
    let disk = SimDisk::new();
    let sizes = Sizes { segment_bytes: 40_000, ..SIZES };
    let mut log = open_with(&disk, DiskOptions { sizes, ..OPTIONS }).unwrap();
    commit(&mut log, &[500; 8]);
    let names = segments(&disk);
    let last_sealed = &names[names.len() - 2];
    assert!(names.len() > 3);
    for name in &names[1..names.len() - 1] {
        let pause = log.scrubber.scrub_next();
        assert!(pause > Duration::ZERO && pause < Duration::from_secs(1), "{pause:?}");
        assert_eq!(log.opened.reader.disk_fault(), None, "before {name}");
    }
    disk.flip_bit(last_sealed, 9999);
    log.scrubber.scrub_next();
    assert!(log.opened.reader.disk_fault().is_some(), "each segment has its turn");
    assert!(log.scrubber.scrub_next() >= Duration::from_secs(60), "the pass is over");
}

#[test]
fn a_read_without_a_free_descriptor_fails_and_is_no_damage() {
    let (disk, _log) = committed(&[10; 5]);
    disk.kill();
    let mut log = open(&disk);
    disk.take_descriptors();
    assert!(!read_all(&log.opened.reader, 333));
    log.scrubber.scrub_next();
    assert_eq!(log.opened.reader.disk_fault(), None);
    disk.heal();
    assert_whole(&log, 50);
}

#[test]
fn what_is_missing_is_damage() {
    let (disk, _log) = committed(&[10; 5]);
    disk.kill();
    let mut names = segments(&disk);
    names.push("manifest".to_owned());
    assert!(names.len() >= 4);
    for name in names {
        let disk = disk.snapshot();
        disk.remove(&name);
        let refused = open_with(&disk, OPTIONS).unwrap_err();
        assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
        assert!(refused.to_string().contains(&format!("{name} is missing")), "{refused}");
    }
}
