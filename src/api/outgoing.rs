//! The body of an answer that holds its room in the outbox until the client has taken it.
//!
//! Promises: the connection asks for the body in pieces, so that the room is given back when (nearly) all of it is with
//! the client, or when the connection ends.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::query::Parcel;

/// What a connection gets at once. It asks for more when it has some hundred kilobytes or less to write.
const PIECE_BYTES: usize = 64 << 10;

#[derive(Debug)]
struct Outgoing {
    rest: Bytes,
    parcel: Option<Parcel>,
}

/// A body of these bytes, which take the room of the parcel.
pub(crate) fn body(bytes: Vec<u8>, parcel: Parcel) -> Body {
    Body::new(Outgoing { rest: bytes.into(), parcel: Some(parcel) })
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            self.parcel = None;
            return Poll::Ready(None);
        }
        let piece_bytes = self.rest.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece_bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
