//! The states of the placement groups.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// How many placement groups are in which state, from `ceph pg stat`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pgs {
    states: BTreeMap<String, u64>,
}

impl Pgs {
    /// Reads the answer of `ceph pg stat --format json`.
    ///
    /// # Errors
    /// When it has no list of states.
    pub fn read(answer: &Value) -> Result<Self> {
        let list = answer["pg_summary"]["num_pg_by_state"].as_array();
        let list = list.with_context(|| format!("no states of placement groups in {answer}"))?;
        let state =
            |entry: &Value| Some((entry["name"].as_str()?.to_owned(), entry["num"].as_u64()?));
        let states = list.iter().map(state).collect::<Option<_>>();
        let states = states.with_context(|| format!("an odd state in {answer}"))?;
        Ok(Self { states })
    }

    pub fn total(&self) -> u64 {
        self.states.values().sum()
    }

    /// There are some, and all of them are `active+clean`, scrubbing or not.
    pub fn are_clean(&self) -> bool {
        let clean = |state: &String| {
            let words: Vec<&str> = state.split('+').collect();
            let known = [
                "active",
                "clean",
                "scrubbing",
                "deep",
                "snaptrim",
                "snaptrim_wait",
            ];
            words.contains(&"active")
                && words.contains(&"clean")
                && words.iter().all(|word| known.contains(word))
        };
        self.total() > 0 && self.states.keys().all(clean)
    }

    /// How many have this word in their state: `degraded`, `remapped`.
    pub fn with(&self, word: &str) -> u64 {
        let has = |(state, _): &(&String, &u64)| state.split('+').any(|part| part == word);
        self.states
            .iter()
            .filter(has)
            .map(|(_, number)| number)
            .sum()
    }
}

impl fmt::Display for Pgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self
            .states
            .iter()
            .map(|(state, number)| format!("{number} {state}"))
            .collect();
        match parts.is_empty() {
            true => f.write_str("none"),
            false => f.write_str(&parts.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pgs(states: &[(&str, u64)]) -> Pgs {
        let list: Vec<Value> = states
            .iter()
            .map(|(name, num)| json!({"name": name, "num": num}))
            .collect();
        Pgs::read(&json!({"pg_ready": true, "pg_summary": {"num_pg_by_state": list}}))
            .expect("states")
    }

    #[test]
    fn a_cluster_without_placement_groups_is_not_clean() {
        assert!(!pgs(&[]).are_clean());
    }

    #[test]
    fn scrubbing_is_clean_and_remapped_is_not() {
        assert!(pgs(&[("active+clean", 30), ("active+clean+scrubbing+deep", 3)]).are_clean());
        assert!(!pgs(&[("active+clean", 30), ("active+clean+remapped", 3)]).are_clean());
        assert!(!pgs(&[("active+undersized+degraded", 33)]).are_clean());
    }

    #[test]
    fn states_are_counted_by_their_words() {
        let pgs = pgs(&[("active+undersized+degraded", 20), ("active+clean", 13)]);
        assert_eq!(
            (pgs.total(), pgs.with("degraded"), pgs.with("clean")),
            (33, 20, 13)
        );
        assert_eq!(
            pgs.to_string(),
            "13 active+clean, 20 active+undersized+degraded"
        );
    }

    #[test]
    fn an_answer_without_states_is_an_error_and_not_a_clean_cluster() {
        assert!(Pgs::read(&json!({"pg_ready": false})).is_err());
    }
}
