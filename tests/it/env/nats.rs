//! Real NATS servers: one with users, permissions and an nkey, one with TLS; and a subscriber.

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use super::part::{self, Part};

/// The servers of this test run.
pub struct Nats {
    _part: Part,
    /// Users `watcher` and `argocd`, both with the password `s3cr3t`; `argocd` may publish below `argocd.` only. Takes 4 KiB.
    pub port: u16,
    /// TLS, and no users.
    pub tls: u16,
    /// PEM of the authority that signed the certificate for `localhost`.
    pub authority: PathBuf,
}

/// The servers, started by the first caller.
pub async fn nats() -> &'static Nats {
    static NATS: OnceCell<Result<Nats, String>> = OnceCell::const_new();
    match NATS.get_or_init(start).await {
        Ok(nats) => nats,
        Err(reason) => panic!("{reason}"),
    }
}

async fn start() -> Result<Nats, String> {
    let part = part::start("nats.sh", Vec::new()).await?;
    let [port, tls, authority] = part.words.as_slice() else {
        return Err("nats.sh did not name two ports and a certificate".to_owned());
    };
    let read = |text: &String| text.parse::<u16>().map_err(|e| format!("nats.sh named the port {text}: {e}"));
    let (port, tls, authority) = (read(port)?, read(tls)?, PathBuf::from(authority));
    Ok(Nats { _part: part, port, tls, authority })
}

/// A message as it came.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Subject.
    pub subject: String,
    /// The header block; empty where there is none.
    pub head: String,
    /// Body.
    pub body: String,
}

/// A subscription of the user `watcher`.
pub struct Subscriber {
    stream: BufReader<TcpStream>,
}

impl Nats {
    /// Subscribes at the server with users; what is published from now on is seen.
    pub async fn subscribe(&self, subject: &str) -> Subscriber {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).await.expect("nats listens"));
        let hello = format!(
            "CONNECT {{\"user\":\"watcher\",\"pass\":\"s3cr3t\",\"headers\":true,\"verbose\":false}}\r\nSUB {subject} 1\r\nPING\r\n"
        );
        stream.write_all(hello.as_bytes()).await.expect("nats reads");
        let mut subscriber = Subscriber { stream };
        while subscriber.line().await != "PONG" {}
        subscriber
    }
}

impl Subscriber {
    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.expect("nats goes on");
        assert!(!line.is_empty() && !line.starts_with("-ERR"), "nats ended the subscription: {line}");
        line.trim_end().to_owned()
    }

    /// The next message.
    pub async fn next(&mut self, timeout: Duration) -> Message {
        tokio::time::timeout(timeout, self.read()).await.expect("a NATS message comes in time")
    }

    async fn read(&mut self) -> Message {
        loop {
            let line = self.line().await;
            let words: Vec<&str> = line.split(' ').collect();
            let number = |text: &str| text.parse::<usize>().expect("nats names lengths");
            let (head, total) = match words.as_slice() {
                ["MSG", .., total] => (0, number(total)),
                ["HMSG", .., head, total] => (number(head), number(total)),
                ["PING"] => {
                    self.stream.write_all(b"PONG\r\n").await.expect("nats reads");
                    continue;
                }
                _ => continue,
            };
            let mut bytes = vec![0; total + 2];
            self.stream.read_exact(&mut bytes).await.expect("nats sends what it says");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let subject = words[1].to_owned();
            return Message { subject, head: text(&bytes[..head]), body: text(&bytes[head..total]) };
        }
    }
}
