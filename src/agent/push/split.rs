//! A request that is too large for a server, as two.

use crate::agent::push::batch::Request;
use crate::ingest::protobuf::{self, Fault, Fields, Value};

/// The first and the second half of the lines; `None` where there is one line alone, or nothing that can be read.
pub(in crate::agent::push) fn halves(request: &Request) -> Option<(Request, Request)> {
    if request.line_count < 2 {
        return None;
    }
    let message = snap::raw::Decoder::new().decompress_vec(&request.body).ok()?;
    let first_count = request.line_count / 2;
    let (first, second) = parted(&message, first_count).ok()?;
    let half = |message: Vec<u8>, line_count| {
        let body = snap::raw::Encoder::new().compress_vec(&message).ok()?;
        let tenant = request.tenant.clone();
        Some(Request { tenant, body: body.into(), line_count })
    };
    Some((half(first, first_count)?, half(second, request.line_count - first_count)?))
}

/// A message with the first lines and one with the others.
fn parted(message: &[u8], first_count: usize) -> Result<(Vec<u8>, Vec<u8>), Fault> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut seen = 0;
    let mut streams = Fields::new(message);
    while let Some((number, value)) = streams.next()? {
        let Value::Bytes(stream) = value else { continue };
        if number != 1 {
            continue;
        }
        let mut labels = "";
        let mut entries = [Vec::new(), Vec::new()];
        let mut fields = Fields::new(stream);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Bytes(bytes)) => labels = protobuf::text_of(bytes, "labels")?,
                (2, Value::Bytes(entry)) => {
                    protobuf::put_bytes(&mut entries[usize::from(seen >= first_count)], 2, entry);
                    seen += 1;
                }
                _ => {}
            }
        }
        for (out, entries) in [&mut first, &mut second].into_iter().zip(&entries) {
            if !entries.is_empty() {
                protobuf::put_stream(out, labels, entries);
            }
        }
    }
    Ok((first, second))
}
