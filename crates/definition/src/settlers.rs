//! Who says what became of work of which nobody knows whether it was done.

use holdpoint_core::{
    EffectId, MemberId, Moment, QualificationName, Settlers as Found, project::Member,
    view::Candidate,
};

use crate::{
    evolve,
    hold_model::{Exclusion, listed},
    model::{Model, Work},
    phrase,
    rollout_evolve::rollout_of,
    rollout_model::{Controller, Rollout},
    rollout_state::SWITCH,
    rollout_steps::Step,
    state::State,
    template::Template,
    voting::is_excluded,
};

/// Who may say what became of work, where a definition says who.
#[derive(Debug)]
pub(crate) struct Settlers {
    pub(crate) from: Vec<Controller>,
    pub(crate) not: Vec<Exclusion>,
    pub(crate) qualified: Option<Template>,
}

impl Settlers {
    /// In words: `role operator, qualified in network, but not the requester`.
    fn words(&self) -> String {
        phrase::asked(&listed(&self.from), self.qualified.as_ref(), &self.not)
    }

    /// In what they must be qualified in this run.
    fn domain(&self, state: &State) -> Result<Option<QualificationName>, String> {
        let Some(template) = &self.qualified else { return Ok(None) };
        let domain: Result<QualificationName, _> = template.render_text(&state.vars())?.parse();
        domain.map(Some).map_err(|error: holdpoint_core::id::MalformedId| error.to_string())
    }

    /// What keeps a member who is asked from it.
    fn lacks(
        &self,
        state: &State,
        domain: Result<Option<&QualificationName>, &String>,
        (id, member): (&MemberId, &Member),
        at: &Moment<'_>,
    ) -> Option<String> {
        if let Some(exclusion) = self.not.iter().find(|one| is_excluded(state, **one, id)) {
            return Some(exclusion.why().to_owned());
        }
        match domain {
            Ok(domain) => domain
                .filter(|domain| !member.is_qualified(domain.as_str(), at.now))
                .map(|domain| format!("is not qualified in {domain} now")),
            Err(why) => Some(format!("would have to be qualified, nobody can tell in what: {why}")),
        }
    }
}

/// Who says what became of work, in words.
pub(crate) fn words(work: &Work) -> String {
    work.settlers.as_ref().map_or_else(|| Found::BY_DEFAULT.to_owned(), Settlers::words)
}

/// Who may say now what became of an attempt; `None` where the definition does not say who.
pub(crate) fn of(
    model: &Model,
    state: &State,
    effect: &EffectId,
    at: &Moment<'_>,
) -> Option<Found> {
    let settlers = asked_for(model, effect)?.settlers.as_ref()?;
    let domain = settlers.domain(state);
    let members = at.project.members().iter();
    let candidates = members
        .filter(|(id, member)| settlers.from.iter().any(|one| one.is(state, id, member)))
        .map(|(id, member)| {
            let domain = domain.as_ref().map(Option::as_ref);
            let lacks = settlers.lacks(state, domain, (id, member), at);
            Candidate { member: id.clone(), lacks }
        });
    let found = Found::new(settlers.words(), candidates.collect());
    Some(Found { qualified: domain.ok().flatten(), ..found })
}

/// The work that an effect asks for.
fn asked_for<'m>(model: &'m Model, effect: &EffectId) -> Option<&'m Work> {
    let (name, visit) = effect.as_str().split_once('#')?;
    match visit.split_once('/') {
        None => evolve::work_of(model, name),
        Some((_, rest)) => {
            let (target, step) = rest.rsplit_once('/')?;
            step_of(rollout_of(model, name)?, target, step)
        }
    }
}

/// The work of a step at a target, or of the switch, by its name in effects.
fn step_of<'m>(rollout: &'m Rollout, target: &str, step: &str) -> Option<&'m Work> {
    let step = step.split_once('-').map_or(step, |(step, _)| step);
    let is = |one: Step| step == one.as_str();
    if let (SWITCH, Some(switch)) = (target, &rollout.switch) {
        return Some(if is(Step::Restore) { &switch.back } else { &switch.to });
    }
    let steps = rollout.steps.as_ref();
    let drain = || steps.and_then(|steps| steps.drain.as_ref());
    if is(Step::Deploy) {
        Some(&rollout.each)
    } else if is(Step::PreCheck) {
        steps.and_then(|steps| steps.pre_check.as_ref())
    } else if is(Step::Verify) {
        steps.and_then(|steps| steps.verify.as_ref())
    } else if is(Step::Drain) || is(Step::UndoDrain) {
        drain().map(|(drain, _)| drain)
    } else if is(Step::Undrain) || is(Step::UndoUndrain) {
        drain().map(|(_, undrain)| undrain)
    } else {
        None
    }
}
