//! A storage that keeps a list of its pending calls, so that a disk that hangs is noticed.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::storage::{Storage, StorageFile};
use acklog_threads::lock;

/// A storage with a list of its pending calls.
#[derive(Debug)]
pub(super) struct Watched<S> {
    inner: S,
    calls: Arc<Calls>,
}

#[derive(Debug)]
struct WatchedFile {
    inner: Arc<dyn StorageFile>,
    name: Arc<str>,
    calls: Arc<Calls>,
}

/// The pending calls by number: the first one is the oldest.
#[derive(Debug, Default)]
struct Calls(Mutex<UnderWay>);

#[derive(Debug, Default)]
struct UnderWay {
    next: u64,
    calls: BTreeMap<u64, (&'static str, Arc<str>)>,
}

impl Calls {
    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        lock(&self.0)
    }

    /// Makes a call and lists it until it returns.
    fn watch<T>(&self, what: &'static str, name: &Arc<str>, call: impl FnOnce() -> T) -> T {
        let number = {
            let mut under_way = self.under_way();
            under_way.next += 1;
            let number = under_way.next;
            under_way.calls.insert(number, (what, Arc::clone(name)));
            number
        };
        let answer = call();
        self.under_way().calls.remove(&number);
        answer
    }
}

impl<S: Storage> Watched<S> {
    /// Wraps a storage, and lists its calls from now on.
    pub(super) fn new(inner: S) -> Self {
        Self { inner, calls: Arc::default() }
    }

    fn watch<T>(&self, what: &'static str, name: &str, call: impl FnOnce(&S) -> T) -> T {
        self.calls.watch(what, &name.into(), || call(&self.inner))
    }

    fn file(&self, name: &str, inner: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(WatchedFile { inner, name: name.into(), calls: Arc::clone(&self.calls) })
    }
}

impl<S: Storage> Storage for Watched<S> {
    fn list(&self) -> io::Result<Vec<String>> {
        self.watch("list", "", S::list)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.watch("open", name, |inner| inner.open(name)).map(|file| self.file(name, file))
    }

    fn open_to_write(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let opened = self.watch("open", name, |inner| inner.open_to_write(name));
        opened.map(|file| self.file(name, file))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.watch("create", name, |inner| inner.create(name)).map(|file| self.file(name, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.watch("rename", from, |inner| inner.rename(from, to))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.watch("sync", "", S::sync_directory)
    }

    fn path_of(&self, name: &str) -> String {
        self.inner.path_of(name)
    }

    /// Not listed: whether the file system answers this says little about the log's own files.
    fn free_bytes(&self) -> Option<u64> {
        self.inner.free_bytes()
    }

    fn oldest_call(&self) -> Option<(u64, String)> {
        let under_way = self.calls.under_way();
        let (number, (what, name)) = under_way.calls.first_key_value()?;
        Some((*number, format!("{what} {}", self.inner.path_of(name))))
    }
}

impl StorageFile for WatchedFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.calls.watch("read", &self.name, || self.inner.read_at(offset, into))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.calls.watch("write to", &self.name, || self.inner.write_at(offset, bytes))
    }

    fn length(&self) -> io::Result<u64> {
        self.calls.watch("look at", &self.name, || self.inner.length())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.calls.watch("cut", &self.name, || self.inner.set_length(length))
    }

    fn sync(&self) -> io::Result<()> {
        self.calls.watch("sync", &self.name, || self.inner.sync())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::FreezingDisk;

    #[test]
    fn a_call_is_known_until_it_is_answered() {
        let disk = FreezingDisk::default();
        let storage = Watched::new(disk.clone());
        let file = storage.create("a.log").unwrap();
        file.sync().unwrap();
        assert_eq!(storage.oldest_call(), None);
        disk.freeze(true);
        let syncs = {
            let file = Arc::clone(&file);
            thread::spawn(move || file.sync())
        };
        while storage.oldest_call().is_none() {
            thread::yield_now();
        }
        let (number, what) = storage.oldest_call().unwrap();
        assert_eq!(what, "sync a.log");
        // Other calls come and go meanwhile.
        file.write_at(0, b"x").unwrap();
        storage.create("b.log").unwrap().write_at(0, b"x").unwrap();
        assert_eq!(storage.oldest_call(), Some((number, what)));
        disk.freeze(false);
        syncs.join().unwrap().unwrap();
        assert_eq!(storage.oldest_call(), None);
    }

    #[test]
    fn a_look_at_a_files_length_is_known_too() {
        let disk = FreezingDisk::default();
        let storage = Watched::new(disk.clone());
        let file = storage.create("a.log").unwrap();
        disk.freeze_looks(true);
        let looks = thread::spawn(move || file.length());
        while storage.oldest_call().is_none() {
            thread::yield_now();
        }
        assert_eq!(storage.oldest_call().unwrap().1, "look at a.log");
        disk.freeze_looks(false);
        looks.join().unwrap().unwrap();
        assert_eq!(storage.oldest_call(), None);
    }
}
