//! PostgreSQL: a prepared `INSERT … RETURNING id`, with a transaction for each request. Messages of
//! its protocol are a kind, a length, and the content.

use acklog::cli::bench::engine::{LoadConnection, LoadTarget, RequestFailure};
use bytes::Bytes;

use crate::wire::{Wire, refused};

const VERSION: i32 = 3 << 16;
const ONE: &str = "insert into log (message) values ($1) returning id";
const MANY: &str = "insert into log (message) select unnest($1::text[]) returning id";

/// A primary.
pub(crate) struct Postgres {
    address: String,
    begin: Vec<u8>,
    prepare: Vec<u8>,
    request: Bytes,
    rows: usize,
}

impl Postgres {
    pub(crate) fn new(address: String, message: &str, batch: usize) -> Self {
        let (statement, parameter) = match batch {
            1 => (ONE, message.to_owned()),
            _ => (MANY, format!("{{{}}}", vec![message; batch].join(","))),
        };
        let begin = counted(
            [&VERSION.to_be_bytes()[..], b"user\0postgres\0database\0postgres\0\0"].concat(),
        );
        // A statement of that name, with no types given.
        let parse = format!("append\0{statement}\0\0\0").into_bytes();
        // No portal's name, no formats, one parameter, no formats of the result.
        let bind = [b"\0append\0\0\0\0\x01", &counted_text(&parameter)[..], b"\0\0"].concat();
        let sync = tagged(b'S', Vec::new());
        Self {
            address,
            begin,
            prepare: [tagged(b'P', parse), sync.clone()].concat(),
            request: [tagged(b'B', bind), tagged(b'E', b"\0\0\0\0\0".to_vec()), sync]
                .concat()
                .into(),
            rows: batch,
        }
    }
}

/// Returns the bytes with their length before them, which counts itself.
fn counted(bytes: Vec<u8>) -> Vec<u8> {
    let length = i32::try_from(bytes.len() + 4).unwrap_or(i32::MAX);
    [&length.to_be_bytes()[..], &bytes].concat()
}

/// Returns a parameter with its length before it, which does not count itself.
fn counted_text(text: &str) -> Vec<u8> {
    let length = i32::try_from(text.len()).unwrap_or(i32::MAX);
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

fn tagged(kind: u8, bytes: Vec<u8>) -> Vec<u8> {
    [vec![kind], counted(bytes)].concat()
}

impl LoadTarget for Postgres {
    type Connection = PostgresConnection;

    async fn connect(&self) -> Result<PostgresConnection, RequestFailure> {
        let mut wire = Wire::connect(&self.address).await?;
        wire.write(&self.begin).await?;
        answer(&mut wire).await?;
        wire.write(&self.prepare).await?;
        answer(&mut wire).await?;
        Ok(PostgresConnection { wire, request: self.request.clone(), rows: self.rows })
    }
}

/// A connection.
pub(crate) struct PostgresConnection {
    wire: Wire,
    request: Bytes,
    rows: usize,
}

impl LoadConnection for PostgresConnection {
    async fn send(&mut self) -> Result<(), RequestFailure> {
        self.wire.write(&self.request).await?;
        match answer(&mut self.wire).await? {
            rows if rows == self.rows => Ok(()),
            _ => Err(refused(b"not an id for each message")),
        }
    }
}

/// Reads until the server is ready for more; returns the number of rows.
async fn answer(wire: &mut Wire) -> Result<usize, RequestFailure> {
    let mut rows = 0;
    loop {
        let head = wire.take(5).await?;
        let &[kind, a, b, c, d] = head else { return Err(refused(head)) };
        let length = u32::from_be_bytes([a, b, c, d]).saturating_sub(4);
        let body = wire.take(length as usize).await?;
        match kind {
            b'Z' => return Ok(rows),
            b'D' => rows += 1,
            // Its fields are texts, each after a letter, with zeros between.
            b'E' => return Err(refused(body)),
            b'R' if body != [0; 4] => return Err(refused(b"it asks for a password")),
            _ => {}
        }
    }
}
