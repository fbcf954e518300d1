//! Redis: `XADD` to a stream, then `WAIT` for its replicas, written together. Its protocol is RESP:
//! lines, and texts with their length before them.

use acklog::cli::bench::engine::{LoadConnection, LoadTarget, RequestFailure};
use bytes::Bytes;

use crate::wire::{Wire, refused};

/// Replicas that must have a message.
const REPLICAS: usize = 2;

/// A Redis master with replicas.
pub(crate) struct Redis {
    address: String,
    request: Bytes,
    /// Answers to a request: one for each message, and one to `WAIT`.
    answers: usize,
}

impl Redis {
    pub(crate) fn new(address: String, message: &str, batch: usize) -> Self {
        let append = command(&["XADD", "log", "*", "m", message]);
        let wait = command(&["WAIT", &REPLICAS.to_string(), "0"]);
        let request = append.repeat(batch) + &wait;
        Self { address, request: request.into(), answers: batch + 1 }
    }
}

fn command(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{}", words.len(), words.concat())
}

impl LoadTarget for Redis {
    type Connection = RedisConnection;

    async fn connect(&self) -> Result<RedisConnection, RequestFailure> {
        let wire = Wire::connect(&self.address).await?;
        Ok(RedisConnection { wire, request: self.request.clone(), answers: self.answers })
    }
}

/// A connection.
pub(crate) struct RedisConnection {
    wire: Wire,
    request: Bytes,
    answers: usize,
}

impl LoadConnection for RedisConnection {
    async fn send(&mut self) -> Result<(), RequestFailure> {
        self.wire.write(&self.request).await?;
        let mut number = 0;
        for _ in 0..self.answers {
            number = answer(&mut self.wire).await?;
        }
        if number < REPLICAS {
            return Err(refused(b"WAIT: fewer replicas than asked for"));
        }
        Ok(())
    }
}

/// Reads one answer; returns its number, or the length of its text.
async fn answer(wire: &mut Wire) -> Result<usize, RequestFailure> {
    let line = wire.line().await?;
    let (kind, number) = line.split_first().unwrap_or((&b'-', b"an empty answer"));
    let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
    match (kind, number) {
        (b':', Some(number)) => Ok(number),
        (b'$', Some(length)) => {
            wire.take(length + 2).await?;
            Ok(length)
        }
        _ => Err(refused(line)),
    }
}
