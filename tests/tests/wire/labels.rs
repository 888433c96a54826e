//! Golden vectors of orders about labels: sets of labeling functions, campaigns, projects.

use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::order::{
    CampaignOrder, Clause, FunctionsManifest, FunctionsOrder, NumberedOrder, Order, Selector,
};
use insitu_protocol::project::{
    Bins, Class, Feature, Field, FieldKind, Project, Routing, ShapeKind, Statistics, Task, Training,
};
use insitu_protocol::response::Response;
use insitu_protocol::text::{Line, Page};

use super::golden;

#[test]
fn functions_order() {
    let manifest = FunctionsManifest {
        project: "p".parse().unwrap(),
        name: "f".parse().unwrap(),
        object: Fixed([6; 32]),
        bytes: 300,
    };
    let order = Order::Functions(FunctionsOrder {
        manifest: Bytes(manifest.encode()),
        signature: Fixed([5; 64]),
    });
    golden(
        &Response::Orders(vec![NumberedOrder { number: 1, order }]),
        &[
            "6b000000",
            "02",             // kind
            "01",             // one order
            "01",             // number
            "06",             // variant: functions
            "26",             // manifest: its length
            "0170",           // project
            "0166",           // name
            &"06".repeat(32), // object
            "ac02",           // bytes
            &"05".repeat(64), // signature
        ],
    );
}

#[test]
fn campaign_order() {
    let selector = Selector::new(vec![
        Clause::Feature { feature: 1, bins: 5 },
        Clause::Prelabel { class: 1 },
        Clause::ConfidenceBelow { milli: 900 },
    ])
    .unwrap();
    let order = Order::Campaign(CampaignOrder {
        campaign: Fixed([8; 16]),
        project: "p".parse().unwrap(),
        title: Line::new("t").unwrap(),
        selector,
        items_max: 50,
        nano_rho: 9,
        answers_unix_s: -1,
    });
    golden(
        &Response::Orders(vec![NumberedOrder { number: 3, order }]),
        &[
            "24000000",
            "020103",
            "03",             // variant: campaign
            &"08".repeat(16), // campaign
            "0170",           // project
            "0174",           // title
            "03",             // three clauses
            "000105",         // feature 1, bins
            "0101",           // prelabel 1
            "028407",         // confidence below 900
            "32",             // items_max
            "09",             // nano_rho
            "01",             // answers_unix_s, zigzag
        ],
    );
}

#[test]
fn project_order() {
    let order = Order::to_set_up(project());
    golden(
        &Response::Orders(vec![NumberedOrder { number: 4, order }]),
        &["4c000000", "020104", "00" /* variant: project */, &PLAIN.concat()],
    );
}

#[test]
fn task_project_order() {
    let mut project = project();
    let (image, scan) = (FieldKind::Image, Line::new("s").unwrap());
    let title = Line::new("S").unwrap();
    project.fields.push(Field { name: scan, title, kind: image, unit: Line::default() });
    project.fields.push(Field {
        name: Line::new("e").unwrap(),
        title: Line::new("E").unwrap(),
        kind: FieldKind::Series,
        unit: Line::default(),
    });
    project.classes[1].key = Some('y'.try_into().unwrap());
    project.classes[1].colour = Some("#0b7285".to_owned().try_into().unwrap());
    let mut plain = PLAIN.map(str::to_owned);
    plain[5] = "03".to_owned(); // three fields
    plain[9] += "0173015303000165014504 00".replace(' ', "").as_str(); // s, S, 3: image; e, E, 4: series
    let line = |text| Line::new(text).unwrap();
    let tasks = [
        (Task::Class, "00"),
        (Task::Classes, "01"),
        // A text field named t, a relation named r.
        (Task::Spans { field: line("t"), relations: vec![line("r")] }, "02 0174 01 0172"),
        // The field, two shapes: box, polygon.
        (
            Task::Regions { field: line("s"), shapes: vec![ShapeKind::Box, ShapeKind::Polygon] },
            "03 0173 02 00 01",
        ),
        // The field, with points.
        (Task::Segments { field: line("e"), points: true }, "04 0165 01"),
        // The two fields.
        (Task::Preference { fields: [line("s"), line("e")] }, "05 0173 0165"),
    ];
    for (task, bytes) in tasks {
        let mut project = project.clone();
        let mut plain = plain.clone();
        if let Task::Spans { .. } = task {
            let title = Line::default();
            project.fields.push(Field {
                name: line("t"),
                kind: FieldKind::Text,
                unit: title.clone(),
                title,
            });
            plain[5] = "04".to_owned(); // four fields
            plain[9] += "0174000200"; // t, no title, 2: text
        }
        project.task = task;
        let order = Order::to_set_up(project);
        let body = [
            "08",                                                  // variant: project with a task
            &plain.concat(),                                       // as in a plain project's order
            &bytes.replace(' ', ""),                               // task
            "02",   // keys and colours of two classes
            "0000", // none
            "01017901072330623732 3835".replace(' ', "").as_str(), // y; #0b7285
        ]
        .concat();
        let length = 3 + body.len() / 2;
        golden(
            &Response::Orders(vec![NumberedOrder { number: 4, order }]),
            &[&format!("{length:02x}000000"), "020104", &body],
        );
    }
}

#[test]
fn threshold_project_order() {
    let mut project = project();
    project.classes[0].accept_at = Some(980);
    project.classes[1].expert_below = Some(700);
    let body = [
        "0a",            // variant: project with thresholds of its classes
        &PLAIN.concat(), // as in a plain project's order
        "00",            // task: class
        "02",            // keys and colours of two classes
        "00000000",      // none
        "02",            // thresholds of two classes
        "01d40700",      // accept_at 980, no expert_below
        "0001bc05",      // no accept_at, expert_below 700
    ]
    .concat();
    let length = 3 + body.len() / 2;
    golden(
        &Response::Orders(vec![NumberedOrder { number: 4, order: Order::to_set_up(project) }]),
        &[&format!("{length:02x}000000"), "020104", &body],
    );
}

/// An agent that knows nothing of what is new in a project would take it for another one.
#[test]
fn a_project_never_travels_as_one_that_says_less() {
    let task = Project { task: Task::Classes, ..project() };
    let mut strict = project();
    strict.classes[1].accept_at = Some(980);
    for order in [Order::Project(task), Order::Project(strict.clone()), Order::TaskProject(strict)]
    {
        let orders = vec![NumberedOrder { number: 1, order }];
        assert!(insitu_protocol::frame::encode(&Response::Orders(orders)).is_err());
    }
}

/// [`project`] as it always was.
const PLAIN: [&str; 24] = [
    "0170",                             // name
    "01",                               // version
    "0154",                             // title
    "00",                               // instructions
    "02016e00017900",                   // classes: name, description
    "01",                               // one field
    "03616765",                         // name
    "03416765",                         // title
    "00",                               // kind
    "0161",                             // unit
    "01",                               // one feature
    "03616765",                         // field
    "0001",                             // bins: one edge
    "000000000000f03f",                 // 1.0
    "b607",                             // accept_at
    "d804",                             // expert_below
    "f403",                             // overlap
    "01020304",                         // costs
    "0a",                               // calibration_bins
    "05",                               // rounds
    "06",                               // run_nano_rho
    "f403",                             // clip_milli
    "0c",                               // fraction_bits
    "0000000000000040000000000000e03f", // learning_rate, momentum
];

fn project() -> Project {
    let number = Field {
        name: Line::new("age").unwrap(),
        title: Line::new("Age").unwrap(),
        kind: FieldKind::Number,
        unit: Line::new("a").unwrap(),
    };
    let class = |name| Class {
        name: Line::new(name).unwrap(),
        description: Line::default(),
        key: None,
        colour: None,
        accept_at: None,
        expert_below: None,
    };
    Project {
        name: "p".parse().unwrap(),
        version: 1,
        title: Line::new("T").unwrap(),
        instructions: Page::new("").unwrap(),
        classes: vec![class("n"), class("y")],
        fields: vec![number.clone()],
        features: vec![Feature { field: number.name, bins: Bins::Edges(vec![1.0]) }],
        routing: Routing { accept_at: 950, expert_below: 600, overlap: 500 },
        statistics: Statistics {
            confusion_nano_rho: 1,
            coincidence_nano_rho: 2,
            calibration_nano_rho: 3,
            drift_nano_rho: 4,
            calibration_bins: 10,
        },
        training: Training {
            rounds: 5,
            run_nano_rho: 6,
            clip_milli: 500,
            fraction_bits: 12,
            learning_rate: 2.0,
            momentum: 0.5,
        },
        task: Task::Class,
    }
}
