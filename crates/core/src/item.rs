//! Configuration items: what a project looks after, such as servers, services and network devices,
//! with labels, groups and what depends on what.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    str::FromStr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    id::{MalformedId, NameRule, name_id},
    refusal::{Refusal, RefusalCode},
};

/// The most items that a project has.
pub const ITEMS_MAX: usize = 100_000;

/// The most items that one command sets or removes. More are sent in several, each with what its
/// items depend on before them: see [`Items::in_order`].
pub const ITEMS_AT_ONCE_MAX: usize = 10_000;

/// The most labels, groups and dependencies that one item has, of each.
pub const OF_AN_ITEM_MAX: usize = 256;

/// The longest name of an item and the longest value of a label, in bytes.
pub const ITEM_NAME_BYTES_MAX: usize = 253;

const WORD_BYTES_MAX: usize = 63;

/// How much of a change one event records, in bytes of JSON: well below what an event may have.
const EVENT_BYTES_ENOUGH: usize = 256 * 1024;

const fn any_case(length_max: usize, also: &'static [u8]) -> NameRule {
    NameRule { length_max, capitals: true, also }
}

name_id!(
    /// Names a configuration item of a project, as a host, an address or a service is named.
    ItemName,
    "name of an item",
    any_case(ITEM_NAME_BYTES_MAX, b"-._:@/+"),
    "expected at most 253 of A-Z, a-z, 0-9 and -._:@/+, beginning and ending with a letter or digit"
);
name_id!(
    /// Names a label of an item, such as `env`. The words `name` and `group` mean the item's own in
    /// a [`Selector`](crate::Selector) and name no label.
    LabelName,
    "name of a label",
    any_case(WORD_BYTES_MAX, b"-._/"),
    "expected at most 63 of A-Z, a-z, 0-9 and -._/, beginning and ending with a letter or digit"
);
name_id!(
    /// Names a group of items, such as `web`.
    GroupName,
    "name of a group",
    any_case(WORD_BYTES_MAX, b"-._"),
    "expected at most 63 of A-Z, a-z, 0-9 and -._, beginning and ending with a letter or digit"
);

/// What is known of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its labels: what it is, in the project's own words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<LabelName, String>,
    /// The groups that it is in.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<GroupName>,
    /// The items that it does not work without.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub depends_on: BTreeSet<ItemName>,
}

/// An item with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedItem {
    /// Its name.
    pub name: ItemName,
    /// What is known of it.
    #[serde(flatten)]
    pub item: Item,
}

/// Whether a text can be the value of a label.
#[must_use]
pub fn is_label_value(text: &str) -> bool {
    text.len() <= ITEM_NAME_BYTES_MAX && !text.contains(char::is_control)
}

/// Whether a label can be called so: not by the words that mean the item's own name and groups.
#[must_use]
pub fn is_label_free(name: &LabelName) -> bool {
    !matches!(name.as_str(), "name" | "group")
}

/// A change of a project's items, to be recorded in one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemsChange {
    /// Items that are as said from now on, those that others of these depend on first.
    pub set: Vec<NamedItem>,
    /// Items that are no more.
    pub removed: Vec<ItemName>,
}

/// The configuration items of a project. A copy is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items(Arc<BTreeMap<ItemName, Item>>);

impl Items {
    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The item of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Item> {
        self.0.get(name)
    }

    /// All items, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&ItemName, &Item)> {
        self.0.iter()
    }

    /// The items that depend on this one, by name. Looks through all of them.
    #[must_use]
    pub fn dependents(&self, name: &str) -> Vec<&ItemName> {
        let on = self.0.iter().filter(|(_, item)| item.depends_on.contains(name));
        on.map(|(name, _)| name).collect()
    }

    /// Decides a change: what is to be recorded, in events of a bounded size; nothing where nothing
    /// would be different. Each event leaves items behind that depend only on items there are.
    ///
    /// # Errors
    /// A refusal that names the first item that cannot be so.
    pub fn decide(
        &self,
        set: &[NamedItem],
        remove: &[ItemName],
    ) -> Result<Vec<ItemsChange>, Refusal> {
        if set.len().saturating_add(remove.len()) > ITEMS_AT_ONCE_MAX {
            return Err(invalid(format!(
                "{} items are more than the {ITEMS_AT_ONCE_MAX} of one change",
                set.len().saturating_add(remove.len())
            ))
            .needs("send them in several commands"));
        }
        let removed = self.check_removed(set, remove)?;
        let mut then = self.clone();
        let mut changed = Vec::new();
        let mut named = BTreeSet::new();
        for NamedItem { name, item } in set {
            if !named.insert(name) {
                return Err(invalid(format!("the item `{name}` is given twice")));
            }
            check(name, item)?;
            if self.get(name.as_str()) != Some(item) {
                changed.push(name.clone());
                Arc::make_mut(&mut then.0).insert(name.clone(), item.clone());
            }
        }
        for name in &removed {
            Arc::make_mut(&mut then.0).remove(name.as_str());
        }
        if then.len() > ITEMS_MAX {
            return Err(invalid(format!(
                "the project would have {} items, more than {ITEMS_MAX}",
                then.len()
            )));
        }
        then.check_dependencies()?;
        let changed = then.in_order(&changed);
        Ok(in_pieces(&then, &changed, removed))
    }

    fn check_removed(
        &self,
        set: &[NamedItem],
        remove: &[ItemName],
    ) -> Result<Vec<ItemName>, Refusal> {
        let mut removed = BTreeSet::new();
        for name in remove {
            if self.get(name.as_str()).is_none() {
                return Err(Refusal::new(
                    RefusalCode::NotFound,
                    format!("there is no item `{name}`"),
                )
                .needs("`holdpoint items list` has the items there are"));
            }
            if set.iter().any(|one| one.name == *name) || !removed.insert(name.clone()) {
                return Err(invalid(format!("the item `{name}` is given twice")));
            }
        }
        Ok(removed.into_iter().collect())
    }

    fn check_dependencies(&self) -> Result<(), Refusal> {
        for (name, item) in self.0.iter() {
            if let Some(missing) = item.depends_on.iter().find(|on| !self.0.contains_key(*on)) {
                return Err(Refusal::new(
                    RefusalCode::UnknownItem,
                    format!("`{name}` would depend on `{missing}`, and there is no such item"),
                )
                .needs(format!(
                    "set `{missing}` as well, or take it from the `depends_on` of `{name}`"
                )));
            }
        }
        match self.circle() {
            None => Ok(()),
            Some(circle) => {
                let names: Vec<&str> = circle.iter().map(ItemName::as_str).collect();
                let first = names.first().copied().unwrap_or_default();
                Err(Refusal::new(
                    RefusalCode::DependencyCircle,
                    format!(
                        "items would depend on each other in a circle: {} -> {first}",
                        names.join(" -> ")
                    ),
                )
                .needs("take one of these from the `depends_on` of the item before it"))
            }
        }
    }

    /// Items that depend on each other in a circle, each on the next and the last on the first, if
    /// there are such.
    #[must_use]
    pub fn circle(&self) -> Option<Vec<ItemName>> {
        // What is left after taking away, again and again, the items that depend on none that is
        // left, lies on a circle or depends on one.
        let mut waits: HashMap<&str, usize> = HashMap::with_capacity(self.len());
        let mut on: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut free = Vec::new();
        for (name, item) in self.0.iter() {
            let known = item.depends_on.iter().filter(|one| self.0.contains_key(*one));
            let mut count: usize = 0;
            for one in known {
                on.entry(one.as_str()).or_default().push(name.as_str());
                count = count.saturating_add(1);
            }
            waits.insert(name.as_str(), count);
            if count == 0 {
                free.push(name.as_str());
            }
        }
        while let Some(name) = free.pop() {
            waits.remove(name);
            for other in on.get(name).into_iter().flatten() {
                if let Some(count) = waits.get_mut(other) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        free.push(other);
                    }
                }
            }
        }
        let start = waits.keys().min()?;
        // Each of these depends on another of them, so that whoever goes on comes back.
        let mut way: Vec<&ItemName> = Vec::new();
        let mut at = self.0.get_key_value(*start)?;
        loop {
            if let Some(from) = way.iter().position(|one| *one == at.0) {
                return Some(way.split_off(from).into_iter().cloned().collect());
            }
            way.push(at.0);
            let next = at.1.depends_on.iter().find(|one| waits.contains_key(one.as_str()))?;
            at = self.0.get_key_value(next)?;
        }
    }

    /// Adds a recorded change.
    ///
    /// # Errors
    /// When it sets an item that depends on one there is not, or removes one there is not.
    pub fn change(&mut self, change: ItemsChange) -> Result<(), String> {
        let items = Arc::make_mut(&mut self.0);
        for NamedItem { name, item } in change.set {
            if let Some(missing) =
                item.depends_on.iter().find(|on| **on == name || !items.contains_key(*on))
            {
                return Err(format!("`{name}` depends on `{missing}`, which is not there"));
            }
            items.insert(name, item);
        }
        for name in change.removed {
            items.remove(&name).ok_or_else(|| format!("there is no item `{name}`"))?;
        }
        Ok(())
    }

    /// These names with each after those of them that it depends on, directly or through items that
    /// are not among them. Otherwise they stay in the order that they come in; names of no item
    /// depend on nothing.
    #[must_use]
    pub fn in_order<N: AsRef<str> + Clone>(&self, names: &[N]) -> Vec<N> {
        self.by_dependency(names).into_iter().map(|(name, _)| name).collect()
    }

    /// As [`Items::in_order`], each with the place, from 0, of the last of those before it that it
    /// depends on, if it depends on one.
    #[must_use]
    pub fn by_dependency<N: AsRef<str> + Clone>(&self, names: &[N]) -> Vec<(N, Option<usize>)> {
        let wanted: HashMap<&str, usize> =
            names.iter().enumerate().map(|(at, name)| (name.as_ref(), at)).collect();
        let below = self.below(names);
        // How many of the names lie one upon the other below each item, where most do.
        let mut depth: HashMap<&str, usize> = HashMap::with_capacity(below.len());
        for (name, item) in &below {
            let deepest = item.depends_on.iter().filter_map(|on| {
                let here = usize::from(wanted.contains_key(on.as_str()));
                Some(depth.get(on.as_str())?.saturating_add(here))
            });
            let deepest = deepest.max().unwrap_or(0);
            depth.insert(name, deepest);
        }
        let mut order: Vec<&N> = names.iter().collect();
        order.sort_by_key(|name| depth.get(name.as_ref()).copied().unwrap_or(0));
        let place: HashMap<&str, usize> =
            order.iter().enumerate().map(|(at, name)| (name.as_ref(), at)).collect();
        let mut last: HashMap<&str, usize> = HashMap::new();
        for (name, item) in &below {
            let before = item.depends_on.iter().filter_map(|on| {
                place.get(on.as_str()).copied().max(last.get(on.as_str()).copied())
            });
            if let Some(before) = before.max() {
                last.insert(name, before);
            }
        }
        let with_last = |name: &N| (name.clone(), last.get(name.as_ref()).copied());
        order.into_iter().map(with_last).collect()
    }

    /// The items of these names and all that they depend on, each after those that it depends on.
    fn below<N: AsRef<str>>(&self, names: &[N]) -> Vec<(&str, &Item)> {
        let mut found = Vec::new();
        let mut seen: HashMap<&str, bool> = HashMap::new();
        let mut open: Vec<&str> = names.iter().rev().map(AsRef::as_ref).collect();
        while let Some(name) = open.pop() {
            let Some((name, item)) = self.0.get_key_value(name) else { continue };
            let name = name.as_str();
            match seen.get(name) {
                None => {
                    // It comes again when all that it depends on has come.
                    seen.insert(name, false);
                    open.push(name);
                    let unseen = item.depends_on.iter().map(ItemName::as_str);
                    open.extend(unseen.filter(|on| !seen.contains_key(on)));
                }
                Some(false) => {
                    seen.insert(name, true);
                    found.push((name, item));
                }
                Some(true) => {}
            }
        }
        found
    }
}

impl AsRef<str> for ItemName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromIterator<NamedItem> for Items {
    fn from_iter<I: IntoIterator<Item = NamedItem>>(items: I) -> Self {
        Self(Arc::new(items.into_iter().map(|one| (one.name, one.item)).collect()))
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::InvalidInput, message)
}

fn check(name: &ItemName, item: &Item) -> Result<(), Refusal> {
    for (what, count) in [
        ("labels", item.labels.len()),
        ("groups", item.groups.len()),
        ("dependencies", item.depends_on.len()),
    ] {
        if count > OF_AN_ITEM_MAX {
            return Err(invalid(format!(
                "the item `{name}` has {count} {what}, more than {OF_AN_ITEM_MAX}"
            )));
        }
    }
    for (label, value) in &item.labels {
        if !is_label_free(label) {
            return Err(invalid(format!(
                "a label of `{name}` is called `{label}`, which means the item's own {label}"
            ))
            .needs("give the label another name"));
        }
        if !is_label_value(value) {
            return Err(invalid(format!(
                "the label `{label}` of `{name}` is longer than {ITEM_NAME_BYTES_MAX} bytes, or has \
                 control characters"
            )));
        }
    }
    Ok(())
}

/// The change in pieces, each small enough for an event. What is removed comes last: until then
/// something may depend on it.
fn in_pieces(then: &Items, changed: &[ItemName], removed: Vec<ItemName>) -> Vec<ItemsChange> {
    let mut pieces = Vec::new();
    let mut piece = ItemsChange::default();
    let mut bytes: usize = 0;
    let mut add = |piece: &mut ItemsChange, size: usize| {
        bytes = bytes.saturating_add(size);
        if bytes > EVENT_BYTES_ENOUGH {
            pieces.push(std::mem::take(piece));
            bytes = size;
        }
    };
    for name in changed {
        let Some(item) = then.get(name.as_str()) else { continue };
        let named = NamedItem { name: name.clone(), item: item.clone() };
        let size = serde_json::to_vec(&named).map_or(0, |bytes| bytes.len());
        add(&mut piece, size.saturating_add(1));
        piece.set.push(named);
    }
    for name in removed {
        add(&mut piece, name.as_str().len().saturating_add(3));
        piece.removed.push(name);
    }
    if piece != ItemsChange::default() {
        pieces.push(piece);
    }
    pieces
}
