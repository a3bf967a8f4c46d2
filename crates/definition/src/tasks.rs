//! Tasks: what people do by hand while a hold is open, and confirm.

use std::collections::BTreeSet;

use holdpoint_core::{
    MemberId, QualificationName, Refusal, RefusalCode,
    project::Member,
    view::{Candidate, ConditionView},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    decide::{Draft, invalid, not_awaited},
    event::DefinitionEvent as Event,
    event_data::{Confirmation, OpenTask},
    event_place::cut,
    expr::Expr,
    hold_model::{Approver, Exclusion, Hold, listed},
    hold_state::HoldState,
    node::Span,
    state::State,
    template::Template,
    view::condition,
    voting::is_excluded,
};

/// A task as it is defined.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) when: Option<Expr>,
    pub(crate) title: Template,
    pub(crate) instructions: Option<Template>,
    pub(crate) from: Vec<Approver>,
    pub(crate) not: Vec<Exclusion>,
    pub(crate) qualified: Option<Template>,
    /// How many people must confirm it.
    pub(crate) need: u32,
    /// Whether a confirmation says what was done.
    pub(crate) noted: bool,
    pub(crate) span: Span,
}

impl Task {
    /// Its name among the conditions of a hold.
    pub(crate) fn key(&self) -> String {
        format!("task/{}", self.name)
    }

    fn asks(&self, id: &MemberId, member: &Member) -> bool {
        self.from.iter().any(|from| from.is(id, member))
    }
}

/// A confirmation that stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Confirmed {
    pub(crate) task: String,
    pub(crate) member: MemberId,
    pub(crate) at: Timestamp,
}

impl HoldState {
    fn confirmed<'s>(&'s self, task: &'s str) -> impl Iterator<Item = &'s Confirmed> {
        self.confirmed.iter().filter(move |one| one.task == task)
    }

    /// How many more people must confirm a task.
    pub(crate) fn unconfirmed(&self, task: &OpenTask) -> u32 {
        let there = u32::try_from(self.confirmed(&task.task).count()).unwrap_or(u32::MAX);
        task.need.saturating_sub(there)
    }

    /// Whether every task is done.
    pub(crate) fn tasks_are_done(&self) -> bool {
        self.tasks.iter().all(|task| self.unconfirmed(task) == 0)
    }
}

/// What keeps a member from confirming a task of an open hold.
fn keeps(
    task: &Task,
    open: &HoldState,
    asked: &OpenTask,
    state: &State,
    (id, member): (&MemberId, &Member),
    now: Timestamp,
) -> Option<(RefusalCode, String)> {
    if let Some(exclusion) = task.not.iter().copied().find(|one| is_excluded(state, *one, id)) {
        return Some((RefusalCode::SelfApproval, exclusion.why().to_owned()));
    }
    if !task.asks(id, member) {
        let why = format!("is none of those who confirm it: {}", listed(&task.from));
        return Some((RefusalCode::NotEligible, why));
    }
    match &asked.qualified {
        Some(domain) if !member.is_qualified(domain.as_str(), now) => {
            return Some((RefusalCode::NotQualified, format!("is not qualified in {domain} now")));
        }
        _ => {}
    }
    open.confirmed(&task.name)
        .any(|one| one.member == *id)
        .then(|| (RefusalCode::NotAwaited, "has confirmed it".to_owned()))
}

impl<'a> Draft<'a> {
    /// The tasks of a hold that apply, as they are asked of this run.
    pub(crate) fn tasks(
        &self,
        hold: &Hold,
        not_applicable: &BTreeSet<String>,
    ) -> Result<Vec<OpenTask>, String> {
        let vars = self.state.vars();
        let applies = hold.tasks.iter().filter(|task| !not_applicable.contains(&task.key()));
        applies
            .map(|task| {
                let qualified = match &task.qualified {
                    None => None,
                    Some(template) => {
                        let domain: QualificationName = template
                            .render_text(&vars)?
                            .parse()
                            .map_err(|error: holdpoint_core::id::MalformedId| error.to_string())?;
                        Some(domain)
                    }
                };
                let instructions = task.instructions.as_ref();
                Ok(OpenTask {
                    task: task.name.clone(),
                    title: cut(task.title.render_text(&vars)?),
                    instructions: instructions
                        .map(|it| it.render_text(&vars))
                        .transpose()?
                        .map(cut),
                    need: task.need,
                    qualified,
                })
            })
            .collect()
    }

    /// The task of the open hold that is meant: the one that is named, or the only one that is open.
    fn task(
        &self,
        hold: Option<&str>,
        named: Option<&str>,
        done: bool,
    ) -> Result<(&HoldState, &'a Task, &OpenTask), Refusal> {
        let Some((open, definition)) = self.hold() else {
            return Err(not_awaited("nothing in this run waits for a task now"));
        };
        if let Some(named) = hold.filter(|named| *named != open.hold) {
            return Err(not_awaited(format!("the hold `{named}` is not open"))
                .needs(format!("the open hold is `{}`", open.hold)));
        }
        self.in_time(open)?;
        if open.tasks.is_empty() {
            return Err(not_awaited(format!("the hold `{}` has no tasks", open.hold))
                .needs("`holdpoint show RUN` says what it waits for instead"));
        }
        let fits = |task: &&OpenTask| match named {
            Some(named) => task.task == named,
            None => done == (open.unconfirmed(task) == 0),
        };
        let found: Vec<&OpenTask> = open.tasks.iter().filter(fits).collect();
        let names: Vec<&str> = open.tasks.iter().map(|task| task.task.as_str()).collect();
        let [asked] = found.as_slice() else {
            let refusal = match named {
                Some(named) => not_awaited(format!("`{}` has no task `{named}`", open.hold)),
                None => {
                    not_awaited(format!("it is not said which task of `{}` is meant", open.hold))
                }
            };
            return Err(refusal.needs(format!("its tasks are {}", names.join(", "))));
        };
        let task = definition.tasks.iter().find(|task| task.name == asked.task);
        let task = task.ok_or_else(|| not_awaited(format!("`{}` has no such task", open.hold)))?;
        Ok((open, task, asked))
    }

    /// Decides that a task was done, as somebody says.
    pub(crate) fn done(
        &mut self,
        hold: Option<&str>,
        named: Option<&str>,
        note: Option<&str>,
    ) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let (open, task, asked) = self.task(hold, named, false)?;
        let now = self.at.now;
        let who = (id, member);
        if let Some((code, why)) = keeps(task, open, asked, &self.state, who, now) {
            let could = self.could_confirm(task, open, asked);
            return Err(Refusal::new(code, format!("`{id}` {why}"))
                .needs(format!("`{}` confirmed by {could}", task.name)));
        }
        if open.unconfirmed(asked) == 0 {
            return Err(not_awaited(format!("the task `{}` is done", task.name)));
        }
        let note = note.map(str::trim).filter(|note| !note.is_empty());
        if task.noted && note.is_none() {
            return Err(invalid(format!("the task `{}` is confirmed with a note", task.name))
                .needs("say what was done, or how it was seen to"));
        }
        self.emit(Event::TaskConfirmed(Confirmation {
            hold: open.hold.clone(),
            task: task.name.clone(),
            member: id.clone(),
            roles: member.roles.clone(),
            qualified: asked.qualified.clone(),
            note: note.map(str::to_owned),
            executes: true,
        }));
        self.release();
        Ok(())
    }

    /// Decides that a task is to be done anew: nobody's confirmation stands.
    pub(crate) fn reopen(
        &mut self,
        hold: Option<&str>,
        named: Option<&str>,
        reason: &str,
    ) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let (open, task, _) = self.task(hold, named, true)?;
        let Some(reason) = Some(reason.trim()).filter(|reason| !reason.is_empty()) else {
            return Err(invalid("a task is reopened with a reason"));
        };
        let has = open.confirmed(&task.name).any(|one| one.member == *id);
        if open.confirmed(&task.name).next().is_none() {
            return Err(not_awaited(format!("nobody has confirmed the task `{}`", task.name)));
        }
        if !has && !task.asks(id, member) {
            return Err(Refusal::new(
                RefusalCode::NotEligible,
                format!("`{id}` may not reopen the task `{}`", task.name),
            )
            .needs(format!("{}, or who has confirmed it", listed(&task.from))));
        }
        self.emit(Event::TaskReopened {
            hold: open.hold.clone(),
            task: task.name.clone(),
            member: id.clone(),
            roles: member.roles.clone(),
            reason: reason.to_owned(),
        });
        Ok(())
    }

    fn could_confirm(&self, task: &Task, open: &HoldState, asked: &OpenTask) -> String {
        let now = self.at.now;
        let members = self.at.project.members().iter();
        let could: Vec<&str> = members
            .filter(|(id, member)| {
                keeps(task, open, asked, &self.state, (id, member), now).is_none()
            })
            .map(|(id, _)| id.as_str())
            .collect();
        let whom = listed(&task.from);
        if could.is_empty() {
            format!("{whom}; no member of the project can do that now")
        } else {
            format!("{whom}: {}", could.join(", "))
        }
    }
}

/// Adds [`Event::TaskConfirmed`] to an open hold.
pub(crate) fn confirm(
    open: &mut HoldState,
    confirmation: &Confirmation,
    at: Timestamp,
) -> Result<(), String> {
    let Confirmation { hold, task, member, .. } = confirmation;
    let asked = open.tasks.iter().find(|one| one.task == *task).filter(|_| open.hold == *hold);
    let asked = asked.ok_or_else(|| format!("`{hold}` has no task `{task}`"))?;
    if open.unconfirmed(asked) == 0 || open.confirmed(task).any(|one| one.member == *member) {
        return Err(format!("`{member}` has nothing to confirm"));
    }
    open.confirmed.push(Confirmed { task: task.clone(), member: member.clone(), at });
    Ok(())
}

/// What the tasks of an open hold look like.
pub(crate) fn conditions(
    hold: &Hold,
    open: &HoldState,
    state: &State,
    at: &holdpoint_core::Moment<'_>,
) -> Vec<ConditionView> {
    let of = |asked: &OpenTask| {
        let task = hold.tasks.iter().find(|task| task.name == asked.task)?;
        let left = open.unconfirmed(asked);
        let of_them = match asked.need {
            1 => String::new(),
            need => format!(" ({} of {need} confirmations)", need.saturating_sub(left)),
        };
        let qualified = match &asked.qualified {
            Some(domain) => format!(", qualified in {domain}"),
            None => String::new(),
        };
        let summary = format!(
            "the task {}: {}{of_them} by {}{qualified}",
            asked.task,
            asked.title,
            listed(&task.from)
        );
        let mut view = condition("task", &asked.task, left == 0, summary);
        view.instructions.clone_from(&asked.instructions);
        view.confirmations = open
            .confirmed(&asked.task)
            .map(|one| holdpoint_core::view::ConfirmationView {
                member: one.member.clone(),
                at: one.at,
            })
            .collect();
        view.open = left;
        if left > 0 {
            let members = at.project.members().iter();
            let mut all: Vec<Candidate> = members
                .filter(|(id, member)| task.asks(id, member))
                .map(|(id, member)| Candidate {
                    member: id.clone(),
                    lacks: keeps(task, open, asked, state, (id, member), at.now)
                        .map(|(_, why)| why),
                })
                .collect();
            all.sort_by_key(|candidate| candidate.lacks.is_some());
            view.candidates = all;
        }
        Some(view)
    };
    open.tasks.iter().filter_map(of).collect()
}
