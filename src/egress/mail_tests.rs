#![allow(clippy::unwrap_used)]
use super::*;
use crate::egress::{Identity, Policy, Publish, Server};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

fn egress() -> Egress {
    Egress::new(Policy { loopback_allowed: true, ..Policy::default() })
}

fn mail(host: &str, port: u16) -> Mail {
    Mail {
        tenant: String::new(),
        host: host.to_owned(),
        port,
        tls_first: false,
        tls: TlsOptions::default(),
        credentials: None,
        from: "a@example.com".to_owned(),
        to: vec!["b@example.com".to_owned()],
        subject: "s".to_owned(),
        body: "b".to_owned(),
        html: false,
        message_id: "<1@example.com>".to_owned(),
        date_ms: 0,
    }
}

fn publish(host: &str, port: u16) -> Publish {
    Publish {
        tenant: String::new(),
        servers: vec![Server { host: host.to_owned(), port, tls: false }],
        tls: TlsOptions::default(),
        identity: Identity::default(),
        subject: "s".to_owned(),
        headers: Vec::new(),
        body: b"b".to_vec(),
    }
}

/// A server that greets, then says one line for each line it hears, and hangs up when it has no more to say.
async fn server(greeting: &'static str, script: &'static [&'static str]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(greeting.as_bytes()).await.unwrap();
        for say in script {
            let mut line = String::new();
            if stream.read_line(&mut line).await.is_err() || stream.write_all(say.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    port
}

#[tokio::test]
async fn the_guard_stands_before_mail_and_nats() {
    let cluster = Egress::new(Policy::default());
    for host in ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "0.0.0.0"] {
        let refused = cluster.mail(&mail(host, 25)).await.unwrap_err();
        assert!(matches!(refused, Error::Refused { .. }), "{host}: {refused}");
        let refused = cluster.publish(&publish(host, 4222)).await.unwrap_err();
        assert!(matches!(refused, Error::Refused { .. }), "{host}: {refused}");
    }
    // In files mode loopback is allowed, the metadata server is not.
    let refused = egress().mail(&mail("169.254.169.254", 80)).await.unwrap_err();
    assert!(refused.to_string().contains("\"169.254.169.254:80\" to egress.allow"), "{refused}");
    assert!(matches!(egress().publish(&publish("169.254.169.254", 80)).await, Err(Error::Refused { .. })));
    // A tenant's reach ends at the public internet.
    for host in ["127.0.0.1", "10.0.0.1"] {
        let tenant = "team-a".to_owned();
        let refused = egress().mail(&Mail { tenant: tenant.clone(), ..mail(host, 25) }).await;
        assert!(matches!(refused, Err(Error::Refused { .. })), "{host}");
        let refused = egress().publish(&Publish { tenant, ..publish(host, 4222) }).await;
        assert!(matches!(refused, Err(Error::Refused { .. })), "{host}");
    }
}

#[tokio::test]
async fn what_nobody_has_yet_is_told_from_what_somebody_may_have() {
    let port = server("220 hi\r\n", &["250 hi\r\n", "250 ok\r\n", "250 ok\r\n"]).await;
    let before = egress().mail(&mail("127.0.0.1", port)).await.unwrap_err();
    assert!(matches!(before, Error::Connect { .. }), "{before}");
    let port = server("220 hi\r\n", &["250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"]).await;
    let after = egress().mail(&mail("127.0.0.1", port)).await.unwrap_err();
    assert!(matches!(after, Error::NoAnswer { .. }), "{after}");
    let port = server("421 not now\r\n", &[]).await;
    assert_eq!(egress().mail(&mail("127.0.0.1", port)).await.unwrap().status, 421);

    let info = "INFO {\"max_payload\": 100}\r\n";
    let port = server(info, &["", ""]).await;
    let before = egress().publish(&publish("127.0.0.1", port)).await.unwrap_err();
    assert!(matches!(before, Error::Connect { .. }), "{before}");
    let port = server(info, &["", "PONG\r\n", "", ""]).await;
    let after = egress().publish(&publish("127.0.0.1", port)).await.unwrap_err();
    assert!(matches!(after, Error::NoAnswer { .. }), "{after}");
    let port = server(info, &["", "-ERR 'Authorization Violation'\r\n"]).await;
    assert_eq!(egress().publish(&publish("127.0.0.1", port)).await.unwrap().status, 401);
    let port = server("HTTP/1.1 400 Bad Request\r\n", &[]).await;
    let other = egress().publish(&publish("127.0.0.1", port)).await.unwrap_err();
    assert!(other.to_string().contains("no NATS server"), "{other}");
}

#[tokio::test]
async fn credentials_do_not_leave_unencrypted() {
    // A name that is not loopback to the guard cannot be had here; what `authenticate` is told decides.
    let port = server("220 hi\r\n", &["250-hi\r\n250 AUTH PLAIN LOGIN\r\n"]).await;
    let egress = egress();
    let endpoint = Endpoint { scheme: "smtp", host: "127.0.0.1", port };
    let mail = Mail { credentials: Some(("u".to_owned(), "p".to_owned())), ..mail("127.0.0.1", port) };
    let connection = endpoint.dial(&egress.policy(""), CONNECT_TIMEOUT).await.unwrap();
    let talk = Talk { endpoint: &endpoint, mail: &mail, begun: false };
    let Ok((mut smtp, secured, local)) = talk.open(connection).await else { panic!("no greeting") };
    assert!(!secured && local);
    let Err(Err(Error::Invalid(cause))) = talk.authenticate(&mut smtp, false).await else { panic!("sent") };
    assert!(cause.contains("not sent unencrypted"), "{cause}");
}

#[tokio::test]
async fn a_server_that_never_stops_talking_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { while stream.write_all(&[b'x'; 4096]).await.is_ok() {} });
        }
    });
    let error = egress().mail(&mail("127.0.0.1", port)).await.unwrap_err();
    assert!(error.to_string().contains("more than 65536 bytes"), "{error}");
    let error = egress().publish(&publish("127.0.0.1", port)).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
}

#[test]
fn a_header_is_one_line_and_the_debug_form_tells_nothing() {
    assert_eq!(one_line("a\r\nBcc: x\u{7}\n"), "a Bcc: x");
    let shown = format!("{:?}", Mail { credentials: Some(("u".into(), "hidden".into())), ..mail("h", 1) });
    assert!(!shown.contains("hidden"), "{shown}");
    let wrong = Mail { to: vec!["b@example.com\r\nRCPT TO:<c@example.com>".to_owned()], ..mail("h", 1) };
    assert!(matches!(envelope(&wrong), Err(Error::Invalid(_))));
}
