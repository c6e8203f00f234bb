//! Endpoints that mean harm, or are broken: each costs a bounded time and memory and is named for what it did.

use super::receiver::{Receiver, answer, header};
use super::*;
use tokio::io::AsyncWriteExt as _;

/// Writes until the other side has had enough; how much that was.
async fn pour(stream: &mut tokio::net::TcpStream, chunk: &[u8], most: usize) -> usize {
    let mut written = 0;
    while written < most && stream.write_all(chunk).await.is_ok() {
        written += chunk.len();
    }
    written
}

#[tokio::test]
async fn an_endless_body_ends_at_the_limit() {
    let endpoint = Receiver::serving(|_, mut stream| async move {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await);
        pour(&mut stream, &[b'a'; 1 << 14], usize::MAX).await;
    })
    .await;
    let error = asker(Known::default()).ask(&question(&endpoint.url("/x"))).await.unwrap_err();
    assert!(!error.is_transport(), "another try would bring the same");
    let text = error.to_string();
    assert!(text.starts_with("failed to read response body: Get \"http://127.0.0.1:"), "{text}");
    assert!(text.ends_with("its body is longer than 1048576 bytes"), "{text}");
}

#[tokio::test]
async fn ten_gigabytes_behind_gzip_end_at_the_limit() {
    let endpoint = Receiver::serving(|_, mut stream| async move {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n").await);
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut mebibyte = || {
            std::io::Write::write_all(&mut bomb, &vec![0; 1 << 20]).unwrap();
            std::io::Write::flush(&mut bomb).unwrap();
            std::mem::take(bomb.get_mut())
        };
        // Flushed, so that the second and each further mebibyte of zeros are the same bytes.
        let (first, further) = (mebibyte(), mebibyte());
        drop(stream.write_all(&first).await);
        pour(&mut stream, &further, further.len() * (10 << 10)).await;
    })
    .await;
    let text = refused(&asker(Known::default()), &question(&endpoint.url("/x"))).await;
    assert!(text.ends_with("its body is longer than 1048576 bytes"), "{text}");
}

#[tokio::test]
async fn a_gzipped_answer_is_read_as_what_it_is() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, b"{\"approved\":true}").unwrap();
    let packed = Arc::new(packed.finish().unwrap());
    let endpoint = Receiver::serving(move |_, mut stream| {
        let packed = Arc::clone(&packed);
        async move {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
            drop(stream.write_all(&[head.as_bytes(), &packed].concat()).await);
        }
    })
    .await;
    let answer = asker(Known::default()).ask(&question(&endpoint.url("/x"))).await.unwrap();
    assert_eq!(&answer.body[..], b"{\"approved\":true}");
    assert!(!answer.headers.contains_key("Content-Encoding"), "as in Go");
}

#[tokio::test]
async fn one_who_trickles_has_the_gates_time_and_no_more() {
    let trickle = |start: &'static [u8]| {
        Receiver::serving(move |_, mut stream| async move {
            drop(stream.write_all(start).await);
            while stream.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
    };
    for start in [b"HTTP/1.1 200 OK\r\nX-Slow: ".as_slice(), b"HTTP/1.1 200 OK\r\n\r\n"] {
        let endpoint = trickle(start).await;
        let asked = Question { timeout: Duration::from_millis(600), ..question(&endpoint.url("/x")) };
        let error = asker(Known::default()).ask(&asked).await.unwrap_err();
        assert!(error.is_transport());
        assert!(error.to_string().ends_with("no complete answer within 0.6 s (httpRequest.timeout)"), "{error}");
    }
}

#[tokio::test]
async fn a_body_that_stalls_or_breaks_off_is_no_answer() {
    let endpoint = Receiver::answering(|_| Some("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".into())).await;
    let text = refused(&asker(Known::default()), &question(&endpoint.url("/x"))).await;
    assert!(text.contains("failed to read response body") && text.contains("broke off"), "{text}");
    let stalled = Receiver::serving(|_, mut stream| async move {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{").await);
        std::future::pending().await
    })
    .await;
    let transport = Transport {
        tenant: TEAM.into(),
        whole: true,
        longest_pause: Duration::from_millis(300),
        ..Transport::default()
    };
    let request =
        Request { method: "GET".into(), url: stalled.url("/"), headers: Vec::new(), body: "".into(), transport };
    let error = door().send(&request).await.unwrap_err().to_string();
    assert!(error.ends_with("nothing more of its body came for 0.3 s"), "{error}");
}

#[tokio::test]
async fn a_redirect_to_the_metadata_address_is_not_followed() {
    let location = "Location: http://169.254.169.254/latest/meta-data/iam\r\n";
    let endpoint = Receiver::answering(move |_| Some(answer(302, location, ""))).await;
    let text = refused(&asker(Known::default()), &question(&endpoint.url("/x"))).await;
    assert!(text.contains("redirects to http://169.254.169.254, which is not followed"), "{text}");
    assert!(!text.contains("meta-data"), "{text}");
    let redirects = vec![Rule::parse("169.254.169.254").unwrap()];
    let options = Options { redirects, ..Options::default() };
    let text = refused(&asker_with(Known::default(), options), &question(&endpoint.url("/x"))).await;
    assert!(text.contains("egress refused http://169.254.169.254") && text.contains("metadata"), "listed: {text}");
}

#[tokio::test]
async fn metadata_and_what_is_not_allowed_are_refused_before_anything_is_sent() {
    let asker = asker(Known::default());
    for url in ["http://169.254.169.254/latest", "http://[::1]:80/", "http://10.0.0.1/", "http://0xa9fea9fe/"] {
        let error = asker.ask(&question(url)).await.unwrap_err();
        assert!(matches!(error, AskError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("egress.tenants.\"team-a\""), "{error}");
    }
    let platform = Question { namespace: "argocd".into(), ..question("http://127.0.0.1:1/") };
    let text = refused(&asker, &platform).await;
    assert!(text.contains("to egress.allow"), "the platform's own list: {text}");
}

#[tokio::test]
async fn credentials_never_follow_to_another_host() {
    let other = Receiver::answering(|_| Some(answer(200, "", "there"))).await;
    let location = format!("Location: {}\r\n", other.url("/loot?x=1"));
    let endpoint = Receiver::answering(move |_| Some(answer(302, &location, ""))).await;
    let known = || {
        Known::default()
            .secret(TEAM, "creds", &[("token", "glpat-1")])
            .repository(Kind::ScmProvider, json!({"gitlab": {"domain": "127.0.0.1"}}))
    };
    let mut asked = with(&endpoint.url("/x"), Authentication::Scm);
    asked.headers = vec![("X-Api-Key".into(), "k3y".into()), ("Accept".into(), "text/plain".into())];
    let text = refused(&asker(known()), &asked).await;
    assert!(text.contains("which is not followed") && text.contains("gates.requests.redirects"), "{text}");
    assert!(other.seen().is_empty());
    assert_eq!(header(&endpoint.seen()[0], "Private-Token"), "glpat-1");

    let redirects = vec![Rule::parse(&format!("127.0.0.1:{}", other.port)).unwrap()];
    let options = Options { redirects, ..Options::default() };
    let answer = asker_with(known(), options).ask(&asked).await.unwrap();
    let seen = other.seen().remove(0);
    assert_eq!((&answer.body[..], header(&seen, "Accept")), (b"there".as_slice(), "text/plain".to_owned()));
    for credential in ["Private-Token", "X-Api-Key", "Idempotency-Key"] {
        assert_eq!(header(&seen, credential), "", "{seen}");
    }
}

#[tokio::test]
async fn redirects_within_the_origin_keep_what_the_gate_sends() {
    let endpoint = Receiver::answering(|request| {
        Some(if request.starts_with("POST /start") {
            answer(302, "Location: /end\r\n", "")
        } else if request.starts_with("GET /end") {
            answer(200, "", "done")
        } else {
            answer(302, "Location: /loop\r\n", "")
        })
    })
    .await;
    let mut asked = question(&endpoint.url("/start"));
    asked.method = "POST".into();
    asked.headers = vec![("X-One".into(), "1".into()), ("Content-Type".into(), "text/plain".into())];
    asked.body = Some("hello".into());
    assert_eq!(&asker(Known::default()).ask(&asked).await.unwrap().body[..], b"done");
    let second = &endpoint.seen()[1];
    assert_eq!((header(second, "X-One"), header(second, "Content-Type")), ("1".into(), String::new()));
    let text = refused(&asker(Known::default()), &question(&endpoint.url("/loop"))).await;
    assert!(text.contains("more than 3 redirects"), "{text}");
}

#[tokio::test]
async fn too_many_headers_and_too_long_ones_are_said() {
    let many: String = (0..1000).map(|n| format!("X-{n}: 1\r\n")).collect();
    let endpoint = Receiver::answering(move |_| Some(answer(200, &many, ""))).await;
    let text = refused(&asker(Known::default()), &question(&endpoint.url("/x"))).await;
    assert!(text.contains("more than 128 headers"), "{text}");
    let long = format!("X-Long: {}\r\n", "a".repeat(100 << 10));
    let endpoint = Receiver::answering(move |_| Some(answer(200, &long, ""))).await;
    let text = refused(&asker(Known::default()), &question(&endpoint.url("/x"))).await;
    assert!(text.contains("its headers are longer than 65536 bytes"), "{text}");
}

#[tokio::test]
async fn deep_json_is_said_and_other_bytes_are_left_as_they_are() {
    let endpoint = Receiver::answering(|_| Some(answer(200, "", &"[".repeat(100_000)))).await;
    let text = refused(&asker(Known::default()), &question(&endpoint.url("/x"))).await;
    assert!(text.ends_with("its JSON nests deeper than 127 levels"), "{text}");
    let endpoint = Receiver::serving(|_, mut stream| async move {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nX-Odd: a\xffb\r\nContent-Length: 3\r\n\r\na\xffb").await);
    })
    .await;
    let answer = asker(Known::default()).ask(&question(&endpoint.url("/x"))).await.unwrap();
    assert_eq!(&answer.body[..], b"a\xffb");
    assert_eq!(answer.headers["X-Odd"], ["a\u{fffd}b"]);
}

#[tokio::test]
async fn what_is_no_http_is_said() {
    let endpoint = Receiver::answering(|_| Some("SSH-2.0-OpenSSH_9.6\r\n".into())).await;
    let error = asker(Known::default()).ask(&question(&endpoint.url("/x"))).await.unwrap_err();
    assert!(error.is_transport() && error.to_string().contains("no answer"), "{error}");
}
