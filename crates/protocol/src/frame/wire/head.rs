//! The fields of each kind of frame, in both versions.

use std::time::Duration;

use acklog_types::{
    Checksum, Epoch, IdRange, InstanceId, LogEnd, LogId, NODES_MAX, Records, RequestId, Storage,
    StoreId,
};
use bincode::{Decode, Encode};

use crate::frame::{
    ConnectionTerms, Credentials, DETAIL_BYTES_MAX, EpochRow, Frame, FrameError, FrameKind,
    HEAD_BYTES_MAX, Handshake, NodeFacts, Positions, ProtocolVersion, Request, Response, Welcome,
};

/// The kinds in the order of their tags. Tag 12 is reserved for rows of an epoch table that do not
/// fit into a handshake or its answer.
const KINDS: [FrameKind; 12] = [
    FrameKind::Handshake,
    FrameKind::GetMessages,
    FrameKind::SecondaryNodeReady,
    FrameKind::AddMessage,
    FrameKind::Heartbeat,
    FrameKind::Welcome,
    FrameKind::Refused,
    FrameKind::Page,
    FrameKind::ReadyNoted,
    FrameKind::Added,
    FrameKind::Alive,
    FrameKind::Failed,
];

/// Longest heartbeat interval, in milliseconds: a year.
const INTERVAL_MS_MAX: u64 = 366 * 24 * 3600 * 1000;

fn config() -> impl bincode::config::Config {
    bincode::config::standard()
        .with_little_endian()
        .with_fixed_int_encoding()
        .with_limit::<HEAD_BYTES_MAX>()
}

/// Writes the fields of a head, one behind the other.
pub(super) struct HeadWriter {
    bytes: Vec<u8>,
    terms: ConnectionTerms,
}

impl HeadWriter {
    /// Creates a writer of a head of these terms that leaves so many bytes before it.
    pub(super) fn behind(prefix_bytes: usize, terms: ConnectionTerms) -> Self {
        let mut bytes = Vec::with_capacity(96);
        bytes.resize(prefix_bytes, 0);
        Self { bytes, terms }
    }

    /// Returns what was written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn put(&mut self, fields: impl Encode) {
        bincode::encode_into_std_write(fields, &mut self.bytes, config())
            .expect("a head has nothing that cannot be encoded");
    }

    /// Returns whether the head has the fields that version 4 brought.
    fn is_version_4(&self) -> bool {
        self.terms.version >= ProtocolVersion::V4
    }

    /// Writes the head of a frame.
    pub(super) fn put_frame(&mut self, frame: &Frame<Records>) {
        let kind = frame.kind();
        self.put((kind as u32, frame.request().get()));
        if self.is_version_4() && kind != FrameKind::Handshake {
            self.put(self.terms.epoch.get());
        }
        match frame {
            Frame::Request(_, request) => self.put_request(request),
            Frame::Response(_, response) => self.put_response(response),
        }
    }

    fn put_request(&mut self, request: &Request<Records>) {
        match request {
            Request::Handshake(handshake) => self.put_handshake(handshake),
            Request::HandshakeOfVersion(version) => {
                unreachable!("a handshake of version {version} is received, never sent")
            }
            Request::GetMessages { from, again } => self.put((from.get(), *again)),
            Request::SecondaryNodeReady { end } => self.put(end.get()),
            Request::AddMessage { run, positions } => {
                self.put((run.range().start().get(), count_of(run)));
                self.put_positions(*positions);
            }
            Request::Heartbeat { log_end, positions } => {
                self.put(log_end.get());
                self.put_positions(*positions);
            }
        }
    }

    fn put_handshake(&mut self, handshake: &Handshake) {
        let Handshake { version, name, instance, log, end, checksum, .. } = handshake;
        self.put((version.number(), name.as_str(), instance.get(), log.map(LogId::get)));
        self.put((end.get(), checksum.map(Checksum::get)));
        if self.is_version_4() {
            self.put_port_and_storage(&handshake.node);
            self.put((handshake.log_start.get(), handshake.epoch.get()));
            self.put_history(&handshake.node);
            self.put(handshake.credentials.as_bytes());
        }
    }

    fn put_response(&mut self, response: &Response<Records>) {
        match response {
            Response::Welcome(welcome) => {
                let Welcome { master, log, log_end, heartbeat_interval, .. } = &**welcome;
                self.put((master.as_str(), log.get(), log_end.get()));
                self.put(heartbeat_interval.as_millis() as u64);
                if self.is_version_4() {
                    self.put_port_and_storage(&welcome.node);
                    self.put_history(&welcome.node);
                }
                self.put_positions(welcome.positions);
            }
            Response::Refused { code, detail } => self.put((*code, cut(detail))),
            Response::Page { run, log_end, positions } => {
                self.put((run.range().start().get(), count_of(run), log_end.get()));
                self.put_positions(*positions);
            }
            Response::ReadyNoted | Response::Alive => {}
            Response::Added { contiguous_end } => self.put(contiguous_end.get()),
            Response::Failed { code, detail } => self.put((*code, cut(detail))),
        }
    }

    fn put_positions(&mut self, positions: Positions) {
        if self.is_version_4() {
            let Positions { log_start, committed_end, all_end, cluster_size } = positions;
            self.put((log_start.get(), committed_end.map(LogEnd::get), all_end.get()));
            self.put(cluster_size.unwrap_or_default());
        }
    }

    fn put_port_and_storage(&mut self, node: &NodeFacts) {
        let is_on_disk = node.storage == Some(Storage::Disk);
        self.put((node.http_port.unwrap_or_default(), u8::from(is_on_disk)));
    }

    fn put_history(&mut self, node: &NodeFacts) {
        let row = |row: &EpochRow| (row.epoch.get(), row.start.get(), row.mark);
        let rows: Vec<_> = node.epochs.iter().map(row).collect();
        let has_more_rows = false;
        self.put((node.store.map(StoreId::get), rows, has_more_rows));
    }
}

/// Reads the fields of a head, one behind the other.
pub(super) struct HeadReader<'a> {
    bytes: &'a [u8],
    version: ProtocolVersion,
    /// The epoch of the connection, once it is settled.
    settled: Option<Epoch>,
}

impl<'a> HeadReader<'a> {
    /// Creates a reader of a head in this version, on a connection of this epoch, once it is
    /// settled.
    pub(super) fn new(bytes: &'a [u8], version: ProtocolVersion, settled: Option<Epoch>) -> Self {
        Self { bytes, version, settled }
    }

    /// Returns how many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    fn take<T: Decode<()>>(&mut self) -> Result<T, FrameError> {
        let (fields, size) = bincode::decode_from_slice(self.bytes, config())
            .map_err(|error| FrameError::Head(error.to_string()))?;
        self.bytes = self.bytes.get(size..).unwrap_or_default();
        Ok(fields)
    }

    fn take_end(&mut self) -> Result<LogEnd, FrameError> {
        self.take().map(LogEnd::new)
    }

    /// Returns whether the head has the fields that version 4 brought.
    fn is_version_4(&self) -> bool {
        self.version >= ProtocolVersion::V4
    }

    /// Reads the head of a frame.
    pub(super) fn take_frame(&mut self) -> Result<Frame<IdRange>, FrameError> {
        let (tag, request): (u32, u64) = self.take()?;
        let kind = usize::try_from(tag).ok().and_then(|tag| KINDS.get(tag).copied());
        let kind = kind.ok_or_else(|| FrameError::Head(format!("no frame has the tag {tag}")))?;
        let epoch = match self.is_version_4() && kind != FrameKind::Handshake {
            true => self.take_settled_epoch()?,
            false => Epoch::FIRST,
        };
        let id = RequestId::new(request);
        let request = |request| Frame::Request(id, request);
        let response = |response| Frame::Response(id, response);
        Ok(match kind {
            FrameKind::Handshake => request(Request::from(self.take_handshake()?)),
            FrameKind::GetMessages => {
                let (from, again) = (self.take_end()?, self.take()?);
                request(Request::GetMessages { from, again })
            }
            FrameKind::SecondaryNodeReady => {
                request(Request::SecondaryNodeReady { end: self.take_end()? })
            }
            FrameKind::AddMessage => {
                let (run, positions) = (self.take_run()?, self.take_positions()?);
                request(Request::AddMessage { run, positions })
            }
            FrameKind::Heartbeat => {
                let (log_end, positions) = (self.take_end()?, self.take_positions()?);
                request(Request::Heartbeat { log_end, positions })
            }
            FrameKind::Welcome => response(Response::from(self.take_welcome(epoch)?)),
            FrameKind::Refused => {
                let (code, detail) = self.take()?;
                response(Response::Refused { code, detail })
            }
            FrameKind::Page => {
                let (run, log_end) = (self.take_run()?, self.take_end()?);
                response(Response::Page { run, log_end, positions: self.take_positions()? })
            }
            FrameKind::ReadyNoted => response(Response::ReadyNoted),
            FrameKind::Added => response(Response::Added { contiguous_end: self.take_end()? }),
            FrameKind::Alive => response(Response::Alive),
            FrameKind::Failed => {
                let (code, detail) = self.take()?;
                response(Response::Failed { code, detail })
            }
        })
    }

    fn take_handshake(&mut self) -> Result<Handshake, FrameError> {
        let (_, name, instance): (u16, String, u128) = self.take()?;
        let (log, end, checksum): (Option<u128>, u64, Option<u32>) = self.take()?;
        let mut handshake = Handshake {
            version: self.version,
            log: log.map(LogId::new),
            end: LogEnd::new(end),
            checksum: checksum.map(Checksum::new),
            node: NodeFacts::default(),
            ..Handshake::new(name.parse()?, InstanceId::new(instance))
        };
        if self.is_version_4() {
            self.take_port_and_storage(&mut handshake.node)?;
            handshake.log_start = self.take_end()?;
            handshake.epoch = Epoch::new(self.take()?);
            self.take_history(&mut handshake.node)?;
            let credentials: Vec<u8> = self.take()?;
            let bytes = credentials.len();
            handshake.credentials =
                Credentials::new(credentials).ok_or(FrameError::Credentials(bytes))?;
        }
        Ok(handshake)
    }

    fn take_welcome(&mut self, epoch: Epoch) -> Result<Welcome, FrameError> {
        let (master, log, log_end): (String, u128, u64) = self.take()?;
        let heartbeat_interval = interval_of(self.take()?)?;
        let mut node = NodeFacts::default();
        if self.is_version_4() {
            self.take_port_and_storage(&mut node)?;
            self.take_history(&mut node)?;
        }
        Ok(Welcome {
            master: master.parse()?,
            log: LogId::new(log),
            epoch,
            log_end: LogEnd::new(log_end),
            heartbeat_interval,
            node,
            positions: self.take_positions()?,
        })
    }

    fn take_settled_epoch(&mut self) -> Result<Epoch, FrameError> {
        let told = Epoch::new(self.take()?);
        match self.settled {
            Some(settled) if settled != told => Err(FrameError::OtherEpoch { told, settled }),
            _ => Ok(told),
        }
    }

    fn take_run(&mut self) -> Result<IdRange, FrameError> {
        let (first, count): (u64, u32) = self.take()?;
        let end = first.checked_add(count.into()).ok_or(FrameError::Range { first, count })?;
        Ok(IdRange::new(LogEnd::new(first), LogEnd::new(end)))
    }

    fn take_positions(&mut self) -> Result<Positions, FrameError> {
        if !self.is_version_4() {
            return Ok(Positions::default());
        }
        let (log_start, committed_end) = (self.take_end()?, self.take::<Option<u64>>()?);
        let committed_end = committed_end.map(LogEnd::new);
        let (all_end, cluster_size) = (self.take_end()?, self.take_cluster_size()?);
        Ok(Positions { log_start, committed_end, all_end, cluster_size })
    }

    fn take_cluster_size(&mut self) -> Result<Option<u16>, FrameError> {
        match self.take()? {
            0 => Ok(None),
            size @ 1..=NODES_MAX => Ok(Some(size)),
            size => Err(FrameError::ClusterSize(size)),
        }
    }

    fn take_port_and_storage(&mut self, node: &mut NodeFacts) -> Result<(), FrameError> {
        let (http_port, storage): (u16, u8) = self.take()?;
        node.http_port = Some(http_port).filter(|&port| port != 0);
        node.storage = match storage {
            0 => Some(Storage::Memory),
            1 => Some(Storage::Disk),
            other => return Err(FrameError::Storage(other)),
        };
        Ok(())
    }

    fn take_history(&mut self, node: &mut NodeFacts) -> Result<(), FrameError> {
        let store: Option<u128> = self.take()?;
        let rows: Vec<(u64, u64, u64)> = self.take()?;
        let has_more_rows: bool = self.take()?;
        if has_more_rows {
            return Err(FrameError::LongEpochTable);
        }
        node.store = store.map(StoreId::new);
        let row = |(epoch, start, mark)| {
            let (epoch, start) = (Epoch::new(epoch), LogEnd::new(start));
            EpochRow { epoch, start, mark }
        };
        node.epochs = rows.into_iter().map(row).collect();
        Ok(())
    }
}

/// Returns an interval from a peer, if times calculated with it stay within the clock's range.
fn interval_of(millis: u64) -> Result<Duration, FrameError> {
    match millis {
        1..=INTERVAL_MS_MAX => Ok(Duration::from_millis(millis)),
        _ => Err(FrameError::Interval(millis)),
    }
}

fn count_of(run: &Records) -> u32 {
    // A run has at most RUN_BYTES_MAX bytes and a record is never empty.
    u32::try_from(run.range().len()).expect("a run of far fewer than 2^32 messages")
}

fn cut(detail: &str) -> &str {
    let mut end = detail.len().min(DETAIL_BYTES_MAX);
    while !detail.is_char_boundary(end) {
        end -= 1;
    }
    detail.get(..end).unwrap_or_default()
}
