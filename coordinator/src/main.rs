//! The coordinator: everything is in the library.
fn main() {}
