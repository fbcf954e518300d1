//! Handles signals, from the first instruction of `main` to the last one. Before that, while the
//! system loads the program, are two milliseconds that no handler can cover.
//!
//! Process 1 of a container receives only the signals that it has a handler for: one that arrives
//! before the handler is lost. Any other process dies of it, silently and with another exit status
//! than a clean stop has. So the handlers are installed before anything else is done.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use anyhow::Context as _;
use nix::sys::signal::SigSet;
use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

/// The events that stop a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOn {
    /// The signals that stop a node.
    Signals,
    /// These signals, and the end of standard input: the process that holds it open has ended.
    SignalsOrStdinEnd,
}

/// The effect of a signal on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignalEffect {
    /// The node stops cleanly.
    Stop,
    /// Only a line in the log.
    Line,
    /// Only a line in the log, the first time: it is sent with each write that fails.
    FirstLine,
}

/// Every signal that a terminal, a user, a timer or a resource limit sends and that would end the
/// process by default. SIGPIPE is not here: the standard library ignores it, and a write to a
/// closed pipe is an error like any other.
const SIGNALS: [(Number, &str, SignalEffect); 11] = [
    (Number::TERM, "SIGTERM", SignalEffect::Stop),
    (Number::INT, "SIGINT", SignalEffect::Stop),
    // The terminal was closed.
    (Number::HUP, "SIGHUP", SignalEffect::Stop),
    (Number::QUIT, "SIGQUIT", SignalEffect::Stop),
    // The limit of processor time is reached: soon the kernel kills the process.
    (Number::XCPU, "SIGXCPU", SignalEffect::Stop),
    (Number::USR1, "SIGUSR1", SignalEffect::Line),
    (Number::USR2, "SIGUSR2", SignalEffect::Line),
    (Number::ALARM, "SIGALRM", SignalEffect::Line),
    (Number::VTALARM, "SIGVTALRM", SignalEffect::Line),
    (Number::PROF, "SIGPROF", SignalEffect::Line),
    // A file reached the limit of file sizes. The write fails with EFBIG, which the log handles.
    (Number::XFSZ, "SIGXFSZ", SignalEffect::FirstLine),
];

/// Signals that `nohup` and shells turn off for a process that is to outlive its terminal. Where
/// they are off at the start, they stay off. SIGINT is not among them: it ends a node in any case.
const STAY_OFF: [Number; 2] = [Number::HUP, Number::QUIT];

/// The source of requests to stop the node.
pub struct StopSignals {
    received: Vec<(Signal, &'static str, SignalEffect)>,
    /// Closed at the end of standard input; none where that does not count.
    stdin: Option<mpsc::Receiver<()>>,
}

impl StopSignals {
    /// Installs the handlers. To be called before anything else.
    ///
    /// # Errors
    /// When the system refuses a handler or a thread.
    pub fn install(stop_on: StopOn) -> anyhow::Result<Self> {
        let received = handlers().context("cannot handle signals")?;
        let stdin = match stop_on {
            StopOn::Signals => None,
            StopOn::SignalsOrStdinEnd => {
                Some(stdin_end().context("cannot start a thread for standard input")?)
            }
        };
        Ok(Self { received, stdin })
    }

    /// Waits until the node is to stop, and returns the cause. Cancel safe.
    pub(crate) async fn stopped(&mut self) -> &'static str {
        loop {
            let (name, effect) = poll_fn(|context| self.poll(context)).await;
            match effect {
                SignalEffect::Stop => return name,
                SignalEffect::Line | SignalEffect::FirstLine => {
                    warn!(signal = name, "ignored a signal; SIGTERM stops this node");
                }
            }
            if effect == SignalEffect::FirstLine {
                self.received.retain(|(_, other, _)| *other != name);
            }
        }
    }

    /// Runs work without a timeout on a thread of its own, and returns its result; `None` when the
    /// node is to stop first. The thread then runs until the process ends.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) async fn unless_stopped<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> anyhow::Result<Option<T>> {
        let (sender, result) = oneshot::channel();
        let thread = std::thread::Builder::new().name("log-open".to_owned());
        let started = thread.spawn(move || {
            // Fails when the node stops, which needs no result.
            let _ = sender.send(work());
        });
        started.context("cannot start a thread")?;
        tokio::select! {
            result = result => Ok(Some(result.context("the thread ended early")?)),
            cause = self.stopped() => {
                info!(cause, "stopping; opening the log is given up");
                Ok(None)
            }
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<(&'static str, SignalEffect)> {
        for (signal, name, effect) in &mut self.received {
            if signal.poll_recv(context).is_ready() {
                return Poll::Ready((name, *effect));
            }
        }
        match &mut self.stdin {
            Some(stdin) => {
                stdin.poll_recv(context).map(|_| ("the end of standard input", SignalEffect::Stop))
            }
            None => Poll::Pending,
        }
    }
}

/// Installs a handler for each signal. They stay for the life of the process; the runtime in which
/// they are installed does not, and the next one takes them over with the signals that arrived
/// meanwhile.
fn handlers() -> io::Result<Vec<(Signal, &'static str, SignalEffect)>> {
    // Where a terminal lets no program in the background write to it (`stty tostop`), this signal
    // would stop the node at its first line, for as long as it stays in the background. Blocked, it
    // is not sent. All threads that this one starts have it blocked too.
    SigSet::from(nix::sys::signal::Signal::SIGTTOU).thread_block()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    let off = signals_off();
    SIGNALS
        .into_iter()
        .filter(|(number, ..)| !(STAY_OFF.contains(number) && is_in(off, *number)))
        .map(|(number, name, effect)| {
            Ok((signal(SignalKind::from_raw(number.as_raw()))?, name, effect))
        })
        .collect()
}

/// Returns the signals that this process was started without, as a bit mask; none where the system
/// does not report it.
fn signals_off() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn is_in(mask: u64, number: Number) -> bool {
    let bit = u32::try_from(number.as_raw() - 1).unwrap_or_default();
    mask.checked_shr(bit).unwrap_or_default() & 1 == 1
}

/// Returns a channel that closes at the end of standard input. It is read on a thread of its own: a
/// read of standard input cannot be cancelled, and must not delay the stop.
fn stdin_end() -> io::Result<mpsc::Receiver<()>> {
    let (open, end) = mpsc::channel(1);
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        drop(open);
    })?;
    Ok(end)
}
