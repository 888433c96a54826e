//! How many threads the daemon's runtime has for what blocks.

use super::Agent;
use crate::config::{Config, Source};

/// Threads that no part of the daemon holds for long: for requests' work in the store, sessions' messages,
/// files, names that are looked up.
const ANSWERING: usize = 4;
/// The pipeline and the sweep of the store.
const ALWAYS: usize = 2;
/// What compares with a Label Studio, and what fetches the files of its tasks.
const OF_STUDIO: usize = 2;

impl Agent {
    /// Threads that its runtime needs for what blocks. Some parts of the daemon hold one for long: an
    /// import, an answer that Label Studio is slow to give. None of them holds two, so people and
    /// sessions always have some that nothing holds. A thread is not started before it is needed.
    pub fn blocking_threads(&self) -> usize {
        blocking_threads(&self.config)
    }
}

fn blocking_threads(config: &Config) -> usize {
    let of_source = |source: &Source| {
        let studio = source.label_studio.as_ref().map_or(0, |_| OF_STUDIO);
        usize::from(source.watch.is_some()) + studio
    };
    ANSWERING + ALWAYS + config.projects.iter().map(of_source).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};

    use insitu_daemon::clock::SystemClock;

    use super::*;

    /// All of them meet: had the pool a thread less, somebody would wait for ever.
    #[test]
    fn whatever_is_held_for_long_there_are_threads_left_for_answers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        let mut text = "site = \"a\"\n".to_owned();
        for name in ["one", "two", "three"] {
            text += &format!("[[project]]\nname = \"{name}\"\nid = \"id\"\nwatch = \"{name}\"\n");
        }
        text += "[project.label_studio]\nurl = \"http://127.0.0.1:8080\"\nproject = 1\n\
                 token_file = \"token\"\nsecret_file = \"secret\"\n";
        std::fs::write(&path, text).unwrap();
        let agent = Agent::open(Config::read(&path).unwrap(), Arc::new(SystemClock)).unwrap();
        let held = 1 + 1 + 3 + 2;
        assert_eq!(agent.blocking_threads(), held + ANSWERING);

        let runtime = crate::cli::runtime(agent.blocking_threads()).unwrap();
        let met = Arc::new(Barrier::new(held + ANSWERING));
        let all: Vec<_> = (0..held + ANSWERING)
            .map(|_| {
                let met = Arc::clone(&met);
                runtime.spawn_blocking(move || met.wait())
            })
            .collect();
        for one in all {
            runtime.block_on(one).unwrap();
        }
    }
}
