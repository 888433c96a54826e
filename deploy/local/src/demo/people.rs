//! Simulated annotators: they work through the same local API as the review page, and know the
//! patients' real diagnoses. One of a site's two is careful, one slips at a known rate.

use std::collections::HashMap;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::data::{Patient, normal};
use crate::clock::{Deadline, pause};
use crate::draws::Draws;

/// Items leased at once.
const CARDS: usize = 50;
/// How long a request is tried again while the agent is down.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before a request is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// How long one request may take.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);

/// A simulated person: name, role at the site, how often they slip.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    /// Account name.
    pub(crate) name: &'static str,
    /// Role at the site.
    pub(crate) role: &'static str,
    /// How many of a thousand labels are wrong.
    pub(crate) slips_per_thousand: u64,
}

/// The two people of every site, in the order in which they work.
pub(crate) const PEOPLE: [Person; 2] = [
    Person { name: "slipping", role: "annotator", slips_per_thousand: 100 },
    Person { name: "careful", role: "expert", slips_per_thousand: 10 },
];

/// What the people of a site did and saw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    /// Annotations given.
    pub(crate) annotations: usize,
    /// Notes read.
    pub(crate) notes: usize,
    /// Pieces of personal data that could be read in them.
    pub(crate) leaked: usize,
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.annotations += other.annotations;
        self.notes += other.notes;
        self.leaked += other.leaked;
    }
}

/// A person at the desk of one site.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    /// Who.
    pub(crate) person: Person,
    /// The site, for draws.
    pub(crate) site: &'static str,
    /// The agent's local API, as `host:port`.
    pub(crate) address: &'a str,
    /// The project.
    pub(crate) project: &'a str,
    /// The person's token.
    pub(crate) token: String,
    /// The site's patients by what an annotator sees of them.
    pub(crate) charts: &'a HashMap<String, &'a Patient>,
    /// Number of classes.
    pub(crate) classes: usize,
    /// What `--seed` fixes.
    pub(crate) draws: Draws,
    /// The HTTP client.
    pub(crate) client: ureq::Agent,
    /// Decisions of all simulated people so far.
    pub(crate) decisions: &'a AtomicU64,
}

/// An HTTP client that reports every status as a value.
pub(crate) fn client() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(REQUEST_WITHIN))
        .http_status_as_error(false)
        .build()
        .into()
}

#[derive(Debug, Deserialize)]
struct Card {
    item: String,
    fields: Vec<FieldShown>,
    prelabel: Option<PrelabelShown>,
}

#[derive(Debug, Deserialize)]
struct FieldShown {
    value: Value,
    kind: String,
}

#[derive(Debug, Deserialize)]
struct PrelabelShown {
    class: usize,
}

impl Desk<'_> {
    /// Labels everything that is waiting for this person.
    ///
    /// # Errors
    /// When the agent refuses, or is down for longer than [`PATIENCE`].
    pub(crate) fn work(&self) -> Result<Work> {
        let mut work = Work::default();
        loop {
            let path = format!("/api/projects/{}/next?count={CARDS}", self.project);
            let answer = self.ask(|| self.authorised(self.client.get(self.url(&path))).call())?;
            let cards: Vec<Card> = serde_json::from_value(answer).context("cards")?;
            if cards.is_empty() {
                return Ok(work);
            }
            for card in &cards {
                self.label(card, &mut work)?;
            }
        }
    }

    fn label(&self, card: &Card, work: &mut Work) -> Result<()> {
        let shown = card.fields.iter().filter(|field| field.kind != "text");
        let values: Vec<String> =
            shown.map(|field| text(&field.value)).map(|v| normal(&v)).collect();
        let chart = values.join("|");
        let patient =
            self.charts.get(&chart).context("a card that shows no patient of this site")?;
        for note in card.fields.iter().filter(|field| field.kind == "text") {
            let note = text(&note.value);
            let visible = |personal: &&String| note.contains(personal.as_str());
            work.notes += 1;
            work.leaked += patient.note.personal.iter().filter(visible).count();
        }
        let who = format!("{}/{}/{chart}", self.site, self.person.name);
        let slips = self.draws.happens(self.person.slips_per_thousand, "slip", &who);
        let class = if slips { (patient.diagnosis + 1) % self.classes } else { patient.diagnosis };
        let agrees = card.prelabel.as_ref().is_some_and(|prelabel| prelabel.class == class);
        let annotation = json!({
            // One key a decision, however often it is sent.
            "key": format!("simulated-{}", self.decisions.fetch_add(1, Ordering::SeqCst)),
            "class": class,
            "decision": if agrees { "accept" } else { "correct" },
            "seconds": 2.0,
        });
        let url = self.url(&format!("/api/items/{}/annotations", card.item));
        self.ask(|| self.authorised(self.client.post(&url)).send_json(&annotation))?;
        work.annotations += 1;
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn authorised<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        request.header("authorization", format!("Bearer {}", self.token))
    }

    /// Asks until the agent answers: it may be restarting.
    fn ask(
        &self,
        request: impl Fn() -> Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value> {
        let deadline = Deadline::after(PATIENCE);
        loop {
            match request() {
                Ok(mut answer) if answer.status().is_success() => {
                    return answer.body_mut().read_json().context("the agent's answer");
                }
                Ok(answer) if answer.status().is_server_error() && !deadline.passed() => {}
                Ok(mut answer) => {
                    let body = answer.body_mut().read_to_string().unwrap_or_default();
                    bail!("the agent of {} answered {}: {body}", self.site, answer.status());
                }
                Err(error) if deadline.passed() => return Err(error).context("the agent's API"),
                Err(_) => {}
            }
            pause(RETRY_AFTER);
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
