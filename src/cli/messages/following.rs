//! Prints messages as they come, until it is interrupted, nobody reads them any more, or all that
//! was asked for is printed.

use std::borrow::Cow;
use std::future::{pending, ready};
use std::io::Write;
use std::time::Duration;

use acklog_api::Message;
use acklog_client::follow::FollowLink;
use acklog_client::{Client, FollowOptions, Followed};
use acklog_threads::ThreadPool;
use acklog_types::escaped;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::signal::unix::{SignalKind, signal};

use super::MessagesArgs;

/// Follows until it is interrupted.
///
/// # Errors
/// When no node can be followed at first, a node refuses for good, or the output is closed.
pub(super) async fn run(args: &MessagesArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = unread() => {}
        }
    };
    run_until(args, out, &mut std::io::stderr(), stop).await
}

/// Waits until nobody reads the output any more: the next message may come late.
async fn unread() {
    // Its thread ends with the pool.
    let pool = ThreadPool::new("output", 1);
    let closed = pool.run(|| {
        let out = std::io::stdout();
        // Asked for nothing, it returns for an error only: the other end of a pipe is closed.
        while let Err(Errno::INTR) = poll(&mut [PollFd::new(&out, PollFlags::empty())], None) {}
    });
    if closed.await.is_err() {
        // No thread to spare: the next message will tell.
        pending().await
    }
}

/// Follows until `stop` is ready.
async fn run_until(
    args: &MessagesArgs,
    out: &mut impl Write,
    notes: &mut impl Write,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let options = FollowOptions { from: args.begin(), read_concern: args.read_concern };
    // A node that is not there is told at once.
    let client = Client::of(args.target.urls.clone()).with_deadline(Duration::ZERO);
    let mut follow = client.follow(options);
    let mut link = follow.link();
    let mut printer = Printer::new(args, out, notes);
    tokio::pin!(stop);
    while printer.wants_more() {
        let item = tokio::select! {
            biased;
            () = &mut stop => break,
            item = follow.next() => item,
            // Nothing more is there for now.
            () = ready(()) => {
                printer.out.flush()?;
                tokio::select! {
                    // What came before the link changed is printed before that is told.
                    biased;
                    () = &mut stop => break,
                    item = follow.next() => item,
                    Ok(()) = link.changed() => {
                        printer.note_link(&link.borrow_and_update());
                        continue;
                    }
                }
            }
        };
        let Some(item) = item else { break };
        printer.print(&item?)?;
    }
    printer.out.flush()?;
    Ok(())
}

/// Prints what comes, and notes what happens to the stream.
struct Printer<'a, O, N> {
    args: &'a MessagesArgs,
    out: &'a mut O,
    notes: &'a mut N,
    /// Messages that are still to be printed, where that is limited.
    left: Option<u64>,
    /// The id that comes next, as far as that is known.
    next: u64,
    is_lost: bool,
}

impl<'a, O: Write, N: Write> Printer<'a, O, N> {
    fn new(args: &'a MessagesArgs, out: &'a mut O, notes: &'a mut N) -> Self {
        let (left, next) = (args.selection.limit, args.selection.from.unwrap_or_default());
        Self { args, out, notes, left, next, is_lost: false }
    }

    fn wants_more(&self) -> bool {
        self.left != Some(0) && self.args.until.is_none_or(|until| self.next < until)
    }

    fn print(&mut self, item: &Followed) -> anyhow::Result<()> {
        match item {
            Followed::Message { id, text, .. } => {
                self.next = *id;
                if self.wants_more() {
                    let message = Message { id: *id, message: Cow::Borrowed(text) };
                    self.args.selection.print(&message, self.out)?;
                    self.left = self.left.map(|left| left - 1);
                    self.next = id.saturating_add(1);
                }
            }
            Followed::Gap { from, to, why } => {
                let line = format!(
                    "messages {from} to {} are gone ({}): going on with {to}",
                    to.saturating_sub(1),
                    escaped(why.as_str())
                );
                self.next = *to;
                self.note(&line);
            }
        }
        Ok(())
    }

    /// Notes that the connection is lost, or that it is there: again, and from where on.
    fn note_link(&mut self, link: &FollowLink) {
        match link {
            FollowLink::Lost(why) => {
                self.is_lost = true;
                self.note(&format!("{}; connecting again", escaped(why)));
            }
            FollowLink::Open { url, next } => {
                // The place is known before a message comes.
                self.next = self.next.max(*next);
                if self.is_lost {
                    self.is_lost = false;
                    self.note(&format!("following {url} again"));
                }
            }
            FollowLink::Connecting => {}
        }
    }

    fn note(&mut self, line: &str) {
        // A closed output is no reason to fail.
        let _ = writeln!(self.notes, "acklog: {line}");
    }
}

#[cfg(test)]
mod tests;
