//! Politeness: whether to work now, or to make way. Training makes way for prelabels, and both for what
//! else the machine has to do.
//!
//! [`decide`] is a pure function of the settings and one look at the machine. Nothing that leaves on
//! a schedule waits for the machine: when a release comes would tell of its load.

use insitu_daemon::machine::{Machine, Power, Reading};

use crate::config::Polite;

/// How long a look at the machine holds, seconds: its load is an average over more.
const LOOK_SECONDS: i64 = 5;
/// Training stops so many °C before prelabeling does.
const TRAINING_COOLER: f32 = 10.0;
/// Training does not make way for prelabels when an order closes within this, seconds.
pub const URGENT_SECONDS: i64 = 600;

/// What may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Redaction and prelabels.
    Prelabel,
    /// Gradients and evaluations of heads.
    Train,
}

impl Work {
    /// The name in reports and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prelabel => "prelabeling",
            Self::Train => "training",
        }
    }
}

/// Why it waits.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Reason {
    /// Others use the processor.
    #[error("the load of each core is {got:.1}, [polite] allows {allowed:.1}")]
    Load {
        /// Over the last minute.
        got: f64,
        /// The setting.
        allowed: f64,
    },
    /// Others use the memory.
    #[error("{:.0} % of the memory is free, [polite] asks for {:.0} %", 100.0 * .got, 100.0 * .needed)]
    Memory {
        /// Share that is available.
        got: f64,
        /// The setting.
        needed: f64,
    },
    /// Too hot.
    #[error("a sensor is at {got:.0} °C, [polite] allows {allowed:.0} °C")]
    Heat {
        /// The hottest.
        got: f32,
        /// The setting.
        allowed: f32,
    },
    /// No training on a battery.
    #[error("the machine runs on its battery")]
    Battery,
    /// Little is left of it.
    #[error("{got} % of the battery is left, [polite] asks for {needed} %")]
    Charge {
        /// Percent left.
        got: u8,
        /// The setting.
        needed: u8,
    },
    /// Items wait for a prelabel.
    #[error("items wait for a prelabel")]
    Prelabels,
}

impl Reason {
    /// The name in metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Load { .. } => "load",
            Self::Memory { .. } => "memory",
            Self::Heat { .. } => "heat",
            Self::Battery => "battery",
            Self::Charge { .. } => "charge",
            Self::Prelabels => "prelabels",
        }
    }
}

/// Why `work` has to wait, if it has.
pub fn decide(polite: &Polite, reading: &Reading, work: Work) -> Option<Reason> {
    if !polite.enabled {
        return None;
    }
    let (load, celsius) = match work {
        Work::Prelabel => (polite.load, polite.celsius),
        Work::Train => (polite.load_training.min(polite.load), polite.celsius - TRAINING_COOLER),
    };
    if let Power::Battery { percent } = reading.power {
        if percent < polite.battery_percent {
            return Some(Reason::Charge { got: percent, needed: polite.battery_percent });
        }
        if work == Work::Train && !polite.battery_training {
            return Some(Reason::Battery);
        }
    }
    if reading.memory_free < polite.memory_free {
        return Some(Reason::Memory { got: reading.memory_free, needed: polite.memory_free });
    }
    if let Some(got) = reading.celsius.filter(|got| *got > celsius) {
        return Some(Reason::Heat { got, allowed: celsius });
    }
    let got = reading.load_per_core;
    (got > load).then_some(Reason::Load { got, allowed: load })
}

/// What looks at the machine. Tests bring one that says what they want.
pub trait Host: Send + std::fmt::Debug {
    /// One look.
    fn look(&mut self) -> Reading;
}

impl Host for Machine {
    fn look(&mut self) -> Reading {
        Self::look(self)
    }
}

/// The settings, and the last look.
#[derive(Debug)]
pub struct Manners {
    polite: Polite,
    host: Box<dyn Host>,
    reading: Option<(i64, Reading)>,
}

impl Manners {
    /// Those of the configuration, on this machine.
    pub fn new(polite: Polite) -> Self {
        Self::on(polite, Box::<Machine>::default())
    }

    /// Those of the configuration, as `host` says.
    pub fn on(polite: Polite, host: Box<dyn Host>) -> Self {
        Self { polite, host, reading: None }
    }

    /// Why `work` has to wait at `now`, Unix seconds, if it has. Looks at the machine every few seconds.
    pub fn wait(&mut self, work: Work, now: i64) -> Option<Reason> {
        if !self.polite.enabled {
            return None;
        }
        let fresh = self.reading.filter(|(at, _)| (0..LOOK_SECONDS).contains(&(now - at)));
        let (_, reading) = match fresh {
            Some(known) => known,
            None => *self.reading.insert((now, self.host.look())),
        };
        decide(&self.polite, &reading, work)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    pub(crate) const QUIET: Reading =
        Reading { load_per_core: 0.1, memory_free: 0.5, celsius: Some(40.0), power: Power::Mains };

    /// A machine that is as the test says.
    #[derive(Clone, Debug)]
    pub(crate) struct Told(pub(crate) Arc<Mutex<Reading>>);

    impl Host for Told {
        fn look(&mut self) -> Reading {
            *self.0.lock().unwrap()
        }
    }

    fn name(polite: &Polite, reading: &Reading, work: Work) -> Option<&'static str> {
        decide(polite, reading, work).map(|reason| reason.name())
    }

    #[test]
    fn each_limit_stops_training_first() {
        let load = |load_per_core| Reading { load_per_core, ..QUIET };
        let memory = |memory_free| Reading { memory_free, ..QUIET };
        let heat = |celsius| Reading { celsius, ..QUIET };
        let battery = |percent| Reading { power: Power::Battery { percent }, ..QUIET };
        /// A look, why prelabeling waits, why training does.
        type Case = (Reading, Option<&'static str>, Option<&'static str>);
        let cases: &[Case] = &[
            (QUIET, None, None),
            (load(2.0), None, None),
            (load(2.1), None, Some("load")),
            (load(3.1), Some("load"), Some("load")),
            (load(f64::NAN), None, None),
            (memory(0.05), None, None),
            (memory(0.049), Some("memory"), Some("memory")),
            (heat(None), None, None),
            (heat(Some(80.0)), None, None),
            (heat(Some(81.0)), None, Some("heat")),
            (heat(Some(91.0)), Some("heat"), Some("heat")),
            (battery(100), None, Some("battery")),
            (battery(20), None, Some("battery")),
            (battery(19), Some("charge"), Some("charge")),
        ];
        let polite = Polite::default();
        for (reading, prelabel, train) in cases {
            assert_eq!(name(&polite, reading, Work::Prelabel), *prelabel, "{reading:?}");
            assert_eq!(name(&polite, reading, Work::Train), *train, "{reading:?}");
            let off = Polite { enabled: false, ..polite.clone() };
            assert_eq!(name(&off, reading, Work::Train), None);
        }
        let on_battery = Polite { battery_training: true, ..polite };
        assert_eq!(name(&on_battery, &battery(50), Work::Train), None);
        // A lower limit for prelabels holds for training too.
        let low = Polite { load: 1.0, ..polite };
        assert_eq!(name(&low, &load(1.5), Work::Train), Some("load"));
        let said = decide(&low, &load(1.5), Work::Train).unwrap().to_string();
        assert_eq!(said, "the load of each core is 1.5, [polite] allows 1.0");
    }

    #[test]
    fn the_machine_is_looked_at_every_few_seconds() {
        let told = Told(Arc::new(Mutex::new(QUIET)));
        let mut manners = Manners::on(Polite::default(), Box::new(told.clone()));
        assert_eq!(manners.wait(Work::Prelabel, 100), None);
        told.0.lock().unwrap().load_per_core = 9.0;
        assert_eq!(manners.wait(Work::Prelabel, 104), None, "the last look still holds");
        assert!(manners.wait(Work::Prelabel, 105).is_some());
        told.0.lock().unwrap().load_per_core = 0.0;
        assert_eq!(manners.wait(Work::Prelabel, 90), None, "a clock that was set back looks again");
    }
}
