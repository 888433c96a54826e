//! Files of labels in every format that is one file.

#![no_main]

use std::sync::LazyLock;

use insitu_agent::config::Source;
use insitu_agent::source::Rules;
use insitu_agent::source::labeled::{self, Format, Origin};
use insitu_protocol::project::Project;
use libfuzzer_sys::fuzz_target;

const FORMATS: [Format; 10] = [
    Format::Csv,
    Format::JsonLines,
    Format::LabelStudio,
    Format::Prodigy,
    Format::Doccano,
    Format::GroundTruth,
    Format::Coco,
    Format::Conll,
    Format::Spacy,
    Format::Labelbox,
];

static PROJECTS: LazyLock<[Project; 3]> = LazyLock::new(|| {
    let marks = "[task]\nkind = \"spans\"\nfield = \"it\"\nrelations = [\"of\"]";
    let shapes = "[task]\nkind = \"regions\"\nfield = \"it\"\nshapes = [\"box\", \"polygon\"]";
    [project("", "text"), project(marks, "text"), project(shapes, "image")]
});
static SOURCE: LazyLock<Source> =
    LazyLock::new(|| toml::from_str("name = \"notes\"\nid = \"id\"").expect("a source"));

fn project(task: &str, kind: &str) -> Project {
    let text = format!(
        r#"
name = "notes"
version = 1
title = "Notes"
instructions = "Label them."
{task}
[[classes]]
name = "absent"
[[classes]]
name = "present"
[[fields]]
name = "it"
title = "It"
kind = "{kind}"
[[fields]]
name = "ward"
title = "Ward"
kind = "category"
[[features]]
field = "ward"
bins = {{ values = ["a", "b"] }}
[routing]
accept_at = 900
expert_below = 600
overlap = 200
[statistics]
confusion_nano_rho = 2000000
coincidence_nano_rho = 1000000
calibration_nano_rho = 1000000
drift_nano_rho = 2000000
calibration_bins = 5
[training]
rounds = 2
run_nano_rho = 20000000
clip_milli = 1000
fraction_bits = 12
learning_rate = 1.0
momentum = 0.5
"#
    );
    toml::from_str(&text).expect("a project")
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (format, project, mut bytes) = input;
    let format = FORMATS[usize::from(format) % FORMATS.len()];
    let project = &PROJECTS[usize::from(project) % PROJECTS.len()];
    let rules = Rules { source: &SOURCE, made: None, folder: None };
    let mut take = |_| Ok(());
    let origin = Origin::File(&mut bytes);
    let read = labeled::read(format, project, rules, ("label", None), origin, &mut take);
    drop(read);
});
