//! What a site takes part in, and what it declines.

use super::*;

/// The note with which a site that is asked for a changed session declines it.
#[track_caller]
fn declines(change: impl FnOnce(&mut SessionOrder, &mut Site), note: &str) {
    let mut sites = sites(5);
    let mut order = statistics(&sites, 0);
    change(&mut order, &mut sites[0]);
    let row = sites[0].join(&order);
    assert_eq!(row.state, SessionState::Declined, "{}", row.note);
    assert!(row.note.contains(note), "{:?} does not say {note:?}", row.note);
    assert!(!sites[0].has_journal(&order));
    assert!(sites[0].released().is_empty());
}

#[test]
fn an_order_that_does_not_follow_from_the_plan_is_declined() {
    declines(|order, _| order.parts[0].scale_1024 -= 1, "follow from their price");
}

#[test]
fn what_the_policy_does_not_allow_is_declined() {
    declines(|order, _| order.parts.swap(0, 3), "not those that follow");
    declines(|order, _| order.threshold = 3, "two survivor lists");
    declines(|_, site| site.policy.colluders = 2, "policy.colluders");
    declines(|_, site| site.policy.noisy_sites = 4, "policy.noisy_sites");
    declines(|order, _| drop(order.members.remove(0)), "not among the members");
    declines(|order, _| order.members[0].verify_key = Fixed([9; 32]), "not among the members");
    declines(|order, _| order.members[3] = order.members[4].clone(), "repeats");
    declines(|order, _| order.deadlines_unix_s[0] = 9, "closed before");
    declines(|order, _| order.deadlines_unix_s[4] = -1, "not a time");
    declines(|order, _| order.purpose = statistics_of_version(2), "version 2");
    declines(|_, site| site.policy.epsilon_window = 0.1, "a statistics window");
    declines(|_, site| site.policy.epsilon_year = 0.1, "the year");
    declines(|_, site| site.policy.epsilon_local_year = 0.1, "collude");
    declines(|_, site| site.policy.minimum_cohort = 1_000, "fewer than 1000 subjects");
    declines(|_, site| site.policy.peers = Peers::Approved, "4 members' keys are not approved");
}

#[test]
fn a_key_that_changed_waits_for_the_steward() {
    let sites = sites(5);
    let order = statistics(&sites, 0);
    assert_eq!(sites[0].join(&order).state, SessionState::Keys);
    let mut swapped = statistics(&sites, 1);
    let key = site(9, 20, 0).member.verify_key;
    swapped.members[3].verify_key = key;
    let row = sites[0].join(&swapped);
    assert_eq!(row.state, SessionState::Declined);
    assert!(row.note.contains("site-3/agent has another key"), "{}", row.note);
    let changed = |site: &Site| {
        let peers = site.store.read("test", |tx| tx.peers()).unwrap();
        peers.into_iter().filter(|row| row.state == PeerState::Changed).collect::<Vec<_>>()
    };
    let seen = changed(&sites[0]);
    assert_eq!(seen.iter().map(|row| row.member.verify_key).collect::<Vec<_>>(), [key]);
    sites[0].store.tx("test", |tx| tx.approve_peer(&seen[0].member)).unwrap();
    swapped.attempt = 2;
    assert_eq!(sites[0].join(&swapped).state, SessionState::Keys);
    // The old key is another one now.
    assert_eq!(sites[0].join(&statistics(&sites, 3)).state, SessionState::Declined);
}

#[test]
fn where_demanded_only_approved_sites_are_counted() {
    let mut sites = sites(5);
    sites[0].policy.peers = Peers::Approved;
    let members: Vec<Member> = sites.iter().map(|site| site.member.clone()).collect();
    // T - c = 3 of 5: all four others must be approved.
    for (approved, attempt) in (1..5).zip(0..) {
        sites[0].join(&statistics(&sites, 10 * attempt));
        sites[0].store.tx("test", |tx| tx.approve_peer(&members[approved])).unwrap();
        let state = sites[0].join(&statistics(&sites, 10 * attempt + 1)).state;
        let expected = if approved == 4 { SessionState::Keys } else { SessionState::Declined };
        assert_eq!(state, expected, "{approved} approved");
    }
}

/// Ten sites, seven of which must answer and one of which may collude. The first one demands approved
/// peers, and has approved all others but `strangers`.
fn with_strangers(strangers: usize) -> Vec<Site> {
    let mut sites = sites(10);
    sites[0].policy.peers = Peers::Approved;
    let approved = sites[1 + strangers..].iter().map(|site| site.member.clone());
    let approve = |tx: &crate::store::Tx<'_>| {
        approved.clone().try_for_each(|member| {
            tx.add_peer(&member, PeerState::FirstUse, 1)?;
            tx.approve_peer(&member)
        })
    };
    sites[0].store.tx("test", approve).unwrap();
    sites
}

#[test]
fn strangers_that_could_have_two_survivor_lists_signed_are_declined() {
    // With the one colluder that is assumed they sign for three honest sites, and for the three others.
    let sites = with_strangers(3);
    let order = statistics(&sites, 0);
    assert_eq!((order.threshold, order.colluders), (7, 1));
    let row = sites[0].join(&order);
    assert_eq!(row.state, SessionState::Declined);
    assert!(row.note.contains("3 members' keys are not approved"), "{}", row.note);
    assert!(row.note.contains("two survivor lists"), "{}", row.note);
}

#[test]
fn noise_of_strangers_is_not_counted_in_the_price() {
    let (mut sites, order, _) = share(with_strangers(2));
    let charged = |site: &Site| {
        site.tick();
        assert_eq!(site.row(&order).state, SessionState::Masked);
        site.store.read("test", |tx| tx.entries(0, 1)).unwrap().remove(0)
    };
    let entries = [charged(&sites[0]), charged(&sites[1])];
    // T - c = 6, of which the first site counts on 4: the plan's price times 6/4.
    for (entry, (nano_rho, noisy)) in entries.iter().zip([(9_000_000, 4.0), (6_000_000, 6.0)]) {
        assert!(entry.nano_rho.abs_diff(nano_rho) < 20_000, "{}", entry.nano_rho);
        let ratio = entry.nano_rho_local as f64 / entry.nano_rho as f64;
        assert!((ratio - noisy).abs() < 0.01, "{ratio}");
    }
    // The policy is asked again with the vector.
    sites[2].policy.noisy_sites = 7;
    sites[2].tick();
    let row = sites[2].row(&order);
    assert_eq!(row.state, SessionState::Declined);
    assert!(row.note.contains("policy.noisy_sites"), "{}", row.note);
}
