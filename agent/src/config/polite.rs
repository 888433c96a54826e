//! `[polite]`: when the agent makes way for what else the machine has to do.

use serde::Deserialize;

use super::ConfigError;

/// The lowest priority that a program may give itself.
const NICE_MAX: u8 = 19;

/// `[polite]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Polite {
    /// Whether the agent looks at the machine at all before it works.
    pub enabled: bool,
    /// How far the daemon lowers its priority when it starts, 0 to 19.
    pub nice: u8,
    /// Nothing is prelabeled while the load of each core is above this.
    pub load: f64,
    /// Nothing is trained or evaluated while the load of each core is above this.
    pub load_training: f64,
    /// Nothing of either is done while less than this share of the memory is available.
    pub memory_free: f64,
    /// Nothing of either is done while a sensor is hotter than this, °C; training stops 10 °C before.
    pub celsius: f32,
    /// Whether heads are trained on a battery.
    pub battery_training: bool,
    /// Nothing is prelabeled on a battery below this many percent.
    pub battery_percent: u8,
    /// Whether each byte costs: objects above `metered_bytes` then wait for another network.
    pub metered: bool,
    /// Largest object of a bundle that is fetched over a metered network. A head fits, a backbone does
    /// not.
    pub metered_bytes: u64,
}

impl Default for Polite {
    fn default() -> Self {
        Self {
            enabled: true,
            nice: 5,
            load: 3.0,
            load_training: 2.0,
            memory_free: 0.05,
            celsius: 90.0,
            battery_training: false,
            battery_percent: 20,
            metered: false,
            metered_bytes: 1024 * 1024,
        }
    }
}

impl Polite {
    /// Largest object that is fetched now; `None` is any.
    pub fn object_bytes_max(&self) -> Option<u64> {
        (self.enabled && self.metered).then_some(self.metered_bytes)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let range = |key, got: f64, min: f64, max: f64| {
            if (min..=max).contains(&got) {
                Ok(())
            } else {
                Err(ConfigError::Range { key, got, min, max })
            }
        };
        range("polite.nice", f64::from(self.nice), 0.0, f64::from(NICE_MAX))?;
        range("polite.load", self.load, 0.1, 1000.0)?;
        range("polite.load_training", self.load_training, 0.1, 1000.0)?;
        range("polite.memory_free", self.memory_free, 0.0, 0.9)?;
        range("polite.celsius", f64::from(self.celsius), 20.0, 150.0)?;
        range("polite.battery_percent", f64::from(self.battery_percent), 0.0, 100.0)
    }
}
