//! Follows each node during the whole run, across lost connections and restarts.
//!
//! The client's own follower is not used, since it would hide some of what is looked for: here each
//! event counts as the node sent it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use acklog_client::follow::{Cursor, EventStream, FollowError, FollowEvent, FollowRequest};
use acklog_client::{CallError, FollowFrom};
use acklog_judge::FollowedRow;
use acklog_types::escaped;
use tokio::time::sleep;

use super::check_run::CheckRun;
use crate::cli::client::ToolClient;

/// Pause before the next connection. Shorter: a node that is down is asked in vain. Longer: less is
/// seen of a restart.
const PAUSE: Duration = Duration::from_millis(50);

/// Pause between two looks at how far the followers are.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// The follower of one node.
struct NodeFollower<'a> {
    run: &'a CheckRun,
    node: usize,
    /// Number of the follower in the history.
    number: usize,
    /// The message that the next connection goes on behind.
    cursor: Option<Cursor>,
    client: ToolClient,
}

/// The reason why a stream ended.
enum StreamEnd {
    /// Another one goes on: it broke off, or the node cannot be followed for now.
    Passing,
    /// The node sends no stream, or refuses for good.
    Final(String),
}

/// Follows a node until it is aborted.
pub(super) async fn follow(run: Arc<CheckRun>, node: usize) {
    let Some(url) = run.nodes().get(node).map(|node| node.url.clone()) else { return };
    let number = {
        let history = &mut run.lock().history;
        let base = history.base();
        history.add_follower(node, base)
    };
    let client = ToolClient::new(url);
    let mut follower = NodeFollower { run: &run, node, number, cursor: None, client };
    loop {
        if let StreamEnd::Final(why) = follower.follow_once().await {
            run.lock().history.follower_refused(number, escaped(&why).into_owned());
            pending::<()>().await;
        }
        sleep(PAUSE).await;
    }
}

/// Waits until the followers have received the messages before `target`, those of nodes that have
/// them.
pub(super) async fn followers_reach(run: &CheckRun, target: u64) {
    let is_there = || {
        let history = &run.lock().history;
        let mut followers = (0..).map_while(|number| history.follower(number));
        followers.all(|follower| follower.end() >= target || follower.is_broken())
    };
    while !is_there() {
        sleep(LOOK_PAUSE).await;
    }
}

impl NodeFollower<'_> {
    /// Follows over one connection until it ends.
    async fn follow_once(&mut self) -> StreamEnd {
        let begin = match self.cursor {
            Some(_) => None,
            None => FollowFrom::Id(self.run.lock().history.base()).parameter(),
        };
        let last_event_id = self.cursor.map(|cursor| cursor.to_string());
        let request = FollowRequest { begin, last_event_id, read_concern: None };
        let mut stream = match EventStream::open(&mut self.client, &request).await {
            Ok(stream) => stream,
            Err(error) => return error.into(),
        };
        {
            let mut state = self.run.lock();
            state.history.follower_connects(self.number);
            if let Some(reads) = state.reads.get_mut(self.node) {
                reads.streams += 1;
            }
        }
        loop {
            let events = match stream.next(&self.client).await {
                Ok(Some(events)) => events,
                Ok(None) => return StreamEnd::Passing,
                Err(error) => return error.into(),
            };
            if let Some(end) = self.take(events) {
                return end;
            }
        }
    }

    /// Adds events to the history; returns the end of the stream if one of them is that.
    fn take(&mut self, events: Vec<FollowEvent>) -> Option<StreamEnd> {
        let mut state = self.run.lock();
        for event in events {
            match event {
                FollowEvent::Message(message) => {
                    let row = FollowedRow {
                        id: message.id,
                        text: &message.text,
                        batch: message.batch,
                        is_resume_point: message.cursor.is_some(),
                    };
                    state.history.followed(self.number, row);
                    self.cursor = message.cursor.or(self.cursor);
                    if let Some(reads) = state.reads.get_mut(self.node) {
                        reads.followed += 1;
                    }
                }
                FollowEvent::Gap(gap) => state.history.follower_missed(self.number, gap.to),
                FollowEvent::Error(problem) if problem.retry => return Some(StreamEnd::Passing),
                FollowEvent::Error(problem) => return Some(StreamEnd::Final(problem.detail)),
                FollowEvent::Open(_)
                | FollowEvent::CaughtUp(_)
                | FollowEvent::Tail(_)
                | FollowEvent::Other => {}
            }
        }
        None
    }
}

impl From<FollowError> for StreamEnd {
    fn from(error: FollowError) -> Self {
        match error {
            // What is refused for now says so.
            FollowError::Call(CallError::Refused(answer)) => {
                match answer.parsed::<acklog_api::Problem>() {
                    Ok(problem) if !problem.retry => Self::Final(problem.detail),
                    Ok(_) => Self::Passing,
                    Err(_) => Self::Final(answer.detail()),
                }
            }
            FollowError::Call(_) => Self::Passing,
            error => Self::Final(error.to_string()),
        }
    }
}
