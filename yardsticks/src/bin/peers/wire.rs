//! A connection to which ready-made requests are written, and from which answers are read piece by
//! piece.

use acklog::cli::bench::engine::RequestFailure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Capacity for the answers to a batch; more takes several reads.
const BUFFER_BYTES: usize = 64 * 1024;

/// A TCP connection with a buffer of received bytes.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
}

impl Wire {
    /// Connects to a server.
    ///
    /// # Errors
    /// When nothing listens there.
    pub(crate) async fn connect(address: &str) -> Result<Self, RequestFailure> {
        let stream = connect(address).await?;
        Ok(Self { stream, buffer: vec![0; BUFFER_BYTES], begin: 0, end: 0 })
    }

    /// Returns our own port, which tells one connection from the others.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(crate) fn own_port(&self) -> Result<u16, RequestFailure> {
        Ok(self.stream.local_addr()?.port())
    }

    /// Writes all bytes.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), RequestFailure> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Returns the next line, without its end.
    ///
    /// # Errors
    /// When the connection ends before the line does.
    pub(crate) async fn line(&mut self) -> Result<&[u8], RequestFailure> {
        let mut searched = 0;
        loop {
            let unread = self.unread();
            let found = memchr::memchr(b'\n', unread.get(searched..).unwrap_or_default());
            if let Some(at) = found {
                let line = self.taken(searched + at + 1);
                return Ok(line.trim_ascii_end());
            }
            searched = unread.len();
            self.fill().await?;
        }
    }

    /// Returns the next `length` bytes.
    ///
    /// # Errors
    /// When the connection ends before that.
    pub(crate) async fn take(&mut self, length: usize) -> Result<&[u8], RequestFailure> {
        while self.unread().len() < length {
            self.fill().await?;
        }
        Ok(self.taken(length))
    }

    /// Returns the bytes that were received and not taken.
    pub(crate) fn unread(&self) -> &[u8] {
        self.buffer.get(self.begin..self.end).unwrap_or_default()
    }

    /// Takes this many of the received bytes.
    pub(crate) fn taken(&mut self, length: usize) -> &[u8] {
        let from = self.begin;
        self.begin += length;
        self.buffer.get(from..self.begin).unwrap_or_default()
    }

    /// Receives more bytes. Cancel safe: nothing is lost when it is dropped.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(crate) async fn fill(&mut self) -> Result<(), RequestFailure> {
        self.buffer.copy_within(self.begin..self.end, 0);
        (self.begin, self.end) = (0, self.end - self.begin);
        if self.end == self.buffer.len() {
            return Err(refused(b"an answer longer than any that we know"));
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        match self.stream.read(room).await? {
            0 => Err(RequestFailure::from(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))),
            read => {
                self.end += read;
                Ok(())
            }
        }
    }
}

/// Opens a connection that sends at once what is written.
///
/// # Errors
/// When nothing listens there.
pub(crate) async fn connect(address: &str) -> Result<TcpStream, RequestFailure> {
    let failed = |error: std::io::Error| RequestFailure::Connect(error.to_string());
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}

/// Returns the failure for a message that is no ack. More may follow, so that the connection is
/// unusable.
pub(crate) fn refused(said: &[u8]) -> RequestFailure {
    RequestFailure::Other(String::from_utf8_lossy(said).into_owned())
}
