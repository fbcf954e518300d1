//! Fuzz targets: everything that reads bytes from outside, and both state machines driven by bytes.
//!
//! A [target](targets) is a plain function over bytes. It panics where a property does not hold,
//! and only there: bytes that are refused are the usual case. `cargo fuzz` calls the targets
//! through the small programs in `src/bin`; `tests/replay.rs` calls each with the files of its
//! corpus, without a fuzzer. `README.md` says how to run one, and what each holds.
//!
//! ```
//! // No bytes break the property, whatever they are.
//! acklog_fuzz::targets::frame(b"no frame");
//! ```

mod bytes_in;
mod frames;
mod log_files;
mod node;
pub mod targets;
