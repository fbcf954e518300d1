//! The number of bytes of a connection that the peer's kernel has not acknowledged yet.
//!
//! Linux reports it for each socket over netlink (`sock_diag(7)`), which needs no privilege and no
//! unsafe code. It answers within the system call, in some microseconds. Where there is no such
//! socket (another system, a kernel or a sandbox without it), bytes that were handed to the own
//! kernel count as taken, and [`bound_own_queue`] keeps that difference small.

use std::io;
use std::net::SocketAddr;

use socket2::SockRef;
use tokio::net::TcpStream;

/// Most bytes that the own kernel holds and has not sent, where it does not report what the peer's
/// kernel has acknowledged; elsewhere than on Linux also those that are in flight. Smaller: a fast
/// line is not kept busy. Larger: a slow line's frame counts as taken long before it is.
const OWN_QUEUE_BYTES: u32 = 64 * 1024;

/// The two ends of a connection, by which the kernel finds it.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux's kernel is asked"))]
pub(super) struct Ends {
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
}

/// Keeps the own kernel's queue of unsent bytes short.
pub(super) fn bound_own_queue(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(OWN_QUEUE_BYTES)?;
    #[cfg(not(target_os = "linux"))]
    socket.set_send_buffer_size(OWN_QUEUE_BYTES as usize)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::Unacked;
#[cfg(target_os = "linux")]
pub use linux::Unacked;

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::{Ends, io};

    /// Asks the kernel for unacknowledged bytes. Not possible on this system.
    #[derive(Debug)]
    pub struct Unacked;

    impl Unacked {
        /// Always fails.
        ///
        /// # Errors
        /// Always.
        pub fn open() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(in crate::server::net) fn of(&self, _: Ends) -> io::Result<u64> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::net::SocketAddr;
    use std::os::fd::OwnedFd;
    use std::sync::{Mutex, PoisonError};

    use rustix::net::netlink::{self, SocketAddrNetlink};
    use rustix::net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
    };

    use super::{Ends, io};

    /// `SOCK_DIAG_BY_FAMILY`: the kind of the request and of its response.
    const BY_FAMILY: u16 = 20;
    /// `NLM_F_REQUEST`.
    const IS_REQUEST: u16 = 1;
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    const IPPROTO_TCP: u8 = 6;
    /// Bytes of `nlmsghdr`, of `inet_diag_req_v2`, and of the response before `idiag_wqueue`.
    const HEADER_BYTES: usize = 16;
    const REQUEST_BYTES: usize = HEADER_BYTES + 56;
    const QUEUE_AT: usize = HEADER_BYTES + 60;

    /// Asks the kernel for unacknowledged bytes.
    #[derive(Debug)]
    pub struct Unacked {
        /// Locked from each request to its response.
        socket: Mutex<OwnedFd>,
    }

    impl Unacked {
        /// Opens the netlink socket.
        ///
        /// # Errors
        /// When the kernel, or a sandbox, has none.
        pub fn open() -> io::Result<Self> {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let protocol = Some(netlink::SOCK_DIAG);
            let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, protocol)?;
            Ok(Self { socket: Mutex::new(socket) })
        }

        /// Returns the number of bytes that were handed to the own kernel and that the peer's has
        /// not acknowledged. Does not wait.
        ///
        /// # Errors
        /// When the connection is gone, or the kernel does not answer.
        pub(in crate::server::net) fn of(&self, ends: Ends) -> io::Result<u64> {
            let kernel = SocketAddrNetlink::new(0, 0);
            let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
            sendto(&*socket, &request(ends), SendFlags::empty(), &kernel)?;
            let mut answer = [0; 1024];
            let (bytes, _) = recv(&*socket, &mut answer, RecvFlags::DONTWAIT)?;
            let answer = answer.get(..bytes).unwrap_or_default();
            let kind = answer.get(4..6).and_then(|bytes| <[u8; 2]>::try_from(bytes).ok());
            let queue = answer.get(QUEUE_AT..QUEUE_AT + 4);
            match queue.and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()) {
                Some(queue) if kind == Some(BY_FAMILY.to_ne_bytes()) => {
                    Ok(u32::from_ne_bytes(queue).into())
                }
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }
    }

    /// Returns the request for one connection: `nlmsghdr` and `inet_diag_req_v2`.
    fn request(Ends { local, peer }: Ends) -> Vec<u8> {
        let family = if local.is_ipv4() { AF_INET } else { AF_INET6 };
        let scope = match local {
            SocketAddr::V6(address) => address.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        let mut bytes = Vec::with_capacity(REQUEST_BYTES);
        bytes.extend((REQUEST_BYTES as u32).to_ne_bytes());
        bytes.extend(BY_FAMILY.to_ne_bytes());
        bytes.extend(IS_REQUEST.to_ne_bytes());
        // Sequence number and sender: the kernel fills in what is needed.
        bytes.extend([0; 8]);
        bytes.extend([family, IPPROTO_TCP, 0, 0]);
        // A connection in any state.
        bytes.extend(u32::MAX.to_ne_bytes());
        bytes.extend(local.port().to_be_bytes());
        bytes.extend(peer.port().to_be_bytes());
        bytes.extend(address_bytes(local));
        bytes.extend(address_bytes(peer));
        bytes.extend(scope.to_ne_bytes());
        // No cookie: any connection between these ends.
        bytes.extend([0xff; 8]);
        bytes
    }

    fn address_bytes(address: SocketAddr) -> [u8; 16] {
        match address {
            SocketAddr::V6(address) => address.ip().octets(),
            SocketAddr::V4(address) => {
                let [a, b, c, d] = address.ip().octets();
                [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            }
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn counts_what_is_not_taken(host: &str) {
        let unacked = Unacked::open().unwrap();
        let listener = TcpListener::bind((host, 0)).unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let ends = Ends { local: stream.local_addr().unwrap(), peer: stream.peer_addr().unwrap() };
        assert_eq!(unacked.of(ends).unwrap(), 0);
        // More than the peer's kernel takes for a peer that reads nothing.
        stream.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(bytes) = stream.write(&[0; 64 * 1024]) {
            written += bytes as u64;
        }
        let held = unacked.of(ends).unwrap();
        assert!(held > 0 && held < written, "{held} of {written}");
        let mut rest = vec![0; written as usize];
        peer.read_exact(&mut rest).unwrap();
        while unacked.of(ends).unwrap() > 0 {
            std::thread::yield_now();
        }
        drop((stream, peer, listener));
        let nowhere = Ends { local: ends.local, peer: ends.local };
        assert!(unacked.of(nowhere).is_err());
    }

    #[test]
    fn bytes_that_the_peers_kernel_has_not_taken_are_counted() {
        counts_what_is_not_taken("127.0.0.1");
        counts_what_is_not_taken("::1");
    }
}
