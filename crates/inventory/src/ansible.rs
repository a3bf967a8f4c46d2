//! What both forms of Ansible's inventories have in common: hosts, groups of groups, variables.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::item::{ITEMS_MAX, is_label_free, is_label_value};

use crate::{
    Options,
    declared::{self, Declared, DeclaredItem},
    finding::{FindingCode as Code, Report},
    range,
    secrets::looks_secret,
};

/// The groups that every inventory has, and that say nothing.
const IMPLIED: [&str; 2] = ["all", "ungrouped"];

/// An inventory while it is read.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    hosts: BTreeMap<String, Host>,
    groups: BTreeMap<String, Group>,
    full: bool,
}

#[derive(Debug, Default)]
struct Host {
    line: usize,
    variables: BTreeMap<String, String>,
    groups: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Group {
    line: usize,
    variables: BTreeMap<String, String>,
    children: BTreeSet<String>,
}

impl Inventory {
    /// Adds the hosts that a pattern stands for to a group.
    pub(crate) fn hosts(
        &mut self,
        pattern: &str,
        group: &str,
        variables: &BTreeMap<String, String>,
        line: usize,
        report: &mut Report,
    ) {
        let left = ITEMS_MAX.saturating_sub(self.hosts.len());
        let names = match range::expand(without_port(pattern), ITEMS_MAX) {
            Ok(names) => names,
            Err(reason) => {
                let help = "docs/items.md says which ranges there are";
                return report.add(Code::Range, line, reason, help);
            }
        };
        if names.len() > left {
            if !std::mem::replace(&mut self.full, true) {
                report.add(
                    Code::TooMuch,
                    line,
                    format!("the inventory has more than {ITEMS_MAX} hosts"),
                    "split what the project looks after into several projects",
                );
            }
            return;
        }
        for name in names {
            let host = self.hosts.entry(name).or_default();
            if host.line == 0 {
                host.line = line;
            }
            host.groups.insert(group.to_owned());
            host.variables.extend(variables.clone());
        }
    }

    /// Notes that there is a group.
    pub(crate) fn group(&mut self, name: &str, line: usize, report: &mut Report) {
        if self.groups.contains_key(name) {
            return;
        }
        if !IMPLIED.contains(&name) && declared::group_name(name, line, report).is_none() {
            return;
        }
        self.groups.insert(name.to_owned(), Group { line, ..Group::default() });
    }

    /// Puts one group into another.
    pub(crate) fn child(&mut self, of: &str, child: &str) {
        if let Some(group) = self.groups.get_mut(of) {
            group.children.insert(child.to_owned());
        }
    }

    /// Gives all of a group's hosts a variable.
    pub(crate) fn variable(&mut self, group: &str, name: &str, value: &str) {
        if let Some(group) = self.groups.get_mut(group) {
            group.variables.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Whether there is a group of this name.
    pub(crate) fn has_group(&self, name: &str) -> bool {
        IMPLIED.contains(&name) || self.groups.contains_key(name)
    }

    /// The items that the hosts are.
    pub(crate) fn finish(self, options: &Options, report: &mut Report) -> Option<Declared> {
        let order = self.outermost_first(report)?;
        let place: BTreeMap<&str, usize> =
            order.iter().enumerate().map(|(at, name)| (*name, at)).collect();
        let mut parents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, group) in &self.groups {
            for child in &group.children {
                parents.entry(child).or_default().push(name);
            }
        }
        let mut declared = Declared::default();
        for (name, host) in &self.hosts {
            let Some(item) = declared::item_name(name, host.line, report) else { continue };
            // The groups that it is in through others too; what an inner one says counts more.
            let mut within: BTreeSet<(usize, &str)> = BTreeSet::new();
            let mut open: Vec<&str> =
                host.groups.iter().map(String::as_str).chain(["all"]).collect();
            while let Some(group) = open.pop() {
                if within.insert((place.get(group).copied().unwrap_or(0), group)) {
                    open.extend(parents.get(group).into_iter().flatten());
                }
            }
            let mut variables: BTreeMap<&str, &str> = BTreeMap::new();
            let of_groups = within
                .iter()
                .filter_map(|(_, group)| self.groups.get(*group))
                .map(|group| &group.variables);
            for (name, value) in of_groups.chain([&host.variables]).flatten() {
                variables.insert(name, value);
            }
            let groups = within.iter().map(|(_, group)| *group);
            let groups = groups.filter(|group| !IMPLIED.contains(group));
            let groups = groups.filter_map(|group| group.parse().ok()).collect();
            let labels = labels(&variables, options, &mut declared);
            let whole = DeclaredItem {
                line: host.line,
                labels: Some(labels),
                groups: Some(groups),
                depends_on: None,
            };
            declared::add(&mut declared, item, whole, report);
        }
        Some(declared)
    }

    /// The groups, each after those that it is in; by name where that says nothing. As in Ansible,
    /// a group is as deep as the longest way to it.
    fn outermost_first(&self, report: &mut Report) -> Option<Vec<&str>> {
        let mut depth: BTreeMap<&str, usize> = BTreeMap::new();
        let mut inside: BTreeMap<&str, usize> = BTreeMap::new();
        for group in self.groups.values() {
            for child in &group.children {
                let count = inside.entry(child).or_default();
                *count = count.saturating_add(1);
            }
        }
        let mut open: Vec<&str> = self
            .groups
            .keys()
            .map(String::as_str)
            .filter(|name| !inside.contains_key(name))
            .collect();
        for name in &open {
            depth.insert(name, usize::from(*name != "all"));
        }
        while let Some(name) = open.pop() {
            let below = depth.get(name).copied().unwrap_or(0).saturating_add(1);
            let children = self.groups.get(name).into_iter().flat_map(|group| &group.children);
            for child in children {
                let deepest = depth.entry(child).or_default();
                *deepest = (*deepest).max(below);
                if let Some(count) = inside.get_mut(child.as_str()) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        open.push(child);
                        inside.remove(child.as_str());
                    }
                }
            }
        }
        if let Some(name) = inside.keys().next() {
            let names: Vec<String> = inside.keys().map(|name| format!("`{name}`")).collect();
            report.add(
                Code::GroupCircle,
                self.groups.get(*name).map_or(1, |group| group.line),
                format!(
                    "groups are in each other, directly or through others: {}",
                    names.join(", ")
                ),
                "take one of them from the `children` of another",
            );
            return None;
        }
        let mut order: Vec<&str> = self.groups.keys().map(String::as_str).collect();
        order.sort_by_key(|name| (depth.get(name).copied().unwrap_or(0), *name));
        Some(order)
    }
}

fn labels(
    variables: &BTreeMap<&str, &str>,
    options: &Options,
    declared: &mut Declared,
) -> BTreeMap<holdpoint_core::LabelName, String> {
    let mut labels = BTreeMap::new();
    for (name, value) in variables {
        let label: Option<holdpoint_core::LabelName> = name.parse().ok().filter(is_label_free);
        let wanted = match &options.labels {
            Some(chosen) => label.as_ref().is_some_and(|label| chosen.contains(label)),
            None => {
                // How to reach a host is Ansible's business.
                let secret = looks_secret(name, value);
                if secret {
                    declared.secrets.insert((*name).to_owned());
                }
                !secret && !name.starts_with("ansible_")
            }
        };
        if !wanted {
            continue;
        }
        match label.filter(|_| is_label_value(value) && !value.contains("{{")) {
            Some(label) => {
                labels.insert(label, (*value).to_owned());
            }
            None => {
                declared.unfit.insert((*name).to_owned());
            }
        }
    }
    labels
}

/// `web-1:2222` is the host `web-1`, on another port. What has more colons is an address of IPv6.
fn without_port(pattern: &str) -> &str {
    let after = pattern.rfind(']').map_or(0, |at| at.saturating_add(1));
    let (head, tail) = pattern.split_at_checked(after).unwrap_or((pattern, ""));
    match tail.split_once(':') {
        Some((name, port))
            if !port.is_empty()
                && port.bytes().all(|b| b.is_ascii_digit())
                && (!name.is_empty() || !head.is_empty()) =>
        {
            pattern.get(..head.len().saturating_add(name.len())).unwrap_or(pattern)
        }
        _ => pattern,
    }
}
