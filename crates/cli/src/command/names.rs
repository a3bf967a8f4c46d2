//! Whether what a filter names is there. A name that is misspelt must not pass for one that fits no
//! run: whoever votes on all that a filter finds would take nothing for done.

use std::{collections::BTreeSet, sync::Arc};

use holdpoint::{
    core::{MemberId, Project, Refusal, RefusalCode, project::PublishedDefinition},
    definition::{Definition, LANGUAGE, StateOf},
    engine::{Engine, RunRow},
};

use crate::{
    arguments::which::{Filter, Whose},
    context::Context,
    failure::Failure,
};

/// How many names are listed in a remedy.
const LISTED_MAX: usize = 20;

/// The projects in which runs are looked for.
pub(crate) struct Projects {
    /// What `--project` names, or all.
    meant: Vec<Arc<Project>>,
}

impl Projects {
    /// Those that are meant, which may be none where none was named.
    pub(crate) fn meant(context: &Context, engine: &Engine) -> Result<Self, Failure> {
        let meant = match &context.project {
            Some(_) => vec![context.project(engine)?],
            None => engine.projects(),
        };
        Ok(Self { meant })
    }

    fn where_looked(&self) -> String {
        match self.meant.as_slice() {
            [only] => format!("in the project `{}`", only.id()),
            _ => "in any project".to_owned(),
        }
    }

    /// Refuses somebody who is a member of none of them.
    pub(crate) fn member(&self, id: &MemberId) -> Result<(), Refusal> {
        let found: Vec<_> = self.meant.iter().map(|project| project.member(id)).collect();
        if found.iter().any(Result::is_ok) {
            return Ok(());
        }
        match <[_; 1]>::try_from(found) {
            Ok([only]) => only.map(|_| ()),
            Err(_) => Err(Refusal::new(
                RefusalCode::NotMember,
                format!("`{id}` is not a member of any project"),
            )),
        }
    }

    /// Refuses a filter that names what is in none of them. `rows` are runs of theirs.
    pub(crate) fn filter(&self, filter: &Filter, rows: &[RunRow]) -> Result<(), Refusal> {
        let Filter { whose: whose @ Whose { definition, requester }, state } = filter;
        if let Some(name) = definition {
            let found: Vec<_> =
                self.meant.iter().map(|project| project.definition(name, None)).collect();
            if found.iter().all(Result::is_err) {
                return match <[_; 1]>::try_from(found) {
                    Ok([only]) => only.map(|_| ()),
                    Err(_) => Err(missing(
                        format!("no definition `{name}` is published in any project"),
                        "`holdpoint definitions list --project PROJECT` has those of a project",
                    )),
                };
            }
        }
        if let Some(member) = requester {
            // Who has been a member may have left.
            let submitted = rows.iter().any(|row| row.requester.member() == Some(member));
            if !submitted {
                self.member(member)?;
            }
        }
        match state.as_deref().filter(|name| rows.iter().all(|row| row.state != *name)) {
            Some(state) => self.is_named(whose, "state", state, |state| state.within.is_empty()),
            None => Ok(()),
        }
    }

    /// Refuses a hold that none of their definitions has.
    pub(crate) fn hold(&self, whose: &Whose, name: &str, rows: &[RunRow]) -> Result<(), Refusal> {
        if rows.iter().any(|row| row.state == name) {
            return Ok(());
        }
        self.is_named(whose, "hold", name, |state| state.kind == StateOf::Hold)
    }

    /// Refuses a state with a rollout that none of their definitions has.
    pub(crate) fn rollout(&self, whose: &Whose, name: &str) -> Result<(), Refusal> {
        self.is_named(whose, "rollout", name, |state| state.kind == StateOf::Rollout)
    }

    /// Refuses a name that no state has of those that are `meant`.
    fn is_named(
        &self,
        whose: &Whose,
        what: &str,
        name: &str,
        meant: impl Fn(&holdpoint::definition::StateOutline) -> bool,
    ) -> Result<(), Refusal> {
        let definitions = self.meant.iter().flat_map(|project| project.definitions());
        let of = whose.definition.as_ref();
        let mut names = BTreeSet::new();
        for one in definitions.filter(|one| of.is_none_or(|name| one.reference.name == *name)) {
            // What only another language, or another version of the program, can read may have it.
            let Some(definition) = read(one) else { return Ok(()) };
            let states = definition.outline().states;
            if let Some(state) = states.iter().find(|state| state.name == name) {
                if meant(state) {
                    return Ok(());
                }
                if let Some((outer, _)) = state.within.first().filter(|_| what == "state") {
                    return Err(missing(
                        format!("`{name}` is a state of a branch: the run is in `{outer}` then"),
                        format!("say `--state {outer}`"),
                    ));
                }
            }
            names.extend(states.into_iter().filter(&meant).map(|state| state.name));
        }
        let definition = of.map_or_else(String::new, |of| format!(" of `{of}`"));
        let known = match names.len() {
            0 => format!("no {what} is there: `holdpoint definitions list` has the definitions"),
            1..=LISTED_MAX => {
                format!("they are {}", names.into_iter().collect::<Vec<_>>().join(", "))
            }
            _ => "`holdpoint definitions show NAME` has the states of a definition".to_owned(),
        };
        Err(missing(
            format!("there is no {what} `{name}`{definition} {}", self.where_looked()),
            known,
        ))
    }
}

fn missing(message: String, help: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::NotFound, message).needs(help)
}

fn read(published: &PublishedDefinition) -> Option<Definition> {
    if published.language != LANGUAGE {
        return None;
    }
    let name = published.reference.name.as_str();
    Definition::parse(name, &published.source).ok().map(|checked| checked.definition)
}
