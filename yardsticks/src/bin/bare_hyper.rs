//! The ceiling for HTTP: a bare hyper server that parses the JSON of an append, answers, and does
//! nothing else. `GET /BYTES/FRAME` streams that many ready-made bytes in frames of that size. The
//! yardstick for `scripts/bench` and `scripts/bench-reads`. Usage: `bare_hyper ADDRESS [THREADS]`.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};

/// Bytes of a connection that a node lets hyper buffer.
const BUFFER_BYTES: usize = 128 * 1024;

#[derive(Deserialize)]
struct AppendBody {
    message: String,
}

/// A body whose bytes cost nothing to make: the same ones in each frame.
struct ReadyMade {
    frame: Bytes,
    left: usize,
}

impl ReadyMade {
    fn asked_for(path: &str) -> Option<Self> {
        let (bytes, frame) = path.strip_prefix('/')?.split_once('/')?;
        let frame = vec![b'x'; frame.parse().ok().filter(|&frame| frame > 0)?];
        Some(Self { frame: frame.into(), left: bytes.parse().ok()? })
    }
}

type NextFrame = Poll<Option<Result<Frame<Bytes>, Infallible>>>;

impl Body for ReadyMade {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> NextFrame {
        let bytes = self.frame.len().min(self.left);
        self.left -= bytes;
        Poll::Ready((bytes > 0).then(|| Ok(Frame::data(self.frame.slice(..bytes)))))
    }
}

type BareResponse = Response<Either<Full<Bytes>, ReadyMade>>;

async fn answer(request: Request<Incoming>) -> Result<BareResponse, Infallible> {
    if request.method() == Method::GET
        && let Some(stream) = ReadyMade::asked_for(request.uri().path())
    {
        return Ok(Response::new(Either::Right(stream)));
    }
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let parsed: Option<AppendBody> = body.ok().and_then(|body| serde_json::from_slice(&body).ok());
    let (status, text) = match parsed {
        Some(append) => (201, format!("{{\"id\":{},\"writeConcern\":1}}", append.message.len())),
        None => (400, String::new()),
    };
    let mut response = Response::new(Either::Left(Full::from(text)));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    Ok(response)
}

async fn serve(stream: TcpStream) {
    let io = TokioIo::new(stream);
    // Fails when the client closes the connection.
    let _ = http1::Builder::new()
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(io, service_fn(answer))
        .await;
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
