//! The audit on a small plan: the path as it is passes, and every planted fault is caught.

use super::*;

#[test]
fn the_path_as_it_is_passes_and_every_planted_fault_is_caught() {
    let report = attack(&QUICK, true, &mut |_, _, _| {}).unwrap();
    let kinds: Vec<&str> = report.releases.iter().map(|release| release.kind).collect();
    assert_eq!(kinds, ["calibration", "campaign", "coincidence", "confusion", "drift", "update"]);
    for release in &report.releases {
        assert_eq!(release.failed, [], "{release:?}");
        assert!(release.epsilon_certain <= release.epsilon_claimed);
        // The attack is no straw man: where it guesses often, it proves a good part of the claim.
        let share = release.epsilon_bound / release.epsilon_claimed;
        assert!(release.trials < 4_000 || share > 0.2, "{release:?}");
    }
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(report.faults.len(), 7);
    for fault in &report.faults {
        assert!(fault.caught, "{fault:?}");
        // Only what was planted is wrong.
        assert_eq!(fault.by.contains("ledger"), fault.fault == "charge skipped", "{fault:?}");
        assert_eq!(fault.by.contains("retry"), fault.fault.contains("retry"), "{fault:?}");
    }
    assert!(report.passed);
}
