//! The ceiling for HTTP: a bare hyper server that parses the JSON of an append and answers, and does nothing else. The
//! yardstick for `scripts/bench`. Usage: `bare_hyper ADDRESS [THREADS]`.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};

#[derive(Deserialize)]
struct Append {
    message: String,
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let parsed: Option<Append> = body.ok().and_then(|body| serde_json::from_slice(&body).ok());
    let (status, text) = match parsed {
        Some(append) => (201, format!("{{\"id\":{},\"writeConcern\":1}}", append.message.len())),
        None => (400, String::new()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    Ok(response)
}

async fn serve(stream: TcpStream) {
    let io = TokioIo::new(stream);
    // Fails when the client goes away.
    let _ = http1::Builder::new().serve_connection(io, service_fn(answer)).await;
}

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let threads: usize = args.next().map_or(Ok(3), |text| text.parse())?;
    let mut workers = Vec::new();
    for _ in 0..threads {
        let (deal, mut dealt) = tokio::sync::mpsc::channel::<std::net::TcpStream>(64);
        workers.push(deal);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async move {
                while let Some(stream) = dealt.recv().await {
                    if let Ok(stream) = TcpStream::from_std(stream) {
                        tokio::spawn(serve(stream));
                    }
                }
            });
        });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind(&address).await?;
        for worker in workers.iter().cycle() {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            worker.send(stream.into_std()?).await?;
        }
        Ok(())
    })
}
