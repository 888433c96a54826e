//! Facts about the machine, rounded to coarse buckets before anyone sees them.

use std::path::Path;
use std::time::Duration;

use insitu_protocol::facts::{DeviceFacts, EngineKind};
use sysinfo::{Disks, System};

use crate::machine::{self, load_per_core};

/// This release's version: major, minor, patch.
pub const VERSION: [u8; 3] = version(env!("CARGO_PKG_VERSION"));

/// What is told where the machine cannot be asked: the version and nothing else.
pub fn unknown(engine: EngineKind) -> DeviceFacts {
    DeviceFacts {
        version: VERSION,
        uptime_days: 0,
        load_quarters: 0,
        memory_tenths: 0,
        disk_tenths: 0,
        temperature_tens: None,
        engine,
    }
}

/// Reads the machine. Takes some milliseconds: call it away from the runtime's threads, seldom.
///
/// `data_folder` tells which disk counts. What cannot be read is reported as 0, or `None`.
pub fn collect(engine: EngineKind, uptime: Duration, data_folder: &Path) -> DeviceFacts {
    DeviceFacts {
        version: VERSION,
        uptime_days: bucket(uptime.as_secs_f64(), 86_400.0, 255),
        load_quarters: bucket(load_per_core(|load| load.five), 0.25, 16),
        memory_tenths: memory(),
        disk_tenths: disk(data_folder),
        temperature_tens: machine::hottest().map(|degrees| bucket(f64::from(degrees), 10.0, 255)),
        engine,
    }
}

fn memory() -> u8 {
    let Ok(mut system) = System::new() else {
        return 0;
    };
    system.refresh_memory();
    share(system.used_memory(), system.total_memory())
}

/// The disk that holds `folder`: the one with the longest mount point above it.
fn disk(folder: &Path) -> u8 {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let Ok(disks) = Disks::new_with_refreshed_list() else {
        return 0;
    };
    let holder = disks
        .iter()
        .filter(|disk| folder.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().as_os_str().len());
    holder.map_or(0, |disk| {
        share(disk.total_space().saturating_sub(disk.available_space()), disk.total_space())
    })
}

fn share(used: u64, total: u64) -> u8 {
    if total == 0 { 0 } else { bucket(used as f64 / total as f64, 0.1, 10) }
}

/// Whole steps in `value`, from 0 to `most`.
fn bucket(value: f64, step: f64, most: u8) -> u8 {
    let steps = (value / step).floor().clamp(0.0, f64::from(most));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=255 above, and a NaN becomes 0"
    )]
    let steps = steps as u8;
    steps
}

const fn version(text: &str) -> [u8; 3] {
    let bytes = text.as_bytes();
    let mut parts = [0; 3];
    let (mut part, mut at) = (0, 0);
    while at < bytes.len() && part < parts.len() {
        match bytes[at] {
            digit @ b'0'..=b'9' => parts[part] = parts[part] * 10 + (digit - b'0'),
            b'.' => part += 1,
            _ => break,
        }
        at += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_coarse_and_bounded() {
        assert_eq!(bucket(3.9, 1.0, 255), 3);
        assert_eq!(bucket(1e12, 1.0, 16), 16);
        assert_eq!(bucket(-5.0, 10.0, 255), 0);
        assert_eq!(bucket(f64::NAN, 1.0, 255), 0);
        assert_eq!(share(999, 1000), 9);
        assert_eq!(share(1, 0), 0);
    }

    #[test]
    fn versions_are_three_numbers() {
        assert_eq!(version("0.1.0"), [0, 1, 0]);
        assert_eq!(version("12.34.250-rc.1"), [12, 34, 250]);
    }

    #[test]
    fn this_machine_has_facts() {
        let facts = collect(EngineKind::None, Duration::from_secs(90_000), Path::new("."));
        assert_eq!(facts.version, VERSION);
        assert_eq!(facts.uptime_days, 1);
        assert!(facts.memory_tenths <= 10 && facts.disk_tenths <= 10);
    }
}
