//! How the program ends, and its two voices: results on standard output, everything else on standard error.

use std::fmt;
use std::io::{self, ErrorKind, Write};

use super::terminal;
use crate::report::Look;

/// How the program can end.
pub mod exit {
    pub const DONE: u8 = 0;
    /// Ours, or the system's: output that cannot be written.
    pub const INTERNAL: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const BAD_INPUT: u8 = 3;
    pub const OBJECTIVE_MISSED: u8 = 4;
    pub const REGRESSION: u8 = 6;
    pub const MISMATCH: u8 = 7;
    pub const INTERRUPTED: u8 = 130;
}

/// Why a verb stopped.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: u8,
    /// The first line is the reason, the others help; empty if all is said.
    pub message: String,
}

impl Failure {
    pub fn internal(message: impl Into<String>) -> Failure {
        Failure { code: exit::INTERNAL, message: message.into() }
    }

    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { code: exit::USAGE, message: message.into() }
    }

    /// By Ctrl-C; `what` says what is left of the work.
    pub fn interrupted(what: impl fmt::Display) -> Failure {
        Failure { code: exit::INTERRUPTED, message: format!("interrupted{what}") }
    }

    /// Ends with this code after everything was said.
    pub fn silent(code: u8) -> Failure {
        Failure { code, message: String::new() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// `error: ...`, and what helps below it. Whoever stops us has made no error.
pub fn tell_failure(failure: &Failure) {
    let message = &failure.message;
    if message.is_empty() {
        return;
    }
    if failure.code == exit::INTERRUPTED {
        return tell(message);
    }
    let look = Look { colour: terminal::stderr_has_colour(), ..Look::PLAIN };
    let mut lines = message.lines();
    tell(&format!("{}: {}", look.bad("error"), lines.next().unwrap_or_default()));
    lines.for_each(|line| tell(&format!("  help: {line}")));
}

/// What the system says, without its number.
pub fn reason(error: &io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// A line on standard error. If nobody can hear it, that changes nothing.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints results. A reader that has gone (`| head`) ends the program without a word.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::silent(exit::DONE)),
        Err(error) => Err(Failure::internal(format!("cannot write to standard output: {error}"))),
    }
}
