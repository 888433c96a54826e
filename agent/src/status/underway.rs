//! How far items on their way to people are, and how long that will take.

use serde::Serialize;

/// Items on their way to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Underway {
    /// That wait.
    pub waiting: u64,
    /// How many are done in a minute, as of late; none while the daemon does nothing of the kind.
    pub a_minute: Option<u64>,
    /// How long those that wait will take at that pace.
    pub seconds_left: Option<u64>,
}

impl Underway {
    pub(super) fn new(waiting: u64, a_minute: Option<u64>) -> Self {
        let a_minute = a_minute.filter(|pace| *pace > 0);
        let seconds = |pace| waiting.saturating_mul(60).div_ceil(pace);
        Self { waiting, a_minute, seconds_left: a_minute.map(seconds) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_where_there_is_a_pace() {
        let told = |waiting, pace| Underway::new(waiting, pace).seconds_left;
        assert_eq!(told(1001, Some(1000)), Some(61));
        assert_eq!(told(0, Some(1000)), Some(0));
        assert_eq!((told(7, None), told(7, Some(0))), (None, None));
    }
}
