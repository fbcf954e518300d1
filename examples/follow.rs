//! Follows the log across lost connections and restarts of nodes, and goes on behind the cursor of
//! an earlier run. Usage: `follow [COUNT [CURSOR]]`; with a count it ends behind so many messages,
//! and prints its cursor. The URLs of nodes come from `ACKLOG_URL`.

use std::env;
use std::error::Error;

use acklog_client::{Client, FollowFrom, FollowOptions, Followed};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("ACKLOG_URL").unwrap_or_else(|_| "http://127.0.0.1:8000".to_owned());
    let mut left = env::args().nth(1).map(|count| count.parse::<u64>()).transpose()?;
    let from = match env::args().nth(2) {
        Some(cursor) => FollowFrom::Behind(cursor.parse()?),
        None => FollowFrom::Start,
    };
    let options = FollowOptions { from, ..FollowOptions::default() };
    let mut follow = Client::new(&url)?.follow(options);
    while left != Some(0) {
        let Some(item) = follow.next().await else { break };
        match item? {
            Followed::Message { id, text, .. } => println!("{id}\t{text}"),
            Followed::Gap { from, to, why } => println!("{from} to {to} are gone: {why}"),
        }
        left = left.map(|left| left - 1);
        // A program that does something with each message keeps this where its results are.
    }
    if let Some(cursor) = follow.cursor() {
        println!("cursor {cursor}");
    }
    Ok(())
}
