//! A peer that says what a test tells it to, and remembers what it heard.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::client::Egress;
use super::policy::Policy;
use super::request::{Request, Transport};
use super::resolver::Lookup;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A request without a body.
pub fn request(url: &str) -> Request {
    let transport = Transport {
        connect_timeout: Duration::from_secs(10),
        answer_timeout: Duration::from_secs(20),
        ..Transport::default()
    };
    Request { method: "POST".into(), url: url.into(), headers: Vec::new(), body: bytes::Bytes::new(), transport }
}

/// A door without a proxy.
pub fn door(policy: Policy) -> Egress {
    Egress::for_tests(policy, Lookup::default(), None)
}

/// What is said to the requests in turn, over all connections.
#[derive(Clone, Default)]
pub struct Script {
    answers: Arc<Mutex<Vec<Vec<u8>>>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Script {
    pub fn new(answers: &[&[u8]]) -> Self {
        let answers = answers.iter().rev().map(|answer| answer.to_vec()).collect();
        Self { answers: Arc::new(Mutex::new(answers)), heard: Arc::default() }
    }
    /// Heads of the requests, and the empty text for a connection that said nothing.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// One connection: heads without bodies, until the script ends.
    pub async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        loop {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            if head.is_empty() {
                return;
            }
            self.heard.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
            let answer = self.answers.lock().unwrap().pop();
            let Some(answer) = answer else { return std::future::pending().await };
            if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
                return;
            }
            if answer.windows(17).any(|part| part == b"connection: close") {
                let _ = stream.shutdown().await;
                return;
            }
        }
    }
}

/// A plain peer.
pub struct Peer {
    address: SocketAddr,
    script: Script,
    task: tokio::task::JoinHandle<()>,
}

impl Peer {
    pub async fn start(ip: &str, answers: &[&str]) -> Self {
        Self::start_at(SocketAddr::new(ip.parse().unwrap(), 0), answers).await
    }
    pub async fn start_at(address: SocketAddr, answers: &[&str]) -> Self {
        let answers: Vec<&[u8]> = answers.iter().map(|answer| answer.as_bytes()).collect();
        Self::start_with(address, Script::new(&answers)).await
    }
    pub async fn start_with(address: SocketAddr, script: Script) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = script.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = serving.clone();
                tokio::spawn(async move { script.serve(stream).await });
            }
        });
        Self { address, script, task }
    }
    pub fn port(&self) -> u16 {
        self.address.port()
    }
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
    pub fn heard(&self) -> Vec<String> {
        self.script.heard()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
