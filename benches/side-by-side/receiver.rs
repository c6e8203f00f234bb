//! An HTTP receiver that keeps every request as it came.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// Method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in small letters, in order; without `Host`, which names the receiver.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// The receiver.
pub struct Receiver {
    seen: Arc<Mutex<Vec<Seen>>>,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
}

impl Receiver {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let url = format!("http://{}", listener.local_addr().expect("the socket is bound"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(accept(listener, Arc::clone(&seen)));
        Self { seen, url }
    }

    /// Takes what has come.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().expect("no holder panics"))
    }

    /// Waits for `expected` requests, and then until none has come for `quiet`; takes them.
    pub async fn settle(&self, expected: usize, patience: Duration, quiet: Duration) -> Vec<Seen> {
        let (began, mut count, mut last) = (Instant::now(), 0, Instant::now());
        loop {
            let now = self.seen.lock().expect("no holder panics").len();
            if now != count {
                (count, last) = (now, Instant::now());
            }
            let enough = count >= expected || began.elapsed() > patience;
            if enough && last.elapsed() > quiet {
                return self.take();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn accept(listener: TcpListener, seen: Arc<Mutex<Vec<Seen>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            // A client that breaks off is not the receiver's business.
            let _ = serve(stream, &seen).await;
        });
    }
}

async fn serve(stream: TcpStream, seen: &Mutex<Vec<Seen>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        seen.lock().expect("no holder panics").push(request);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}").await?;
    }
    Ok(())
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Seen>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line.trim_end().is_empty() {
            break;
        }
        let (name, value) = line.trim_end().split_once(':').unwrap_or_default();
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        if name == "content-length" {
            length = value.parse().unwrap_or(0);
        }
        if name != "host" {
            headers.push((name, value));
        }
    }
    headers.sort();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Seen { method, target, headers, body }))
}
