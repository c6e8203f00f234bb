//! Where in a JSON text a byte stands: outside of strings, inside one, or inside an escape.

/// The lexer's state between two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Outside of strings.
    #[default]
    Outside,
    /// Inside a string.
    String,
    /// After a backslash inside a string.
    Escape,
    /// Inside `\uXXXX`; so many digits are missing.
    Unicode(u8),
}

/// What a byte does to a text that stands inside a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Legal, still inside.
    To(State),
    /// The string ends.
    End,
    /// Not legal here.
    Illegal,
}

/// One byte inside a string.
#[must_use]
pub fn inside(state: State, byte: u8) -> Step {
    match state {
        State::Outside => Step::Illegal,
        State::String => match byte {
            b'"' => Step::End,
            b'\\' => Step::To(State::Escape),
            0..=0x1f => Step::Illegal,
            _ => Step::To(State::String),
        },
        State::Escape => match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Step::To(State::String),
            b'u' => Step::To(State::Unicode(4)),
            _ => Step::Illegal,
        },
        State::Unicode(missing) => match (byte.is_ascii_hexdigit(), missing) {
            (true, 1) => Step::To(State::String),
            (true, _) => Step::To(State::Unicode(missing - 1)),
            (false, _) => Step::Illegal,
        },
    }
}

/// Runs over the template's own text; illegal bytes inside a string count as part of it.
#[must_use]
pub fn own_text(mut state: State, bytes: &[u8]) -> State {
    for byte in bytes {
        state = match (state, *byte) {
            (State::Outside, b'"') => State::String,
            (State::Outside, _) => State::Outside,
            (_, byte) => match inside(state, byte) {
                Step::To(next) => next,
                Step::End => State::Outside,
                Step::Illegal => State::String,
            },
        };
    }
    state
}

/// Whether a value leaves the text inside the string that it began in, legally and with no escape pending.
#[must_use]
pub fn stays_inside(mut state: State, bytes: &[u8]) -> bool {
    for byte in bytes {
        match inside(state, *byte) {
            Step::To(next) => state = next,
            Step::End | Step::Illegal => return false,
        }
    }
    state == State::String && std::str::from_utf8(bytes).is_ok()
}
