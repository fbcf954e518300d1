//! Connects to a host by name or address.

use std::fmt::Write;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use acklog_threads::{ThreadPool, WorkHandle};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Time for a name to be resolved. Shorter: a silent name server takes 5 s of it and more before
/// the next one is asked. Longer: the caller learns of the problem later.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for one address. An address that drops packets would otherwise take minutes. Shorter: an
/// attempt would fail on a lost first packet, which is sent again after 1 s and 3 s, or on a round
/// trip of 2 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Time after which the next address is tried in parallel, as RFC 8305 recommends.
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// Most addresses of a name that are tried in one attempt. A name with more has them for other
/// purposes.
const ADDRESSES_MAX: usize = 16;

/// Dials one host and port repeatedly.
#[derive(Debug)]
pub struct Dialer {
    host: String,
    port: u16,
    names: ThreadPool,
    resolve_timeout: Duration,
    /// A resolution that took longer than one attempt waits: its result is used by the next
    /// attempt.
    resolving: Option<WorkHandle<io::Result<Vec<SocketAddr>>>>,
}

impl Dialer {
    /// Creates a dialer for `host` (name or address) at `port`.
    pub fn new(host: String, port: u16) -> Self {
        // A silent name server holds a thread for some 30 s; a second thread would only ask it
        // again.
        let names = ThreadPool::new("names", 1);
        Self { host, port, names, resolve_timeout: RESOLVE_TIMEOUT, resolving: None }
    }

    /// Connects. All addresses of the name are tried, alternating between IPv4 and IPv6; the first
    /// one that answers is used.
    ///
    /// # Errors
    /// When the name cannot be resolved, or when no address answers; then with the reason for each
    /// address.
    pub async fn dial(&mut self) -> io::Result<TcpStream> {
        let addresses = self.resolve().await?;
        connect(by_turns(addresses)).await
    }

    /// Returns all addresses of the host. An address resolves to itself.
    async fn resolve(&mut self) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.port)]);
        }
        let resolving = self.resolving.get_or_insert_with(|| {
            let (host, port) = (self.host.clone(), self.port);
            self.names.run(move || (host.as_str(), port).to_socket_addrs().map(Iterator::collect))
        });
        let Ok(resolved) = timeout(self.resolve_timeout, resolving).await else {
            let reason = format!(
                "the name {} was not resolved within {:?}",
                self.host, self.resolve_timeout
            );
            return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
        };
        self.resolving = None;
        let failed = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!("the name {} cannot be resolved: {error}", self.host),
            )
        };
        match resolved.map_err(io::Error::other).and_then(|addresses| addresses) {
            Ok(addresses) if addresses.is_empty() => {
                Err(failed(io::Error::other("it has no address")))
            }
            Ok(addresses) => Ok(addresses),
            Err(error) => Err(failed(error)),
        }
    }
}

/// Dials one host and port for many callers at once; a clone is the same dialer. Callers that
/// arrive while the name is being resolved share that result, good or bad: a silent name server
/// delays all of them together and not one after the other. The name is resolved again only once
/// its addresses cannot be reached.
#[derive(Clone, Debug)]
pub struct SharedDialer(Arc<Mutex<Resolver>>);

#[derive(Debug)]
struct Resolver {
    dialer: Dialer,
    /// The last result, and when it arrived.
    last: Option<(Instant, Resolved)>,
}

type Resolved = Result<Vec<SocketAddr>, (io::ErrorKind, String)>;

impl SharedDialer {
    /// Creates a dialer for `host` (name or address) at `port`.
    pub fn new(host: String, port: u16) -> Self {
        Self(Arc::new(Mutex::new(Resolver { dialer: Dialer::new(host, port), last: None })))
    }

    /// Connects, as [`Dialer::dial`] does.
    ///
    /// # Errors
    /// As [`Dialer::dial`].
    pub async fn dial(&self) -> io::Result<TcpStream> {
        let came = Instant::now();
        let last = self.0.lock().await.last.clone();
        let failed = match last {
            Some((at, Ok(known))) if at < came => match connect(by_turns(known.clone())).await {
                Ok(stream) => return Ok(stream),
                Err(error) => Some((known, error)),
            },
            _ => None,
        };
        let addresses = self.resolve(came).await?;
        match failed {
            Some((known, error)) if known == addresses => Err(error),
            _ => connect(by_turns(addresses)).await,
        }
    }

    /// Creates a dialer for a name whose pending resolution has this result.
    #[cfg(test)]
    pub fn resolved(host: &str, answer: WorkHandle<io::Result<Vec<SocketAddr>>>) -> Self {
        let dialer = Dialer { resolving: Some(answer), ..Dialer::new(host.to_owned(), 7) };
        Self(Arc::new(Mutex::new(Resolver { dialer, last: None })))
    }

    /// Returns the addresses as of `came` or later.
    async fn resolve(&self, came: Instant) -> io::Result<Vec<SocketAddr>> {
        let mut resolver = self.0.lock().await;
        let resolved = match &resolver.last {
            Some((at, resolved)) if *at >= came => resolved.clone(),
            _ => {
                let resolved = resolver.dialer.resolve().await;
                let resolved = resolved.map_err(|error| (error.kind(), error.to_string()));
                resolver.last = Some((Instant::now(), resolved.clone()));
                resolved
            }
        };
        resolved.map_err(|(kind, reason)| io::Error::new(kind, reason))
    }
}

/// Alternates between the addresses of the two families, beginning with that of the first: the
/// resolver's order shows which one it prefers, and a family that does not work must not delay the
/// other.
fn by_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_first = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == is_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turns = Vec::new();
    loop {
        let before = turns.len();
        turns.extend(first.next());
        turns.extend(second.next());
        if turns.len() == before {
            turns.truncate(ADDRESSES_MAX);
            return turns;
        }
    }
}

/// Connects to the first address that answers.
async fn connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut left = addresses.into_iter();
    let (mut attempts, mut reasons) = (JoinSet::new(), String::new());
    // The kind of the error as a whole, where all addresses failed with the same one.
    let mut kind = None;
    loop {
        match left.next() {
            Some(address) => drop(attempts.spawn(async move { (address, attempt(address).await) })),
            None if attempts.is_empty() => {
                return Err(io::Error::new(kind.unwrap_or(io::ErrorKind::Other), reasons));
            }
            None => {}
        }
        tokio::select! {
            Some(Ok((address, connected))) = attempts.join_next() => match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    let is_alike = kind.is_none_or(|kind| kind == error.kind());
                    kind = Some(if is_alike { error.kind() } else { io::ErrorKind::Other });
                    let comma = if reasons.is_empty() { "" } else { ", " };
                    // Writing to a string does not fail.
                    let _ = write!(reasons, "{comma}{address}: {error}");
                }
            },
            () = sleep(NEXT_ADDRESS), if left.len() > 0 => {}
        }
    }
}

async fn attempt(address: SocketAddr) -> io::Result<TcpStream> {
    let stream =
        timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await.unwrap_or_else(|_| {
            let reason = format!("no connection within {CONNECT_TIMEOUT:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, reason))
        })?;
    refuse_self(stream)
}

/// Refuses a connection whose two ends are the same socket.
fn refuse_self(stream: TcpStream) -> io::Result<TcpStream> {
    if stream.local_addr()? == stream.peer_addr()? {
        // The kernel chose the port to which it was to connect. A reset leaves that port free for
        // the server that is to listen there.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        let reason = "nobody listens there (the connection reached itself)";
        return Err(io::Error::new(io::ErrorKind::ConnectionRefused, reason));
    }
    Ok(stream)
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::TcpListener;

    use tokio::net::TcpSocket;

    use super::*;

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[tokio::test]
    async fn a_name_is_resolved_and_an_address_needs_no_thread() {
        let mut dialer = Dialer::new("127.0.0.2".to_owned(), 7);
        dialer.names = ThreadPool::new("names", 0);
        assert_eq!(dialer.resolve().await.unwrap(), [at("127.0.0.2:7")]);
        dialer.host = "::1".to_owned();
        assert_eq!(dialer.resolve().await.unwrap(), [at("[::1]:7")]);
        dialer.host = "localhost".to_owned();
        let refused = dialer.resolve().await.unwrap_err().to_string();
        assert!(refused.contains("localhost") && refused.contains("no thread"), "{refused}");
        let found = Dialer::new("localhost".to_owned(), 7).resolve().await.unwrap();
        assert!(found.contains(&at("127.0.0.1:7")) || found.contains(&at("[::1]:7")), "{found:?}");
    }

    #[tokio::test]
    async fn a_name_that_is_resolved_too_late_counts_for_the_next_attempt() {
        let mut dialer = Dialer::new("slow.example".to_owned(), 7);
        let (answer, answered) = std::sync::mpsc::channel();
        let late = dialer.names.run(move || answered.recv().unwrap());
        dialer.resolving = Some(late);
        dialer.resolve_timeout = Duration::from_millis(1);
        let reason = dialer.dial().await.unwrap_err().to_string();
        assert_eq!(reason, "the name slow.example was not resolved within 1ms");
        dialer.resolve_timeout = RESOLVE_TIMEOUT;
        answer.send(Ok(vec![at("127.0.0.1:7")])).unwrap();
        assert_eq!(dialer.resolve().await.unwrap(), [at("127.0.0.1:7")]);
        assert!(dialer.resolving.is_none());
    }

    #[tokio::test]
    async fn whoever_comes_while_a_name_is_resolved_shares_the_answer() {
        let (answer, answered) = std::sync::mpsc::channel();
        let names = ThreadPool::new("names", 1);
        let answered = names.run(move || answered.recv().unwrap());
        let shared = SharedDialer::resolved("slow.example", answered);
        // A second resolution finds no thread.
        shared.0.lock().await.dialer.names = ThreadPool::new("names", 0);
        let failed = io::Error::other("no such name");
        // Sent once both wait.
        let answers = async { answer.send(Err(failed)).unwrap() };
        let (first, second, ()) = tokio::join!(shared.dial(), shared.dial(), answers);
        let reason = "the name slow.example cannot be resolved: no such name";
        assert_eq!(first.unwrap_err().to_string(), reason);
        assert_eq!(second.unwrap_err().to_string(), reason);
        // A later caller resolves the name again.
        let later = shared.dial().await.unwrap_err().to_string();
        assert!(later.contains("no thread"), "{later}");
    }

    #[tokio::test]
    async fn a_name_is_resolved_anew_once_its_addresses_cannot_be_reached() {
        let [first, second] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [old, new] = [&first, &second].map(|it| it.local_addr().unwrap());
        let shared = SharedDialer::resolved("moving.example", WorkHandle::ready(Ok(vec![old])));
        for _ in 0..2 {
            assert_eq!(shared.dial().await.unwrap().peer_addr().unwrap(), old);
        }
        drop(first);
        shared.0.lock().await.dialer.resolving = Some(WorkHandle::ready(Ok(vec![new])));
        assert_eq!(shared.dial().await.unwrap().peer_addr().unwrap(), new);
    }

    #[test]
    fn families_are_tried_by_turns() {
        let all = ["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1"].map(at);
        let turns = ["[::1]:1", "1.0.0.1:1", "[::2]:1", "[::3]:1"].map(at);
        assert_eq!(by_turns(all.to_vec()), turns);
        assert_eq!(by_turns(Vec::new()), []);
    }

    /// Returns an address whose accept queue is full, so that it drops packets. It stays so for as
    /// long as the returned values live.
    pub async fn silent() -> (SocketAddr, TcpSocket, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(at("127.0.0.1:0")).unwrap();
        let address = socket.local_addr().unwrap();
        SockRef::from(&socket).listen(0).unwrap();
        let mut queued = Vec::new();
        while let Ok(Ok(stream)) =
            timeout(Duration::from_millis(100), TcpStream::connect(address)).await
        {
            queued.push(stream);
        }
        (address, socket, queued)
    }

    #[tokio::test]
    async fn an_address_that_swallows_packets_does_not_hold_up_the_next() {
        let (silent, _socket, _queued) = silent().await;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let began = Instant::now();
        let stream = connect(vec![silent, good]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(began.elapsed() < CONNECT_TIMEOUT, "beside the first, not behind it");
    }

    #[tokio::test]
    async fn an_address_that_swallows_packets_is_given_up_after_five_seconds() {
        let (silent, _socket, _queued) = silent().await;
        tokio::time::pause();
        let begun = Instant::now();
        let reason = connect(vec![silent]).await.unwrap_err().to_string();
        assert!(reason.contains("no connection within 5s"), "{reason}");
        assert!(begun.elapsed() < CONNECT_TIMEOUT + NEXT_ADDRESS);
    }

    #[tokio::test]
    async fn a_node_that_reaches_itself_is_told_so_and_leaves_the_port_free() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(at("127.0.0.1:0")).unwrap();
        let own = socket.local_addr().unwrap();
        let stream = socket.connect(own).await.unwrap();
        let refused = refuse_self(stream).unwrap_err().to_string();
        assert!(refused.contains("the connection reached itself"), "{refused}");
        TcpListener::bind(own).unwrap();
    }

    /// Dials where no socket listens: the kernel may choose the port itself as the near end, and
    /// the connection then reaches itself. It chooses ports one after the other, so that this
    /// happens in the end.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn no_attempt_gives_out_a_connection_to_this_node_itself() {
        // The kernel connects from ports of the parity of the first one that it may choose.
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let lowest: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
        let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let port = (lowest..=u16::MAX).step_by(2).find(free).unwrap();
        let address = SocketAddr::new(at("127.0.0.1:0").ip(), port);
        for _ in 0..200_000 {
            let reason = attempt(address).await.unwrap_err().to_string();
            if reason.contains("the connection reached itself") {
                return;
            }
        }
        panic!("no attempt was made from port {port}");
    }

    #[tokio::test]
    async fn what_was_wrong_with_each_address_is_told() {
        let nobody = ["127.0.0.1:1", "127.0.0.2:1"].map(at);
        let error = connect(nobody.to_vec()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let reason = error.to_string();
        for address in nobody {
            assert!(reason.contains(&format!("{address}: Connection refused")), "{reason}");
        }
    }
}
