//! Callers of the callbacks listener: bare HTTP/1.1 over a connection that is kept, so that what is measured is the listener and not its
//! callers. Each can come from an address of its own of the loopback network.

use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// What is sent with a request.
pub struct Sent<'a> {
    /// Method and path.
    pub line: String,
    /// The bearer token; empty for none.
    pub bearer: &'a str,
    /// Content type.
    pub kind: &'static str,
    /// The body.
    pub body: &'a str,
}

/// One connection.
pub struct Caller {
    to: SocketAddr,
    from: Ipv4Addr,
    stream: BufReader<TcpStream>,
}

impl Caller {
    /// Connects from this address.
    pub async fn connect(to: SocketAddr, from: Ipv4Addr) -> Self {
        Self { to, from, stream: open(to, from).await }
    }

    /// Sends a request; status and body of the answer. A connection that was closed meanwhile is opened again, once.
    pub async fn send(&mut self, sent: &Sent<'_>) -> (u16, String) {
        if let Ok(answer) = self.exchange(sent).await {
            return answer;
        }
        self.stream = open(self.to, self.from).await;
        self.exchange(sent).await.expect("the listener answers")
    }

    async fn exchange(&mut self, sent: &Sent<'_>) -> std::io::Result<(u16, String)> {
        let Sent { line, bearer, kind, body } = sent;
        let shown = if bearer.is_empty() { String::new() } else { format!("authorization: Bearer {bearer}\r\n") };
        let request = format!(
            "{line} HTTP/1.1\r\nhost: {}\r\n{shown}content-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
            self.to,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        let first = self.line().await?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other("no status"))?;
        let mut length = 0;
        loop {
            let line = self.line().await?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            length = line.strip_prefix("content-length:").map_or(length, |text| text.trim().parse().unwrap_or(0));
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await?;
        Ok((status, String::from_utf8_lossy(&answer).into_owned()))
    }

    async fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).await? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

async fn open(to: SocketAddr, from: Ipv4Addr) -> BufReader<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket can be made");
    socket.bind(SocketAddr::from((from, 0))).expect("the whole of 127.0.0.0/8 is this machine");
    let stream = socket.connect(to).await.expect("the listener is there");
    stream.set_nodelay(true).expect("an open socket");
    BufReader::new(stream)
}
