//! Many HTTP receivers in one task set, each on a loopback address of its own: they note when which path came in.
//!
//! The path names Application and revision, so that nothing but the request line is read into memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What all receivers share.
#[derive(Default)]
struct Seen {
    first: Mutex<HashMap<String, Instant>>,
    arrived: tokio::sync::Notify,
}

/// The receivers.
pub struct Receivers {
    seen: Arc<Seen>,
    hanging: Vec<Arc<AtomicBool>>,
    /// `http://127.0.0.N:PORT` of each.
    pub urls: Vec<String>,
}

impl Receivers {
    /// Starts `count` of them.
    pub async fn start(count: usize) -> Self {
        let seen = Arc::new(Seen::default());
        let (mut hanging, mut urls) = (Vec::new(), Vec::new());
        for nth in 0..count {
            let listener = TcpListener::bind(format!("127.0.0.{}:0", nth + 2)).await.expect("a loopback port is free");
            urls.push(format!("http://{}", listener.local_addr().expect("the socket is bound")));
            let hangs = Arc::new(AtomicBool::new(false));
            tokio::spawn(accept(listener, Arc::clone(&seen), Arc::clone(&hangs)));
            hanging.push(hangs);
        }
        Self { seen, hanging, urls }
    }

    /// Whether the `nth` one answers from now on.
    pub fn hang(&self, nth: usize, hangs: bool) {
        self.hanging[nth].store(hangs, Ordering::Release);
    }

    /// When this path came in first; waits for it.
    pub async fn wait(&self, path: &str, patience: Duration) -> Option<Instant> {
        let arrival = async {
            loop {
                let woken = self.seen.arrived.notified();
                tokio::pin!(woken);
                woken.as_mut().enable();
                if let Some(at) = self.at(path) {
                    return at;
                }
                woken.await;
            }
        };
        tokio::time::timeout(patience, arrival).await.ok()
    }

    fn at(&self, path: &str) -> Option<Instant> {
        self.seen.first.lock().expect("no holder panics").get(path).copied()
    }

    /// Forgets what came in.
    pub fn forget(&self) {
        self.seen.first.lock().expect("no holder panics").clear();
    }
}

async fn accept(listener: TcpListener, seen: Arc<Seen>, hangs: Arc<AtomicBool>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (seen, hangs) = (Arc::clone(&seen), Arc::clone(&hangs));
        tokio::spawn(async move {
            // A client that breaks off is not the receiver's business.
            let _ = serve(stream, &seen, &hangs).await;
        });
    }
}

async fn serve(stream: TcpStream, seen: &Seen, hangs: &AtomicBool) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let at = Instant::now();
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 || line.trim_end().is_empty() {
                break;
            }
            let header = line.to_ascii_lowercase();
            length = header.strip_prefix("content-length:").map_or(length, |text| text.trim().parse().unwrap_or(0));
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        if hangs.load(Ordering::Acquire) {
            std::future::pending::<()>().await;
        }
        seen.first.lock().expect("no holder panics").entry(path).or_insert(at);
        seen.arrived.notify_waiters();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
    }
}
