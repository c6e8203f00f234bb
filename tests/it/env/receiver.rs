//! An HTTP receiver that answers by a script and remembers what it was asked.
//!
//! It speaks HTTP/1.1 by hand, because a script wants what servers never do on purpose: to hang after the request, to
//! close without an answer, to answer late.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::wait_until;

/// What the receiver does with one request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Answers after `delay`.
    Respond {
        /// Time between the whole request and the answer's first byte.
        delay: Duration,
        /// HTTP status.
        status: u16,
        /// Headers besides Content-Length.
        headers: Vec<(String, String)>,
        /// The whole body.
        body: Vec<u8>,
    },
    /// Answers with what it heard: path, headers and body, as they are, in base64 and URL-encoded.
    Echo(u16),
    /// Reads the request and never answers.
    Hang,
    /// Reads the request and closes the connection.
    Close,
}

impl Answer {
    /// An empty answer of this status.
    pub fn status(status: u16) -> Self {
        Self::Respond { delay: Duration::ZERO, status, headers: Vec::new(), body: Vec::new() }
    }

    /// 200 with a JSON body.
    pub fn json(body: &serde_json::Value) -> Self {
        Self::status(200).header("content-type", "application/json").body(body.to_string())
    }

    /// The same after a while.
    pub fn after(mut self, wait: Duration) -> Self {
        if let Self::Respond { delay, .. } = &mut self {
            *delay = wait;
        }
        self
    }

    /// The same with one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Respond { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The same with this body.
    pub fn body(mut self, text: impl Into<Vec<u8>>) -> Self {
        if let Self::Respond { body, .. } = &mut self {
            *body = text.into();
        }
        self
    }
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Received {
    /// When its last byte was read.
    pub at: Instant,
    /// For example `POST`.
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// In the order sent, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, unchunked.
    pub body: Vec<u8>,
}

impl Received {
    /// The first header of this (lower case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics if it is not.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.text()))
    }
}

#[derive(Default)]
struct State {
    script: VecDeque<Answer>,
    requests: Vec<Received>,
}

impl State {
    /// Notes the request and takes the next answer of the script; the last one repeats.
    fn next_answer(&mut self, request: Received) -> Answer {
        self.requests.push(request);
        let last = self.script.len() < 2;
        let next = if last { self.script.front().cloned() } else { self.script.pop_front() };
        next.unwrap_or_else(|| Answer::status(200))
    }
}

/// A receiver on a loopback port. It stops when dropped.
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

impl Receiver {
    /// Starts one that gives these answers in turn and repeats the last; with none it answers 200 to all.
    pub async fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let address = listener.local_addr().expect("the socket is bound");
        let state = Arc::new(Mutex::new(State { script: script.into_iter().collect(), ..State::default() }));
        let server = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, server }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces what is left of the script.
    pub fn script(&self, script: impl IntoIterator<Item = Answer>) {
        self.state.lock().unwrap().script = script.into_iter().collect();
    }

    /// Everything received so far, in order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.state.lock().unwrap().requests.clone()
    }

    /// How many requests are in.
    pub fn count(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }

    /// Whether a request with this body is in.
    pub fn has(&self, body: &[u8]) -> bool {
        self.state.lock().unwrap().requests.iter().rev().any(|request| request.body == body)
    }

    /// Waits until at least `count` requests are in, and answers with all of them.
    pub async fn wait_for(&self, count: usize, timeout: Duration) -> Vec<Received> {
        let what = format!("{count} requests at {}", self.url());
        wait_until(&what, timeout, || async { self.count() >= count }).await;
        self.requests()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move {
            // A client that breaks off is not the receiver's business.
            let _ = serve(stream, &state).await;
        });
    }
}

async fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream).await? {
        let answer = state.lock().unwrap().next_answer(request.clone());
        match answer {
            Answer::Echo(status) => stream.write_all(&response(status, &[], echo(&request).as_bytes())).await?,
            Answer::Hang => std::future::pending().await,
            Answer::Close => return Ok(()),
            Answer::Respond { delay, status, headers, body } => {
                tokio::time::sleep(delay).await;
                stream.write_all(&response(status, &headers, &body)).await?;
            }
        }
    }
    Ok(())
}

fn echo(request: &Received) -> String {
    use base64::Engine as _;
    let parts = request.headers.iter().map(|(_, value)| value.clone()).chain([request.path.clone(), request.text()]);
    let forms = parts.map(|part| {
        let shifted = base64::engine::general_purpose::STANDARD.encode(format!("x{part}"));
        let encoded: String = url::form_urlencoded::byte_serialize(part.as_bytes()).collect();
        format!("{part}\n{shifted}\n{encoded}\n")
    });
    forms.collect()
}

/// An answer as it goes over the wire.
pub fn response(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// The next request of the connection; `None` when the client is done.
pub async fn read_request<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<Option<Received>> {
    let first = read_line(stream).await?;
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let body = read_body(stream, &headers).await?;
    Ok(Some(Received { at: Instant::now(), method, path, headers, body }))
}

async fn read_body<S: AsyncRead + Unpin>(
    stream: &mut BufReader<S>,
    headers: &[(String, String)],
) -> std::io::Result<Vec<u8>> {
    let header = |name: &str| headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return read_chunks(stream).await;
    }
    let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

async fn read_chunks<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = read_line(stream).await?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16);
        let size = size.map_err(std::io::Error::other)?;
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..]).await?;
        read_line(stream).await?;
        if size == 0 {
            return Ok(body);
        }
    }
}

async fn read_line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}
