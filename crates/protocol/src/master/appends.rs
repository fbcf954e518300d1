//! Direct requests to a master: to append, to compare a key, to wait again.

use std::time::Instant;

use acklog_types::{LogView, MessageId, UnreadBatch, WaiterId};

use super::Master;
use super::leader::{ComparedAppend, FirstUse, WaitReason};
use crate::outcome::{Admission, AppendOrigin, AppendRequest, Refusal, Wait};

impl<L: LogView> Master<L> {
    /// Takes a batch, or has it compared first with the one that has its idempotency key. Its
    /// client is answered by a later [`LeaderEffect::Release`](crate::LeaderEffect::Release),
    /// exactly once, unless it is canceled.
    ///
    /// # Errors
    /// When the batch is refused; then nothing was changed.
    ///
    /// # Panics
    /// When there is no message.
    pub fn append(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        request: AppendRequest,
    ) -> Result<Admission, Refusal> {
        self.take_batch(now, waiter, (request, AppendOrigin::Single), None)
    }

    /// Takes a line of an append stream in the same way. Where there is no room for it, its caller
    /// keeps it and asks again, in the order of its stream: it is refused as
    /// [`Refusal::DiskBehind`] or [`Refusal::TooManyWaiting`] for no other reason, so that a known
    /// key is found and a condition checked before. Some room is left for single appends.
    ///
    /// # Errors
    /// When the batch is refused; then nothing was changed.
    ///
    /// # Panics
    /// When there is no message.
    pub fn append_line(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        request: AppendRequest,
    ) -> Result<Admission, Refusal> {
        self.take_batch(now, waiter, (request, AppendOrigin::Stream), None)
    }

    /// Returns whether lines need not be kept because of the disk.
    pub fn disk_takes_lines(&self) -> bool {
        self.leader.disk_takes_lines()
    }

    /// Returns whether new messages are refused, however few wait.
    pub fn refuses_appends(&self) -> bool {
        self.leader.check_node(self.peers.cluster()).is_err()
    }

    /// Returns how many more lines that ask for this may wait now; as many as may be where they
    /// wait for no secondary.
    pub fn room_to_wait(&self, wait: Wait) -> usize {
        self.leader.room_to_wait(wait, self.peers.cluster())
    }

    /// Takes a series of appends without keys and conditions, each of which has a single message
    /// and a client of its own, which is shown no copies: lines of an append stream. Each shares
    /// nothing with the others but the moment at which they were taken. The tickets of the clients
    /// follow the first one, as their messages follow the one that is returned. Each client is
    /// answered as in [`append`](Self::append), and there is as much room as for
    /// [`append_line`](Self::append_line).
    ///
    /// # Errors
    /// When the appends are refused, all of them for the same reason; then nothing was changed.
    /// [`Refusal::TooManyWaiting`] also where there is [room](Self::room_to_wait) for some of them.
    ///
    /// # Panics
    /// When there is no message, a key, a condition, or copies are to be shown.
    pub fn append_series(
        &mut self,
        now: Instant,
        first: WaiterId,
        request: AppendRequest,
    ) -> Result<MessageId, Refusal> {
        let AppendRequest { wait, key, expected_end, messages, .. } = request;
        let is_plain = key.is_none() && expected_end.is_none() && !wait.shows_copies;
        assert!(messages > 0 && is_plain, "{request:?}");
        let write_concern = self.check_append(now, &request, AppendOrigin::Stream)?;
        if (self.room_to_wait(wait) as u64) < messages {
            return Err(self.leader.too_many_waiting());
        }
        let events = &mut self.out.events;
        Ok(self.leader.append_series(now, first, request, write_concern, events))
    }

    /// Takes in what a batch is to the one that [`Admission::Compare`] named: the same, another
    /// one, or one with another key. A client that no longer waits is passed over.
    ///
    /// # Errors
    /// When the batch is refused; then nothing was changed.
    pub fn key_compared(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        found: Result<FirstUse, UnreadBatch>,
    ) -> Result<Admission, Refusal> {
        match self.leader.key_compared(
            now,
            waiter,
            found,
            self.peers.cluster(),
            &mut self.out.events,
        )? {
            ComparedAppend::Settled => Ok(Admission::Waits),
            ComparedAppend::Answered(outcome) => {
                self.out.release(waiter, outcome);
                Ok(Admission::Waits)
            }
            // Meanwhile a batch with the client's own key may have come.
            ComparedAppend::OtherKey(first, asked) => {
                self.take_batch(now, waiter, asked, Some(first))
            }
        }
    }

    /// Has a batch compared with the one that may have its key, or takes it as a new one.
    /// `compared` names the batch that is known to have another key of the same hash.
    fn take_batch(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        (request, origin): (AppendRequest, AppendOrigin),
        compared: Option<MessageId>,
    ) -> Result<Admission, Refusal> {
        assert!(request.messages > 0, "a batch of no message");
        let first = request.key.and_then(|key| self.leader.find_key(key));
        if let Some(first) = first.filter(|&first| Some(first) != compared) {
            self.leader.start_key_comparison(now, waiter, first, (request, origin));
            return Ok(Admission::Compare(first));
        }
        let write_concern = self.check_append(now, &request, origin)?;
        let events = &mut self.out.events;
        Ok(Admission::Append(self.leader.append(now, waiter, request, write_concern, events)))
    }

    /// Checks whether a batch may be taken now. Returns its write concern as a number of nodes.
    fn check_append(
        &mut self,
        now: Instant,
        request: &AppendRequest,
        origin: AppendOrigin,
    ) -> Result<u16, Refusal> {
        let cluster = self.peers.cluster();
        let write_concern = self.leader.check_append((request, origin), cluster)?;
        if write_concern > 1 {
            self.peers.watch_majority(self.time.at(now), &mut self.out.events);
        }
        Ok(write_concern)
    }

    /// Lets a client wait again for a message that has its id already. It is answered as in
    /// [`append`](Self::append), and shares the fate of a message that is not durable yet. Nothing
    /// is written, so neither a lost quorum nor a disk that takes nothing more is in the way.
    ///
    /// # Errors
    /// When there is no such message, or the write concern can never hold; then nothing was
    /// changed.
    pub fn join(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        id: MessageId,
        wait: Wait,
    ) -> Result<(), Refusal> {
        let wait = (wait, WaitReason::Ack, AppendOrigin::Single);
        let (cluster, events) = (self.peers.cluster(), &mut self.out.events);
        if let Some(outcome) = self.leader.join(now, waiter, (id, 1), wait, cluster, events)? {
            self.out.release(waiter, outcome);
        }
        Ok(())
    }

    /// Returns whether any client waits for its answer.
    pub fn has_waiters(&self) -> bool {
        self.leader.has_waiters()
    }

    /// Returns since when the client that has waited longest for secondaries waits, on the clock
    /// outside; none if none waits for them.
    pub fn waits_since(&self) -> Option<Instant> {
        self.leader.waits_since()
    }
}
