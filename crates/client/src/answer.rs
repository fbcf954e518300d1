//! The answer of a node, read as a whole.

use acklog_types::escaped;
use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

/// An answer, read as a whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// An answer that is no JSON, or not of the expected shape: then it is no node that answers.
#[derive(Debug, Error)]
#[error("the answer is no JSON of the expected form: is this a node?")]
pub struct NotANode(#[from] serde_json::Error);

impl Answer {
    /// Returns a header's value as text; `None` where it is missing or no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Reads the body as a type of the contract.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parsed<T: DeserializeOwned>(&self) -> Result<T, NotANode> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// Returns the body as one line of JSON: as the node wrote it where it is one line already.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn json_line(&self) -> Result<String, NotANode> {
        let parsed: Value = self.parsed()?;
        match str::from_utf8(&self.body).map(str::trim) {
            Ok(line) if !line.contains('\n') => Ok(line.to_owned()),
            _ => Ok(parsed.to_string()),
        }
    }

    /// Returns what a refusal says, in one line. A proxy may answer with a part of a problem, or
    /// with something else.
    pub fn detail(&self) -> String {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let said = ["detail", "title"].iter().find_map(|field| problem.get(field)?.as_str());
        escaped(said.unwrap_or(&format!("the node answered {}", self.status))).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &'static str) -> Answer {
        let status = StatusCode::BAD_REQUEST;
        Answer { status, headers: HeaderMap::new(), body: body.into() }
    }

    #[test]
    fn a_refusal_is_told_in_the_node_s_words_and_in_one_line() {
        assert_eq!(answer(r#"{"title": "t", "detail": "a\nb"}"#).detail(), "a\\nb");
        assert_eq!(answer(r#"{"title": "t"}"#).detail(), "t");
        assert_eq!(answer("<html>").detail(), "the node answered 400 Bad Request");
    }

    #[test]
    fn json_is_one_line_whatever_was_sent() {
        assert_eq!(answer("{\"b\": 1, \"a\":2}\n").json_line().unwrap(), r#"{"b": 1, "a":2}"#);
        assert_eq!(answer("{\"a\":\n1}").json_line().unwrap(), r#"{"a":1}"#);
        assert!(answer("<html>").json_line().is_err());
    }
}
