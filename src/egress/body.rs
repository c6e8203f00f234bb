//! Reads the body of an answer within its bounds: bytes after decompression, the time between two pieces, and that of the whole.

use super::client::causes;
use super::request::{Error, Response, Transport};
use bytes::BytesMut;
use tokio::time::Instant;

/// Bytes of an answer's header names and values.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// Reads at most the transport's limit. Where the whole is not wanted, a body that is longer, breaks off, stalls or drips keeps what
/// came: the status is what counts.
pub(super) async fn read(
    mut answer: reqwest::Response,
    transport: &Transport,
    target: String,
    started: Instant,
) -> Result<Response, Error> {
    let status = answer.status().as_u16();
    let headers: Vec<(String, Vec<u8>)> =
        answer.headers().iter().map(|(n, v)| (n.as_str().to_owned(), v.as_bytes().to_vec())).collect();
    let mut body = BytesMut::new();
    let mut missing = too_many_header_bytes(&headers);
    let ends = Instant::now() + transport.longest_body;
    while missing.is_none() {
        let piece_ends = Instant::now() + transport.longest_pause;
        match tokio::time::timeout_at(ends.min(piece_ends), answer.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let room = transport.answer_limit - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    missing = Some(Missing::Rest(transport.answer_limit));
                }
            }
            Ok(Ok(None)) => break,
            Ok(Err(error)) => missing = Some(Missing::Broken(causes(&error))),
            Err(_) if ends < piece_ends => missing = Some(Missing::Slow(transport.longest_body)),
            Err(_) => missing = Some(Missing::Stalled(transport.longest_pause)),
        }
    }
    match missing {
        Some(missing) if transport.whole => Err(Error::Unusable { target, cause: missing.to_string() }),
        missing => {
            let truncated = matches!(missing, Some(Missing::Rest(_)));
            Ok(Response { status, headers, body: body.freeze(), truncated, elapsed: started.elapsed() })
        }
    }
}

/// What an answer lacks.
#[derive(Debug, thiserror::Error)]
enum Missing {
    #[error("its body is longer than {0} bytes")]
    Rest(usize),
    #[error("its body broke off: {0}")]
    Broken(String),
    #[error("nothing more of its body came for {} s", .0.as_secs_f32())]
    Stalled(std::time::Duration),
    #[error("its body took longer than {} s", .0.as_secs_f32())]
    Slow(std::time::Duration),
    #[error("its headers are longer than {MAX_HEADER_BYTES} bytes")]
    Headers,
}

fn too_many_header_bytes(headers: &[(String, Vec<u8>)]) -> Option<Missing> {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    (bytes > MAX_HEADER_BYTES).then_some(Missing::Headers)
}
