//! Rows per second of the predictor, beside the bare engine on the same batches; texts per second, many
//! at once and each alone, as a site drafts them; and subjects per second that a round adds up, with and
//! without a gradient of their own in memory.
//!
//! Without `INSITU_MINILM=DIR`, which names what `models/bundles/fetch-minilm.sh` made, texts are left out.
//!
//!     cargo bench -p insitu-models
//!     ORT_DYLIB_PATH=/path/to/libonnxruntime.so cargo bench -p insitu-models
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[cfg(feature = "runtime")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::path::Path;

    use insitu_models::bundle::Bundle;
    use insitu_models::engine::{Engine, Library};
    use insitu_models::predict::{BATCH_ROWS, Predictor};

    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles/heart-disease");
    let bundle = Bundle::open(&dir)?;
    let (columns, features) = (bundle.manifest().columns.len(), bundle.manifest().features);
    let started = clock::now();
    let engine = Engine::start(&Library::Search)?;
    let mut predictor = Predictor::load(&engine, &bundle)?;
    println!("engine {}, started and loaded in {:.1} ms", engine.name(), started.millis());

    let golden = bundle.golden().input();
    let rows: Vec<f32> = golden.iter().copied().cycle().take(920 * columns).collect();
    let mut bare = engine.load(bundle.backbone(), columns, features)?;
    for batch in [1, 32, BATCH_ROWS] {
        let rate = clock::rows_per_second(920, || {
            rows.chunks(batch * columns).try_for_each(|rows| bare.run(rows).map(drop))
        })?;
        println!("bare engine, batches of {batch:3}: {rate:9.0} rows/s");
        let rate = clock::rows_per_second(920, || {
            rows.chunks(batch * columns).try_for_each(|rows| predictor.predict(rows).map(drop))
        })?;
        println!("predictor,   batches of {batch:3}: {rate:9.0} rows/s");
    }
    texts(&engine)?;
    gradients()
}

/// Texts of about 8 and of about 30 words through MiniLM.
#[cfg(feature = "runtime")]
fn texts(engine: &insitu_models::engine::Engine) -> Result<(), Box<dyn std::error::Error>> {
    use insitu_models::manifest::Pooling;
    use insitu_models::pack::TextModel;

    const TEXTS: u32 = 64;
    let Some(model) = std::env::var_os("INSITU_MINILM") else { return Ok(()) };
    let mut encoder = TextModel::open(model.as_ref(), 128, Pooling::Mean)?.encoder(engine)?;
    for repeated in [1, 4] {
        let text =
            |number| format!("request {number}: my card was declined twice ").repeat(repeated);
        let texts: Vec<String> = (0..TEXTS).map(text).collect();
        let together = clock::rows_per_second(TEXTS, || encoder.features(&texts).map(drop))?;
        let alone = clock::rows_per_second(TEXTS, || {
            texts.chunks(1).try_for_each(|text| encoder.features(text).map(drop))
        })?;
        println!(
            "texts of {} words: {together:.0} texts/s together, {alone:.0} alone, {:.2} of it",
            8 * repeated,
            alone / together
        );
    }
    Ok(())
}

/// Subjects of one item each, of 77 classes and 384 features, added to a round's sum.
#[cfg(feature = "runtime")]
fn gradients() -> Result<(), Box<dyn std::error::Error>> {
    use insitu_models::head::{Head, Target};
    use insitu_privacy::clip::{ClipShape, ClippedSum};

    const CLASSES: usize = 77;
    const FEATURES: usize = 384;
    const SUBJECTS: u32 = 100;
    let wave = |at: usize| ((at % 101) as f32 - 50.0) / 50.0;
    let head = Head::new(CLASSES, FEATURES, (0..CLASSES * FEATURES).map(wave).collect())?;
    let item: Vec<f32> = (0..FEATURES).map(|at| wave(7 * at) / 20.0).collect();
    let items = [(item.as_slice(), Target::Class(3))];
    let mut sum = ClippedSum::new(ClipShape::new(CLASSES * FEATURES, 0.5, 12)?);
    let dense = clock::rows_per_second(SUBJECTS, || {
        (0..SUBJECTS).try_for_each(|_| {
            sum.add(&head.subject_gradient(items)?)?;
            Ok::<_, Box<dyn std::error::Error>>(())
        })
    })?;
    let outer = clock::rows_per_second(SUBJECTS, || {
        (0..SUBJECTS).try_for_each(|_| {
            head.add_clipped(&items, &mut sum)??;
            Ok::<_, Box<dyn std::error::Error>>(())
        })
    })?;
    println!(
        "gradients of {CLASSES} x {FEATURES}: {dense:7.0} subjects/s through a vector of their own"
    );
    println!("{outer:31.0} subjects/s without one, {:.1} times as many", outer / dense);
    Ok(())
}

#[cfg(not(feature = "runtime"))]
fn main() {
    println!("built without the feature `runtime`: nothing to measure");
}

#[cfg(feature = "runtime")]
mod clock {
    use std::time::Instant;

    pub(crate) struct Started(Instant);

    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub(crate) fn now() -> Started {
        Started(Instant::now())
    }

    impl Started {
        pub(crate) fn millis(&self) -> f64 {
            self.0.elapsed().as_secs_f64() * 1e3
        }
    }

    /// The best of five passes that each take at least 100 ms.
    pub(crate) fn rows_per_second<E>(
        rows: u32,
        mut pass: impl FnMut() -> Result<(), E>,
    ) -> Result<f64, E> {
        pass()?;
        let mut best = 0.0_f64;
        for _ in 0..5 {
            let (started, mut passes) = (now(), 0);
            while started.millis() < 100.0 {
                pass()?;
                passes += 1;
            }
            best = best.max(f64::from(rows * passes) / started.millis() * 1e3);
        }
        Ok(best)
    }
}
