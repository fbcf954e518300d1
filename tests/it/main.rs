//! Real processes and real sockets. Every port is free, every wait is for a condition, every
//! process ends with its test.

// Helpers of tests: a panic is the failure, and nothing else uses them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, unreachable_pub)]

mod batches;
mod check;
mod clients;
mod cluster;
mod contract;
mod crash;
mod damage;
mod disk;
mod epochs;
mod events;
mod examples;
mod faults;
mod follow;
mod followers;
mod handshake;
mod health;
mod hostile;
mod http;
#[cfg(target_os = "linux")]
mod limits;
mod lines;
mod members;
#[cfg(target_os = "linux")]
mod memory;
mod metrics;
mod page_stream;
mod proxy;
mod read_concern;
mod receipts;
mod recordings;
mod repair;
mod replication;
mod scenarios;
mod scripts;
mod signals;
mod small;
mod stream_clients;
mod streams;
mod support;
mod syscalls;
mod tool;
mod versions;
#[cfg(target_os = "linux")]
mod watch;
mod watched_runs;
