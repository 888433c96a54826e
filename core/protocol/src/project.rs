//! A project: its taxonomy, the fields of its items, and what is counted about them.
//!
//! A project is written by the central team as TOML, checked here, and sent to the sites as is.

mod routing;
mod task;
mod wire;

use serde::{Deserialize, Serialize};

pub use self::routing::Routing;
pub use self::task::{Colour, Key, KeyError, ShapeKind, Task, TaskForm};
pub(crate) use self::wire::{plain, uniform};
use crate::ids::ProjectName;
use crate::text::{Line, Page};

/// Most classes in a taxonomy.
pub const CLASSES_MAX: usize = 255;
/// Most kinds of relations between spans.
pub const RELATIONS_MAX: usize = 64;
/// Most fields of an item.
pub const FIELDS_MAX: usize = 256;
/// Most features whose histograms are released.
pub const FEATURES_MAX: usize = 32;
/// Most bins of a feature, the bin of missing values included: a selector's mask has 64 bits.
pub const BINS_MAX: usize = 64;
/// Most calibration bins.
pub const CALIBRATION_BINS_MAX: u8 = 64;

/// A labeling project.
///
/// What decodes to one has passed every check.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    /// The project's name, unique in the federation.
    pub name: ProjectName,
    /// Grows with every change; an agent ignores an older version.
    pub version: u32,
    /// For people.
    pub title: Line,
    /// What annotators read first.
    pub instructions: Page,
    /// The taxonomy. Labels name a class by its index in this list.
    pub classes: Vec<Class>,
    /// The fields of an item; a source's other columns are dropped at import.
    pub fields: Vec<Field>,
    /// Coarse metadata whose histograms are released, and which selectors may name.
    pub features: Vec<Feature>,
    /// Who sees which prelabel.
    pub routing: Routing,
    /// What a statistics window costs.
    pub statistics: Statistics,
    /// How heads are trained.
    pub training: Training,
    /// What a label says.
    pub task: Task,
}

/// A class of the taxonomy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// For people and exports.
    pub name: Line,
    /// When to choose it.
    #[serde(default)]
    pub description: Line,
    /// The key that chooses it, beside the digit of its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// How it is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// [`Routing::accept_at`] of prelabels of this class, where it is not the project's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_at: Option<u16>,
    /// [`Routing::expert_below`] of prelabels of this class, where it is not the project's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expert_below: Option<u16>,
}

/// A field of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The source's column.
    pub name: Line,
    /// For people.
    pub title: Line,
    /// What it holds.
    pub kind: FieldKind,
    /// Unit of measurement, for people.
    #[serde(default)]
    pub unit: Line,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// A number.
    Number,
    /// One of few values.
    Category,
    /// Free text: redacted before anybody sees it.
    Text,
    /// A picture.
    Image,
    /// Channels on one clock.
    Series,
}

/// A binned field. The last bin always counts missing values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// The field it is made from: a number or a category.
    pub field: Line,
    /// Its bins.
    pub bins: Bins,
}

/// How values fall into bins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bins {
    /// Ascending inner edges: bin `i` holds `edges[i-1] <= x < edges[i]`; then missing.
    Edges(Vec<f64>),
    /// A bin for each value, one for every other value, then missing.
    Values(Vec<Line>),
}

/// What one statistics window spends, in nano-ρ of zCDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// Prelabel against label of record.
    pub confusion_nano_rho: u64,
    /// First against second reader.
    pub coincidence_nano_rho: u64,
    /// Confidence against correctness.
    pub calibration_nano_rho: u64,
    /// All feature histograms together.
    pub drift_nano_rho: u64,
    /// Equal-width bins of the confidence between `1/classes` and 1.
    pub calibration_bins: u8,
}

/// How heads are trained in federated rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Rounds of a run.
    pub rounds: u32,
    /// What a whole run costs each site, in nano-ρ, spread evenly over its rounds.
    pub run_nano_rho: u64,
    /// L2 norm to which each subject's gradient is clipped, in thousandths.
    pub clip_milli: u32,
    /// Fixed-point fraction bits of a released coordinate.
    pub fraction_bits: u8,
    /// Server learning rate on the mean over sites of their released sums. Not divided by a number
    /// of subjects: how many a site has is private too.
    pub learning_rate: f64,
    /// Server momentum in `[0, 1)`.
    pub momentum: f64,
}

/// Why a project is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// A list with too few or too many entries.
    #[error("{what}: {got} given, {min} to {max} allowed")]
    Count {
        /// Which list.
        what: &'static str,
        /// Entries found.
        got: usize,
        /// Fewest allowed.
        min: usize,
        /// Most allowed.
        max: usize,
    },
    /// Two entries of one name.
    #[error("{what} number {second} repeats the name of an earlier one")]
    Repeated {
        /// Which list.
        what: &'static str,
        /// Position of the second one, from 1.
        second: usize,
    },
    /// Two classes of one key.
    #[error("class number {second} has the key of an earlier one")]
    RepeatedKey {
        /// Position of the second one, from 1.
        second: usize,
    },
    /// A feature of a field that does not exist, or is neither number nor category.
    #[error("feature number {feature} names no number or category field")]
    FeatureField {
        /// Position, from 1.
        feature: usize,
    },
    /// Edges that do not ascend, or are not finite.
    #[error("the edges of feature number {feature} do not ascend")]
    Edges {
        /// Position, from 1.
        feature: usize,
    },
    /// A task about a field that does not exist, or is of another kind.
    #[error("the task marks a {wanted} field, which {field} is not")]
    TaskField {
        /// The field that it names.
        field: Line,
        /// The kind it must have.
        wanted: &'static str,
    },
    /// A class accepted at more than never.
    #[error("class {class}: accept_at is {got}, allowed is 0 to 1001 (1001 is never)")]
    AcceptAt {
        /// The class.
        class: Line,
        /// Its threshold.
        got: u16,
    },
    /// Thresholds of a class, its own or the project's, between which nothing is left.
    #[error("class {class}: expert_below is {expert_below}, above its accept_at of {accept_at}")]
    Thresholds {
        /// The class.
        class: Line,
        /// Below which confidence experts see it.
        expert_below: u16,
        /// From which on it is accepted.
        accept_at: u16,
    },
    /// Thresholds of what is no class of items.
    #[error(
        "class {class} has thresholds of its own, which the classes of a preference cannot have: \
         the project's are those of all of them"
    )]
    PreferenceThresholds {
        /// The class.
        class: Line,
    },
    /// A value outside its range.
    #[error("{what} is {got}, allowed is {allowed}")]
    Range {
        /// Which setting.
        what: &'static str,
        /// Value found.
        got: f64,
        /// What is allowed, in words.
        allowed: &'static str,
    },
}

impl Feature {
    /// Number of bins, the one of missing values included.
    pub fn bin_count(&self) -> usize {
        match &self.bins {
            Bins::Edges(edges) => edges.len() + 2,
            Bins::Values(values) => values.len() + 2,
        }
    }

    /// The bin of a number; `None` is missing, as is a NaN.
    ///
    /// For [`Bins::Values`] a number is looked up by its shortest decimal form.
    pub fn bin_of_number(&self, value: Option<f64>) -> usize {
        let missing = self.bin_count() - 1;
        let Some(value) = value.filter(|value| !value.is_nan()) else { return missing };
        match &self.bins {
            Bins::Edges(edges) => edges.partition_point(|edge| *edge <= value),
            Bins::Values(_) => self.bin_of_text(Some(&value.to_string())),
        }
    }

    /// The bin of a category; `None` is missing. For [`Bins::Edges`] the text is read as a number.
    pub fn bin_of_text(&self, value: Option<&str>) -> usize {
        let missing = self.bin_count() - 1;
        let Some(value) = value else { return missing };
        match &self.bins {
            Bins::Edges(_) => self.bin_of_number(value.trim().parse().ok()),
            Bins::Values(values) => {
                values.iter().position(|known| known.as_str() == value).unwrap_or(values.len())
            }
        }
    }

    /// What a bin holds, for people: `<120`, `120–140`, `male`, `other`, `missing`.
    pub fn bin_title(&self, bin: usize) -> String {
        if bin + 1 >= self.bin_count() {
            return "missing".to_owned();
        }
        match &self.bins {
            Bins::Values(values) => {
                values.get(bin).map_or_else(|| "other".to_owned(), ToString::to_string)
            }
            Bins::Edges(edges) => {
                match (bin.checked_sub(1).and_then(|b| edges.get(b)), edges.get(bin)) {
                    (None, None) => "any".to_owned(),
                    (None, Some(high)) => format!("<{high}"),
                    (Some(low), None) => format!("≥{low}"),
                    (Some(low), Some(high)) => format!("{low}–{high}"),
                }
            }
        }
    }
}

impl Project {
    /// Position of the field `name`.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.as_str() == name)
    }

    /// The class at this place of the taxonomy.
    pub fn class(&self, class: u16) -> Option<&Class> {
        self.classes.get(usize::from(class))
    }

    /// Place of the class `name` in the taxonomy.
    pub fn class_named(&self, name: &str) -> Option<u16> {
        (0..).zip(&self.classes).find(|(_, class)| class.name.as_str() == name).map(|(at, _)| at)
    }

    /// Length of the drift vector: the bins of all features, one after another.
    pub fn drift_bins(&self) -> usize {
        self.features.iter().map(Feature::bin_count).sum()
    }

    fn check(&self) -> Result<(), ProjectError> {
        let (fewest, most) = self.task.class_counts();
        count("classes", self.classes.len(), fewest, most)?;
        count("fields", self.fields.len(), 1, FIELDS_MAX)?;
        count("features", self.features.len(), 0, FEATURES_MAX)?;
        distinct("class", self.classes.iter().map(|class| class.name.as_str()))?;
        self.check_keys()?;
        distinct("field", self.fields.iter().map(|field| field.name.as_str()))?;
        distinct("feature", self.features.iter().map(|feature| feature.field.as_str()))?;
        self.check_task()?;
        for (index, feature) in self.features.iter().enumerate() {
            self.check_feature(index + 1, feature)?;
        }
        self.check_routing()?;
        self.check_plans()
    }

    fn check_keys(&self) -> Result<(), ProjectError> {
        let mut seen = std::collections::BTreeSet::new();
        for (index, class) in self.classes.iter().enumerate() {
            if class.key.is_some_and(|key| !seen.insert(key)) {
                return Err(ProjectError::RepeatedKey { second: index + 1 });
            }
        }
        Ok(())
    }

    fn check_task(&self) -> Result<(), ProjectError> {
        let marks = |field: &Line, kind: FieldKind, wanted| {
            let is = self.field(field.as_str()).is_some_and(|known| known.kind == kind);
            is.then_some(()).ok_or_else(|| ProjectError::TaskField { field: field.clone(), wanted })
        };
        match &self.task {
            Task::Class | Task::Classes => Ok(()),
            Task::Spans { field, relations } => {
                count("relations", relations.len(), 0, RELATIONS_MAX)?;
                distinct("relation", relations.iter().map(Line::as_str))?;
                marks(field, FieldKind::Text, "text")
            }
            Task::Regions { field, shapes } => {
                count("shapes", shapes.len(), 1, 2)?;
                distinct("shape", shapes.iter().map(|shape| shape.name()))?;
                marks(field, FieldKind::Image, "image")
            }
            Task::Segments { field, .. } => marks(field, FieldKind::Series, "series"),
            Task::Preference { fields } => {
                distinct("field to choose between", fields.iter().map(Line::as_str))?;
                let unknown = fields.iter().find(|field| self.field(field.as_str()).is_none());
                unknown.map_or(Ok(()), |field| {
                    Err(ProjectError::TaskField { field: field.clone(), wanted: "known" })
                })
            }
        }
    }

    fn check_feature(&self, number: usize, feature: &Feature) -> Result<(), ProjectError> {
        let field = self.field(feature.field.as_str());
        let binned = |field: &Field| match field.kind {
            FieldKind::Number | FieldKind::Category => true,
            FieldKind::Text | FieldKind::Image | FieldKind::Series => false,
        };
        if !field.is_some_and(binned) {
            return Err(ProjectError::FeatureField { feature: number });
        }
        count("bins of a feature", feature.bin_count(), 3, BINS_MAX)?;
        match &feature.bins {
            Bins::Edges(edges) => {
                let ascending = edges.iter().all(|edge| edge.is_finite())
                    && edges.windows(2).all(|pair| pair[0] < pair[1]);
                ascending.then_some(()).ok_or(ProjectError::Edges { feature: number })
            }
            Bins::Values(values) => distinct("value of a feature", values.iter().map(Line::as_str)),
        }
    }

    fn check_plans(&self) -> Result<(), ProjectError> {
        let bins = self.statistics.calibration_bins;
        let bins_fit = (2..=CALIBRATION_BINS_MAX).contains(&bins);
        range("statistics.calibration_bins", bins, bins_fit, "2 to 64")?;
        for rho in [
            self.statistics.confusion_nano_rho,
            self.statistics.coincidence_nano_rho,
            self.statistics.calibration_nano_rho,
            self.statistics.drift_nano_rho,
            self.training.run_nano_rho,
        ] {
            let fits = (1..=NANO_RHO_MAX).contains(&rho);
            range("a cost in nano-ρ", u32::try_from(rho).unwrap_or(u32::MAX), fits, "1 to 4e9")?;
        }
        let Training { rounds, clip_milli, fraction_bits, learning_rate, momentum, .. } =
            self.training;
        range("training.rounds", rounds, (1..=1000).contains(&rounds), "1 to 1000")?;
        range(
            "training.clip_milli",
            clip_milli,
            (1..=1_000_000).contains(&clip_milli),
            "1 to 1e6",
        )?;
        let bits_fit = (4..=20).contains(&fraction_bits);
        range("training.fraction_bits", fraction_bits, bits_fit, "4 to 20")?;
        let rate_fits = learning_rate.is_finite() && learning_rate > 0.0;
        range("training.learning_rate", learning_rate, rate_fits, "above 0")?;
        range("training.momentum", momentum, (0.0..1.0).contains(&momentum), "0 to below 1")
    }
}

/// Most that a plan may cost: ρ = 4, far above every sane policy.
const NANO_RHO_MAX: u64 = 4_000_000_000;

fn count(what: &'static str, got: usize, min: usize, max: usize) -> Result<(), ProjectError> {
    if (min..=max).contains(&got) {
        Ok(())
    } else {
        Err(ProjectError::Count { what, got, min, max })
    }
}

fn distinct<'a>(
    what: &'static str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), ProjectError> {
    let mut seen = std::collections::BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            return Err(ProjectError::Repeated { what, second: index + 1 });
        }
    }
    Ok(())
}

fn range(
    what: &'static str,
    got: impl Into<f64>,
    fits: bool,
    allowed: &'static str,
) -> Result<(), ProjectError> {
    if fits { Ok(()) } else { Err(ProjectError::Range { what, got: got.into(), allowed }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(bins: Bins) -> Feature {
        Feature { field: Line::new("chol").unwrap(), bins }
    }

    #[test]
    fn edges_close_on_the_left_and_missing_is_last() {
        let feature = feature(Bins::Edges(vec![1.0, 200.0]));
        let bins = [Some(0.0), Some(1.0), Some(199.9), Some(200.0), None, Some(f64::NAN)];
        let got: Vec<usize> = bins.iter().map(|value| feature.bin_of_number(*value)).collect();
        assert_eq!(got, [0, 1, 1, 2, 3, 3]);
        let titles: Vec<String> = (0..4).map(|bin| feature.bin_title(bin)).collect();
        assert_eq!(titles, ["<1", "1–200", "≥200", "missing"]);
    }

    #[test]
    fn values_have_a_bin_for_others() {
        let feature = feature(Bins::Values(vec![Line::new("yes").unwrap()]));
        let got = [Some("yes"), Some("no"), None].map(|value| feature.bin_of_text(value));
        assert_eq!(got, [0, 1, 2]);
        assert_eq!(feature.bin_title(1), "other");
    }

    /// A project of this task, of two classes, with a field of each kind.
    pub(super) fn with(more: &str) -> Result<Project, toml::de::Error> {
        let fields: String = ["number", "category", "text", "image", "series"]
            .iter()
            .map(|kind| {
                format!("[[fields]]\nname = \"{kind}\"\ntitle = \"F\"\nkind = \"{kind}\"\n")
            })
            .collect();
        toml::from_str(&format!(
            "name = \"p\"\nversion = 1\ntitle = \"T\"\ninstructions = \"\"\nfeatures = []\n\
             [routing]\naccept_at = 900\nexpert_below = 600\noverlap = 0\n\
             [statistics]\nconfusion_nano_rho = 1\ncoincidence_nano_rho = 1\n\
             calibration_nano_rho = 1\ndrift_nano_rho = 1\ncalibration_bins = 5\n\
             [training]\nrounds = 1\nrun_nano_rho = 1\nclip_milli = 1\nfraction_bits = 12\n\
             learning_rate = 1.0\nmomentum = 0.0\n{fields}\n{more}"
        ))
    }

    /// The one place that reads tasks: the task, or what is wrong with it.
    #[track_caller]
    fn check(more: &str, expected: Result<Task, &str>) {
        let got =
            with(more).map(|project| project.task).map_err(|error| error.message().to_owned());
        assert_eq!(got, expected.map_err(str::to_owned), "{more}");
    }

    pub(super) const TWO: &str = "[[classes]]\nname = \"n\"\n[[classes]]\nname = \"y\"\n";

    #[test]
    fn tasks_are_read_and_checked() {
        let line = |text| Line::new(text).unwrap();
        let two = |task: &str| format!("{TWO}[task]\n{task}");
        check(TWO, Ok(Task::Class));
        check(&two("kind = \"class\""), Ok(Task::Class));
        check(&two("kind = \"classes\""), Ok(Task::Classes));
        check(
            &two("kind = \"spans\"\nfield = \"text\"\nrelations = [\"treats\"]"),
            Ok(Task::Spans { field: line("text"), relations: vec![line("treats")] }),
        );
        check(
            &two("kind = \"regions\"\nfield = \"image\"\nshapes = [\"box\"]"),
            Ok(Task::Regions { field: line("image"), shapes: vec![ShapeKind::Box] }),
        );
        check(
            &two("kind = \"segments\"\nfield = \"series\""),
            Ok(Task::Segments { field: line("series"), points: false }),
        );
        check(
            &two("kind = \"preference\"\nfields = [\"text\", \"image\"]"),
            Ok(Task::Preference { fields: [line("text"), line("image")] }),
        );
    }

    #[test]
    fn tasks_that_make_no_sense_are_refused() {
        let two = |task: &str| format!("{TWO}[task]\n{task}");
        let marks =
            |wanted, field| format!("the task marks a {wanted} field, which {field} is not");
        let cases = [
            ("kind = \"spans\"\nfield = \"image\"", marks("text", "image")),
            ("kind = \"spans\"\nfield = \"none\"", marks("text", "none")),
            ("kind = \"regions\"\nfield = \"text\"\nshapes = [\"box\"]", marks("image", "text")),
            (
                "kind = \"regions\"\nfield = \"image\"\nshapes = []",
                "shapes: 0 given, 1 to 2 allowed".to_owned(),
            ),
            ("kind = \"segments\"\nfield = \"number\"", marks("series", "number")),
            (
                "kind = \"preference\"\nfields = [\"text\", \"text\"]",
                "field to choose between number 2 repeats the name of an earlier one".to_owned(),
            ),
            ("kind = \"preference\"\nfields = [\"text\", \"b\"]", marks("known", "b")),
            (
                "kind = \"spans\"\nfield = \"text\"\nrelations = [\"r\", \"r\"]",
                "relation number 2 repeats the name of an earlier one".to_owned(),
            ),
        ];
        for (task, expected) in cases {
            check(&two(task), Err(&expected));
        }
        // A table says nothing that its kind does not have.
        assert!(with(&two("kind = \"class\"\nfield = \"text\"")).is_err());
        assert!(with(&two("field = \"text\"")).is_err());
        let one = "[[classes]]\nname = \"n\"\n";
        check(one, Err("classes: 1 given, 2 to 255 allowed"));
        check(&format!("{one}[task]\nkind = \"classes\""), Ok(Task::Classes));
        let four =
            format!("{TWO}{}", TWO.replace('n', "m").replace('y', "z").replace("mame", "name"));
        let preference = "[task]\nkind = \"preference\"\nfields = [\"text\", \"image\"]";
        check(&format!("{four}{preference}"), Err("classes: 4 given, 2 to 3 allowed"));
        let image = "features = [{ field = \"image\", bins = { edges = [1.0] } }]";
        let text = toml::to_string(&with(TWO).unwrap()).unwrap();
        let refused = toml::from_str::<Project>(&text.replace("features = []", image)).unwrap_err();
        assert_eq!(refused.message(), "feature number 1 names no number or category field");
    }

    #[test]
    fn keys_and_colours_are_checked() {
        let class = |more: &str| format!("{TWO}[[classes]]\nname = \"m\"\n{more}");
        let read = with(&class("key = \"m\"\ncolour = \"#0b7285\"")).unwrap();
        assert_eq!(read.classes[2].key.map(char::from), Some('m'));
        assert_eq!(read.classes[2].colour.unwrap().to_string(), "#0b7285");
        let twice = class("key = \"1\"\n[[classes]]\nname = \"o\"\nkey = \"1\"");
        check(&twice, Err("class number 4 has the key of an earlier one"));
        for wrong in ["key = \"a\"", "key = \"M\"", "key = \"mm\"", "key = \" \""] {
            assert!(with(&class(wrong)).is_err(), "{wrong}");
        }
        for wrong in ["red", "#0b728", "#0b72855", "#+b7285", "#0b728g", "#ééé"] {
            check(
                &class(&format!("colour = \"{wrong}\"")),
                Err("a colour is # and six hexadecimal digits"),
            );
        }
    }

    #[test]
    fn a_project_survives_text_and_bytes() {
        let spans = "key = \"z\"\n[task]\nkind = \"spans\"\nfield = \"text\"\nrelations = [\"r\"]";
        let strict = format!("{TWO}accept_at = 950\n");
        for text in [TWO, &format!("{TWO}{spans}"), &strict, &format!("{strict}{spans}")] {
            let project = with(text).unwrap();
            assert_eq!(
                toml::from_str::<Project>(&toml::to_string(&project).unwrap()).unwrap(),
                project
            );
            let bytes = project.encode().unwrap();
            assert_eq!(Project::decode(&bytes).unwrap(), project);
            assert!(Project::decode(&bytes[..bytes.len() - 1]).is_err());
        }
    }

    /// What stores have from earlier versions of this program.
    #[test]
    fn bytes_of_before_there_were_tasks_or_thresholds_of_classes_are_read() {
        let mut project = with(TWO).unwrap();
        project.fields.truncate(3);
        assert!(project.is_plain());
        let bytes = project.encode().unwrap();
        let (before, thresholds) = bytes.split_at(bytes.len() - 5);
        assert_eq!(thresholds, [2, 0, 0, 0, 0], "of two classes none");
        assert_eq!(Project::decode(before).unwrap(), project);
        let (plain, labeling) = before.split_at(before.len() - 6);
        assert_eq!(labeling, [0, 2, 0, 0, 0, 0], "the task's number, and of two classes no key");
        assert_eq!(Project::decode(plain).unwrap(), project);
    }
}
