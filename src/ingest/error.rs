//! Why a push was not taken, or not whole. The texts are Loki's where Loki has one.

use std::io::ErrorKind;

use crate::ingest::Pushed;
use crate::store;

/// Why a push was not taken, or not whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The `Content-Type` header cannot be read.
    #[error("mime: {0}")]
    ContentType(&'static str),
    /// The body is packed in a way that is not spoken here.
    #[error("Content-Encoding {0:?} not supported")]
    ContentEncoding(String),
    /// The same for OpenTelemetry.
    #[error("content type: {0} is not supported")]
    OtlpContentType(String),
    #[error("unsupported content encoding {0}: only gzip and zstd are supported")]
    OtlpContentEncoding(String),
    /// The body, as sent or unpacked, is more than one request may bring.
    #[error("request body too large: received message larger than max ({bytes} vs {bytes_max})")]
    TooLarge { bytes: u64, bytes_max: u64 },
    /// The body cannot be unpacked or decoded; nothing of it was stored.
    #[error("{0}")]
    Malformed(String),
    /// A label set cannot be parsed; nothing of the request was stored.
    #[error("couldn't parse labels: {0}")]
    Labels(String),
    /// The request has no stream at all.
    #[error("error at least one valid stream is required for ingestion")]
    NoStreams,
    /// Some entries were refused, each for a named reason; `pushed` says what became of the others.
    #[error("{reasons}")]
    Rejected { reasons: String, pushed: Pushed },
    /// A rate limit was hit; some entries may have been stored all the same. The text names the limit.
    #[error("{reasons}")]
    RateLimited { reasons: String, pushed: Pushed },
    /// More requests are under way than memory is set aside for; nothing was stored.
    #[error(
        "too many pushes at once: {in_flight_bytes} bytes are being taken in, the limit is {bytes_max}; \
         try again in a moment"
    )]
    Busy { in_flight_bytes: u64, bytes_max: u64 },
    /// The store has as much to write as it can hold; nothing was stored.
    #[error("too much is waiting to be written; try again in a moment")]
    StoreBusy,
    /// The disk has no room for more; nothing was stored.
    #[error("the disk is nearly full: {free_bytes} bytes are free, {floor_bytes} are kept free")]
    DiskFull { free_bytes: u64, floor_bytes: u64 },
    /// The log data cannot be written; nothing was stored. What is at fault is the machine's, and may pass.
    #[error("{reason}; nothing was stored, send it again later")]
    Unwritable { reason: String },
    /// The entries are spread over more days than one push may bring; nothing was stored.
    #[error(
        "the push has entries of {found} days that are new here, more than {max}: send the days one after another, \
         or check the times"
    )]
    TooManyDays { found: usize, max: usize },
    /// The server is stopping; nothing was stored.
    #[error("the server is stopping")]
    Closed,
    /// The store failed; nothing was stored.
    #[error("the store failed")]
    Store(#[source] store::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Error {
        match error {
            store::Error::Busy => Error::StoreBusy,
            store::Error::DiskFull { free_bytes, floor_bytes, .. } => Error::DiskFull { free_bytes, floor_bytes },
            store::Error::Closed => Error::Closed,
            store::Error::TooManyDays { found, max } => Error::TooManyDays { found, max },
            store::Error::Io { ref source, .. } => {
                let reason = match source.kind() {
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                        format!("the disk is full ({source})")
                    }
                    _ => format!("the log data cannot be written ({source})"),
                };
                tracing::error!(%error, "a push cannot be stored");
                Error::Unwritable { reason }
            }
            store::Error::Damaged { .. }
            | store::Error::Index { .. }
            | store::Error::InUse { .. }
            | store::Error::NewerFormat { .. } => Error::Store(error),
        }
    }
}
