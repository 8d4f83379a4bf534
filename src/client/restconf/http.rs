//! HTTP/1.1 over TLS as the client needs it: requests on connections that are used again, answers with a limit. It knows no
//! resource of RESTCONF.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::client::error::ClientError;
use crate::client::limits::Limits;
use crate::client::tls;
use crate::client::url::Url;

/// How many idle connections are kept.
const IDLE_MAX: usize = 4;

/// A server, and connections to it.
#[derive(Debug)]
pub struct Http {
    url: Url,
    tls: Arc<ClientConfig>,
    authorization: Option<HeaderValue>,
    pub limits: Limits,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Asked<'a> {
    /// GET unless it is said.
    pub method: Method,
    /// The target: path and query, percent-encoded.
    pub target: &'a str,
    /// The media types that are wanted.
    pub accept: &'a str,
    /// The body and its media type.
    pub body: Option<(&'a str, String)>,
    /// The event after which a stream goes on.
    pub last_event_id: Option<&'a str>,
}

/// An answer that came completely.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

impl Http {
    /// Nothing is connected yet.
    pub fn new(
        url: &Url,
        tls: Arc<ClientConfig>,
        authorization: Option<HeaderValue>,
        limits: &Limits,
    ) -> Http {
        Http { url: url.clone(), tls, authorization, limits: limits.clone(), idle: Mutex::new(Vec::new()) }
    }

    /// One request and its answer, whatever its status.
    ///
    /// # Errors
    /// The server cannot be reached, or does not answer in time, or at too great length.
    pub async fn ask(&self, asked: &Asked<'_>) -> Result<Answer, ClientError> {
        let late = |_| ClientError::Timeout { what: "answer", limit: self.limits.reply };
        let exchange = async { self.complete(self.send(asked).await?).await };
        timeout(self.limits.reply, exchange).await.map_err(late)?
    }

    /// One request whose answer has no end: the body to read on, or the whole answer if its status is not 200.
    ///
    /// # Errors
    /// The server cannot be reached, or does not answer in time, or refuses at too great length.
    pub async fn open(&self, asked: &Asked<'_>) -> Result<Result<Incoming, Answer>, ClientError> {
        let late = |_| ClientError::Timeout { what: "answer", limit: self.limits.reply };
        let exchange = async {
            let (response, connection) = self.send(asked).await?;
            match response.status() {
                StatusCode::OK => Ok(Ok(response.into_body())),
                _ => self.complete((response, connection)).await.map(Err),
            }
        };
        timeout(self.limits.reply, exchange).await.map_err(late)?
    }

    async fn complete(
        &self,
        (response, connection): (Response<Incoming>, SendRequest<Full<Bytes>>),
    ) -> Result<Answer, ClientError> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, self.limits.message_bytes_max).collect().await.map_err(|error| {
            match error.is::<LengthLimitError>() {
                true => ClientError::Protocol("an answer is too long".into()),
                false => ClientError::Ended(error.to_string()),
            }
        })?;
        self.keep(connection);
        Ok(Answer { status: head.status, body: body.to_bytes() })
    }

    async fn send(
        &self,
        asked: &Asked<'_>,
    ) -> Result<(Response<Incoming>, SendRequest<Full<Bytes>>), ClientError> {
        if let Some(mut connection) = self.kept() {
            match connection.try_send_request(self.request(asked)?).await {
                Ok(response) => return Ok((response, connection)),
                Err(mut error) => {
                    // If nothing was sent because the server had closed it, a new one will do.
                    if error.take_message().is_none() {
                        return Err(self.lost(error.into_error()));
                    }
                }
            }
        }
        let stream = tls::connect(&self.url, &self.tls, &self.limits).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(self.limits.hello_bytes_max);
        let (mut connection, driver) =
            builder.handshake(TokioIo::new(stream)).await.map_err(|error| self.lost(error))?;
        // It ends with the connection, or with whoever could use it; requests tell what went wrong.
        tokio::spawn(async move { driver.await.ok() });
        let response =
            connection.send_request(self.request(asked)?).await.map_err(|error| self.lost(error))?;
        Ok((response, connection))
    }

    fn request(&self, asked: &Asked<'_>) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(&asked.method)
            .uri(asked.target)
            .header(HOST, self.url.authority())
            .header(ACCEPT, asked.accept);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(id) = asked.last_event_id {
            request = request.header("last-event-id", id);
        }
        for (name, value) in super::super::trace() {
            request = request.header(name, value);
        }
        let mut content = Bytes::new();
        if let Some((media_type, body)) = &asked.body {
            request = request.header(CONTENT_TYPE, *media_type);
            content = Bytes::copy_from_slice(body.as_bytes());
        }
        request.body(Full::new(content)).map_err(|error| ClientError::Request(error.to_string()))
    }

    fn kept(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = idle.pop() {
            if connection.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, connection: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !connection.is_closed() {
            idle.push(connection);
        }
    }

    fn lost(&self, error: hyper::Error) -> ClientError {
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            reason = format!("{reason}: {cause}");
            source = cause.source();
        }
        ClientError::Connect { place: self.place(), reason }
    }

    /// Where the server is, for errors.
    pub fn place(&self) -> String {
        self.url.to_string()
    }
}
