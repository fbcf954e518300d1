//! The log of one node: records in id order, in memory or on disk.
//!
//! The server and the simulator append through the one [`LogWriter`] of a log, and read through any
//! number of [`LogReader`]s. Readers see what is *durable*, from any thread, without going through
//! the node's core task. Durable means flushed: to disk or, for a log in memory, by
//! [`LogWriter::flush`] alone. The command-line tool inspects, repairs, copies and resets
//! directories.
//!
//! ```
//! use acklog_log::in_memory;
//! use acklog_types::{Batch, LogEnd};
//!
//! let (mut writer, reader) = in_memory();
//! let mut batch = Batch::from("first");
//! batch.push("second");
//! let accepted_ms = 1_700_000_000_000;
//! writer.append(accepted_ms, None, &batch);
//! assert_eq!(reader.durable_end(), LogEnd::ZERO);
//!
//! writer.flush();
//! let records = reader.read(LogEnd::ZERO, reader.durable_end(), 64 * 1024)?;
//! let texts: Vec<&str> = records.iter().map(|record| record.text).collect();
//! assert_eq!(texts, ["first", "second"]);
//! # Ok::<(), acklog_log::ReadError>(())
//! ```
//!
//! A log on disk is opened by [`open()`], which also starts its threads:
//!
//! ```text
//!  LogWriter ── append ──> recent chunks in memory ── committer ──> segment files
//!                                 │   durable_end <── fdatasync ──┘      │
//!                                 └──────────> LogReader <───────────────┘
//! ```
//!
//! The newest records are in memory, in *chunks* of about a megabyte. The active chunk is appended
//! to. The others are sealed and never change again, so that a reader gets a slice of their bytes
//! without a copy. A log in memory keeps all of its chunks. A log on disk ([`disk`]) drops the
//! oldest durable ones, so that its memory stays bounded, and reads their records from *segments*,
//! the files on disk.
//!
//! Invariant: `durable_end <= appended end`. Readers never see anything at or above `durable_end`.

mod accept_loss;
mod chunk;
pub mod disk;
#[cfg(any(test, feature = "sim-disk"))]
mod freezing;
mod measures;
mod open;
mod opened;
mod reader;
mod reset;
mod seek;
#[cfg(any(test, feature = "sim-disk"))]
mod sim_disk;
pub mod storage;
mod view;
mod watched;
mod writer;

pub use accept_loss::{AcceptLossError, accept_loss};
pub use disk::{backup, inspect, repair};
#[cfg(any(test, feature = "sim-disk"))]
pub use freezing::FreezingDisk;
pub use measures::LogMeasures;
#[cfg(any(test, feature = "sim-disk"))]
pub use open::open_on;
pub use open::{Background, open};
pub use opened::{Opened, in_memory};
pub use reader::{LogReader, PageCursor, PageRead, ReadError};
pub use reset::{Moved, ResetError, reset};
#[cfg(any(test, feature = "sim-disk"))]
pub use sim_disk::{DiskCounts, SimDisk};
pub use writer::LogWriter;

#[cfg(test)]
mod tests;
