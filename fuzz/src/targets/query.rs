//! Query strings of `GET /messages` and `GET /messages/<id>`.

use std::time::Duration;

use acklog::server::http::parsing::{listing_query, wait_query};
use acklog_api::query::OF_LISTING;
use acklog_protocol::Wait;
use acklog_types::WriteConcern;

use super::body::{check_detail, check_wait};

/// Checks that what is parsed has allowed values only, and is parsed to the same when it is written
/// plainly, and that what is refused is refused in few words.
pub fn query(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match listing_query(Some(text)) {
        Ok((from, limit)) => {
            if let Some(from) = from {
                let plain = format!("limit={limit}&from={from}");
                assert_eq!(listing_query(Some(&plain)), Ok((Some(from), limit)));
            }
            let names = form_urlencoded::parse(data).map(|(name, _)| name);
            names.for_each(|name| assert!(OF_LISTING.contains(&name.as_ref()), "{name}"));
        }
        Err(detail) => check_detail(&detail),
    }
    match wait_query(Some(text)) {
        Ok(None) => assert_eq!(form_urlencoded::parse(data).count(), 0, "all is ignored"),
        Ok(Some(wait)) => {
            check_wait(&wait);
            assert!(wait.write_concern.is_some(), "a time limit for no wait");
            assert_eq!(wait_query(Some(&plain(&wait))), Ok(Some(wait)));
        }
        Err(detail) => check_detail(&detail),
    }
}

/// Writes a wait as a query.
fn plain(wait: &Wait) -> String {
    let concern = match wait.write_concern {
        Some(WriteConcern::Nodes(nodes)) => format!("w={nodes}"),
        Some(WriteConcern::Majority) => "writeConcern=majority".to_owned(),
        Some(WriteConcern::All) => "w=all".to_owned(),
        None => String::new(),
    };
    let limit = |timeout: Duration| format!("&timeoutMs={}", timeout.as_millis());
    concern + &wait.timeout.map(limit).unwrap_or_default()
}
