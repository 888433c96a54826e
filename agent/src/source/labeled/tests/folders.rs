//! Formats that are folders: YOLO, Pascal VOC.

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn a_folder_of_yolo_is_an_item_an_image() {
    let project = project(BOXES, "image");
    let names =
        "path: .\ntrain: images/train\nnames: # two\n  0: absent\n  1: \"present\"\nnc: 2\n";
    let folder = folder(&[
        ("data.yaml", names),
        ("images/train/a.png", ""),
        ("images/train/b.PNG", ""),
        ("images/train/c.jpg", ""),
        ("images/train/d.jpg", ""),
        ("labels/train/a.txt", "1 0.25 0.35 0.3 0.4\n0 0 0 1 0 1 1\n"),
        ("labels/train/b.txt", "\n1 0.25 0.35 0.3 0.4 0.87\n"),
        ("labels/train/c.txt", "7 0.25 0.35 0.3 0.4\n"),
        ("labels/train/gone.txt", ""),
    ]);
    let regions = json!({"regions": [
        {"class": 0, "polygon": [[0.0, 0.0], [100.0, 0.0], [100.0, 100.0]]},
        {"class": 1, "box": [10.0, 15.0, 30.0, 40.0]},
    ]});
    assert_eq!(
        run_from(Format::Yolo, &project, Origin::Folder(folder.path())),
        [
            record("train/a.png", "images/train/a.png", regions),
            bad("labels/train/b.txt:2: a prediction with its confidence cannot be imported"),
            bad("labels/train/c.txt:1: a class without a name in data.yaml or classes.txt"),
            record("train/d.jpg", "images/train/d.jpg", Json::Null),
            bad("labels/train/gone.txt:1: there is no image for these marks"),
        ]
    );
}

#[test]
fn the_names_of_yolos_classes_are_read_as_they_are_written() {
    let two = "0 0.5 0.5 0.2 0.2\n1 0.5 0.5 0.4 0.4\n";
    for names in [
        "names: [absent, 'present']\n",
        "names: {0: absent, 1: present}\n",
        "names:\n- absent\n- present\n",
        "nc: 2\nnames:\n  0: absent\n\n  1: present # there\ntrain: x\n",
    ] {
        let folder =
            folder(&[("data.yaml", names), ("a.png", ""), ("a.txt", "x"), ("labels/a.txt", two)]);
        let found = run_from(Format::Yolo, &project(BOXES, "image"), Origin::Folder(folder.path()));
        assert_eq!(found[0], record("a.png", "a.png", Json::Null), "{names}");
        fs::create_dir(folder.path().join("images")).unwrap();
        fs::rename(folder.path().join("a.png"), folder.path().join("images/a.png")).unwrap();
        let found = run_from(Format::Yolo, &project(BOXES, "image"), Origin::Folder(folder.path()));
        assert_eq!(found[0].as_ref().unwrap().2["regions"].as_array().unwrap().len(), 2, "{names}");
    }
    for names in
        ["names:\n  1: absent\n", "names: &a [x]\n", "nc: 2\n", "names: !!python/object x\n"]
    {
        let folder = folder(&[("data.yaml", names), ("images/a.png", "")]);
        let found = run_from(Format::Yolo, &project(BOXES, "image"), Origin::Folder(folder.path()));
        assert_eq!(
            found,
            [bad("data.yaml:1: there are no names of classes in data.yaml or classes.txt")],
            "{names}"
        );
    }
}

#[test]
fn a_folder_of_voc_is_an_item_a_file() {
    let project = project(BOXES, "image");
    let size = "<size><width>320</width><height>200</height></size>";
    let object = |sides: &str| format!("<object><name>present</name>{sides}</object>");
    let sides = "<bndbox><xmin>32</xmin><ymin>30</ymin><xmax>128</xmax><ymax>110</ymax></bndbox>";
    let file = |name: &str, object: &str| {
        format!("<annotation>\n<filename>{name}</filename>\n{size}\n{object}</annotation>")
    };
    let bomb =
        "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><annotation>&c;</annotation>";
    let outside =
        "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><annotation>&b;</annotation>";
    let good = file("scan.png", &object(sides));
    let up = file("../../secret.png", "");
    let polygon = file("scan.png", &object("<polygon><x1>1</x1></polygon>"));
    let folder = folder(&[
        ("JPEGImages/scan.png", ""),
        ("Annotations/a.xml", &good),
        ("Annotations/b.xml", bomb),
        ("Annotations/c.xml", outside),
        ("Annotations/d.xml", &up),
        ("Annotations/e.xml", &polygon),
        ("Annotations/f.xml", "<annotation>\n<filename>scan.png</filename>"),
    ]);
    let label = json!({"regions": [{"class": 1, "box": [10.0, 15.0, 30.0, 40.0]}]});
    let xml = "not well-formed XML without a document type";
    assert_eq!(
        run_from(Format::Voc, &project, Origin::Folder(folder.path())),
        [
            record("scan.png", "JPEGImages/scan.png", label),
            bad(&format!("Annotations/b.xml:1: {xml}")),
            bad(&format!("Annotations/c.xml:1: {xml}")),
            // As it is: whoever opens it refuses what is not in the folder.
            record("../../secret.png", "../../secret.png", json!({"regions": []})),
            bad("Annotations/e.xml:4: a polygon in place of a box cannot be imported"),
            bad(&format!("Annotations/f.xml:1: {xml}")),
        ]
    );
}
