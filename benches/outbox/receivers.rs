//! Receivers on loopback that answer at once, and a generator of requests that finds out how many they can take.

use anyhow::Context as _;
use futures::future::try_join_all;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of one read.
const CHUNK: usize = 16 * 1024;

/// The receivers, each on an address of its own.
pub struct Receivers {
    /// Where they listen.
    pub addresses: Vec<SocketAddr>,
    count: Arc<AtomicU64>,
}

impl Receivers {
    /// Starts `count` of them.
    pub async fn start(count: usize) -> anyhow::Result<Self> {
        let (mut addresses, received) = (Vec::new(), Arc::new(AtomicU64::new(0)));
        for nth in 0..count {
            let listener = TcpListener::bind(format!("127.0.0.{}:0", nth + 2)).await?;
            addresses.push(listener.local_addr()?);
            tokio::spawn(accept(listener, Arc::clone(&received)));
        }
        Ok(Self { addresses, count: received })
    }

    /// Requests so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Posts `requests` of them over `connections` to each receiver, one after the other on each connection.
    pub async fn fill(&self, requests: u64, connections: usize, body: &[u8]) -> anyhow::Result<()> {
        let head = format!(
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let (next, request) = (AtomicU64::new(0), [head.as_bytes(), body].concat());
        let (next, request) = (&next, request.as_slice());
        let each = self.addresses.iter().flat_map(|address| std::iter::repeat_n(*address, connections));
        try_join_all(each.map(|address| post(address, next, requests, request))).await?;
        Ok(())
    }
}

async fn post(to: SocketAddr, next: &AtomicU64, requests: u64, request: &[u8]) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let mut answer = vec![0; CHUNK];
    while next.fetch_add(1, Ordering::Relaxed) < requests {
        stream.write_all(request).await?;
        // Short enough to come in one piece.
        anyhow::ensure!(stream.read(&mut answer).await? > 0, "a receiver closed the connection");
    }
    Ok(())
}

async fn accept(listener: TcpListener, count: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let count = Arc::clone(&count);
        tokio::spawn(async move {
            if let Err(error) = serve(stream, &count).await {
                eprintln!("a connection broke: {error:#}");
            }
        });
    }
}

async fn serve(mut stream: TcpStream, count: &AtomicU64) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (mut held, mut chunk) = (Vec::new(), vec![0; CHUNK]);
    loop {
        while let Some(length) = request_len(&held)? {
            held.drain(..length);
            count.fetch_add(1, Ordering::Relaxed);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
        }
        match stream.read(&mut chunk).await? {
            0 => return Ok(()),
            read => held.extend_from_slice(&chunk[..read]),
        }
    }
}

/// Length of the first request, if all of it is there.
fn request_len(held: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = held.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&held[..end])?.to_ascii_lowercase();
    let body =
        head.lines().find_map(|line| line.strip_prefix("content-length:")).context("a request without a length")?;
    let length = end + 4 + body.trim().parse::<usize>()?;
    Ok((held.len() >= length).then_some(length))
}
