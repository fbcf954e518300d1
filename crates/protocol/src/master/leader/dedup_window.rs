//! The dedup window: the idempotency keys of the last keyed messages.
//!
//! Only the hash of a key and the id of its message are kept; whether a message really has the key,
//! and which text, is looked up in its record. So on a hash collision the older key is no longer
//! deduplicated, and no message is lost.

use acklog_types::{Batch, IdempotencyKey, KeyHash, MessageId, Records};
use hashbrown::HashTable;

/// The last keyed messages by the hashes of their keys: a window of a fixed number of them, which
/// moves on with each new one.
///
/// Memory: an entry has 24 bytes, and its place in the table 5 to 23, depending on how full the
/// table is: 35 bytes a key in the default window of a million. It grows with the keys that come,
/// up to the window.
#[derive(Debug)]
pub(super) struct DedupWindow {
    max: usize,
    /// A ring once it is full: `next` is the place of the oldest entry, and so of the next one.
    entries: Vec<Entry>,
    next: usize,
    /// Places in `entries`. Invariant: of the entries with one hash, the newest has a place in
    /// here.
    places: HashTable<u32>,
}

/// In halves, so that it takes 24 bytes: a whole 128-bit number is aligned to 16.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: [u64; 2],
    id: MessageId,
}

impl DedupWindow {
    /// Creates a window of `max` keyed messages, or of as many as its places can number.
    pub(super) fn new(max: usize) -> Self {
        let max = max.min(u32::MAX as usize);
        Self { max, entries: Vec::new(), next: 0, places: HashTable::new() }
    }

    /// Returns the newest message in the window whose key has this hash.
    pub(super) fn find(&self, hash: KeyHash) -> Option<MessageId> {
        let hash = halves(hash);
        let is_it = |&place: &u32| hash_at(&self.entries, place) == Some(hash);
        let &place = self.places.find(spread(hash), is_it)?;
        self.entries.get(place as usize).map(|entry| entry.id)
    }

    /// Remembers the next keyed message. Where the window is full, the oldest one falls out of it.
    ///
    /// # Panics
    /// When the id is not above all before: the caller passes them as they lie in the log.
    pub(super) fn insert(&mut self, hash: KeyHash, id: MessageId) {
        assert!(self.newest().is_none_or(|newest| newest < id), "message {id} is not the newest");
        if self.max == 0 {
            return;
        }
        let entry = Entry { hash: halves(hash), id };
        let place = self.next;
        self.next = (place + 1) % self.max;
        match self.entries.get_mut(place) {
            Some(oldest) => {
                let gone = std::mem::replace(oldest, entry);
                // Found only where no newer entry has its hash.
                let is_it = |&other: &u32| other as usize == place;
                if let Ok(found) = self.places.find_entry(spread(gone.hash), is_it) {
                    found.remove();
                }
            }
            None => self.grow(entry),
        }
        let entries = &self.entries;
        let is_same =
            |&other: &u32| other as usize != place && hash_at(entries, other) == Some(entry.hash);
        let rehash = |&place: &u32| hash_at(entries, place).map_or(0, spread);
        // Places are below `max`, which fits.
        let place = place as u32;
        match self.places.find_mut(spread(entry.hash), is_same) {
            Some(older) => *older = place,
            None => {
                self.places.insert_unique(spread(entry.hash), place, rehash);
            }
        }
    }

    /// Adds an entry; a vector that doubles by itself would take more than the window needs.
    fn grow(&mut self, entry: Entry) {
        let length = self.entries.len();
        if length == self.entries.capacity() {
            self.entries.reserve_exact(length.max(16).min(self.max - length));
        }
        self.entries.push(entry);
    }

    fn newest(&self) -> Option<MessageId> {
        let last = self.next.checked_sub(1).unwrap_or(self.max.saturating_sub(1));
        self.entries.get(last).map(|entry| entry.id)
    }
}

fn halves(hash: KeyHash) -> [u64; 2] {
    [hash.get() as u64, (hash.get() >> 64) as u64]
}

/// A part of a good hash is a good hash.
fn spread(hash: [u64; 2]) -> u64 {
    hash[0]
}

fn hash_at(entries: &[Entry], place: u32) -> Option<[u64; 2]> {
    entries.get(place as usize).map(|entry| entry.hash)
}

/// The relation of a stored message to a batch whose key has the same hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstUse {
    /// It is the same message: the batch was sent before.
    SameMessage,
    /// It is another message under the same key.
    OtherMessage,
    /// It is a message with another key.
    OtherKey,
}

impl FirstUse {
    /// Compares the records of the stored batch with a batch that a client sends.
    pub fn of(records: &Records, key: &IdempotencyKey, batch: &Batch) -> Self {
        // Checked when they were read: looking at each checksum again would double the time.
        let texts = records.texts().map(|(.., text)| text);
        if records.iter().next().is_none_or(|first| first.key != Some(key.as_str())) {
            Self::OtherKey
        } else if texts.eq(batch.iter().map(str::as_bytes)) {
            Self::SameMessage
        } else {
            Self::OtherMessage
        }
    }
}

#[cfg(test)]
mod tests {
    use acklog_types::{IdRange, InBatch, LogEnd, encode_record};

    use super::*;

    fn hash(n: u128) -> KeyHash {
        KeyHash::new(n)
    }

    fn found(window: &DedupWindow, n: u128) -> Option<u64> {
        window.find(hash(n)).map(MessageId::get)
    }

    #[test]
    fn the_last_keys_are_found_and_older_ones_are_not() {
        let mut window = DedupWindow::new(3);
        for n in 0..10 {
            // Ids need not be dense: not every message has a key.
            window.insert(hash(n), MessageId::new(n as u64 * 7));
            for old in 0..=n {
                let id = (old + 3 > n).then_some(old as u64 * 7);
                assert_eq!(found(&window, old), id, "{old} after {n}");
            }
        }
        assert_eq!((window.entries.len(), window.places.len()), (3, 3));
    }

    #[test]
    fn of_two_messages_with_one_hash_the_newer_wins_and_outlives_the_older() {
        let mut window = DedupWindow::new(3);
        window.insert(hash(1), MessageId::new(0));
        window.insert(hash(1), MessageId::new(1));
        assert_eq!(found(&window, 1), Some(1));
        window.insert(hash(2), MessageId::new(2));
        window.insert(hash(3), MessageId::new(3));
        assert_eq!(found(&window, 1), Some(1), "only the older one fell out");
        window.insert(hash(4), MessageId::new(4));
        assert_eq!(found(&window, 1), None);
        assert_eq!(window.places.len(), 3);
    }

    #[test]
    fn a_hash_that_takes_its_own_oldest_place_stays_known() {
        for max in [1, 2] {
            let mut window = DedupWindow::new(max);
            for n in 0..5 {
                window.insert(hash(1), MessageId::new(n));
                assert_eq!(found(&window, 1), Some(n), "window of {max}");
                assert_eq!(window.places.len(), 1);
            }
        }
    }

    #[test]
    fn hashes_that_differ_in_their_last_bits_only_are_told_apart() {
        let mut window = DedupWindow::new(10);
        window.insert(hash(1), MessageId::new(1));
        window.insert(hash(1 + (1 << 64)), MessageId::new(2));
        assert_eq!((found(&window, 1), found(&window, 1 + (1 << 64))), (Some(1), Some(2)));
    }

    #[test]
    fn memory_follows_the_keys_up_to_the_window() {
        let max = 100_000;
        let mut window = DedupWindow::new(max);
        let bytes = |window: &DedupWindow| {
            window.entries.capacity() * size_of::<Entry>() + window.places.allocation_size()
        };
        assert_eq!(bytes(&window), 0);
        for n in 0..5 * max as u64 {
            let spread = u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            window.insert(hash(spread), MessageId::new(n));
        }
        assert_eq!(window.entries.capacity(), max);
        assert!(bytes(&window) <= 47 * max, "{} bytes", bytes(&window));
    }

    #[test]
    fn a_window_of_nothing_remembers_nothing() {
        let mut window = DedupWindow::new(0);
        window.insert(hash(1), MessageId::new(0));
        assert_eq!(found(&window, 1), None);
    }

    #[test]
    fn a_message_is_the_same_only_with_its_key_and_its_text() {
        let key = |text: &str| text.parse::<IdempotencyKey>().unwrap();
        let record = |with: Option<&IdempotencyKey>| {
            let mut bytes = Vec::new();
            encode_record(&mut bytes, MessageId::new(3), 0, with, "Msg1", InBatch::Last);
            let range = IdRange::new(LogEnd::new(3), LogEnd::new(4));
            Records::check(range, bytes.into()).unwrap()
        };
        let keyed = record(Some(&key("a")));
        assert_eq!(FirstUse::of(&keyed, &key("a"), &"Msg1".into()), FirstUse::SameMessage);
        assert_eq!(FirstUse::of(&keyed, &key("a"), &"Msg2".into()), FirstUse::OtherMessage);
        assert_eq!(FirstUse::of(&keyed, &key("b"), &"Msg1".into()), FirstUse::OtherKey);
        assert_eq!(FirstUse::of(&record(None), &key("a"), &"Msg1".into()), FirstUse::OtherKey);
    }

    #[test]
    fn a_batch_is_the_same_only_as_a_whole() {
        let key: IdempotencyKey = "a".parse().unwrap();
        let batch = |texts: &[&str]| {
            let mut batch = Batch::from(texts[0]);
            texts[1..].iter().for_each(|text| batch.push(text));
            batch
        };
        let (sent, mut bytes) = (["a", "b", "c"], Vec::new());
        for (n, text) in sent.iter().enumerate() {
            let id = MessageId::new(n as u64);
            encode_record(
                &mut bytes,
                id,
                0,
                Some(&key).filter(|_| n == 0),
                text,
                InBatch::at(n, 3),
            );
        }
        let range = IdRange::new(LogEnd::ZERO, LogEnd::new(3));
        let records = Records::check(range, bytes.into()).unwrap();
        assert_eq!(FirstUse::of(&records, &key, &batch(&sent)), FirstUse::SameMessage);
        for other in
            [&["a"][..], &["a", "b"], &["a", "b", "x"], &["a", "b", "c", "d"], &["ab", "c"]]
        {
            assert_eq!(FirstUse::of(&records, &key, &batch(other)), FirstUse::OtherMessage);
        }
    }
}
