//! Appends many messages over one connection, each with an answer of its own. Usage:
//! `append_stream [COUNT]`; the URLs of nodes come from `ACKLOG_URL`.

use std::env;
use std::error::Error;

use acklog_client::{AppendOptions, AppendStreamOptions, Client};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("ACKLOG_URL").unwrap_or_else(|_| "http://127.0.0.1:8000".to_owned());
    let count: u64 = env::args().nth(1).as_deref().unwrap_or("1000").parse()?;
    let stream = Client::new(&url)?.append_stream(AppendStreamOptions::default());
    let mut answers = Vec::new();
    for number in 0..count {
        let text = format!("message {number}");
        // Waits while thousands wait for their answers.
        answers.push(stream.send(&text, &AppendOptions::default()).await?);
    }
    let mut ids = Vec::new();
    for answer in answers {
        ids.push(answer.await?.id);
    }
    stream.finish().await;
    if let (Some(first), Some(last)) = (ids.first(), ids.last()) {
        println!("{count} messages, ids {first} to {last}");
    }
    Ok(())
}
