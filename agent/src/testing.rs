//! What several modules' tests need.

use insitu_protocol::project::Project;

/// A project of two classes with a number, a category and a text.
pub(crate) fn project() -> Project {
    toml::from_str(include_str!("testing.toml")).unwrap()
}
