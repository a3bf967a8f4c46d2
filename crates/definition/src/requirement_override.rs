//! Overrides for one run: an authority that the baseline itself names takes a requirement off a run, with
//! a reason. What the definition demands is left as it is, and so is every other requirement.

use holdpoint_core::{
    Digest, MemberId, Moment, NextAsk, NextStep, Project, Refusal, RefusalCode, project::Member,
    view::ConditionStatus,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    baseline::Requirement,
    check,
    decide::{Draft, invalid, not_awaited},
    event::DefinitionEvent as Event,
    event_data::{OverrideEnd, Overriding},
    hold_model::{Approver, Exclusion, listed},
    model::{Model, StateKind},
    requirements::Judging,
    state::{Place, State},
    voting::is_excluded,
};

/// Who may take a requirement off one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Overriders {
    pub(crate) from: Vec<Approver>,
    pub(crate) not: Vec<Exclusion>,
}

impl Overriders {
    /// Those who have asked for a run, or written it, do not say what it goes without.
    pub(crate) fn not_by_default() -> Vec<Exclusion> {
        vec![Exclusion::Requester, Exclusion::Editors]
    }

    fn excluded(&self, state: &State, id: &MemberId) -> Option<Exclusion> {
        self.not.iter().copied().find(|one| is_excluded(state, *one, id))
    }

    fn may(&self, state: &State, id: &MemberId, member: &Member) -> bool {
        self.from.iter().any(|one| one.is(id, member)) && self.excluded(state, id).is_none()
    }

    /// The members who may now.
    pub(crate) fn could(&self, state: &State, project: &Project) -> Vec<MemberId> {
        let members = project.members().iter();
        members.filter(|(id, one)| self.may(state, id, one)).map(|(id, _)| id.clone()).collect()
    }

    /// Whom it names, in words.
    pub(crate) fn in_words(&self) -> String {
        let not: Vec<&str> = self.not.iter().map(|one| one.as_str()).collect();
        let except =
            if not.is_empty() { String::new() } else { format!(", not {}", not.join(" or ")) };
        format!("{}{except}", listed(&self.from))
    }
}

/// That a requirement was taken off a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Overridden {
    pub(crate) by: MemberId,
    pub(crate) reason: String,
    pub(crate) at: Timestamp,
    /// With this input alone: what it was given for is then what runs.
    pub(crate) input: Digest,
}

impl State {
    /// How a requirement was taken off the run, with the input as it is.
    pub(crate) fn overridden(&self, requirement: &str) -> Option<&Overridden> {
        let found = self.kept.overridden.get(requirement);
        found.filter(|one| one.input == self.digest)
    }
}

/// Whether work that a requirement stands before can still begin.
fn can_begin_work(model: &Model, state: &State, one: &Requirement) -> bool {
    let begins = |place: &Place| {
        let ahead = match place {
            Place::Owing { next, .. } => check::ahead(model, next, true),
            Place::Blocked { state, .. } => check::ahead(model, state, true),
            place => check::ahead(model, place.state(), false),
        };
        let kinds = ahead.into_iter().filter_map(|name| Some(&model.states.get(name)?.kind));
        kinds.into_iter().any(|kind: &StateKind| one.is_before(kind))
    };
    match &state.place {
        Place::All(_) => state.leaves().iter().any(|(_, focus)| begins(&focus.place)),
        place => begins(place),
    }
}

fn not_overridable(message: String) -> Refusal {
    Refusal::new(RefusalCode::NotOverridable, message)
}

impl<'a> Draft<'a> {
    /// The requirement of the baseline that the run is judged by, with the run before it.
    fn requirement(&self, name: &str) -> Result<(Judging<'_>, &Requirement), Refusal> {
        if self.state.cancelled || self.state.expired {
            return Err(not_awaited("the run is being ended"));
        }
        let judging = match self.judging() {
            None => return Err(not_overridable("no baseline judges this run".to_owned())),
            Some(Err(why)) => {
                return Err(not_overridable(format!("the baseline of this run: {why}")));
            }
            Some(Ok(judging)) => judging,
        };
        let found = judging.baseline.get(name);
        found.map(|one| (judging, one)).ok_or_else(|| {
            let all: Vec<&str> = judging.baseline.requirements().collect();
            Refusal::new(
                RefusalCode::NotFound,
                format!("the baseline of this run has no requirement `{name}`"),
            )
            .needs(format!("it has {}", all.join(", ")))
        })
    }

    /// Refuses a member whom the baseline does not name, or who has to do with the run.
    fn check_overrider(
        &self,
        one: &Requirement,
        overriders: &Overriders,
        id: &MemberId,
        member: &Member,
    ) -> Result<(), Refusal> {
        let could = overriders.could(&self.state, self.at.project);
        let names: Vec<&str> = could.iter().map(MemberId::as_str).collect();
        let whom = overriders.in_words();
        let needs = if names.is_empty() {
            format!("{whom}; no member of the project is that now")
        } else {
            format!("{whom}: {}", names.join(", "))
        };
        if !overriders.from.iter().any(|from| from.is(id, member)) {
            return Err(Refusal::new(
                RefusalCode::NotEligible,
                format!("`{id}` may not override `{}` of the baseline for a run", one.name),
            )
            .needs(needs));
        }
        overriders.excluded(&self.state, id).map_or(Ok(()), |exclusion| {
            Err(Refusal::new(RefusalCode::SelfApproval, format!("`{id}` {}", exclusion.why()))
                .needs(needs))
        })
    }

    /// Decides that a requirement is not demanded of this run.
    pub(crate) fn override_requirement(&mut self, name: &str, reason: &str) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let (judging, one) = self.requirement(name)?;
        let Some(overriders) = &one.overriders else {
            return Err(not_overridable(format!("nobody may override `{name}` for one run"))
                .needs("the baseline would have to name who may: `override`"));
        };
        self.check_overrider(one, overriders, id, member)?;
        let stands = judging.stands(one);
        match stands.status {
            ConditionStatus::Open | ConditionStatus::Refused | ConditionStatus::Error => {}
            ConditionStatus::Overridden => {
                return Err(not_overridable(format!(
                    "`{name}` is overridden already: {}",
                    stands.why
                )));
            }
            ConditionStatus::NotApplicable | ConditionStatus::Met | ConditionStatus::Waived => {
                return Err(not_overridable(format!(
                    "`{name}` keeps no work of this run from beginning: {}",
                    stands.why
                )));
            }
        }
        if !can_begin_work(self.model, &self.state, one) {
            return Err(not_overridable(format!(
                "no work that `{name}` stands before can begin in this run any more"
            )));
        }
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(invalid("an override needs a reason")
                .needs("say why this run goes without, for those who review it"));
        }
        self.emit(Event::RequirementOverridden(Overriding {
            requirement: name.to_owned(),
            member: id.clone(),
            roles: member.roles.clone(),
            digest: self.state.digest,
            reason: reason.to_owned(),
        }));
        self.no_longer_owing();
        Ok(())
    }

    /// Decides that what was taken off the run is demanded again, of work that begins from now on.
    pub(crate) fn withdraw_override(
        &mut self,
        name: &str,
        reason: Option<&str>,
    ) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let (_, one) = self.requirement(name)?;
        let Some(overridden) = self.state.overridden(name) else {
            return Err(not_overridable(format!("`{name}` is not overridden for this run")));
        };
        // Whoever has lost the role may still take back what they said.
        if overridden.by != *id {
            match &one.overriders {
                Some(overriders) => self.check_overrider(one, overriders, id, member)?,
                None => {
                    return Err(Refusal::new(
                        RefusalCode::NotEligible,
                        format!("`{id}` has not overridden `{name}`"),
                    )
                    .needs(overridden.by.to_string()));
                }
            }
        }
        if !can_begin_work(self.model, &self.state, one) {
            return Err(not_overridable(format!(
                "the work that `{name}` stands before has begun, and none can begin any more"
            )));
        }
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty()).map(str::to_owned);
        self.emit(Event::OverrideWithdrawn(OverrideEnd {
            requirement: name.to_owned(),
            member: id.clone(),
            roles: member.roles.clone(),
            reason,
        }));
        // What keeps it is told anew where it rests before work already.
        self.no_longer_owing();
        Ok(())
    }
}

/// Adds one of the events about overrides.
pub(crate) fn evolve(state: &mut State, event: &Event, now: Timestamp) -> Result<(), String> {
    if state.baseline.is_none() {
        return Err("the run is judged by no baseline".to_owned());
    }
    match event {
        Event::RequirementOverridden(Overriding {
            requirement, member, digest, reason, ..
        }) if *digest == state.digest && state.overridden(requirement).is_none() => {
            let (by, reason, input) = (member.clone(), reason.clone(), *digest);
            let overridden = Overridden { by, reason, at: now, input };
            state.kept.overridden.insert(requirement.clone(), overridden);
            Ok(())
        }
        Event::OverrideWithdrawn(OverrideEnd { requirement, .. })
            if state.overridden(requirement).is_some() =>
        {
            state.kept.overridden.remove(requirement);
            Ok(())
        }
        _ => Err("it is about an override that there is not, or is already".to_owned()),
    }
}

/// What can be done by those who may override what keeps the run before a state.
pub(crate) fn steps(model: &Model, state: &State, at: &Moment<'_>) -> Vec<NextStep> {
    let Place::Owing { lacking, .. } = &state.place else { return Vec::new() };
    let Some(Ok(judging)) = Judging::of(model, state, at.project) else { return Vec::new() };
    let step = |name: &String| {
        let one = judging.baseline.get(name)?;
        let overriders = one.overriders.as_ref()?;
        if judging.stands(one).lets_work_begin() || overriders.could(state, at.project).is_empty() {
            return None;
        }
        let whom = overriders.in_words();
        let text =
            format!("override `{name}` of the baseline for this run, with a reason, as {whom}");
        Some(NextStep::ask(text, NextAsk::OverrideRequirement { requirement: name.clone() }))
    };
    lacking.iter().filter_map(step).collect()
}
