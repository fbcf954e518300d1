//! Appends a message, waits until a majority of the nodes has it, and reads the end of the log.
//! Usage: `append [TEXT]`; the node's URL comes from `ACKLOG_URL`.

use std::env;
use std::error::Error;

use acklog_client::{AppendOptions, Client};
use acklog_types::WriteConcern;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("ACKLOG_URL").unwrap_or_else(|_| "http://127.0.0.1:8000".to_owned());
    let text = env::args().nth(1).unwrap_or_else(|| "hello".to_owned());
    let mut client = Client::new(&url)?;
    let options =
        AppendOptions { write_concern: Some(WriteConcern::Majority), ..AppendOptions::default() };
    let appended = client.append(&text, &options).await?;
    println!("id {}, acked by {}", appended.id, appended.acked_by.join(", "));

    let mut messages = client.read(appended.id.saturating_sub(2));
    while let Some(message) = messages.next().await? {
        println!("{}\t{}", message.id, message.message);
    }
    Ok(())
}
