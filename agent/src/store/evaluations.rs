//! Evaluations that the coordinator ordered.

use insitu_protocol::ids::{Digest, EvaluationId};
use insitu_protocol::order::EvaluationOrder;
use insitu_protocol::session::Purpose;
use rusqlite::{OptionalExtension, params};

use crate::store::orders::{RoundState, decode, encode};
use crate::store::{StoreError, Tx};

const TABLE: &str = "evaluations";

/// An evaluation as stored. It goes the way of a round: open, then released or declined.
#[derive(Clone, Debug)]
pub struct EvaluationRow {
    /// The order.
    pub order: EvaluationOrder,
    /// How far it has come.
    pub state: RoundState,
    /// Why it was declined.
    pub note: String,
}

impl Tx<'_> {
    /// Adds an ordered evaluation; a known one stays as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_evaluation(&self, order: &EvaluationOrder) -> Result<(), StoreError> {
        self.sql.execute(
            "INSERT INTO evaluations (evaluation, definition, state) VALUES (?1, ?2, 'open')
             ON CONFLICT (evaluation) DO NOTHING",
            params![order.evaluation.0, encode(order, TABLE)?],
        )?;
        Ok(())
    }

    /// Evaluations in a state, or all of them; in the order in which they came.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn evaluations(&self, state: Option<RoundState>) -> Result<Vec<EvaluationRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT definition, state, note FROM evaluations
             WHERE ?1 IS NULL OR state = ?1 ORDER BY rowid",
        )?;
        let mut rows = statement.query([state.map(RoundState::name)])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let state = RoundState::read(&row.get::<_, String>(1)?, TABLE)?;
            let order = decode(&row.get::<_, Vec<u8>>(0)?, TABLE)?;
            all.push(EvaluationRow { order, state, note: row.get(2)? });
        }
        Ok(all)
    }

    /// Moves an evaluation on. One that is over is listed without its heads, like a round.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_evaluation_state(
        &self,
        evaluation: EvaluationId,
        state: RoundState,
        note: &str,
    ) -> Result<(), StoreError> {
        self.sql.execute(
            "UPDATE evaluations SET state = ?1, note = ?2 WHERE evaluation = ?3",
            params![state.name(), note, evaluation.0],
        )?;
        if state == RoundState::Open {
            return Ok(());
        }
        let definition: Option<Vec<u8>> = self
            .sql
            .prepare_cached("SELECT definition FROM evaluations WHERE evaluation = ?1")?
            .query_row([evaluation.0], |row| row.get(0))
            .optional()?;
        let Some(definition) = definition else { return Ok(()) };
        let mut order: EvaluationOrder = decode(&definition, TABLE)?;
        for contender in [&mut order.current, &mut order.candidate] {
            contender.head.0.clear();
        }
        self.sql.execute(
            "UPDATE evaluations SET definition = ?1 WHERE evaluation = ?2",
            params![encode(&order, TABLE)?, evaluation.0],
        )?;
        Ok(())
    }
}

/// Orders that ask for heads to be trained or evaluated, and are not done.
impl Tx<'_> {
    /// Whether one of them asks about a bundle, in a sum over sites or by itself.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_compared(&self, bundle: &Digest) -> Result<bool, StoreError> {
        let alone = self.evaluations(Some(RoundState::Open))?;
        let sessions = self.open_sessions()?;
        let summed = sessions.iter().filter_map(|row| match &row.order.as_ref()?.purpose {
            Purpose::Evaluation(order) => Some(order),
            Purpose::Update(_) | Purpose::Statistics { .. } => None,
        });
        let mut open = alone.iter().map(|row| &row.order).chain(summed);
        Ok(open.any(|order| order.candidate.bundle == *bundle))
    }

    /// When the first of them closes, Unix seconds; `None` when there is none. Of a session, its vector.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn next_order_closes(&self) -> Result<Option<i64>, StoreError> {
        let rounds = self.rounds(Some(RoundState::Open))?;
        let evaluations = self.evaluations(Some(RoundState::Open))?;
        let sessions = self.open_sessions()?;
        let vectors = sessions.iter().filter(|row| !row.state.is_charged()).filter_map(|row| {
            let order = row.order.as_ref()?;
            match order.purpose {
                Purpose::Update(_) | Purpose::Evaluation(_) => Some(order.deadlines_unix_s[2]),
                Purpose::Statistics { .. } => None,
            }
        });
        let closes = rounds.iter().map(|row| row.order.closes_unix_s);
        Ok(closes.chain(evaluations.iter().map(|row| row.order.closes_unix_s)).chain(vectors).min())
    }
}

#[cfg(test)]
mod tests {
    use insitu_protocol::bytes::{Bytes, Fixed};
    use insitu_protocol::order::Contender;

    use super::*;
    use crate::store::bounds::EVALUATIONS_OVER_MAX;
    use crate::store::tests::scratch;

    fn order(number: u8) -> EvaluationOrder {
        let contender = || Contender {
            bundle: Fixed([1; 32]),
            head: Bytes(vec![1; 4]),
            calibration: Bytes(vec![]),
        };
        EvaluationOrder {
            evaluation: Fixed([number; 16]),
            project: "p".parse().unwrap(),
            project_version: 1,
            backbone: Fixed([2; 32]),
            features: 1,
            current: contender(),
            candidate: contender(),
            nano_rho: 1,
            closes_unix_s: 2,
        }
    }

    #[test]
    fn an_evaluation_is_answered_once_and_forgotten_in_time() {
        let scratch = scratch();
        scratch
            .store
            .tx("test", |tx| {
                tx.put_evaluation(&order(0))?;
                tx.set_evaluation_state(Fixed([0; 16]), RoundState::Declined, "why")?;
                tx.put_evaluation(&order(0))?; // heard again
                let all = tx.evaluations(None)?;
                assert_eq!(
                    (all.len(), all[0].state, &*all[0].note),
                    (1, RoundState::Declined, "why")
                );
                let mut over = order(0);
                over.current.head.0.clear();
                over.candidate.head.0.clear();
                assert_eq!(all[0].order, over, "listed without its heads");
                for number in 1..=u8::try_from(EVALUATIONS_OVER_MAX + 3).unwrap() {
                    tx.put_evaluation(&order(number))?;
                    tx.set_evaluation_state(Fixed([number; 16]), RoundState::Released, "")?;
                }
                tx.put_evaluation(&order(200))?;
                tx.forget_evaluations()?;
                assert_eq!(tx.open_evaluation_count()?, 1);
                assert_eq!(tx.evaluations(Some(RoundState::Open))?[0].order, order(200));
                let left = tx.evaluations(None)?;
                assert_eq!(left.len() as u64, EVALUATIONS_OVER_MAX + 1);
                assert!(left.iter().all(|row| row.order.evaluation != Fixed([0; 16])));
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }
}
