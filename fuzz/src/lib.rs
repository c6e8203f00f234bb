//! What the targets share: limits, an environment with a value of every type, and the check that a run stayed within
//! its limits. A target panics only where a promise of the engines is broken.

pub mod targets;

use gatepost_value::json::{self, Numbers};
use gatepost_value::{Budget, CallContext, GoType, Limits, Location, Map, Str, Time, UintKind, Value, namespace};
use peak_alloc::PeakAlloc;
use std::time::Duration;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What a run may hold beyond the bytes that the limits count: expr's own memory budget of a million list elements, twice
/// while a list grows, and the tree of the text.
const OVERHEAD: usize = 128 << 20;

/// Small limits, so that a run that ignores one shows. Time is no limit here: libFuzzer's `-timeout` is.
pub fn limits() -> Limits {
    Limits {
        output_bytes: 64 << 10,
        steps: 20_000,
        time: Duration::from_secs(600),
        call_bytes: 64 << 10,
        live_bytes: 1 << 20,
        depth: 200,
        parse_depth: 200,
    }
}

/// Runs with a fresh meter, and a clock and a source of randomness that always say the same. Panics if the run took
/// much more memory than its limits allow.
pub fn within_limits<R>(run: impl FnOnce(&CallContext<'_>) -> R) -> R {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let budget = Budget::new(limits());
    let random = |bytes: &mut [u8]| bytes.fill(7);
    let now = Time::unix(1_795_262_400, 0);
    let result = run(&CallContext { budget: &budget, now, local: Location::Utc, random: &random, costly: false });
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(taken < OVERHEAD, "a run took {taken} bytes");
    result
}

fn application() -> Value {
    let text = include_bytes!("application.json");
    json::parse(text, Numbers::Kubernetes).expect("the application is JSON")
}

fn entry(name: &'static str, value: Value) -> (Str, Value) {
    (Str::from_static(name), value)
}

/// What texts are run against: an Application, the namespaces of notifications, and one value of each further type.
pub fn environment() -> Value {
    let texts = vec![entry("notificationType", Value::str("backstage")), entry("argocdUrl", Value::str("https://cd"))];
    Value::map(vec![
        entry("app", application()),
        entry("context", Value::Map(Map::frozen_of(GoType::String, texts))),
        entry("secrets", Value::Map(Map::frozen_of(GoType::Bytes, vec![entry("t", Value::Bytes("x".into()))]))),
        entry("time", namespace::time()),
        entry("strings", namespace::strings()),
        entry("repo", Value::map(namespace::repo_pure())),
        entry("items", Value::list((0..50).map(Value::int).collect())),
        entry("texts", Value::list_of(GoType::String, vec![Value::str("a"), Value::str("é")])),
        entry("f", Value::float(1.5)),
        entry("u", Value::Uint(UintKind::Uint64, u64::MAX)),
        entry("at", Value::Time(Time::unix(1_714_979_289, 500_000_000))),
        entry("span", Value::Duration(5_400_000_000_000)),
        entry("bytes", Value::Bytes(vec![0xff, b'a'].into())),
        entry("none", Value::TypedNil(GoType::Map(Box::new(GoType::Any)))),
    ])
}
