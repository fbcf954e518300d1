//! tmp
mod history;
mod violation;
