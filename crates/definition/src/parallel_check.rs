//! What is wrong with parallel branches, seen as a whole.

use crate::{
    diagnostics::{DiagnosticCode as Code, Findings},
    expr::did_you_mean,
    model::{Model, StateModel, Target},
    parallel_model::{All, Within},
};

/// Checks that a branch is left only by its ends, and entered only with its `all`.
pub(crate) fn check_ways<'m>(
    model: &'m Model,
    from: Option<&StateModel>,
    targets: impl Iterator<Item = &'m Target>,
    findings: &mut Findings,
) {
    let within = from.and_then(|state| state.within.as_ref());
    for target in targets {
        let Some(to) = model.states.get(&target.name).filter(|to| to.within.as_ref() != within)
        else {
            continue;
        };
        let place = |within: Option<&Within>| match within {
            Some(within) => format!("the branch `{}` of `{}`", within.branch, within.all),
            None => "no branch".to_owned(),
        };
        findings
            .add(
                Code::BranchCrossed,
                &target.span,
                format!(
                    "`{}` is in {}, and from {} no way leads there",
                    target.name,
                    place(to.within.as_ref()),
                    place(within)
                ),
            )
            .help("a branch is entered with its `all`, and left by an `end` of its own");
    }
}

/// Checks where the branches of an `all` begin, and that each can end well.
pub(crate) fn check_all(
    model: &Model,
    name: &str,
    state: &StateModel,
    all: &All,
    findings: &mut Findings,
) {
    let mut ends = Vec::new();
    for (branch, start) in &all.branches {
        let within = Within { all: name.to_owned(), branch: branch.clone() };
        let begins = model.states.get(&start.name);
        if begins.is_some_and(|begins| begins.within.as_ref() != Some(&within)) {
            findings
                .add(
                    Code::BranchCrossed,
                    &start.span,
                    format!("`{}` is no state of the branch `{branch}`", start.name),
                )
                .help("let `start` name one of the branch's own `states`");
        }
        let of = model.ends_of(&within);
        if !of.is_empty() && !of.iter().any(|end| all.good.contains(*end)) {
            let named: Vec<&str> = of.iter().copied().collect();
            findings
                .add(
                    Code::BranchEnds,
                    &state.span,
                    format!(
                        "the branch `{branch}` of `{name}` cannot end well: it ends with {}",
                        named.join(", ")
                    ),
                )
                .help("name one of its outcomes in `good`");
        }
        ends.extend(of.into_iter().map(str::to_owned));
    }
    for outcome in all.good.iter().filter(|outcome| !ends.contains(outcome)) {
        let help = did_you_mean(outcome, ends.iter().map(String::as_str))
            .unwrap_or_else(|| format!("the branches end with {}", ends.join(", ")));
        findings
            .add(
                Code::BranchEnds,
                &state.span,
                format!("no branch of `{name}` ends with `{outcome}`, which `good` names"),
            )
            .help(help);
    }
}
