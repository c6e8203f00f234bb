//! What comes from outside, damaged at random: ConfigMaps, annotations, receivers' answers and API requests. The functions are
//! those that libFuzzer runs (`make fuzz`); here each gets inputs made of its seeds by a generator that always begins alike.
//! `GATEPOST_FUZZ_SECONDS` runs each for so long instead.

#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use std::time::{Duration, Instant};

/// Inputs of one target where no time is given.
const INPUTS: u64 = 300;
/// Longest input.
const LONGEST: usize = 4096;

/// Pieces that break things: of YAML, JSON, templates, URLs, queries and headers.
const PIECES: [&str; 32] = [
    "\0",
    "\r\n",
    ": ",
    "- ",
    "\n===\n",
    "{{",
    "}}",
    "{{.app",
    "$k",
    "\"",
    "'",
    "[",
    "{",
    "]",
    "}",
    "\u{feff}",
    "é",
    "%",
    "%2e",
    "&",
    "=",
    "*a",
    "&a ",
    "!!binary ",
    "|\n",
    "999999999999999999999",
    "-1",
    "null",
    "1e999",
    "\t",
    "~",
    "..",
];

/// A small generator (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }
}

/// A seed with some damage.
fn damaged(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] = random.next().to_le_bytes()[0],
            1 if at < bytes.len() => drop(bytes.drain(at..(at + 1 + random.below(20)).min(bytes.len()))),
            2 => {
                let end = (at + random.below(40)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            3 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
            _ => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].bytes()).count()),
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

fn feed(name: &str, seeds: &[Vec<u8>], run: impl Fn(&[u8])) {
    let seconds = std::env::var("GATEPOST_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let ends = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut random = Random(7);
    let mut count = 0;
    while ends.map_or(count < INPUTS, |ends| Instant::now() < ends) {
        let input = damaged(&mut random, seeds);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&input)));
        assert!(outcome.is_ok(), "{name} broke on {:?}", String::from_utf8_lossy(&input));
        count += 1;
    }
    println!("{name}: {count} inputs");
}

fn text(run: impl Fn(&str)) -> impl Fn(&[u8]) {
    move |bytes| run(&String::from_utf8_lossy(bytes))
}

fn seeds(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn any_configuration_is_loaded_or_told() {
    let own =
        [include_str!("../../fuzz/src/targets/configuration.txt"), include_str!("../../fuzz/src/targets/services.txt")];
    let more = "service.email\n===\n{host: h, port: 25, from: $k}\n===\ncontext\n===\na: b\n===\nconfig.yaml\n===\ntriggers: []\n";
    feed("configuration", &seeds(&[own[0], own[1], more]), text(targets::configuration::run));
}

#[test]
fn any_annotation_is_read_or_left() {
    let texts = [
        "notified.notifications.argoproj.io\n===\n{\"on-failed:[0].x:hook:\": 1700000000}",
        "notifications.argoproj.io/subscribe.on-failed.hook\n===\na;b; c:d",
        "notifications.argoproj.io/subscriptions\n===\n- trigger: [on-failed]\n  destinations:\n  - service: hook\n    recipients: [a]\n",
        "recipients.argocd-notifications.argoproj.io\n===\nhook:a,slack:b",
    ];
    feed("annotations", &seeds(&texts), text(targets::annotations::run));
}

#[test]
fn any_answer_is_judged() {
    let answers = [
        "\u{0}\u{0}dcontent-type:application/json|retry-after:7\n{\"ok\": true, \"ts\": \"1.2\", \"channel\": \"C\"}",
        "\u{1}\u{1}\u{2c}\n{\"ok\": false, \"error\": \"ratelimited\"}",
        "\u{2}\u{0}d\n{\"id\": 1, \"token\": \"t\", \"QueueUrl\": \"http://h/q\", \"data\": {\"authToken\": \"a\", \"userId\": \"u\"}}",
        "\u{3}\u{1}\u{90}\n<html>no</html>",
    ];
    feed("answers", &seeds(&answers), targets::answers::run);
}

#[test]
fn any_request_to_the_api_is_answered() {
    let requests = [
        "\u{0}\u{4}?state=dead&limit=7&ids=dlv_0198c0de-0000-7000-8000-000000000000&app=a/b&since=1",
        "\u{1}\u{6}\n{\"ids\": [\"dlv_0198c0de-0000-7000-8000-000000000000\"], \"dryRun\": true, \"asNew\": true}",
        "\u{1}\u{a}\n{\"service\": \"hook\", \"host\": \"h\", \"reason\": \"r\", \"configNamespace\": \"\"}",
        "\u{0}\u{b}argocd/web",
        "\u{0}\u{5}dlv_x",
        "\u{5}\u{7}\n{}",
    ];
    feed("api", &seeds(&requests), targets::api::run);
}
