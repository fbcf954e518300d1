//! The listening end.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tracing::warn;

/// Pause after a failed accept: what fails is mostly the number of descriptors, which a loop would not mend.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections for as long as `take` takes them.
pub async fn accept_all<F, T>(listener: TcpListener, take: F)
where
    F: Fn(TcpStream, SocketAddr) -> T,
    T: Future<Output = bool>,
{
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                if !take(stream, address).await {
                    return;
                }
            }
            Err(error) => {
                warn!(repeats = true, %error, "cannot accept a connection; trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
