//! NATS JetStream: a message is published with an inbox of our own as its reply address, and the stream's leader sends
//! the ack there once a majority of its three replicas has the message. The protocol is lines.

use acklog::cli::bench::engine::{Failure, Sender, Target};

use crate::wire::{Wire, refused};

/// Without `verbose` a publish is not answered by the server itself; with `no_responders` it tells at once that there
/// is no stream.
const CONNECT: &str =
    "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nPING\r\n";

/// A server of the cluster: best the one that leads the stream.
pub(crate) struct Nats {
    address: String,
    message: String,
    batch: usize,
}

impl Nats {
    pub(crate) fn new(address: String, message: String, batch: usize) -> Self {
        Self { address, message, batch }
    }
}

impl Target for Nats {
    type Sender = NatsSender;

    async fn connect(&self) -> Result<NatsSender, Failure> {
        let mut wire = Wire::connect(&self.address).await?;
        let inbox = format!("_INBOX.{}.{}", std::process::id(), wire.own_port()?);
        wire.write(format!("{CONNECT}SUB {inbox} 1\r\n").as_bytes()).await?;
        while wire.line().await? != b"PONG" {}
        let publish = format!("PUB log {inbox} {}\r\n{}\r\n", self.message.len(), self.message);
        Ok(NatsSender { wire, request: publish.repeat(self.batch).into_bytes(), acks: self.batch })
    }
}

/// One connection.
pub(crate) struct NatsSender {
    wire: Wire,
    request: Vec<u8>,
    acks: usize,
}

impl Sender for NatsSender {
    async fn send(&mut self) -> Result<(), Failure> {
        self.wire.write(&self.request).await?;
        let mut acks = 0;
        while acks < self.acks {
            let line = self.wire.line().await?;
            if line == b"PING" {
                self.wire.write(b"PONG\r\n").await?;
                continue;
            }
            // MSG <subject> <subscription> <bytes>
            let length = line
                .strip_prefix(b"MSG ")
                .and_then(|rest| rest.rsplit(|&byte| byte == b' ').next())
                .and_then(|length| std::str::from_utf8(length).ok()?.parse::<usize>().ok());
            let Some(length) = length else { return Err(refused(line)) };
            let ack = self.wire.take(length + 2).await?;
            if !ack.starts_with(b"{\"stream\":") {
                return Err(refused(ack));
            }
            acks += 1;
        }
        Ok(())
    }
}
