//! What a file declares, and what would be different by it.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{
    GroupName, Item, ItemName, Items, LabelName, NamedItem,
    item::{ITEMS_MAX, OF_AN_ITEM_MAX, is_label_free, is_label_value},
};

use crate::finding::{FindingCode as Code, Findings, Report};

/// What a file says of one item. What it does not speak of stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredItem {
    /// Where it stands, the line from 1.
    pub line: usize,
    /// Its labels.
    pub labels: Option<BTreeMap<LabelName, String>>,
    /// Its groups.
    pub groups: Option<BTreeSet<GroupName>>,
    /// What it depends on.
    pub depends_on: Option<BTreeSet<ItemName>>,
}

/// What a file declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    pub(crate) file: String,
    /// The items.
    pub items: BTreeMap<ItemName, DeclaredItem>,
    /// The variables of an Ansible inventory that did not become labels because they may hold
    /// secrets.
    pub secrets: BTreeSet<String>,
    /// Those that did not because they cannot be labels: by their name, by a value that is too long
    /// or not one line, or because Ansible would have to fill it in first.
    pub unfit: BTreeSet<String>,
}

/// What becomes of the items that a file does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// They stay.
    Keep,
    /// They are removed: the file declares all there are.
    Remove,
}

/// What would be different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Items that are new, by name.
    pub added: Vec<NamedItem>,
    /// Items that change, by name.
    pub changed: Vec<Changed>,
    /// Items that go, by name.
    pub removed: Vec<ItemName>,
    /// How many stay as they are, of those that the file names.
    pub unchanged: usize,
}

/// An item that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its name.
    pub name: ItemName,
    /// As it is.
    pub before: Item,
    /// As it will be.
    pub after: Item,
}

impl Difference {
    /// Whether nothing would be different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// What is to be set, each item after those that it depends on.
    #[must_use]
    pub fn set(&self) -> Vec<NamedItem> {
        let changed = self.changed.iter().map(|Changed { name, after, .. }| NamedItem {
            name: name.clone(),
            item: after.clone(),
        });
        let all: Items = self.added.iter().cloned().chain(changed).collect();
        let names: Vec<ItemName> = all.iter().map(|(name, _)| name.clone()).collect();
        let ordered = all.in_order(&names).into_iter();
        ordered
            .filter_map(|name| Some(NamedItem { item: all.get(name.as_str())?.clone(), name }))
            .collect()
    }
}

impl Declared {
    /// What would be different in a project with these items.
    ///
    /// # Errors
    /// Where items would depend on others that there are not, or on each other in a circle, or where
    /// there would be too many.
    pub fn against(&self, items: &Items, rest: Rest) -> Result<Difference, Findings> {
        let mut difference = Difference::default();
        let mut then: BTreeMap<ItemName, Item> = match rest {
            Rest::Keep => items.iter().map(|(name, item)| (name.clone(), item.clone())).collect(),
            Rest::Remove => BTreeMap::new(),
        };
        for (name, declared) in &self.items {
            let before = items.get(name.as_str());
            let mut after = before.cloned().unwrap_or_default();
            let DeclaredItem { labels, groups, depends_on, .. } = declared.clone();
            after.labels = labels.unwrap_or(after.labels);
            after.groups = groups.unwrap_or(after.groups);
            after.depends_on = depends_on.unwrap_or(after.depends_on);
            then.insert(name.clone(), after.clone());
            match before {
                None => difference.added.push(NamedItem { name: name.clone(), item: after }),
                Some(before) if *before != after => difference.changed.push(Changed {
                    name: name.clone(),
                    before: before.clone(),
                    after,
                }),
                Some(_) => difference.unchanged = difference.unchanged.saturating_add(1),
            }
        }
        if rest == Rest::Remove {
            let gone = items.iter().filter(|(name, _)| !self.items.contains_key(*name));
            difference.removed = gone.map(|(name, _)| name.clone()).collect();
        }
        match self.check(then).finish(&self.file) {
            None => Ok(difference),
            Some(findings) => Err(findings),
        }
    }

    fn line(&self, name: &ItemName) -> usize {
        self.items.get(name).map_or(1, |item| item.line)
    }

    fn check(&self, then: BTreeMap<ItemName, Item>) -> Report {
        let mut report = Report::default();
        if then.len() > ITEMS_MAX {
            report.add(
                Code::TooMuch,
                1,
                format!("the project would have {} items, more than {ITEMS_MAX}", then.len()),
                "split what it looks after into several projects",
            );
        }
        let mut whole = true;
        for (name, item) in &then {
            for missing in item.depends_on.iter().filter(|on| !then.contains_key(*on)) {
                whole = false;
                report.add(
                    Code::UnknownDependency,
                    self.line(name),
                    format!("`{name}` depends on `{missing}`, and there is no such item"),
                    format!(
                        "declare `{missing}` as well, or take it from the `depends_on` of `{name}`"
                    ),
                );
            }
        }
        let then: Items = then.into_iter().map(|(name, item)| NamedItem { name, item }).collect();
        if let Some(circle) = then.circle().filter(|_| whole) {
            let names: Vec<&str> = circle.iter().map(ItemName::as_str).collect();
            let first = names.first().copied().unwrap_or_default();
            let line = circle.iter().find(|name| self.items.contains_key(*name));
            report.add(
                Code::DependencyCircle,
                line.map_or(1, |name| self.line(name)),
                format!(
                    "items depend on each other in a circle: {} -> {first}",
                    names.join(" -> ")
                ),
                "take one of these from the `depends_on` of the item before it",
            );
        }
        report
    }
}

/// Reads the name of an item; one that is none is reported.
pub(crate) fn item_name(text: &str, line: usize, report: &mut Report) -> Option<ItemName> {
    let name = text.parse();
    if name.is_err() {
        report.add(
            Code::ItemName,
            line,
            format!("`{text}` is not the name of an item"),
            "names are at most 253 of A-Z, a-z, 0-9 and -._:@/+, beginning and ending with a letter or digit",
        );
    }
    name.ok()
}

/// Reads the name of a group; one that is none is reported.
pub(crate) fn group_name(text: &str, line: usize, report: &mut Report) -> Option<GroupName> {
    let name = text.parse();
    if name.is_err() {
        report.add(
            Code::GroupName,
            line,
            format!("`{text}` is not the name of a group"),
            "names are at most 63 of A-Z, a-z, 0-9 and -._, beginning and ending with a letter or digit",
        );
    }
    name.ok()
}

/// Reads a label; one that cannot be is reported.
pub(crate) fn label(
    name: &str,
    value: &str,
    line: usize,
    report: &mut Report,
) -> Option<(LabelName, String)> {
    let (message, help) = match name.parse::<LabelName>() {
        Err(_) => (
            format!("`{name}` is not the name of a label"),
            "names are at most 63 of A-Z, a-z, 0-9 and -._/, beginning and ending with a letter or digit",
        ),
        Ok(label) if !is_label_free(&label) => (
            format!("a label cannot be called `{name}`, which means the item's own {name}"),
            "give the label another name",
        ),
        Ok(label) if is_label_value(value) => return Some((label, value.to_owned())),
        Ok(_) => (
            format!("the value of the label `{name}` is too long, or has control characters"),
            "values are one line of at most 253 bytes; keep longer texts elsewhere",
        ),
    };
    report.add(Code::Label, line, message, help);
    None
}

/// Adds a declared item; one that is there already is reported, and one with too much.
pub(crate) fn add(
    declared: &mut Declared,
    name: ItemName,
    item: DeclaredItem,
    report: &mut Report,
) {
    let line = item.line;
    for (what, count) in [
        ("labels", item.labels.as_ref().map_or(0, BTreeMap::len)),
        ("groups", item.groups.as_ref().map_or(0, BTreeSet::len)),
        ("dependencies", item.depends_on.as_ref().map_or(0, BTreeSet::len)),
    ] {
        if count > OF_AN_ITEM_MAX {
            report.add(
                Code::TooMuch,
                line,
                format!("`{name}` has {count} {what}, more than {OF_AN_ITEM_MAX}"),
                format!("leave out those of its {what} that nothing selects"),
            );
        }
    }
    let before = declared.items.get(&name).map(|before| before.line);
    if let Some(before) = before {
        report.add(
            Code::Duplicate,
            line,
            format!("the item `{name}` is given twice"),
            format!("it was given first in line {before}; keep one of the two"),
        );
        return;
    }
    declared.items.insert(name, item);
}
