//! What happens when whoever reads the standard output has seen enough, as `head` has: the command ends without a word.

/// Exit code of a command whose reader is gone: what shells say of one that a broken pipe ended.
const NO_READER: i32 = 141;

/// From here on a standard output that nobody reads any more ends the process. Rust's own way is a panic of `print!`.
pub(super) fn end_without_a_reader() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str().is_some_and(is_broken_pipe) {
            std::process::exit(NO_READER);
        }
        before(panic);
    }));
}

/// The words of `print!` and `println!`, with the system's behind them.
fn is_broken_pipe(said: &str) -> bool {
    said.starts_with("failed printing to stdout") && said.contains("Broken pipe")
}
