//! What a cluster tells those who record it. A cluster that nobody records does none of this.

use acklog_protocol::frame::{Frame, Request, Response};
use acklog_protocol::{Event, FrameEvent, FrameStage};
use acklog_types::{LogEnd, NodeName, Records, WriteConcern};

use super::Cluster;
use crate::news::{News, NodeNow, Told};

/// Most messages that are told at once. Those before them are left out.
const MESSAGES_MAX: u64 = 100;

impl Cluster {
    /// Records what happens from here on, for [`Cluster::take_news`].
    pub fn record(&mut self) {
        self.recorder.get_or_insert_default();
    }

    /// Takes out what was told since the last call, in the order of virtual time; nothing where
    /// nothing is recorded.
    pub fn take_news(&mut self) -> Vec<News> {
        self.look_at_nodes(true);
        self.recorder
            .as_mut()
            .map(|recorder| std::mem::take(&mut recorder.news))
            .unwrap_or_default()
    }

    /// Takes out what was told, and the end of all nodes.
    pub(crate) fn take_last_news(&mut self) -> Vec<News> {
        self.look_at_nodes(true);
        let Some(recorder) = &mut self.recorder else { return Vec::new() };
        recorder.look_for_dead(self.now, |_| false);
        std::mem::take(&mut recorder.news)
    }

    /// Takes an event of a node (`None`: the master).
    pub(super) fn tell_event(&mut self, name: Option<&NodeName>, event: Event) {
        if let Some(recorder) = &mut self.recorder {
            let node = name.unwrap_or(&self.master_name);
            recorder.push(self.now, node, Told::Event(event));
        }
    }

    /// Tells what the network does to a frame between the master and this secondary.
    pub(super) fn tell_fate(
        &mut self,
        peer: &NodeName,
        from_master: bool,
        frame: &Frame<Records>,
        stage: FrameStage,
    ) {
        if self.recorder.is_none() {
            return;
        }
        let ids = match frame {
            Frame::Request(_, Request::AddMessage { run, .. })
            | Frame::Response(_, Response::Page { run, .. }) => Some(run.range()),
            _ => None,
        };
        let (request, frame) = (frame.request(), frame.kind());
        let other = from_master.then(|| peer.clone());
        let event = FrameEvent { peer: other, request, frame, ids, stage };
        self.tell_event((!from_master).then_some(peer), event.into());
    }

    /// Tells what changed at the nodes.
    pub(super) fn look_for_news(&mut self) {
        self.look_at_nodes(false);
    }

    /// Looks at all nodes that do not hang; see [`NewsRecorder::look`].
    ///
    /// [`NewsRecorder::look`]: crate::news::NewsRecorder::look
    fn look_at_nodes(&mut self, at_once: bool) {
        let Some(mut recorder) = self.recorder.take() else { return };
        let (at, now) = (self.now, self.instant());
        let mut nodes: Vec<(Option<&NodeName>, Told)> = Vec::new();
        if let Some(node) = self.master.as_ref().filter(|node| !node.stalled.is_hung) {
            nodes.push((None, Told::Master(node.health(now))));
        }
        for (name, node) in self.secondaries.iter().filter(|(_, node)| !node.stalled.is_hung) {
            nodes.push((Some(name), Told::Secondary(node.health(now))));
        }
        for (name, state) in nodes {
            let node = name.unwrap_or(&self.master_name).clone();
            let end = self.shown_end(name, WriteConcern::Nodes(1)).unwrap_or_default();
            let seen = NodeNow { node: node.clone(), life: self.life(name), state, end };
            if let Some(from) = recorder.look(at, seen, at_once) {
                let from = from.max(LogEnd::new(end.get().saturating_sub(MESSAGES_MAX)));
                if let Some(texts) = self.texts(name, from, end) {
                    recorder.push(at, &node, Told::Messages { from, texts });
                }
            }
        }
        let runs = |node: &NodeName| {
            self.secondaries.contains_key(node)
                || *node == self.master_name && self.master.is_some()
        };
        recorder.look_for_dead(at, runs);
        self.recorder = Some(recorder);
    }

    /// Returns the texts of messages of a node; none where they cannot be read.
    fn texts(&self, name: Option<&NodeName>, from: LogEnd, end: LogEnd) -> Option<Vec<String>> {
        let (log, mut texts, mut at) = (self.log(name)?, Vec::new(), from);
        while at < end {
            let records = log.read(at, end, usize::MAX).ok()?;
            texts.extend(records.iter().map(|record| record.text.to_owned()));
            at = LogEnd::new(from.get() + texts.len() as u64);
        }
        Some(texts)
    }
}
