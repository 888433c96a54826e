//! Who is where: classes, subjects, and their sites.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use insitu_models::head::HeadKind;
use insitu_privacy::contribution::{ContributionKey, ItemRef, ItemsPerSubject, SubjectRef, select};

use super::records::{Cell, Records};
use super::spans;
use super::split::{self, Split};
use super::training::{Labels, Site};
use crate::draws::Draws;

/// How records are divided.
#[derive(Clone, Debug)]
pub(crate) struct Division {
    /// By what.
    pub(crate) split: Split,
    /// How many sites; natural sites are counted.
    pub(crate) sites: Option<usize>,
    /// Column that names a record's subject; each record is one of its own without.
    pub(crate) subject: Option<String>,
    /// Most records of a subject that count.
    pub(crate) items_per_subject: ItemsPerSubject,
    /// Decides the rest.
    pub(crate) draws: Draws,
}

/// Sites with their training subjects and test records.
#[derive(Debug)]
pub(crate) struct Population {
    /// Names, in order.
    pub(crate) names: Vec<String>,
    /// Training subjects of each.
    pub(crate) training: Vec<Site>,
    /// Site of each test record.
    pub(crate) test: Vec<usize>,
}

/// The classes that training records have, in order of their names. The list is public knowledge,
/// as a taxonomy is.
///
/// # Errors
/// For a record without a label where it must have one, and when there are fewer than two classes.
pub(crate) fn classes(train: &Records, label: &str, kind: HeadKind) -> Result<Vec<String>> {
    if kind == HeadKind::Tokens {
        return spans::classes(train, label);
    }
    let several = !kind.is_of_one_class();
    let mut all = BTreeSet::new();
    for row in 0..train.len() {
        if several {
            all.extend(named(train, row, label)?);
        } else {
            all.insert(train.text(row, label)?);
        }
    }
    ensure!(all.len() >= 2, "training records have {} class in {label:?}", all.len());
    Ok(all.into_iter().collect())
}

/// Label of each record, as positions in `classes`: one, any number, or spans, as the head has it.
///
/// # Errors
/// For a record without a label where it must have one, or with one that is not in `classes`.
pub(crate) fn labels(
    records: &Records,
    label: &str,
    classes: &[String],
    kind: HeadKind,
) -> Result<Labels> {
    if kind == HeadKind::Tokens {
        return spans::labels(records, label, classes);
    }
    let rows = 0..records.len();
    if kind.is_of_one_class() {
        let one = |row| records.class(row, &records.text(row, label)?, classes);
        return Ok(Labels::One(rows.map(one).collect::<Result<_>>()?));
    }
    let set = |row| {
        let mut set = named(records, row, label)?
            .iter()
            .map(|text| Ok(u16::try_from(records.class(row, text, classes)?)?))
            .collect::<Result<Vec<u16>>>()?;
        set.sort_unstable();
        set.dedup();
        Ok(set)
    };
    Ok(Labels::Several(rows.map(set).collect::<Result<_>>()?))
}

/// The classes that a record names, with | between them.
fn named(records: &Records, row: usize, label: &str) -> Result<Vec<String>> {
    if matches!(records.cell(row, label), Cell::Missing) {
        return Ok(Vec::new());
    }
    let text = records.text(row, label)?;
    let names = text.split('|').map(str::trim).filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

impl Division {
    /// Divides training subjects and test records among sites.
    ///
    /// # Errors
    /// When that is not possible as asked: a site column without a value, a subject at two sites,
    /// more sites than subjects, test records of a site without training.
    pub(crate) fn divide(
        &self,
        train: (&Records, &[usize]),
        test: (&Records, &[usize]),
    ) -> Result<Population> {
        let subjects = self.subjects(train.0)?;
        let class_of: Vec<usize> = subjects.iter().map(|rows| train.1[rows[0]]).collect();
        let (names, sites, test) = match &self.split {
            Split::Natural(column) => self.natural(column, train.0, &subjects, test.0)?,
            Split::Iid => {
                let count = self.count()?;
                let test = split::deal(self.draws, "test", test.1.len().max(count), count)?;
                (numbered(count), split::deal(self.draws, "train", class_of.len(), count)?, test)
            }
            Split::Dirichlet(alpha) => {
                let count = self.count()?;
                let classes = train.1.iter().chain(test.1).max().map_or(1, |most| most + 1);
                let shares = split::proportions(self.draws, *alpha, classes, count)?;
                let by_class =
                    |purpose, classes| split::by_class(self.draws, purpose, classes, &shares);
                (numbered(count), by_class("train", &class_of)?, by_class("test", test.1)?)
            }
        };
        let mut training: Vec<Site> = vec![Vec::new(); names.len()];
        for (rows, site) in subjects.into_iter().zip(sites) {
            training[site].push(rows);
        }
        Ok(Population { names, training, test })
    }

    fn count(&self) -> Result<usize> {
        self.sites.context("--sites says how many sites there are")
    }

    /// Rows of each subject, as far as they count; subjects in the order of their first row.
    fn subjects(&self, records: &Records) -> Result<Vec<Vec<usize>>> {
        let Some(column) = &self.subject else {
            return Ok((0..records.len()).map(|row| vec![row]).collect());
        };
        let names: Vec<String> =
            (0..records.len()).map(|row| records.text(row, column)).collect::<Result<_>>()?;
        let refer = |text: &str| *blake3::hash(text.as_bytes()).as_bytes();
        let items: Vec<(SubjectRef, ItemRef)> = names
            .iter()
            .enumerate()
            .map(|(row, name)| (SubjectRef(refer(name)), ItemRef(refer(&row.to_string()))))
            .collect();
        let secret = refer(&self.draws.bits("contribution", "").to_string());
        let kept =
            select(&ContributionKey::new(secret), b"simulation", self.items_per_subject, &items);
        let mut order: BTreeMap<&str, usize> = BTreeMap::new();
        let mut subjects: Vec<Vec<usize>> = Vec::new();
        for row in kept {
            let index = *order.entry(&names[row]).or_insert(subjects.len());
            if index == subjects.len() {
                subjects.push(Vec::new());
            }
            subjects[index].push(row);
        }
        Ok(subjects)
    }

    fn natural(
        &self,
        column: &str,
        train: &Records,
        subjects: &[Vec<usize>],
        test: &Records,
    ) -> Result<(Vec<String>, Vec<usize>, Vec<usize>)> {
        let of = |records: &Records| -> Result<Vec<String>> {
            (0..records.len()).map(|row| records.text(row, column)).collect()
        };
        let train_sites = of(train)?;
        let names: Vec<String> =
            train_sites.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let got = names.len();
        ensure!(
            got <= split::SITES_MAX,
            "{got} sites in {column:?}, {} are possible",
            split::SITES_MAX
        );
        if let Some(sites) = self.sites {
            ensure!(sites == got, "--sites {sites}, but {column:?} names {got} sites");
        }
        let position = |name: &String| names.binary_search(name).ok();
        let mut sites = Vec::with_capacity(subjects.len());
        for rows in subjects {
            let site = &train_sites[rows[0]];
            if let Some(row) = rows.iter().find(|row| train_sites[**row] != *site) {
                bail!(
                    "{}: its subject is at site {site:?} too: a loss is counted for each site",
                    train.place(*row)
                );
            }
            sites.push(position(site).context("a site that has a name")?);
        }
        let test_sites = of(test)?
            .iter()
            .enumerate()
            .map(|(row, name)| {
                position(name).with_context(|| {
                    format!("{}: site {name:?} has no training records", test.place(row))
                })
            })
            .collect::<Result<_>>()?;
        Ok((names, sites, test_sites))
    }
}

fn numbered(count: usize) -> Vec<String> {
    let width = count.to_string().len();
    (1..=count).map(|number| format!("site-{number:0width$}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(csv: &str) -> Records {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, csv).unwrap();
        Records::read(&path, &["who", "where", "label"], None).unwrap()
    }

    fn division(split: Split, sites: Option<usize>, subject: bool) -> Division {
        Division {
            split,
            sites,
            subject: subject.then(|| "who".to_owned()),
            items_per_subject: ItemsPerSubject::new(2).unwrap(),
            draws: Draws::new(1),
        }
    }

    fn divide(division: &Division, train: &str, test: &str) -> Result<Population> {
        let (train, test) = (records(train), records(test));
        let classes = classes(&train, "label", HeadKind::Softmax)?;
        let of_train = labels(&train, "label", &classes, HeadKind::Softmax)?.firsts();
        let of_test = labels(&test, "label", &classes, HeadKind::Softmax)?.firsts();
        division.divide((&train, &of_train), (&test, &of_test))
    }

    const TRAIN: &str = "who,where,label\na,x,0\nb,y,1\na,x,1\na,x,0\nc,y,0\n";
    const TEST: &str = "who,where,label\nd,y,0\ne,x,1\n";

    #[test]
    fn natural_sites_hold_their_own_and_no_subject_counts_more_than_it_may() {
        let natural = Split::Natural("where".to_owned());
        let found = divide(&division(natural.clone(), None, true), TRAIN, TEST).unwrap();
        assert_eq!(found.names, ["x", "y"]);
        assert_eq!(found.training[0].len(), 1);
        assert_eq!(found.training[0][0].len(), 2); // of a's three
        assert_eq!(found.training[1], [[1], [4]]);
        assert_eq!(found.test, [1, 0]);
        let each = divide(&division(natural, Some(2), false), TRAIN, TEST).unwrap();
        assert_eq!(each.training[0], [[0], [2], [3]]);
    }

    #[test]
    fn a_record_may_name_several_classes_or_none() {
        let records = records("who,where,label\na,x,b | a\nb,y,\nc,x,c|c\n");
        let classes = classes(&records, "label", HeadKind::MultiLabel).unwrap();
        assert_eq!(classes, ["a", "b", "c"]);
        let found = labels(&records, "label", &classes, HeadKind::MultiLabel).unwrap();
        assert_eq!(found, Labels::Several(vec![vec![0, 1], vec![], vec![2]]));
        assert_eq!(found.firsts(), [0, 0, 2]);
        let unknown =
            labels(&records, "label", &classes[..2], HeadKind::MultiLabel).unwrap_err().to_string();
        assert!(unknown.contains("record 3") && unknown.contains("\"c\""), "{unknown}");
    }

    #[test]
    fn a_list_names_no_class() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        for list in ["[]", r#"[{"start":0,"end":1,"label":"a"}]"#] {
            let lines = format!("{{\"label\":\"a\"}}\n{{\"label\":\"b\"}}\n{{\"label\":{list}}}\n");
            std::fs::write(&path, lines).unwrap();
            let records = Records::read(&path, &["label"], None).unwrap();
            for kind in [HeadKind::Softmax, HeadKind::MultiLabel] {
                let refused = classes(&records, "label", kind).unwrap_err().to_string();
                assert!(refused.contains("record 3: a list"), "{list}: {refused}");
                let known = ["a".to_owned(), "b".to_owned(), list.to_owned()];
                let refused = labels(&records, "label", &known, kind).unwrap_err().to_string();
                assert!(refused.contains("record 3: a list"), "{list}: {refused}");
            }
        }
    }

    #[test]
    fn subjects_stay_whole() {
        let found = divide(&division(Split::Iid, Some(3), true), TRAIN, TEST).unwrap();
        assert_eq!(found.names, ["site-1", "site-2", "site-3"]);
        assert!(found.training.iter().all(|site| site.len() == 1));
        let uneven = division(Split::Dirichlet(0.5), Some(2), true);
        let found = divide(&uneven, TRAIN, TEST).unwrap();
        assert_eq!(found.training.iter().map(Vec::len).sum::<usize>(), 3);
    }

    #[test]
    fn what_cannot_be_divided_is_said() {
        let error = |division: &Division, train, test| {
            format!("{:#}", divide(division, train, test).unwrap_err())
        };
        let natural = division(Split::Natural("where".to_owned()), None, true);
        let moved = "who,where,label\na,x,0\na,y,1\n";
        assert!(
            error(&natural, moved, TEST).contains("record 2: its subject is at site \"x\" too")
        );
        let lost = "who,where,label\na,,0\nb,y,1\n";
        assert!(error(&natural, lost, TEST).contains("record 1: nothing in column \"where\""));
        let new = "who,where,label\nd,z,0\n";
        assert!(error(&natural, TRAIN, new).contains("site \"z\" has no training records"));
        let wrong = division(Split::Natural("where".to_owned()), Some(3), true);
        assert!(error(&wrong, TRAIN, TEST).contains("--sites 3, but \"where\" names 2"));
        let many = division(Split::Iid, Some(4), true);
        assert!(error(&many, TRAIN, TEST).contains("4 sites for 3 subjects"));
        assert!(error(&division(Split::Iid, None, true), TRAIN, TEST).contains("--sites"));
        let unknown = "who,where,label\nd,x,7\n";
        assert!(error(&natural, TRAIN, unknown).contains("label \"7\" is none of the 2 classes"));
        let one = "who,where,label\nd,x,7\n";
        assert!(error(&natural, one, one).contains("1 class"));
    }
}
