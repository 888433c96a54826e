//! Sets of labeling functions: checked as far as a program without items can, signed, and told to
//! every site, whose steward decides.

use insitu_models::sign::{Domain, SigningKey};
use insitu_protocol::ids::{Digest, FunctionsName, ProjectName, digest};
use insitu_protocol::order::{FUNCTIONS_BYTES_MAX, FunctionsManifest};
use insitu_protocol::project::Project;
use serde::Deserialize;

use super::tell_members;
use crate::registry::{Registry, RegistryError};
use crate::store::{FunctionsRow, OrderKind, Store, StoreError};

/// Most functions of a set.
const FUNCTIONS_MAX: usize = 256;

/// Why a set is not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FunctionsError {
    /// No such project.
    #[error("there is no project {project}")]
    UnknownProject {
        /// Its name.
        project: ProjectName,
    },
    /// Too long to be sent.
    #[error("the set has {got_bytes} bytes, more than the limit of {FUNCTIONS_BYTES_MAX}")]
    TooLong {
        /// Bytes of the text.
        got_bytes: u64,
    },
    /// Not TOML of the shape of a set.
    #[error("the set is not one of labeling functions")]
    Shape {
        /// What the parser says.
        #[source]
        source: toml::de::Error,
    },
    /// Too few or too many functions.
    #[error("the set has {got} functions; 1 to {FUNCTIONS_MAX} are possible")]
    Count {
        /// Functions found.
        got: usize,
    },
    /// A class that the project does not have.
    #[error("project {project} has no class {class:?}")]
    Class {
        /// The project.
        project: ProjectName,
        /// The class.
        class: String,
    },
    /// A set that is not all there is.
    #[error(
        "function {function:?} has a dictionary_file, which would stay here: write it as dictionary"
    )]
    File {
        /// Its name.
        function: String,
    },
    /// The registry.
    #[error("the set is not kept")]
    Registry {
        /// Why not.
        #[from]
        source: RegistryError,
    },
    /// The store.
    #[error("the publication is not stored")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// What is looked at before a set is signed; sites look at all of it.
#[derive(Deserialize)]
struct Set {
    classes: Vec<String>,
    #[serde(default, rename = "function")]
    functions: Vec<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    dictionary_file: Option<String>,
}

/// Signs a set and tells every site; returns the digest of its text. The newest of a name replaces
/// earlier ones at sites that have not fetched them yet.
///
/// # Errors
/// [`FunctionsError`].
pub fn publish(
    store: &Store,
    registry: &Registry,
    key: &SigningKey,
    (project, name): (&ProjectName, &FunctionsName),
    text: &str,
    now_unix_s: i64,
) -> Result<Digest, FunctionsError> {
    store.write("publish functions", |tx| {
        let unknown = || FunctionsError::UnknownProject { project: project.clone() };
        check(text, &tx.project(project)?.ok_or_else(unknown)?)?;
        let object = digest(text.as_bytes());
        registry.keep(tx, object, text.as_bytes())?;
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let (project, name) = (project.clone(), name.clone());
        let manifest =
            FunctionsManifest { project: project.clone(), name: name.clone(), object, bytes };
        let manifest = manifest.encode();
        let set = FunctionsRow {
            digest: digest(&manifest),
            project,
            name,
            signature: key.sign_in(Domain::Functions, &manifest),
            manifest,
            at_unix_s: now_unix_s,
        };
        tx.put_functions(&set)?;
        tell_members(tx, &OrderKind::Functions { set: set.digest }, now_unix_s)?;
        Ok(object)
    })
}

fn check(text: &str, project: &Project) -> Result<(), FunctionsError> {
    let got_bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
    if got_bytes > FUNCTIONS_BYTES_MAX {
        return Err(FunctionsError::TooLong { got_bytes });
    }
    let set: Set = toml::from_str(text).map_err(|source| FunctionsError::Shape { source })?;
    if !(1..=FUNCTIONS_MAX).contains(&set.functions.len()) {
        return Err(FunctionsError::Count { got: set.functions.len() });
    }
    let known = |class: &String| project.classes.iter().any(|known| known.name.as_str() == class);
    if let Some(class) = set.classes.iter().find(|class| !known(class)) {
        let (project, class) = (project.name.clone(), class.clone());
        return Err(FunctionsError::Class { project, class });
    }
    match set.functions.into_iter().find(|function| function.dictionary_file.is_some()) {
        Some(function) => Err(FunctionsError::File { function: function.name }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use insitu_protocol::order::Order;

    use super::*;
    use crate::tests::{NOW, Scene, name, project};

    fn set(class: &str) -> String {
        format!("classes = [{class:?}]\n[[function]]\nname = \"f\"\nfield = \"x\"\ncolumn = true\n")
    }

    fn told(scene: &Scene, site: &str) -> Vec<FunctionsManifest> {
        let orders = scene.orders(site, NOW).into_iter();
        let sets = orders.filter_map(|order| match order {
            Order::Functions(order) => Some(order),
            Order::Project(_)
            | Order::TaskProject(_)
            | Order::Candidate(_)
            | Order::ThresholdProject(_)
            | Order::Evaluation(_)
            | Order::Bundle(_)
            | Order::Round(_)
            | Order::CoarseRound(_)
            | Order::Campaign(_)
            | Order::Session(_) => None,
        });
        sets.map(|order| {
            let key = scene.key.public();
            key.verify_in(Domain::Functions, &order.manifest.0, &order.signature).unwrap();
            FunctionsManifest::decode(&order.manifest.0).unwrap()
        })
        .collect()
    }

    #[test]
    fn sites_are_told_of_the_newest_set_of_each_name() {
        let scene = Scene::new(&["a"]);
        let class = project().classes[0].name.to_string();
        let publish = |of: &str, text: &str| {
            let of = (&name(), &of.parse().unwrap());
            publish(&scene.store, &scene.registry, &scene.key, of, text, NOW)
        };
        let text = set(&class);
        let first = publish("rules", &text).unwrap();
        assert_eq!(told(&scene, "a")[0].object, first);
        assert_eq!(
            scene.registry.chunk(&scene.store, first, 0).unwrap(),
            Some((text.len() as u64, text.clone().into_bytes()))
        );
        let second = publish("rules", &format!("{text}# more\n")).unwrap();
        let other = publish("others", &text).unwrap();
        scene.add("b");
        for site in ["a", "b"] {
            let objects: Vec<Digest> = told(&scene, site).iter().map(|set| set.object).collect();
            assert_eq!(objects, [second, other], "{site}");
        }
        // Back to the first: it is the newest again.
        publish("rules", &text).unwrap();
        let objects: Vec<Digest> = told(&scene, "b").iter().map(|set| set.object).collect();
        assert_eq!(objects.last(), Some(&first));
        assert!(!objects.contains(&second));
    }

    #[test]
    fn a_set_that_sites_could_not_use_is_not_published() {
        let scene = Scene::new(&["a"]);
        let class = project().classes[0].name.to_string();
        let refused = |text: &str| {
            let of = (&name(), &"rules".parse().unwrap());
            publish(&scene.store, &scene.registry, &scene.key, of, text, NOW).unwrap_err()
        };
        assert!(matches!(refused("classes = 7"), FunctionsError::Shape { .. }));
        assert!(matches!(refused("classes = []"), FunctionsError::Count { got: 0 }));
        assert!(matches!(refused(&set("eggs")), FunctionsError::Class { .. }));
        let file = set(&class).replace("column = true", "dictionary_file = \"x.csv\"");
        assert!(matches!(refused(&file), FunctionsError::File { .. }));
        let long = format!("{}#{}", set(&class), " ".repeat(1024 * 1024));
        assert!(matches!(refused(&long), FunctionsError::TooLong { .. }));
        let of = (&"none".parse().unwrap(), &"rules".parse().unwrap());
        let unknown = publish(&scene.store, &scene.registry, &scene.key, of, &set(&class), NOW);
        assert!(matches!(unknown, Err(FunctionsError::UnknownProject { .. })));
        assert!(told(&scene, "a").is_empty());
    }
}
