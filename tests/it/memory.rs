//! Memory is freed when a peak is over.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::*;

/// Time after a peak within which a node holds little more than before it.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(8);

/// Most KiB that a node may hold beyond twice of what it held before.
const MORE_KIB: u64 = 16 * 1024;

/// Sends the beginning of a request that is never finished, or whose response is never read.
fn begun(http: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(http).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// Opens readers of long listings that take nothing but the first bytes.
fn readers(http: SocketAddr) -> Vec<TcpStream> {
    let listing = b"GET /messages HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut readers: Vec<_> = (0..800).map(|_| begun(http, listing)).collect();
    readers.iter_mut().for_each(|reader| reader.read_exact(&mut [0; 12]).unwrap());
    readers
}

/// Opens clients of large bodies that stop half way.
fn senders(http: SocketAddr) -> Vec<TcpStream> {
    let head = "POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n";
    let begin = [head.as_bytes(), &[b'x'; 1_500_000]].concat();
    (0..40).map(|_| begun(http, &begin)).collect()
}

#[test]
fn after_each_kind_of_peak_a_node_holds_about_what_it_held_before() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let (master, _) = master(&[]);
    let message = "m".repeat(1_000_000);
    (0..4).for_each(|_| drop(append(master.http, &message, "1")));
    let before = master.process.anonymous_kib();
    let bound = 2 * before + MORE_KIB;
    for (kind, begin) in
        [("readers", readers as fn(SocketAddr) -> Vec<TcpStream>), ("senders", senders)]
    {
        let clients = begin(master.http);
        wait_until("a peak", || master.process.anonymous_kib() > bound);
        drop(clients);
        let over = Instant::now();
        while master.process.anonymous_kib() > bound {
            let held = master.process.anonymous_kib();
            assert!(over.elapsed() < GIVEN_BACK_WITHIN, "{kind}: {held} KiB, {before} before");
            pause();
        }
    }
}

#[test]
fn idle_connections_that_long_bodies_came_on_hold_little() {
    let (master, _) = master(&[]);
    let before = master.process.anonymous_kib();
    let head = "POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 600000\r\n\r\n";
    let sent = [head.as_bytes(), &[b'x'; 600_000]].concat();
    let idle: Vec<_> = (0..300)
        .map(|_| {
            let mut stream = begun(master.http, &sent);
            stream.read_exact(&mut [0; 12]).unwrap();
            stream
        })
        .collect();
    let over = Instant::now();
    while master.process.anonymous_kib() > 2 * before + MORE_KIB {
        let held = master.process.anonymous_kib();
        let count = idle.len();
        assert!(over.elapsed() < GIVEN_BACK_WITHIN, "{count}: {held} KiB, {before} before");
        pause();
    }
}
