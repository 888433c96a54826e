//! Exit codes of every program (`sysexits.h` where it has one).

/// Done.
pub const DONE: u8 = 0;
/// A check failed, or a request was refused.
pub const REFUSED: u8 = 1;
/// The command line makes no sense.
pub const USAGE: u8 = 2;
/// Something failed at run time: a supervisor may start the program again (`EX_SOFTWARE`).
pub const RUNTIME: u8 = 70;
/// The configuration makes no sense: starting again does not help (`EX_CONFIG`).
pub const CONFIGURATION: u8 = 78;
