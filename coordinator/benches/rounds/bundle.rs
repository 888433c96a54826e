//! A project and a bundle with a head of 77 classes over 385 features, for the coordinator alone: it
//! never runs the backbone, which is that of the shipped bundle.

use insitu_coordinator::api::Office;
use insitu_coordinator::publish;
use insitu_models::bundle::Bundle;
use insitu_models::golden::Golden;
use insitu_models::head::Head;
use insitu_models::manifest::{Manifest, Object};
use insitu_protocol::ids::digest;
use insitu_protocol::project::{Class, Project};
use insitu_protocol::text::Line;

use super::support::{SHAPE, shipped};

/// The project's name.
pub(super) const PROJECT: &str = "intents";

/// Creates the project and publishes its bundle.
pub(super) fn publish(office: &Office) {
    let now = office.now_unix_s();
    let text = std::fs::read_to_string(shipped().join("project.toml")).unwrap();
    let mut project: Project = toml::from_str(&text).unwrap();
    project.name = PROJECT.parse().unwrap();
    let names: Vec<Line> =
        (0..SHAPE.0).map(|class| Line::new(format!("intent {class}")).unwrap()).collect();
    project.classes = names
        .iter()
        .map(|name| Class { name: name.clone(), ..project.classes[0].clone() })
        .collect();
    publish::project(&office.store, &project, now).unwrap();
    let bundle = bundle(&names);
    publish::import(&office.store, &office.registry, &office.key, &project.name, &bundle, now)
        .unwrap();
}

fn bundle(classes: &[Line]) -> Bundle {
    let shipped = Bundle::open(&shipped()).unwrap();
    let features = usize::try_from(SHAPE.1).unwrap();
    let head = Head::new(classes.len(), features, vec![0.0; classes.len() * features]).unwrap();
    let mut row = vec![0.0; features];
    row[0] = 1.0;
    let columns = shipped.manifest().columns.len();
    let golden = Golden {
        rows: vec![vec![None; columns]],
        texts: Vec::new(),
        features: vec![row],
        probabilities: Vec::new(),
        confidences: Vec::new(),
    };
    let golden = golden.under(&head, &shipped.manifest().calibration).unwrap().encode().unwrap();
    let head = head.encode();
    let object = |bytes: &[u8]| Object { digest: digest(bytes), bytes: bytes.len() as u64 };
    let manifest = Manifest {
        classes: classes.to_vec(),
        features,
        head: object(&head),
        golden: object(&golden),
        ..shipped.manifest().clone()
    };
    let objects = [(manifest.backbone, shipped.backbone()), (manifest.head, &head)];
    let find = |wanted: &Object| {
        let known = objects.iter().find(|(known, _)| known == wanted);
        Some(known.map_or(&golden[..], |(_, bytes)| bytes).to_vec())
    };
    Bundle::from_objects(manifest.encode().unwrap(), find).unwrap()
}
