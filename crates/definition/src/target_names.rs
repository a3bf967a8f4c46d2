//! The names of a rollout's targets, each of which is found without looking through all.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

/// The names of targets, in their order, which copies share.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Vec<String>")]
pub(crate) struct TargetNames {
    names: Arc<Vec<String>>,
    /// Their numbers, by their names.
    by_name: Arc<[u32]>,
}

impl From<Arc<Vec<String>>> for TargetNames {
    fn from(names: Arc<Vec<String>>) -> Self {
        let mut by_name: Vec<u32> = (0_u32..).zip(names.iter()).map(|(index, _)| index).collect();
        by_name.sort_by_key(|index| name(&names, *index));
        Self { names, by_name: by_name.into() }
    }
}

impl From<Vec<String>> for TargetNames {
    fn from(names: Vec<String>) -> Self {
        Arc::new(names).into()
    }
}

impl Serialize for TargetNames {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.names.serialize(serializer)
    }
}

impl TargetNames {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The name of a target; empty where there is none.
    pub(crate) fn name(&self, index: u32) -> &str {
        name(&self.names, index).unwrap_or_default()
    }

    /// The number of the target with this name.
    pub(crate) fn index_of(&self, wanted: &str) -> Option<u32> {
        let at = self.by_name.binary_search_by_key(&wanted, |index| self.name(*index)).ok()?;
        self.by_name.get(at).copied()
    }
}

fn name(names: &[String], index: u32) -> Option<&str> {
    names.get(usize::try_from(index).ok()?).map(String::as_str)
}
