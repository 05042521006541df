//! A stream that gives up on a peer who does not take what is written to it.
//!
//! Promises: where writes have to wait, the peer takes [`PROGRESS_BYTES`] within the bound, or the next write that waits
//! fails, so that the connection, its answer and its slot are freed. A peer that is slow, but not slower, is let be.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Within a minute that is a kilobyte a second: nobody reads pages over a line that is slower.
const PROGRESS_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct StallGuard<S> {
    stream: S,
    stall_max: Duration,
    /// Runs from the first write that had to wait, until the peer has caught up or has taken enough.
    stalled: Option<Stall>,
}

#[derive(Debug)]
struct Stall {
    clock: Pin<Box<Sleep>>,
    taken_bytes: usize,
}

impl<S: AsyncWrite + Unpin> StallGuard<S> {
    pub(crate) fn new(stream: S, stall_max: Duration) -> StallGuard<S> {
        StallGuard { stream, stall_max, stalled: None }
    }

    /// Runs one attempt to write `offered` bytes under the clock.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        offered: usize,
        attempt: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let outcome = attempt(Pin::new(&mut self.stream), context);
        let stall_max = self.stall_max;
        match &outcome {
            Poll::Ready(Ok(taken)) => {
                if let Some(stall) = &mut self.stalled {
                    stall.taken_bytes += taken;
                    if *taken == offered || stall.taken_bytes >= PROGRESS_BYTES {
                        self.stalled = None;
                    }
                }
                outcome
            }
            Poll::Ready(Err(_)) => outcome,
            Poll::Pending => {
                let begin = || Stall { clock: Box::pin(sleep(stall_max)), taken_bytes: 0 };
                match self.stalled.get_or_insert_with(begin).clock.as_mut().poll(context) {
                    Poll::Ready(()) => {
                        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes no answer")))
                    }
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallGuard<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.watch(context, bytes.len(), |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = parts.iter().map(|part| part.len()).sum();
        self.watch(context, offered, |stream, context| stream.poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // A socket is never behind with these two: they must not stop the clock of a write that waits.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use crate::server::stall::*;

    const BOUND: Duration = Duration::from_secs(60);

    /// Writes a megabyte to a peer that takes `taken_bytes` every ten seconds of a clock that does not wait.
    async fn write_to_slow_peer(taken_bytes: usize) -> io::Result<()> {
        let (ours, mut theirs) = duplex(1024);
        let reading = tokio::spawn(async move {
            let mut buffer = vec![0; taken_bytes];
            while theirs.read_exact(&mut buffer).await.is_ok() {
                sleep(Duration::from_secs(10)).await;
            }
        });
        let written = StallGuard::new(ours, BOUND).write_all(&vec![b'x'; 1 << 20]).await;
        reading.abort();
        written
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_a_few_bytes_now_and_then_is_given_up() {
        let error = write_to_slow_peer(100).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(write_to_slow_peer(PROGRESS_BYTES / 4).await.is_ok(), "a slow one is let be");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_caught_up_begins_anew() {
        let (ours, mut theirs) = duplex(1024);
        let mut guarded = StallGuard::new(ours, BOUND);
        let mut buffer = [0; 1500];
        for _ in 0..3 {
            let (written, read) = tokio::join!(guarded.write_all(&[b'x'; 1500]), async {
                sleep(Duration::from_secs(50)).await;
                theirs.read_exact(&mut buffer).await
            });
            assert!(written.is_ok() && read.is_ok());
        }
    }
}
