//! The machine as it is now: load, memory, heat, power. What a polite program looks at before it works.

use std::fs;
use std::path::Path;

use sysinfo::{Components, System};

/// Where Linux says what powers the machine.
const POWER_FOLDER: &str = "/sys/class/power_supply";

/// What was found at one look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Load over the last minute for each core: 1 is as much as the machine can do.
    pub load_per_core: f64,
    /// Share of the memory that is available, in `[0, 1]`.
    pub memory_free: f64,
    /// Hottest sensor in °C; `None` where no sensor answers.
    pub celsius: Option<f32>,
    /// What powers it.
    pub power: Power,
}

/// What powers a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// The mains, or a machine that does not say.
    Mains,
    /// A battery that is being drained.
    Battery {
        /// What is left of the fullest, in percent.
        percent: u8,
    },
}

/// Looks at this machine, again and again.
#[derive(Debug, Default)]
pub struct Machine {
    system: Option<System>,
}

impl Machine {
    /// Looks now. Takes some milliseconds where there are many sensors. What cannot be read is as it
    /// would be on a machine with nothing to do.
    pub fn look(&mut self) -> Reading {
        if self.system.is_none() {
            self.system = System::new().ok();
        }
        Reading {
            load_per_core: load_per_core(|load| load.one),
            memory_free: self.system.as_mut().map_or(1.0, memory_free),
            celsius: hottest(),
            power: power(Path::new(POWER_FOLDER)),
        }
    }
}

/// A load average for each core.
pub(crate) fn load_per_core(which: fn(sysinfo::LoadAvg) -> f64) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    System::load_average().map_or(0.0, |load| which(load) / cores as f64)
}

fn memory_free(system: &mut System) -> f64 {
    system.refresh_memory();
    let total = system.total_memory();
    if total == 0 { 1.0 } else { system.available_memory() as f64 / total as f64 }
}

/// The hottest sensor, °C.
pub(crate) fn hottest() -> Option<f32> {
    let components = Components::new_with_refreshed_list().ok()?;
    components
        .iter()
        .filter_map(sysinfo::Component::temperature)
        .filter(|degrees| degrees.is_finite())
        .max_by(f32::total_cmp)
}

/// Reads `/sys/class/power_supply`: the machine runs on a battery when one of its own is discharging
/// and no mains supply is online. A mouse's battery (scope Device) does not count.
fn power(folder: &Path) -> Power {
    let Ok(entries) = fs::read_dir(folder) else { return Power::Mains };
    let mut drained = None;
    for entry in entries.flatten() {
        let text = |name: &str| {
            let text = fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            text.trim().to_owned()
        };
        match text("type").as_str() {
            "Mains" | "USB" if text("online") == "1" => return Power::Mains,
            "Battery" if text("scope") != "Device" && text("status") == "Discharging" => {
                let percent = text("capacity").parse::<u8>().unwrap_or(100).min(100);
                drained = drained.max(Some(percent));
            }
            _ => {}
        }
    }
    drained.map_or(Power::Mains, |percent| Power::Battery { percent })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supply(folder: &Path, name: &str, values: &[(&str, &str)]) {
        let folder = folder.join(name);
        fs::create_dir(&folder).unwrap();
        for (file, value) in values {
            fs::write(folder.join(file), format!("{value}\n")).unwrap();
        }
    }

    #[test]
    fn a_battery_counts_when_it_is_the_machines_own_and_drained() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(power(&folder.path().join("missing")), Power::Mains);
        let mouse = [("type", "Battery"), ("scope", "Device"), ("status", "Discharging")];
        supply(folder.path(), "mouse", &mouse);
        assert_eq!(power(folder.path()), Power::Mains);
        let battery = [("type", "Battery"), ("status", "Discharging"), ("capacity", "37")];
        supply(folder.path(), "BAT0", &battery);
        assert_eq!(power(folder.path()), Power::Battery { percent: 37 });
        let fuller = [("type", "Battery"), ("status", "Discharging"), ("capacity", "81")];
        supply(folder.path(), "BAT1", &fuller);
        assert_eq!(power(folder.path()), Power::Battery { percent: 81 });
        supply(folder.path(), "AC", &[("type", "Mains"), ("online", "1")]);
        assert_eq!(power(folder.path()), Power::Mains);
        fs::write(folder.path().join("AC/online"), "0").unwrap();
        assert_eq!(power(folder.path()), Power::Battery { percent: 81 });
    }

    #[test]
    fn this_machine_can_be_read() {
        let mut machine = Machine::default();
        for _ in 0..2 {
            let reading = machine.look();
            assert!(reading.load_per_core >= 0.0 && reading.load_per_core.is_finite());
            assert!((0.0..=1.0).contains(&reading.memory_free) && reading.memory_free > 0.0);
        }
    }
}
