//! What the agent leaves of the inference engine's speed when it drafts: texts from its store,
//! redacted, tokenised, through the model, and their drafts durably back, beside a bare loop of the
//! same model over the same texts. Label Studio's figure is of a backend that answers at once, so
//! it is its own share.
//!
//! A model that costs nothing would say nothing of this: without `INSITU_MINILM` it is left out.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use insitu_models::engine::{Engine, Library};
use insitu_models::manifest::Pooling;
use insitu_models::pack::TextModel;

use super::federation::{Federation, Packed, wait_for};

/// Texts that are drafted.
const TEXTS: usize = 2000;
/// Texts of a call of the bare loop, as many as the agent takes from its store at once.
const BATCH: usize = 256;
/// Tokens of a text at most, as `pack` has it.
const TOKENS: usize = 128;
/// What the agent must reach of the bare loop.
const SHARE: f64 = 0.9;
/// How often the agent is asked how far it is.
const EVERY: Duration = Duration::from_millis(500);

/// Has the agent draft, then the engine alone, and prints both.
pub(super) fn main(folder: &Path) {
    let Some(model) = std::env::var_os("INSITU_MINILM").map(PathBuf::from) else {
        println!(
            "drafts: left out; INSITU_MINILM=DIR names what models/bundles/fetch-minilm.sh made"
        );
        return;
    };
    let classes = ["card", "transfer", "cash"].map(str::to_owned);
    let bundle = Packed::new(folder, &model, &classes);
    let mut site = Federation::found(folder, &bundle);
    site.serve(&bundle);
    site.stop();
    let texts: Vec<String> = (0..TEXTS).map(text_of).collect();
    let mut lines = String::from("id,text\n");
    for (number, text) in texts.iter().enumerate() {
        writeln!(lines, "{number},{text}").unwrap();
    }
    let file = folder.join("texts.csv");
    fs::write(&file, lines).unwrap();
    site.import(&file, &[]);
    site.start();
    let by_agent = drafted(&site);
    drop(site);

    let engine = Engine::start(&Library::Search).unwrap();
    let mut encoder =
        TextModel::open(&model, TOKENS, Pooling::Mean).unwrap().encoder(&engine).unwrap();
    let begin = Instant::now();
    for batch in texts.chunks(BATCH) {
        encoder.features(batch).unwrap();
    }
    let bare = TEXTS as f64 / begin.elapsed().as_secs_f64();
    println!("drafts of {TEXTS} texts, engine {}", engine.name());
    println!(
        "  {by_agent:.0} a second by the agent, {bare:.0} by a bare loop: {:.2} of it (bar {SHARE})",
        by_agent / bare
    );
    println!("  Label Studio 1.23.2: 3.7 a second, from a backend that answers at once");
}

/// Drafts a second, between the first that are there and the last.
fn drafted(site: &Federation) -> f64 {
    let count = || {
        std::thread::sleep(EVERY);
        site.tell(&["status"])["projects"][0]["prelabeled"].as_u64().unwrap()
    };
    let mut first = None;
    let mut done = (Instant::now(), 0);
    wait_for("the drafts", || {
        done = (Instant::now(), count());
        if done.1 > 0 {
            first.get_or_insert(done);
        }
        done.1 == TEXTS as u64
    });
    let (begin, before) = first.unwrap();
    (done.1 - before) as f64 / (done.0 - begin).as_secs_f64()
}

/// A text of some twenty words.
fn text_of(number: usize) -> String {
    let month = ["March", "April", "May", "June"][number % 4];
    format!(
        "Request {number}: my card was declined twice in {month} although the transfer of the month before \
         had arrived and enough cash was left on the account"
    )
}
