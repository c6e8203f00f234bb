//! A ConfigMap and a Secret of any content: loading ends, twice with the same outcome, and every key that is broken is
//! named with a cause. What is in order stays usable.

use super::pairs;
use gatepost::notify::lint::lint;
use gatepost::notify::{ConfigInput, Configuration, LoadOptions};

/// One input.
pub fn run(text: &str) {
    let configmap = pairs(text);
    let secret = [("k", "secret-value"), ("url", "https://h/x"), ("yes", "yes")];
    let secret = secret.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into();
    let input = ConfigInput { configmap, secret, ..ConfigInput::default() };
    let options = LoadOptions { kinds: gatepost::service::kinds(), ..LoadOptions::default() };
    let first = Configuration::load(&input, None, &options);
    let again = Configuration::load(&input, Some(&first), &options);
    assert_eq!(first.problems(), again.problems(), "the same text, other problems");
    for problem in first.problems() {
        assert!(!problem.cause.is_empty(), "{} without a cause", problem.key);
        drop(problem.to_string());
    }
    drop(Configuration::strict_load(&input, &options));
    drop(lint(&first, input.configmap.keys().map(String::as_str)));
}
