//! How much of an answer is read, and for how long.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::body::read;
use super::policy::{Policy, Rule};
use super::request::{Error, Request, Transport};
use super::testing::{Peer, Script, door, request};
use futures::StreamExt as _;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;

fn policy() -> Policy {
    Policy { allow: vec![Rule::parse("127.0.0.1").unwrap()], ..Policy::default() }
}

async fn peer(answer: &[u8]) -> Peer {
    let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Peer::start_with(anywhere, Script::new(&[answer])).await
}

pub async fn size() {
    let mut answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    answer.extend(vec![b'x'; 1 << 20]);
    let peer = peer(&answer).await;
    let response = door(policy()).send(&request(&peer.url())).await.unwrap();
    assert_eq!((response.status, response.body.len(), response.truncated), (200, 64 << 10, true));
}

/// A gzip stream of 64 MiB of zeros: a block that is stored once and repeated would be made by a tool; flate2 makes it here.
pub async fn inflated() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        std::io::Write::write_all(&mut encoder, &vec![0; 1 << 20]).unwrap();
    }
    let body = encoder.finish().unwrap();
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend(&body);
    let peer = peer(&answer).await;
    let response = door(policy()).send(&request(&peer.url())).await.unwrap();
    assert_eq!((response.status, response.body.len(), response.truncated), (200, 64 << 10, true));
}

pub async fn headers() {
    let lines: String = (0..200).map(|n| format!("x-{n}: v\r\n")).collect();
    let many = peer(format!("HTTP/1.1 200 OK\r\n{lines}content-length: 0\r\n\r\n").as_bytes()).await;
    let refused = door(policy()).send(&request(&many.url())).await;
    assert!(matches!(refused, Err(Error::NoAnswer { .. })), "{refused:?}");
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\ncontent-length: 0\r\n\r\n", "v".repeat(1 << 20));
    let long = peer(long.as_bytes()).await;
    let refused = door(policy()).send(&request(&long.url())).await;
    assert!(matches!(refused, Err(Error::NoAnswer { .. })), "{refused:?}");
}

pub async fn drips() {
    let bounds = |longest_pause, longest_body| Transport { longest_pause, longest_body, ..Transport::default() };
    let target = || "http://drips.example".to_owned();
    assert_eq!(Transport::default(), bounds(Duration::from_secs(10), Duration::from_secs(30)));
    let answer = |body| reqwest::Response::from(http::Response::builder().status(202).body(body).unwrap());
    let x = || Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"x"));
    // Three pieces, then silence.
    let stalled = futures::stream::iter([x(), x(), x()]).chain(futures::stream::pending());
    let impatient = bounds(Duration::from_millis(50), Duration::from_secs(600));
    let stalled = answer(reqwest::Body::wrap_stream(stalled));
    let silent = read(stalled, &impatient, target(), Instant::now()).await.unwrap();
    assert_eq!((silent.status, &silent.body[..], silent.truncated), (202, &b"xxx"[..], false));
    // A piece now and then, for ever.
    let dripping = || {
        let drops = futures::stream::unfold((), move |()| async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Some((x(), ()))
        });
        answer(reqwest::Body::wrap_stream(drops))
    };
    let bounded = bounds(Duration::from_secs(600), Duration::from_millis(50));
    let slow = read(dripping(), &bounded, target(), Instant::now()).await.unwrap();
    assert_eq!(slow.status, 202);
    let whole = Transport { whole: true, ..bounded };
    let refused = read(dripping(), &whole, target(), Instant::now()).await.unwrap_err();
    assert!(refused.to_string().ends_with("its body took longer than 0.05 s"), "{refused}");
}

pub async fn never() {
    let silent = Peer::start("127.0.0.1", &[]).await;
    let transport = Transport {
        connect_timeout: Duration::from_millis(100),
        answer_timeout: Duration::from_millis(100),
        ..Transport::default()
    };
    let late = door(policy()).send(&Request { transport, ..request(&silent.url()) }).await.unwrap_err();
    assert!(matches!(late, Error::NoAnswer { .. }) && late.to_string().contains("within"), "{late}");
}
