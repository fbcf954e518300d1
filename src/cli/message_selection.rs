//! Selects messages by id and prints them as lines, for `messages` and `log dump`.

use std::io::{self, Write};

use acklog_api::Message;
use acklog_types::escaped;
use clap::Args;

/// Which messages are printed, and in which format.
#[derive(Clone, Debug, Args)]
pub(super) struct MessageSelection {
    /// Id of the first message to print
    #[arg(long, env = "ACKLOG_FROM", value_name = "ID", default_value_t = 0)]
    #[arg(value_parser = whole_number)]
    pub(super) from: u64,

    /// Most messages to print [default: all that are there when the command begins]
    #[arg(long, short = 'n', env = "ACKLOG_LIMIT", value_name = "N")]
    #[arg(value_parser = whole_number)]
    limit: Option<u64>,

    /// Print the exact messages, one JSON object a line: {"id": 0, "message": "Msg1"}
    #[arg(long, env = "ACKLOG_JSON")]
    json: bool,
}

impl MessageSelection {
    /// Returns where printing ends in a log that ends at `end`.
    pub(super) fn until(&self, end: u64) -> u64 {
        self.limit.map_or(end, |limit| end.min(self.from.saturating_add(limit)))
    }

    /// Prints one message on one line, whatever it contains.
    ///
    /// # Errors
    /// When the output is closed.
    pub(super) fn print(&self, message: &Message<'_>, out: &mut impl Write) -> io::Result<()> {
        if self.json {
            serde_json::to_writer(&mut *out, message)?;
            writeln!(out)
        } else {
            writeln!(out, "{}\t{}", message.id, escaped(&message.message))
        }
    }
}

pub(super) fn whole_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "it must be a whole number from 0 on".to_owned())
}
