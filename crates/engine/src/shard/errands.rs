//! Errands to runs of other shards: begun where a run is owed another, and what they bring back.

use holdpoint_core::{Action, ChildRun, EffectId, Moment, RunId, run::Parent};

use super::Shard;
use crate::{
    builder::Effects,
    children::{Errand, For, Found},
    deciding::own_command,
    guard::guard,
    slot::{Step, Waiting},
};

impl Shard {
    /// Whether an errand about an effect may be begun now.
    fn may_go(&self, run: RunId, effect: &EffectId) -> bool {
        self.slots.get(&run).is_some_and(|slot| {
            slot.live.as_ref().is_some_and(|live| live.broken.is_none())
                && !slot.stepping.contains(effect)
                && !slot.refused.contains(effect)
                && !slot.errands.contains_key(effect)
        })
    }

    /// Has a run started that another is owed.
    pub(super) fn start_run(
        &mut self,
        run: RunId,
        effect: EffectId,
        other: RunId,
        child: ChildRun,
    ) {
        if !self.may_go(run, &effect) {
            return;
        }
        let Some(slot) = self.slots.get_mut(&run) else { return };
        let Some(live) = &slot.live else { return };
        let held_back = own_command(Action::NotBegun { effects: [effect.clone()].into() });
        let project = self.library.projects.get(live.run.project());
        let may_not_begin = project.is_some_and(|project| {
            let now = self.clock.now().max(live.run.updated());
            live.would(&held_back, &Moment { now, project: &project }).is_ok()
        });
        if may_not_begin {
            slot.stepping.insert(effect.clone());
            let command = Box::new(held_back);
            slot.waiting.push_back(Waiting::Own { command, step: Step::Child(effect) });
            return;
        }
        let depth = live.run.parent().map_or(0, |parent| parent.depth).saturating_add(1);
        let whom = For {
            project: live.run.project().clone(),
            requester: live.run.requester().clone(),
            parent: Parent { run, effect: effect.clone(), depth },
        };
        slot.errands.insert(effect, false);
        self.nursery.begins();
        self.errands.spawn(self.nursery.clone().start(other, child, whom));
    }

    /// Looks at a run that another waits for, unless it is known to go on.
    pub(super) fn look_at_run(&mut self, run: RunId, effect: EffectId, other: RunId, stop: bool) {
        if !self.may_go(run, &effect) {
            return;
        }
        let Some(slot) = self.slots.get_mut(&run) else { return };
        if slot.going_on.get(&effect) == Some(&stop) {
            return;
        }
        slot.errands.insert(effect.clone(), false);
        self.nursery.begins();
        self.errands.spawn(self.nursery.clone().look(run, effect, other, stop));
    }

    /// Tells the run that started this one, when it has ended.
    pub(super) fn tell_parent(&mut self, run: RunId) {
        if self.effects == Effects::LeaveAlone {
            return;
        }
        let Some(live) = self.slots.get(&run).and_then(|slot| slot.live.as_ref()) else { return };
        let Some(parent) = live.run.parent() else { return };
        if guard("status", || live.run.status(&*live.workflow)).is_ok_and(|one| one.is_ended()) {
            self.nursery.begins();
            self.errands.spawn(self.nursery.clone().tell(parent.run));
        }
    }

    /// Looks again at the runs that a run waits for.
    pub(super) fn child_news(&mut self, run: RunId) {
        if self.effects == Effects::LeaveAlone {
            return;
        }
        match self.slots.get_mut(&run) {
            Some(slot) => {
                slot.going_on.clear();
                slot.errands.values_mut().for_each(|news| *news = true);
                self.look_anew(run);
            }
            None => self.load(run),
        }
    }

    /// Takes what was found about a run that another waits for.
    pub(super) fn errand_done(&mut self, errand: Errand) {
        let Errand { run, effect: Some(effect), found } = errand else { return };
        let Some(slot) = self.slots.get_mut(&run) else { return };
        let Some(news) = slot.errands.remove(&effect) else { return };
        let action = match found {
            Found::Started(other) => Action::ChildStarted { effect: effect.clone(), run: other },
            Found::Refused(error) => Action::ChildRefused { effect: effect.clone(), error },
            Found::Ended(other, outcome) => {
                Action::ChildEnded { effect: effect.clone(), run: other, outcome }
            }
            Found::GoesOn { .. } | Found::Nothing if news => return self.look_anew(run),
            Found::GoesOn { stop } => {
                slot.going_on.insert(effect, stop);
                return self.look_anew(run);
            }
            // The next start looks again.
            Found::Nothing => {
                slot.refused.insert(effect);
                return self.list_if_quiet(run);
            }
        };
        if slot.stepping.insert(effect.clone()) {
            let command = Box::new(own_command(action));
            slot.waiting.push_back(Waiting::Own { command, step: Step::Child(effect) });
        }
        self.pump(run);
    }
}
