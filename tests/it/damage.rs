//! Frames that are damaged on their way, where TCP's checksum does not see it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::support::*;

/// Offset of the tag in a frame of version 4, its length included.
const TAG: usize = 10;

/// Tags of frames.
const HEARTBEAT: u8 = 4;
const WELCOME: u8 = 5;
const ALIVE: u8 = 10;

/// Bytes of a frame that are flipped, once.
#[derive(Clone, Copy)]
struct Flip {
    /// The tag of the frame.
    tag: u8,
    /// The byte, counted from the frame's length on, and its bits.
    byte: usize,
    bits: u8,
}

/// Forwards frames between a secondary and its master.
struct Relay {
    address: SocketAddr,
    flip: Arc<Mutex<Option<Flip>>>,
}

impl Relay {
    fn new(to: SocketAddr, flip: Option<Flip>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let flip = Arc::new(Mutex::new(flip));
        let flips = flip.clone();
        std::thread::spawn(move || {
            for dialed in listener.incoming().map_while(Result::ok) {
                let Ok(master) = TcpStream::connect(to) else { continue };
                for (from, to) in [(&dialed, &master), (&master, &dialed)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let flips = flips.clone();
                    std::thread::spawn(move || forward(from, to, &flips));
                }
            }
        });
        Self { address, flip }
    }

    /// Flips bits in the next frame of that kind.
    fn damage(&self, flip: Flip) {
        *self.flip.lock().unwrap() = Some(flip);
    }

    fn wait_until_damaged(&self) {
        wait_until("a frame is damaged", || self.flip.lock().unwrap().is_none());
    }
}

/// Forwards frames until a side closes.
fn forward(mut from: TcpStream, mut to: TcpStream, flips: &Mutex<Option<Flip>>) {
    let mut length = [0; 4];
    while from.read_exact(&mut length).is_ok() {
        let mut frame = length.to_vec();
        frame.resize(4 + u32::from_be_bytes(length) as usize, 0);
        if from.read_exact(&mut frame[4..]).is_err() {
            break;
        }
        let mut next = flips.lock().unwrap();
        if let Some(flip) = next.filter(|flip| frame.get(TAG) == Some(&flip.tag)) {
            frame[flip.byte] ^= flip.bits;
            *next = None;
        }
        drop(next);
        if to.write_all(&frame).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn count(node: &Node, text: &str) -> usize {
    node.process.log.all().iter().filter(|line| line.contains(text)).count()
}

#[test]
fn a_damaged_length_ends_the_connection_with_a_reason_and_the_secondary_dials_again() {
    let (master, comm) = master(&[]);
    let relay = Relay::new(comm, None);
    let bonnie = secondary("bonnie", relay.address, &[]);
    wait_ready(&bonnie);
    // Of 8 MiB and of 16 KiB, as the length says: as heartbeats come, days and minutes of them.
    let flips = [(HEARTBEAT, 1, 0x80, &bonnie), (ALIVE, 2, 0x40, &master)];
    for (times, (tag, byte, bits, by)) in (2..).zip(flips) {
        relay.damage(Flip { tag, byte, bits });
        relay.wait_until_damaged();
        by.process.log.wait_for("the frame's length or head is damaged");
        wait_until("it joins again", || count(&bonnie, "joined; catching up") == times);
        wait_ready(&bonnie);
        assert_eq!(append(master.http, "undisturbed", "2").1, ["master", "bonnie"]);
    }
    assert_eq!(count(&bonnie, "nothing was heard"), 0, "no silence was waited for");
}

#[test]
fn a_damaged_identity_of_a_log_is_not_taken_on() {
    let (master, comm) = master(&[]);
    // In a `Welcome`, behind the epoch and the name `master`.
    let log = TAG + 20 + 8 + 6;
    let relay = Relay::new(comm, Some(Flip { tag: WELCOME, byte: log, bits: 1 }));
    let bonnie = secondary("bonnie", relay.address, &[]);
    bonnie.process.log.wait_for("the frame's length or head is damaged");
    wait_ready(&bonnie);
    assert_eq!(append(master.http, "Msg1", "2").1, ["master", "bonnie"]);
    // Over another connection it has the messages of that log still.
    relay.damage(Flip { tag: HEARTBEAT, byte: 1, bits: 0x80 });
    relay.wait_until_damaged();
    wait_until("it joins again", || count(&bonnie, "joined; catching up") == 2);
    wait_ready(&bonnie);
    assert_eq!(texts(bonnie.http), ["Msg1"]);
}
