//! An endpoint over raw TCP, which keeps to HTTP as far as a test wants it to.

use std::future::Future;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A running endpoint.
pub struct Receiver {
    pub port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// Answers each request by its whole text; `None` is no more than silence.
    pub async fn answering(reply: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let reply = Arc::new(reply);
        Self::serving(move |request, mut stream| {
            let reply = reply(&request);
            async move {
                let Some(reply) = reply else { return std::future::pending().await };
                drop(stream.write_all(reply.as_bytes()).await);
            }
        })
        .await
    }

    /// Hands each connection on after its first request.
    pub async fn serving<F>(serve: impl Fn(String, TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (serve, known) = (Arc::new(serve), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (serve, known) = (Arc::clone(&serve), Arc::clone(&known));
                tokio::spawn(async move {
                    let Some(request) = read_request(&mut stream).await else { return };
                    known.lock().unwrap().push(request.clone());
                    serve(request, stream).await;
                });
            }
        });
        Self { port, seen }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Texts of the requests so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Head and body of one request; `None` where the connection ended before.
pub async fn read_request(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}

/// A complete answer that closes the connection.
pub fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A header's value in a request's text; empty where there is none.
pub fn header(request: &str, name: &str) -> String {
    let prefix = format!("{}: ", name.to_lowercase());
    let found = request.lines().find(|line| line.to_lowercase().starts_with(&prefix));
    found.map(|line| line[prefix.len()..].to_owned()).unwrap_or_default()
}
