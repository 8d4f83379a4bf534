//! Request bodies of HTTP/2 that nobody reads to the end.
//!
//! It never gives data to anybody but the reader that was meant to have it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::runtime::Handle;

/// A request body that goes on being taken (and dropped) for a while after its reader has dropped it.
///
/// Without that, the library resets the stream as soon as a refusal is written, and clients that are still sending show
/// the reset and not the refusal. (For HTTP/1.1, [`super::stream::Stream`] does the like.)
pub struct Upload {
    incoming: Option<Incoming>,
    linger: Duration,
}

impl Upload {
    /// Takes a body; `linger` is how long the rest of it is taken at most.
    pub fn new(incoming: Incoming, linger: Duration) -> Upload {
        Upload { incoming: Some(incoming), linger }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = match &mut self.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(cx),
            None => Poll::Ready(None),
        };
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.incoming = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let unread = self.incoming.take().filter(|incoming| !incoming.is_end_stream());
        if let (Some(mut incoming), Ok(runtime)) = (unread, Handle::try_current()) {
            let linger = self.linger;
            // It ends with the stream, the connection or the time, so at most one runs for each stream of a connection.
            runtime.spawn(async move {
                let rest = async { while let Some(Ok(_)) = incoming.frame().await {} };
                let _ = tokio::time::timeout(linger, rest).await;
            });
        }
    }
}
