//! Numbers and names that stand for one thing each: a type for every kind.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty), $format:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($inner);

        impl $name {
            /// Wraps the number.
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            /// The bare number.
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
    /// Number of a request on one connection in one direction; the response carries it back.
    RequestId(u64), "{}"
}
number! {
    /// One connection's life, as this process counts them. Never on the wire.
    SessionId(u64), "{}"
}
number! {
    /// A sender that waits for its write concern, as the layer that holds the sender names it.
    WaiterId(u64), "{}"
}
number! {
    /// Unique id of a log: drawn by the master when the log begins. Two logs never share messages.
    LogId(u128), "{:032x}"
}
number! {
    /// Unique id of one run of a secondary's process, so that its own reconnect can be told from a namesake.
    InstanceId(u128), "{:032x}"
}
number! {
    /// 128-bit hash of an idempotency key.
    KeyHash(u128), "{:032x}"
}
number! {
    /// CRC-32C of a record, or the lower half of a [`RunningChecksum`].
    Checksum(u32), "{:08x}"
}
