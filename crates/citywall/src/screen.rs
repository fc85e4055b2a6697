//! What a command says on standard output and standard error.
//!
//! Owns: lines that go nowhere where nobody reads them any more (`citywall check | head`), and an output that
//! cannot be written (a full disk), which makes the command fail. `println!` panics at both. Does not own: the
//! log (`logging`), and what `watch` writes, which goes on without its reader.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

/// Why standard output could not be written.
static FAILED: OnceLock<String> = OnceLock::new();

/// A line on standard output.
macro_rules! outln {
    () => { $crate::screen::out(format_args!("\n")) };
    ($($text:tt)*) => { $crate::screen::out(format_args!("{}\n", format_args!($($text)*))) };
}

/// A line on standard error.
macro_rules! errln {
    ($($text:tt)*) => { $crate::screen::err(format_args!($($text)*)) };
}

/// Writes to standard output; what fails there is told at the end, by [`failed`].
pub fn out(text: Arguments<'_>) {
    if let Err(error) = std::io::stdout().write_fmt(text)
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = FAILED.set(error.to_string());
    }
}

/// Writes a line to standard error. Where that fails there is nobody left to tell.
pub fn err(text: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes what waits, and says why standard output could not be written, where that is so.
pub fn failed() -> Option<&'static str> {
    if let Err(error) = std::io::stdout().flush()
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = FAILED.set(error.to_string());
    }
    FAILED.get().map(String::as_str)
}
