//! How a run stands to the baseline that it is judged by, and what keeps it from work meanwhile.
//!
//! A definition is published only if no way leads to its work without what the baseline demands; that is
//! told from its graph. A run is looked at itself: what it has been released by is recorded, and work
//! begins only when each requirement that stands before it is met or set aside. So it holds, too, for
//! what cannot be told from a graph: a condition that was false when a hold was opened, or a run that was
//! migrated.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{
    BaselineRef, Digest, MemberId, Moment, Project, PublishedBaseline, Refusal,
    view::{BaselineView, Candidate, ConditionStatus, HoldView, RequirementView},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    baseline::{Baseline, Demanded, Requirement, WorkKind},
    decide::{Draft, invalid},
    diagnostics::Diagnostics,
    event::DefinitionEvent as Event,
    event_data::{MetByRelease, OpenRule},
    event_place::cut,
    evidence,
    hold_model::{Approval, Hold},
    hold_state::HoldState,
    model::{Model, StateKind},
    requirement_override::Overridden,
    state::{Place, State},
    view::condition,
};

/// What a run has of what its baseline demands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// By requirement, the holds that were released with what it demands.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) met: BTreeMap<String, BTreeMap<String, Mark>>,
    /// The outcomes of the states that were left last, each since it was entered last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) outcomes: BTreeMap<String, String>,
    /// What was taken off the run, by requirement.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) overridden: BTreeMap<String, Overridden>,
}

/// That a hold was released with what a requirement demands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) at: Timestamp,
    /// The baseline that demanded it.
    pub(crate) baseline: Digest,
    /// Who had overridden the hold's window, and why, where that is what let it go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) overridden: Option<(MemberId, String)>,
}

impl Kept {
    /// Whether there is nothing to say.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A hold that is opened again is to be released again.
    pub(crate) fn reopened(&mut self, hold: &str) {
        self.outcomes.remove(hold);
        self.met.retain(|_, holds| {
            holds.remove(hold);
            !holds.is_empty()
        });
    }

    /// With the names that the states have in another version.
    pub(crate) fn renamed(&mut self, name: impl Fn(&String) -> String) {
        let outcomes = std::mem::take(&mut self.outcomes);
        self.outcomes = outcomes.into_iter().map(|(hold, how)| (name(&hold), how)).collect();
        for holds in self.met.values_mut() {
            let before = std::mem::take(holds);
            *holds = before.into_iter().map(|(hold, mark)| (name(&hold), mark)).collect();
        }
    }
}

/// What a baseline that was published says.
fn read(published: &PublishedBaseline) -> Result<&Baseline, String> {
    let name = &published.reference.name;
    let parsed = published.read_as(|source| -> Result<Baseline, Diagnostics> {
        Baseline::parse(name.as_str(), source)
    });
    match parsed {
        Some(Ok(baseline)) => Ok(baseline),
        Some(Err(findings)) => Err(format!("it cannot be read: {findings}")),
        None => Err("BUG: it was read as something else".to_owned()),
    }
}

/// A run before its baseline.
#[derive(Clone, Copy)]
pub(crate) struct Judging<'a> {
    model: &'a Model,
    state: &'a State,
    project: &'a Project,
    reference: &'a BaselineRef,
    pub(crate) baseline: &'a Baseline,
}

/// Where a run stands with a requirement.
pub(crate) struct Stands {
    pub(crate) status: ConditionStatus,
    pub(crate) why: String,
    /// Whether it is met, whatever was set aside.
    pub(crate) met: bool,
}

impl Stands {
    /// Whether work begins that it stands before.
    pub(crate) const fn lets_work_begin(&self) -> bool {
        match self.status {
            ConditionStatus::NotApplicable
            | ConditionStatus::Met
            | ConditionStatus::Overridden
            | ConditionStatus::Waived => true,
            ConditionStatus::Open | ConditionStatus::Refused | ConditionStatus::Error => false,
        }
    }
}

impl<'a> Judging<'a> {
    /// The run before the baseline that it is judged by, if there is one.
    pub(crate) fn of(
        model: &'a Model,
        state: &'a State,
        project: &'a Project,
    ) -> Option<Result<Self, String>> {
        let reference = state.baseline.as_ref()?;
        let published = project.baselines().by_digest(&reference.digest);
        let found = published.ok_or_else(|| "it is not among those of the project".to_owned());
        let found = found.and_then(read);
        Some(found.map(|baseline| Self { model, state, project, reference, baseline }))
    }

    /// Whether a mark counts for a requirement: it was given for the same demand.
    fn counts(&self, one: &Requirement, mark: &Mark) -> bool {
        if mark.baseline == self.reference.digest {
            return true;
        }
        let before = self.project.baselines().by_digest(&mark.baseline);
        let before = before.and_then(|published| read(published).ok());
        let before = before.and_then(|one_before| one_before.get(&one.name));
        before.is_some_and(|before| before.demand == one.demand)
    }

    /// The release that meets a requirement, if one does: of several the last, as a window that was
    /// overridden once may have been open since, and the other way round.
    fn met(&self, one: &Requirement) -> Option<(&'a str, &'a Mark)> {
        let marks = self.state.kept.met.get(&one.name)?;
        let counting = marks.iter().filter(|(_, mark)| self.counts(one, mark));
        let found = counting.max_by_key(|(_, mark)| (mark.at, mark.overridden.is_none()));
        found.map(|(hold, mark)| (hold.as_str(), mark))
    }

    /// The holds that stand for a requirement.
    fn holds(&self, one: &Requirement) -> Vec<&'a str> {
        let stand = self.model.states.iter().filter_map(|(name, state)| match &state.kind {
            StateKind::Hold(hold) if one.lacks(hold).is_none() => Some(name.as_str()),
            _ => None,
        });
        stand.collect()
    }

    /// Where the run stands with a requirement.
    pub(crate) fn stands(&self, one: &Requirement) -> Stands {
        let (model, state) = (self.model, self.state);
        let stands = |status, why: String, met| Stands { status, why, met };
        if !one.has_work(model) {
            let why = "the definition has no such work".to_owned();
            return stands(ConditionStatus::NotApplicable, why, false);
        }
        let met = self.met(one);
        let is_met = met.is_some_and(|(_, mark)| mark.overridden.is_none());
        if let Some(reason) = one.except.get(model.name.as_str()) {
            return stands(ConditionStatus::Overridden, reason.clone(), is_met);
        }
        // Also where it need not have been, and where nobody could tell whether it is demanded.
        if let Some(Overridden { by, reason, .. }) = state.overridden(&one.name) {
            let why = format!("{by} has overridden it for this run: {reason}");
            return stands(ConditionStatus::Overridden, why, is_met || one.is_within_all(model));
        }
        let vars = state.vars();
        match one.condition(model).and_then(|when| when.map_or(Ok(true), |when| when.holds(&vars)))
        {
            Ok(true) => {}
            Ok(false) => {
                let why = format!("`{}` is false", one.when.as_deref().unwrap_or_default());
                return stands(ConditionStatus::NotApplicable, why, is_met);
            }
            Err(reason) => return stands(ConditionStatus::Error, cut(reason), is_met),
        }
        match met {
            Some((hold, Mark { overridden: None, .. })) => {
                return stands(ConditionStatus::Met, format!("`{hold}` was released"), true);
            }
            Some((hold, Mark { overridden: Some((member, reason)), .. })) => {
                let why = format!("the window of `{hold}` was overridden by {member}: {reason}");
                return stands(ConditionStatus::Overridden, why, false);
            }
            None => {}
        }
        let holds = self.holds(one);
        let outcome =
            |hold: &&&str| state.kept.outcomes.get(**hold).is_some_and(|how| how == "waived");
        if one.waivable
            && let Some(hold) = holds.iter().find(outcome)
        {
            return stands(ConditionStatus::Waived, format!("`{hold}` was waived"), false);
        }
        if one.is_within_all(model) {
            let why = "the rollout keeps to it itself".to_owned();
            return stands(ConditionStatus::Met, why, true);
        }
        let mut open = Vec::new();
        evidence::holds(&state.place, &mut open);
        if let Some(open) = open.into_iter().find(|open| holds.contains(&open.hold.as_str())) {
            let hold = &open.hold;
            return match open.vetoes().next() {
                Some(veto) => {
                    let why = format!("`{hold}` is vetoed by {}", veto.in_words());
                    stands(ConditionStatus::Refused, why, false)
                }
                None => stands(ConditionStatus::Open, format!("`{hold}` waits"), false),
            };
        }
        match holds.iter().find_map(|hold| Some((hold, state.kept.outcomes.get(*hold)?))) {
            // One that was released with less than is demanded now.
            Some((hold, outcome)) if outcome == "released" => {
                let why = format!("`{hold}` was released with less");
                stands(ConditionStatus::Open, why, false)
            }
            Some((hold, outcome)) => {
                stands(ConditionStatus::Refused, format!("`{hold}` {}", ended(outcome)), false)
            }
            None => stands(ConditionStatus::Open, "nothing has met it yet".to_owned(), false),
        }
    }

    /// What keeps the run from entering a state in which work is begun, by requirement.
    fn lacking(&self, name: &str) -> BTreeMap<String, String> {
        let kind = self.model.states.get(name).map(|state| &state.kind);
        let Some((kind, work)) = kind.and_then(|kind| Some((kind, WorkKind::of(kind)?))) else {
            return BTreeMap::new();
        };
        let before = |one: &&Requirement| one.before.contains(&work) && !one.is_within(kind);
        let lacks = |one: &Requirement| {
            let stands = self.stands(one);
            (!stands.lets_work_begin()).then(|| (one.name.clone(), stands.why))
        };
        self.baseline.requirements.iter().filter(before).filter_map(lacks).collect()
    }
}

/// How a hold ended that was not released.
fn ended(outcome: &str) -> String {
    match outcome {
        "rejected" | "waived" => format!("was {outcome}"),
        "objected" => "was objected to".to_owned(),
        _ => format!("has {outcome}"),
    }
}

/// Whether the release of an open hold meets a requirement, as it is and not as its definition is.
fn meets(one: &Requirement, hold: &Hold, open: &HoldState) -> bool {
    match &one.demand {
        Demanded::Approval { .. } => hold.approval.as_ref().is_some_and(|approval| {
            one.approval_lacks(approval, seats(one, approval, &open.rules)).is_none()
        }),
        Demanded::Evidence(name) => hold.demands(open).any(|demand| demand.name == *name),
        Demanded::NotDuring { .. } => one.lacks(hold).is_none(),
    }
}

/// The seats of an open hold that count for a requirement, by rule.
fn seats(one: &Requirement, approval: &Approval, rules: &[OpenRule]) -> u32 {
    let Demanded::Approval { from, qualified, .. } = &one.demand else { return 0 };
    let counting = rules.iter().filter(|open| {
        let qualifies = qualified.is_none()
            || open.qualified.as_ref().map(|domain| domain.as_str()) == qualified.as_deref();
        let asked = approval.rule(&open.rule);
        qualifies && asked.is_some_and(|rule| rule.from.iter().all(|who| from.contains(who)))
    });
    counting.fold(0, |seats, open| seats.saturating_add(open.need))
}

impl<'a> Draft<'a> {
    pub(crate) fn judging(&self) -> Option<Result<Judging<'_>, String>> {
        Judging::of(self.model, &self.state, self.at.project)
    }

    /// Records which requirements the release of the open hold meets, which is about to be released.
    pub(crate) fn note_what_is_met(&mut self) {
        let Some((open, hold)) = self.hold() else { return };
        let Some(Ok(judging)) = self.judging() else { return };
        let overridden = open.window.as_ref().is_some_and(|window| window.overridden.is_some());
        let mut met = BTreeSet::new();
        let mut without = BTreeSet::new();
        for one in judging.baseline.requirements.iter().filter(|one| meets(one, hold, open)) {
            match one.demand {
                Demanded::NotDuring { .. } if overridden => without.insert(one.name.clone()),
                _ => met.insert(one.name.clone()),
            };
        }
        if met.is_empty() && without.is_empty() {
            return;
        }
        let hold = open.hold.clone();
        self.emit(Event::BaselineMet(MetByRelease {
            hold,
            requirements: met,
            overridden: without,
        }));
    }

    /// Rests before a state in which work is begun while its baseline demands something.
    pub(crate) fn kept_back_before(&mut self, name: &str) -> bool {
        let lacking = match self.judging() {
            None => return false,
            Some(Ok(judging)) => judging.lacking(name),
            Some(Err(why)) => {
                if !crate::lockdown::begins_work(self.model, name) {
                    return false;
                }
                let baseline = self.state.baseline.as_ref();
                let named = baseline.map_or_else(String::new, |one| one.name.to_string());
                BTreeMap::from([(named, cut(why))])
            }
        };
        if lacking.is_empty() {
            return false;
        }
        let known = match &self.state.place {
            Place::Owing { next, lacking: before, .. } => {
                next == name && before.iter().eq(lacking.keys())
            }
            _ => false,
        };
        if !known {
            self.emit(Event::BaselineHeld { state: name.to_owned(), lacking });
        }
        true
    }

    /// Refuses an input with which it can never be told whether something is demanded.
    pub(crate) fn check_conditions(&self) -> Result<(), Refusal> {
        let Some(Ok(judging)) = self.judging() else { return Ok(()) };
        let vars = self.state.vars();
        for one in &judging.baseline.requirements {
            let asked =
                one.has_work(self.model) && !one.except.contains_key(self.model.name.as_str());
            let Ok(Some(when)) = one.condition(self.model) else { continue };
            if asked
                && !when.uses_states()
                && let Err(why) = when.holds(&vars)
            {
                return Err(invalid(format!(
                    "with this input it cannot be told whether `{}` of the baseline `{}` is demanded: {}",
                    one.name,
                    judging.reference.name,
                    cut(why)
                )));
            }
        }
        Ok(())
    }
}

/// Adds one of the events about the baseline; `leads` says whether a way leads to the state it names.
pub(crate) fn evolve(
    state: &mut State,
    event: &Event,
    leads: bool,
    at: Timestamp,
) -> Result<(), String> {
    let Some(baseline) = &state.baseline else {
        return Err("the run is judged by no baseline".to_owned());
    };
    match (&mut state.place, event) {
        (
            Place::Hold(open),
            Event::BaselineMet(MetByRelease { hold, requirements, overridden }),
        ) if open.hold == *hold => {
            let by = open.window.as_ref().and_then(|window| window.overridden.clone());
            let marked = requirements.iter().map(|one| (one, None));
            for (one, overridden) in marked.chain(overridden.iter().map(|one| (one, by.clone()))) {
                let mark = Mark { at, baseline: baseline.digest, overridden };
                state.kept.met.entry(one.clone()).or_default().insert(hold.clone(), mark);
            }
            Ok(())
        }
        (
            Place::Owing { next, lacking, lapsed, .. },
            Event::BaselineHeld { state: named, lacking: now },
        ) if next == named && leads && !now.is_empty() => {
            *lacking = now.keys().cloned().collect();
            *lapsed = None;
            Ok(())
        }
        (place, Event::BaselineHeld { state: named, lacking }) if leads && !lacking.is_empty() => {
            let here = if place.state().is_empty() { named } else { place.state() };
            let here = here.to_owned();
            state.place = Place::Owing {
                state: here,
                next: named.clone(),
                lockdowns: BTreeSet::new(),
                lacking: lacking.keys().cloned().collect(),
                lapsed: None,
            };
            Ok(())
        }
        _ => Err("nothing is demanded here".to_owned()),
    }
}

/// How a run stands to its baseline.
pub(crate) fn view(model: &Model, state: &State, at: &Moment<'_>) -> Option<BaselineView> {
    let reference = state.baseline.clone()?;
    let mut view = BaselineView { reference, problem: None, requirements: Vec::new() };
    match Judging::of(model, state, at.project)? {
        Err(why) => view.problem = Some(why),
        Ok(judging) => {
            let of = |one: &Requirement| {
                let Stands { status, why, met } = judging.stands(one);
                let (name, title) = (one.name.clone(), one.title.clone());
                let overridden_by = state.overridden(&one.name).map(|one| one.by.clone());
                RequirementView { name, title, status, met, why, overridden_by }
            };
            view.requirements = judging.baseline.requirements.iter().map(of).collect();
        }
    }
    Some(view)
}

/// What its baseline keeps a run from before a state.
pub(crate) fn hold_view(model: &Model, state: &State, at: &Moment<'_>) -> Option<HoldView> {
    let Place::Owing { next, lacking, .. } = &state.place else { return None };
    if lacking.is_empty() {
        return None;
    }
    let name = &state.baseline.as_ref()?.name;
    let judging = Judging::of(model, state, at.project)?;
    let could_override = |requirement: &str| -> Vec<Candidate> {
        let one = judging.as_ref().ok().and_then(|judging| judging.baseline.get(requirement));
        let overriders = one.and_then(|one| one.overriders.as_ref());
        let could = overriders.map(|who| who.could(state, at.project)).unwrap_or_default();
        could.into_iter().map(|member| Candidate { member, lacks: None }).collect()
    };
    let now = match &judging {
        Ok(judging) => judging
            .baseline
            .requirements
            .iter()
            .filter(|one| lacking.contains(&one.name))
            .map(|one| (one.name.clone(), judging.stands(one)))
            .filter(|(_, stands)| !stands.lets_work_begin())
            .collect(),
        Err(why) => {
            let why = why.clone();
            vec![(name.to_string(), Stands { status: ConditionStatus::Error, why, met: false })]
        }
    };
    let conditions = now.into_iter().map(|(requirement, Stands { status, why, .. })| {
        let words = format!("`{requirement}` of the baseline {name}: {why}");
        let mut view = condition("baseline", &requirement, false, words);
        view.status = status;
        view.candidates = could_override(&requirement);
        view
    });
    let conditions: Vec<_> = conditions.collect();
    (!conditions.is_empty()).then(|| HoldView {
        hold: next.clone(),
        since: state.entered,
        deadline: None,
        plans: BTreeMap::new(),
        replanned: None,
        no_plan: BTreeMap::new(),
        conditions,
    })
}
