//! Sends a message again under its key, as a program does that does not know whether it was stored:
//! it is stored once. Usage: `idempotent_retry [KEY]`; the node's URL comes from `ACKLOG_URL`.

use std::env;
use std::error::Error;
use std::time::Duration;

use acklog_api::Outcome;
use acklog_client::{AppendOptions, Client};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("ACKLOG_URL").unwrap_or_else(|_| "http://127.0.0.1:8000".to_owned());
    // The key names the event, not the attempt: an order's number, for example.
    let key = env::args().nth(1).unwrap_or_else(|| "order-17".to_owned());
    let options = AppendOptions { key: Some(key.parse()?), ..AppendOptions::default() };
    let mut client = Client::new(&url)?.with_deadline(Duration::from_secs(10));
    for attempt in ["first", "second"] {
        match client.append("order 17 is paid", &options).await {
            Ok(appended) => println!("{attempt} attempt: id {}", appended.id),
            Err(error) if error.outcome == Outcome::Refused => return Err(error.into()),
            // It may be in the log: the next attempt under the same key is safe.
            Err(error) => println!("{attempt} attempt: perhaps stored: {error}"),
        }
    }
    Ok(())
}
