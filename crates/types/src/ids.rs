//! Ids and other numbers, each with a type of its own.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty), $format:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($inner);

        impl $name {
            /// Wraps a number.
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            /// Returns the number.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $format, self.0)
            }
        }
    };
}

number! {
    /// Number of a request on one connection in one direction. The response repeats it.
    RequestId(u64), "{}"
}
number! {
    /// Number of a connection, counted by this process. Never on the wire.
    SessionId(u64), "{}"
}
number! {
    /// A client that waits for its write concern, as numbered by the layer that answers clients.
    WaiterId(u64), "{}"
}
number! {
    /// Unique id of a log, drawn by the master when the log begins. Two logs never share messages.
    LogId(u128), "{:032x}"
}
number! {
    /// Unique id of one run of a secondary's process. Tells its reconnect from another process with
    /// the same name.
    InstanceId(u128), "{:032x}"
}
number! {
    /// 128-bit hash of an idempotency key.
    KeyHash(u128), "{:032x}"
}
number! {
    /// CRC-32C of a record, or the lower half of a [`RunningChecksum`](crate::RunningChecksum).
    Checksum(u32), "{:08x}"
}
number! {
    /// Number of one master's term. It only grows.
    Epoch(u64), "{}"
}
number! {
    /// Unique id of one data directory's life. A new, reset or replaced directory has another one.
    StoreId(u128), "{:032x}"
}

impl Epoch {
    /// The first epoch of a log, and the only one until masters begin new ones.
    pub const FIRST: Self = Self(1);
}

/// The place where a node keeps its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory: the log ends with the process.
    Memory,
    /// On disk, in a data directory.
    Disk,
}

impl Storage {
    /// Returns the place of a log that is on disk, or not.
    pub const fn of(is_on_disk: bool) -> Self {
        if is_on_disk { Self::Disk } else { Self::Memory }
    }
}
