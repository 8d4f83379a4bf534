//! The server to compare with: hyper over the same TLS, and nothing else. A GET gets a fixed answer; what is PUT is
//! appended to a file, with one sync for each. It never looks at a request beyond its method.

use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use agentconf::clock::Clock;
use agentconf::server::pki::CertificateFiles;
use agentconf::server::tls;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::Outcome;

/// Serves until its parent closes standard input; that is where the answer comes from, after its length in one line.
pub async fn serve(data: &Path) -> Outcome<()> {
    let answer = Arc::new(read_answer()?);
    let pki = data.join("pki");
    let files = CertificateFiles { certificate: pki.join("server.pem"), key: pki.join("server.key") };
    let acceptor =
        TlsAcceptor::from(tls::server_config(tls::read(&files)?, &[tls::HTTP1], None, &Clock::system())?);
    let appended = OpenOptions::new().create(true).append(true).open(data.join("bare"))?;
    let appended = Arc::new(Mutex::new(appended));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening https {}", listener.local_addr()?);
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    let accept = async {
        loop {
            let (tcp, _) = listener.accept().await?;
            tcp.set_nodelay(true)?;
            let (acceptor, answer, appended) = (acceptor.clone(), Arc::clone(&answer), Arc::clone(&appended));
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(tcp).await else { return };
                let service = service_fn(|request| respond(request, &answer, &appended));
                // The client closes when it has measured enough.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(tls), service).await;
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

async fn respond(
    request: Request<Incoming>,
    answer: &Response<Bytes>,
    appended: &Arc<Mutex<File>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::GET {
        return Ok(answer.clone().map(Full::new));
    }
    let status = match request.method() == Method::PUT {
        true => put(request, Arc::clone(appended))
            .await
            .map_or(StatusCode::INTERNAL_SERVER_ERROR, |()| StatusCode::CREATED),
        false => StatusCode::NO_CONTENT,
    };
    let mut response = Response::default();
    *response.status_mut() = status;
    Ok(response)
}

async fn put(request: Request<Incoming>, appended: Arc<Mutex<File>>) -> Outcome<()> {
    let body = request.into_body().collect().await?.to_bytes();
    let append = move || {
        let mut file = appended.lock().unwrap_or_else(PoisonError::into_inner);
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
