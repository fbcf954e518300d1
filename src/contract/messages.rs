//! The body of messages in a stream of events.

use acklog_api::NodeMessages;
use acklog_types::{LogEnd, NodeName};

/// Longest text in characters; of a longer one the beginning is shown. Smaller: texts that people
/// write are cut. Larger: a page that shows many nodes is sent more than it can show.
const TEXT_CHARS_MAX: usize = 200;

/// Returns messages that a node shows from an id on.
pub fn messages_body<'a>(
    node: &NodeName,
    from: LogEnd,
    texts: impl IntoIterator<Item = &'a str>,
) -> NodeMessages {
    let messages = texts.into_iter().map(shortened).collect();
    NodeMessages { node: node.to_string(), from: from.get(), messages }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let name = "bonnie".parse().unwrap();
        let (fits, long) = ("ü".repeat(200), "ü".repeat(201));
        let body = messages_body(&name, LogEnd::new(7), [fits.as_str(), &long]);
        assert_eq!((body.node.as_str(), body.from), ("bonnie", 7));
        assert_eq!(body.messages, [fits.clone(), format!("{fits}…")]);
    }
}
