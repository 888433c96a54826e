//! Build script of the programs: has relocations packed where the C library can read them so.
//!
//! A program that may be loaded anywhere has a table of the places that depend on where it is. The
//! start reads all of it, so it counts as memory for as long as the program runs: 3 MB of the agent's.
//! Packed it is a fiftieth. glibc reads that from 2.36 on; it is asked of the machine that builds, as
//! a program linked there asks for that version's functions anyway.

#![allow(clippy::print_stdout, reason = "a build script talks to cargo on its output")]

use std::process::Command;

/// The first glibc that reads packed relocations.
const GLIBC_MIN: (u32, u32) = (2, 36);

fn main() {
    // Any such line will do: without one the script would run again whenever a file changes.
    println!("cargo:rerun-if-env-changed=TARGET");
    let var = |name| std::env::var(name).unwrap_or_default();
    let here = var("HOST") == var("TARGET") && var("CARGO_CFG_TARGET_ENV") == "gnu";
    if here && glibc().is_some_and(|version| version >= GLIBC_MIN) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of this machine's C library, as `getconf` tells it: "glibc 2.36".
fn glibc() -> Option<(u32, u32)> {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    let mut parts = told.trim().strip_prefix("glibc ")?.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}
