//! Which targets a rollout has, and in which order: given by name, or selected among the project's
//! configuration items.

use std::collections::BTreeSet;

use holdpoint_core::{Items, Refusal, RefusalCode, Selector};
use serde_json::Value;

use crate::{
    decide::Draft,
    expr::Vars,
    model::{Model, StateKind},
    phrase,
    template::{Template, Tree},
};

/// The most targets that one rollout has.
const TARGETS_MAX: usize = 100_000;
const TARGET_NAME_BYTES_MAX: usize = 253;
/// An event has at most 1 MiB; the one that begins a rollout names every target.
const TARGETS_BYTES_MAX: usize = 512 * 1024;

/// Above what a list of targets may have, so that one which is too long is told how much it has.
const TARGETS_COMPUTED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The targets of a rollout, as they are defined.
#[derive(Debug)]
pub(crate) struct Targets {
    pub(crate) from: From,
    /// Whether each must be an item of the project.
    pub(crate) known: bool,
    pub(crate) order: Order,
}

/// Where the targets come from.
#[derive(Debug)]
pub(crate) enum From {
    /// Their names.
    List(Tree),
    /// What their items are like.
    Select(Template),
}

/// In which order they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As they are listed.
    Given,
    /// Each in a later wave than those that it depends on.
    Apart,
    /// Each after those that it depends on, in the same wave where it fits.
    Together,
}

/// The targets of a rollout that begins.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) names: Vec<String>,
    /// What selected them.
    pub(crate) selector: Option<String>,
    /// For each the place of the last of those before it that must be in an earlier wave.
    after: Vec<Option<usize>>,
}

impl Targets {
    /// The targets, in order.
    /// `arrange` puts those that do not depend on each other into the order that is wanted.
    pub(crate) fn resolve(
        &self,
        vars: &Vars<'_>,
        items: &Items,
        arrange: impl FnOnce(&mut Vec<String>) -> Result<(), String>,
    ) -> Result<Resolved, String> {
        let (mut names, selector) = match &self.from {
            From::List(tree) => (listed(tree, vars)?, None),
            From::Select(template) => {
                let text = template.render_selector(vars)?;
                let selector: Selector =
                    text.parse().map_err(|fault| format!("`{text}`: {fault}"))?;
                let names = selector.select(items).map(|(name, _)| name.to_string()).collect();
                (names, Some(selector.to_string()))
            }
        };
        check_count(&names, selector.as_deref())?;
        if let Some(target) = twice(&names) {
            return Err(format!("the target `{target}` is given twice"));
        }
        if let Some(target) = self.unknown(&names, items) {
            return Err(format!("the project has no item `{target}`"));
        }
        arrange(&mut names)?;
        let ordered = match self.order {
            Order::Given => names.into_iter().map(|name| (name, None)).collect(),
            Order::Apart | Order::Together => items.by_dependency(&names),
        };
        let (names, mut after): (Vec<_>, Vec<_>) = ordered.into_iter().unzip();
        if self.order == Order::Together {
            after.clear();
        }
        Ok(Resolved { names, selector, after })
    }

    fn unknown<'n>(&self, names: &'n [String], items: &Items) -> Option<&'n String> {
        names.iter().find(|name| self.known && items.get(name).is_none())
    }

    /// The targets in words.
    pub(crate) fn words(&self) -> String {
        let which = match &self.from {
            From::List(tree) => phrase::tree(tree),
            From::Select(template) => {
                format!("the items with `{}`", phrase::template(template))
            }
        };
        let known = if self.known && matches!(self.from, From::List(_)) {
            ", which must be items of the project"
        } else {
            ""
        };
        let order = match self.order {
            Order::Given => "",
            Order::Apart => ", each in a later wave than those that it depends on",
            Order::Together => ", each after those that it depends on",
        };
        format!("{which}{known}{order}")
    }
}

impl Resolved {
    /// Waves, by how many targets are done at the end of each, so that no target is in a wave with
    /// one that must come before it.
    pub(crate) fn apart(&self, ends: &[u32]) -> Vec<u32> {
        let mut apart = Vec::with_capacity(ends.len());
        let mut begin: u32 = 0;
        for end in ends {
            for at in begin.saturating_add(1)..*end {
                let place = usize::try_from(at).ok();
                let before = place.and_then(|at| self.after.get(at).copied().flatten());
                let before = before.and_then(|before| u32::try_from(before).ok());
                if before.is_some_and(|before| before >= begin) {
                    apart.push(at);
                    begin = at;
                }
            }
            apart.push(*end);
            begin = *end;
        }
        apart
    }
}

fn listed(tree: &Tree, vars: &Vars<'_>) -> Result<Vec<String>, String> {
    let Value::Array(values) = tree.render(vars, TARGETS_COMPUTED_BYTES_MAX)? else {
        return Err("the targets are not a list".to_owned());
    };
    let name = |value| match value {
        Value::String(target)
            if target.trim().is_empty() || target.len() > TARGET_NAME_BYTES_MAX =>
        {
            Err(format!(
                "the name of a target is empty or longer than {TARGET_NAME_BYTES_MAX} bytes"
            ))
        }
        Value::String(target) => Ok(target),
        other => Err(format!("`{other}` is not the name of a target")),
    };
    values.into_iter().map(name).collect()
}

fn check_count(names: &[String], selector: Option<&str>) -> Result<(), String> {
    if names.is_empty() || names.len() > TARGETS_MAX {
        let which = selector.map(|selector| format!(" (the items with `{selector}`)"));
        return Err(format!(
            "a rollout has 1 to {TARGETS_MAX} targets, not {}{}",
            names.len(),
            which.unwrap_or_default()
        ));
    }
    let bytes = serde_json::to_vec(names).map_err(|error| error.to_string())?.len();
    if bytes > TARGETS_BYTES_MAX {
        return Err(format!(
            "the names of the targets take {bytes} bytes as JSON, more than {TARGETS_BYTES_MAX}"
        ));
    }
    Ok(())
}

fn twice(names: &[String]) -> Option<&String> {
    let mut seen = BTreeSet::new();
    names.iter().find(|name| !seen.insert(*name))
}

fn rollouts(model: &Model) -> impl Iterator<Item = (&String, &Targets)> {
    model.states.iter().filter_map(|(name, state)| match &state.kind {
        StateKind::Rollout(rollout) => Some((name, &rollout.targets)),
        _ => None,
    })
}

impl Draft<'_> {
    /// Refuses an input that names targets twice, or unknown ones where they must be known: whoever
    /// sends it hears of that before anybody has approved anything. What depends on more than the
    /// input is told when the rollout begins.
    pub(crate) fn check_targets(&self) -> Result<(), Refusal> {
        let vars = self.state.vars();
        for (state, targets) in rollouts(self.model) {
            let From::List(tree) = &targets.from else { continue };
            let Ok(names) = listed(tree, &vars) else { continue };
            if let Some(target) = twice(&names) {
                return Err(Refusal::new(
                    RefusalCode::DuplicateTarget,
                    format!("`{state}` would be given the target `{target}` twice"),
                )
                .needs(format!("name `{target}` once")));
            }
            if let Some(target) = targets.unknown(&names, self.at.project.items()) {
                return Err(Refusal::new(
                    RefusalCode::UnknownItem,
                    format!("`{state}` would be given the target `{target}`, which is no item of the project"),
                )
                .needs("`holdpoint items list` has the items there are")
                .needs(format!("declare `{target}`: `holdpoint items set FILE`")));
            }
        }
        Ok(())
    }
}
