//! How far the work has come: items by stage, and labels by day.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::snapshot::Snapshot;
use crate::store::items::Stage;
use crate::store::labels::Reading;

/// Days shown, today included.
const DAYS_MAX: i64 = 60;
const DAY_SECONDS: i64 = 86_400;

/// Items by stage, and labels by day.
#[derive(Debug, Serialize)]
pub(super) struct Progress {
    stages: Vec<Count>,
    /// Days of the last [`DAYS_MAX`] on which somebody labeled, oldest first, in UTC.
    days: Vec<Day>,
}

/// Items of a stage.
#[derive(Debug, Serialize)]
struct Count {
    stage: &'static str,
    items: u64,
}

/// Labels of a day, by what they were given for.
#[derive(Debug, Default, Serialize)]
struct Day {
    /// Like `2026-11-22`.
    day: String,
    first: usize,
    second: usize,
    /// Deciding labels: of experts and of reviewers.
    expert: usize,
}

impl Progress {
    pub(super) fn of(snapshot: &Snapshot, now: i64) -> Self {
        let today = now.div_euclid(DAY_SECONDS);
        let mut days: BTreeMap<i64, Day> = BTreeMap::new();
        for past in snapshot.labeled.iter().flat_map(|item| &item.past) {
            let day = past.made_at.div_euclid(DAY_SECONDS);
            if past.label().is_none() || day <= today - DAYS_MAX || day > today {
                continue;
            }
            let counts = days.entry(day).or_default();
            match past.read.reading {
                Reading::First => counts.first += 1,
                Reading::Second => counts.second += 1,
                Reading::Expert | Reading::Campaign | Reading::Review => counts.expert += 1,
                Reading::Validation | Reading::Gold => {} // not in the snapshot
            }
        }
        let stages = Stage::ALL.into_iter().zip(snapshot.stages);
        Self {
            stages: stages.map(|(stage, items)| Count { stage: name(stage), items }).collect(),
            days: days.into_iter().map(|(day, counts)| Day { day: date(day), ..counts }).collect(),
        }
    }
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::New => "imported",
        Stage::Clean => "redacted",
        Stage::Accepted => "accepted",
        Stage::First => "first",
        Stage::Second => "second",
        Stage::Expert => "expert",
        Stage::Done => "done",
        Stage::Quarantined => "quarantined",
        Stage::Review => "review",
    }
}

fn date(day: i64) -> String {
    let time = Timestamp::from_second(day.saturating_mul(DAY_SECONDS));
    time.map_or_else(|_| String::new(), |time| time.to_zoned(TimeZone::UTC).date().to_string())
}
