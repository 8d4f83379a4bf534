//! The server to compare with: hyper over the same TLS, or without, and nothing else. A GET gets a fixed answer, or its body
//! again and again as a stream; what is PUT is appended to a file, with one sync for each; what is POSTed is read and
//! forgotten. It never looks at a request beyond its method and whether it names a stream.

use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use agentconf::clock::Clock;
use agentconf::server::pki::CertificateFiles;
use agentconf::server::tls;
use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::Outcome;

/// The path of a stream; what follows is how often the answer comes.
pub const STREAM: &str = "/stream/";

/// What all connections share.
struct Shared {
    answer: Response<Bytes>,
    appended: Mutex<File>,
    /// Whether the streams flow: something was PATCHed.
    flowing: watch::Sender<bool>,
}

/// Serves until its parent closes standard input; that is where the answer comes from, after its length in one line.
pub async fn serve(data: &Path) -> Outcome<()> {
    let answer = read_answer()?;
    let pki = data.join("pki");
    let files = CertificateFiles { certificate: pki.join("server.pem"), key: pki.join("server.key") };
    let acceptor =
        TlsAcceptor::from(tls::server_config(tls::read(&files)?, &[tls::HTTP1], None, &Clock::system())?);
    let appended = OpenOptions::new().create(true).append(true).open(data.join("bare"))?;
    let shared =
        Arc::new(Shared { answer, appended: Mutex::new(appended), flowing: watch::Sender::new(false) });
    let (tls, plain) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    println!("listening https {}", tls.local_addr()?);
    println!("listening http {}", plain.local_addr()?);
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    let accept = async {
        loop {
            let (tcp, acceptor) = tokio::select! {
                accepted = tls.accept() => (accepted?.0, Some(acceptor.clone())),
                accepted = plain.accept() => (accepted?.0, None),
            };
            tcp.set_nodelay(true)?;
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let service = service_fn(|request| respond(request, &shared));
                // The client closes when it has measured enough.
                let _ = match acceptor {
                    Some(acceptor) => {
                        let Ok(tls) = acceptor.accept(tcp).await else { return };
                        http1::Builder::new().serve_connection(TokioIo::new(tls), service).await
                    }
                    None => http1::Builder::new().serve_connection(TokioIo::new(tcp), service).await,
                };
            });
        }
    };
    tokio::select! {
        ended = ended => {
            ended??;
            Ok(())
        }
        failed = accept => failed,
    }
}

type Answer = Response<Either<Full<Bytes>, Box<dyn Body<Data = Bytes, Error = Infallible> + Send + Unpin>>>;

async fn respond(request: Request<Incoming>, shared: &Arc<Shared>) -> Result<Answer, Infallible> {
    let status = match *request.method() {
        Method::GET => {
            let times = request.uri().path().strip_prefix(STREAM).and_then(|times| times.parse().ok());
            let (head, body) = shared.answer.clone().into_parts();
            let body = match times {
                Some(times) => Either::Right(again_and_again(body, times, shared)),
                None => Either::Left(Full::new(body)),
            };
            return Ok(Response::from_parts(head, body));
        }
        Method::PUT => status(put(request, Arc::clone(shared)).await),
        Method::POST => status(request.into_body().collect().await.map(drop)),
        Method::PATCH => {
            shared.flowing.send_replace(true);
            StatusCode::NO_CONTENT
        }
        _ => StatusCode::NO_CONTENT,
    };
    let mut response = Response::new(Either::Left(Full::default()));
    *response.status_mut() = status;
    Ok(response)
}

/// The same octets so many times, each on its own, as soon as the streams flow.
fn again_and_again(
    octets: Bytes,
    times: usize,
    shared: &Shared,
) -> Box<dyn Body<Data = Bytes, Error = Infallible> + Send + Unpin> {
    let mut flowing = shared.flowing.subscribe();
    let flows = async move {
        // It fails only when the server ends.
        let _ = flowing.wait_for(|flowing| *flowing).await;
    };
    let all = stream::iter(std::iter::repeat_n(octets, times)).map(|octets| Ok(Frame::data(octets)));
    let begun = stream::once(flows).filter_map(|()| future::ready(None));
    Box::new(StreamBody::new(Box::pin(begun.chain(all))))
}

fn status<E>(done: Result<(), E>) -> StatusCode {
    done.map_or(StatusCode::INTERNAL_SERVER_ERROR, |()| StatusCode::CREATED)
}

async fn put(request: Request<Incoming>, shared: Arc<Shared>) -> Outcome<()> {
    let body = request.into_body().collect().await?.to_bytes();
    let append = move || {
        let mut file = shared.appended.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&body)?;
        file.sync_data()
    };
    Ok(tokio::task::spawn_blocking(append).await??)
}

/// The answer of another server, without what hyper adds by itself.
fn read_answer() -> Outcome<Response<Bytes>> {
    let mut length = String::new();
    std::io::stdin().read_line(&mut length)?;
    let mut text = vec![0; length.trim().parse()?];
    std::io::stdin().read_exact(&mut text)?;
    let text = String::from_utf8(text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or("an answer has a head")?;
    let mut response = Response::new(Bytes::from(body.to_owned()));
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        let name: HeaderName = name.parse()?;
        if name != DATE && name != CONTENT_LENGTH {
            response.headers_mut().insert(name, HeaderValue::from_str(value)?);
        }
    }
    Ok(response)
}
