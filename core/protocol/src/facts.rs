//! Facts about the device, in coarse buckets: a fixed schema that no item can influence.

use serde::{Deserialize, Serialize};

/// What an agent tells about its machine with every hello. Each value is a bucket, not a reading.
///
/// Field order is wire order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// The agent's version: major, minor, patch.
    pub version: [u8; 3],
    /// Days since the agent started, 255 and more as 255.
    pub uptime_days: u8,
    /// Load over the last five minutes per core, in quarters, 16 and more as 16.
    pub load_quarters: u8,
    /// Memory in use, in tenths of what the machine has.
    pub memory_tenths: u8,
    /// Disk in use where the agent keeps its data, in tenths.
    pub disk_tenths: u8,
    /// Hottest sensor in steps of 10 °C; `None` where no sensor answers.
    pub temperature_tens: Option<u8>,
    /// Which inference engine is loaded.
    pub engine: EngineKind,
}

/// The inference engine an agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// No model is loaded yet.
    None,
    /// ONNX Runtime, found at run time.
    OnnxRuntime,
    /// The embedded pure-Rust engine.
    Tract,
}
