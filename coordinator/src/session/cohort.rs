//! Which sites can take part in a session, and how many of them must.

use insitu_privacy::secagg::Session;
use insitu_protocol::ids::SiteName;
use insitu_protocol::session::{MEMBERS_MAX, Member};

use super::{NOISY_SITES_MIN, SITES_MIN, Unfit};
use crate::store::{StoreError, Tx};

/// From this many sites on one of them may collude with the coordinator, unless the operator says
/// otherwise: with four, T − 1 would leave noise of two.
const COLLUDER_FROM_SITES: usize = 5;

/// The members of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cohort {
    /// One agent a site, by site.
    pub members: Vec<Member>,
    /// T: sites that must answer each stage.
    pub threshold: u8,
    /// c: sites that may collude with the coordinator.
    pub colluders: u8,
}

impl Cohort {
    /// T − c: the sites whose noise is certain to be in the sum.
    pub fn noisy_sites(&self) -> usize {
        usize::from(self.threshold - self.colluders)
    }
}

/// Chooses among the invited sites those that are members and have announced a key.
///
/// # Errors
/// [`StoreError`]; the inner [`Unfit`] when they are too few.
pub fn choose(
    tx: &Tx<'_>,
    invited: &[SiteName],
    colluders: Option<u8>,
) -> Result<Result<Cohort, Unfit>, StoreError> {
    let mut members = tx.announced_members()?;
    members.retain(|member| invited.contains(&member.site));
    Ok(of(members, invited.len(), colluders))
}

fn of(members: Vec<Member>, invited: usize, colluders: Option<u8>) -> Result<Cohort, Unfit> {
    let ready = members.len();
    if ready < SITES_MIN {
        return Err(Unfit::TooFewSites { ready, invited });
    }
    if ready > MEMBERS_MAX {
        return Err(Unfit::TooManySites { ready });
    }
    let threshold = Session::default_threshold(ready);
    let colluders = colluders.unwrap_or_else(|| u8::from(ready >= COLLUDER_FROM_SITES));
    if threshold < usize::from(colluders) + NOISY_SITES_MIN {
        return Err(Unfit::TooFewHonest { threshold, colluders: colluders.into() });
    }
    let threshold = u8::try_from(threshold).expect("at most the 255 sites of a session");
    Ok(Cohort { members, threshold, colluders })
}

#[cfg(test)]
mod tests {
    use insitu_protocol::bytes::Fixed;

    use super::*;

    fn members(sites: usize) -> Vec<Member> {
        (0..sites)
            .map(|index| Member {
                site: format!("s{index:03}").parse().unwrap(),
                agent: "a1".parse().unwrap(),
                verify_key: Fixed([u8::try_from(index % 256).unwrap(); 32]),
            })
            .collect()
    }

    #[test]
    fn thresholds_keep_three_noisy_sites_and_one_list_of_survivors() {
        for sites in SITES_MIN..=MEMBERS_MAX {
            let cohort = of(members(sites), sites, None).unwrap();
            let (threshold, colluders) =
                (usize::from(cohort.threshold), usize::from(cohort.colluders));
            assert!(2 * (sites - threshold) + colluders < sites, "{sites}");
            assert!(cohort.noisy_sites() >= NOISY_SITES_MIN, "{sites}");
            assert_eq!(colluders, usize::from(sites > 4));
        }
    }

    #[test]
    fn a_cohort_that_hides_nobody_is_refused_with_the_numbers() {
        let refused = of(members(3), 5, None).unwrap_err().to_string();
        assert!(refused.starts_with("3 sites cannot hide one another: 4 of the 5"), "{refused}");
        assert!(matches!(of(members(256), 256, None), Err(Unfit::TooManySites { ready: 256 })));
        assert!(matches!(
            of(members(4), 4, Some(1)),
            Err(Unfit::TooFewHonest { threshold: 3, colluders: 1 })
        ));
    }
}
