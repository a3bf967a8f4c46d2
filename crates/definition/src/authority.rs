//! Whom the states of a definition ask, and who of a project's members that is now.

use std::collections::BTreeSet;

use holdpoint_core::{
    MemberId, Project,
    project::{Member, OWNER},
};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    approval,
    event_data::OpenRule,
    hold_model::{Approver, Exclusion, Hold, Need, Rule, listed},
    locking,
    model::{Model, StateKind, Work},
    phrase,
    rollout_model::{Controller, Rollout},
    settlers,
    template::Template,
};

/// What a state asks of people, and who of a project could do it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Authority {
    /// The state.
    pub state: String,
    /// What is asked, such as `approval/peer`, all rules of an `approval` together, `task/cable`, `promote/1`, `waiver`, `override` or `settle`.
    pub what: String,
    /// Of whom, in words.
    pub whom: String,
    /// How many must do it: at least so many, where that is computed of a run's input.
    pub need: u32,
    /// Whether runs wait for it; what is not needed is a way round.
    pub is_needed: bool,
    /// The members who could: in an `approval` under some rule, as each fills one seat of all rules. What depends on a run does not count: nobody is its requester yet, and every
    /// domain that its input names is held.
    pub members: BTreeSet<MemberId>,
    /// How many of them there are too few.
    pub lacks: u32,
}

/// What a witness point asks.
const WITNESS: &str = "witness";

impl Authority {
    /// Whether it is a witness point at which nobody could object, so that every run goes on there by itself.
    #[must_use]
    pub fn is_unwitnessed(&self) -> bool {
        self.what == WITNESS && self.lacks > 0
    }
}

/// What all states ask, in the order of their names.
pub(crate) fn of(model: &Model, project: &Project, now: Timestamp) -> Vec<Authority> {
    let mut found = Vec::new();
    for (name, state) in &model.states {
        let mut asked = Asked { state: name, project, now, found: &mut found };
        match &state.kind {
            StateKind::Hold(hold) => asked.hold(hold),
            StateKind::Activity(work) => {
                if let Some(window) = &work.window {
                    asked.way_round("override", &window.overriders, &window.not, 1);
                }
                asked.settle("settle".to_owned(), work);
            }
            StateKind::Rollout(rollout) => asked.rollout(rollout),
            StateKind::Child(_)
            | StateKind::Choose { .. }
            | StateKind::All(_)
            | StateKind::End { .. } => {}
        }
    }
    found
}

struct Asked<'a> {
    state: &'a str,
    project: &'a Project,
    now: Timestamp,
    found: &'a mut Vec<Authority>,
}

impl Asked<'_> {
    fn hold(&mut self, hold: &Hold) {
        if let Some(approval) = &hold.approval {
            let later = approval.escalate.iter().flat_map(|escalate| &escalate.to);
            let later: Vec<Approver> = later.cloned().collect();
            let asked: Vec<(&Rule, u32, BTreeSet<MemberId>)> =
                approval.rules.iter().map(|rule| self.rule(rule, &later, &approval.not)).collect();
            self.together(&asked);
            if let Some(veto) = &approval.veto {
                self.way_round("veto", &veto.from, &[], 1);
                self.way_round("overrule", &veto.overrule, &[], 1);
            }
        }
        if let Some(witness) = &hold.witness {
            self.way_round(WITNESS, &witness.from, &[], 1);
        }
        for demand in hold.evidence.iter().filter(|demand| !demand.from.is_empty()) {
            let what = format!("evidence/{}", demand.name);
            self.needed(what, &demand.from, &demand.not, None, 1);
        }
        for task in &hold.tasks {
            let (from, qualified) = (&task.from, task.qualified.as_ref());
            self.needed(task.key(), from, &task.not, qualified, task.need);
        }
        if let Some(signal) = &hold.signal {
            let senders = &signal.senders;
            let (from, qualified) = (&senders.from, senders.qualified.as_ref());
            self.needed(format!("signal/{}", signal.name), from, &senders.not, qualified, 1);
        }
        if let Some(waiver) = &hold.waiver {
            self.way_round("waiver", &waiver.from, &waiver.not, waiver.need);
            for duty in &waiver.duties {
                self.way_round(&format!("duty/{}", duty.name), &duty.from, &[], 1);
            }
        }
        if let Some(lock) = &hold.lock {
            let members = self.members(None, |id, member| {
                member.has_role(OWNER) || lock.breakers.iter().any(|one| one.is(id, member))
            });
            self.add("break".to_owned(), locking::breakers(lock), 1, false, members);
        }
        if let Some(window) = &hold.window {
            self.way_round("override", &window.overriders, &window.not, 1);
        }
        if let Some(conflicts) = &hold.conflicts {
            self.way_round("accept", &conflicts.accepters, &[], 1);
        }
    }

    fn rollout(&mut self, rollout: &Rollout) {
        let gates = rollout.waves.iter().map(|wave| &wave.gate);
        let gates = gates.chain(rollout.switch.iter().map(|switch| &switch.gate));
        for (wave, gate) in (1..).zip(gates) {
            if let Some(hold) = &gate.hold {
                let from = hold.from.as_ref().unwrap_or(&rollout.control);
                let whom = phrase::asked(&listed(from), None, &hold.not);
                let members = self.controllers(from, None);
                self.add(format!("promote/{wave}"), whom, hold.need, true, members);
            }
        }
        let members = self.controllers(&rollout.control, None);
        self.add("steer".to_owned(), listed(&rollout.control), 1, false, members);
        if let Some(window) = &rollout.window {
            self.way_round("override", &window.overriders, &window.not, 1);
        }
        for (step, work) in rollout.works() {
            self.settle(format!("settle/{step}"), work);
        }
    }

    /// Who says what became of work that is not simply done again.
    fn settle(&mut self, what: String, work: &Work) {
        if work.repeatable {
            return;
        }
        let members = match &work.settlers {
            Some(settlers) => self.controllers(&settlers.from, settlers.qualified.as_ref()),
            None => self.members(None, |_, member| member.has_role(OWNER)),
        };
        self.add(what, settlers::words(work), 1, false, members);
    }

    /// What the rules of an approval ask together, where there are enough for each of them and too few for all: each
    /// member fills one seat of the whole hold. What applies to some runs only is not counted.
    fn together(&mut self, asked: &[(&Rule, u32, BTreeSet<MemberId>)]) {
        let asked: Vec<_> = asked.iter().filter(|(rule, ..)| rule.when.is_none()).collect();
        let rules: Vec<OpenRule> = asked
            .iter()
            .map(|(rule, need, _)| OpenRule {
                rule: rule.name.clone(),
                need: *need,
                qualified: None,
                roster: None,
            })
            .collect();
        let need = rules.iter().fold(0_u32, |all, rule| all.saturating_add(rule.need));
        let members: BTreeSet<MemberId> =
            asked.iter().flat_map(|(.., members)| members).cloned().collect();
        let seats = |id: &MemberId| -> BTreeSet<String> {
            let theirs = asked.iter().filter(|(.., members)| members.contains(id));
            theirs.map(|(rule, ..)| rule.name.clone()).collect()
        };
        let each: Vec<BTreeSet<String>> = members.iter().map(seats).collect();
        let filled: u32 = approval::filled(&rules, &each.iter().collect::<Vec<_>>()).iter().sum();
        let lacks = need.saturating_sub(filled);
        let is_enough_for_each = asked
            .iter()
            .all(|(_, need, members)| u32::try_from(members.len()).is_ok_and(|all| *need <= all));
        if is_enough_for_each && lacks > 0 {
            let state = self.state.to_owned();
            let whom = "those whom the rules ask together".to_owned();
            let what = "approval".to_owned();
            self.found.push(Authority { state, what, whom, need, is_needed: true, members, lacks });
        }
    }

    fn rule<'r>(
        &mut self,
        rule: &'r Rule,
        later: &[Approver],
        not: &[Exclusion],
    ) -> (&'r Rule, u32, BTreeSet<MemberId>) {
        let from = [rule.from.as_slice(), later].concat();
        let members = self.could(&from, rule.qualified.as_ref());
        let need = match &rule.need {
            Need::Share(share) => {
                let roster = self.could(&rule.from, rule.qualified.as_ref());
                share.of(roster.len())
            }
            need => need.at_least(),
        };
        let what = format!("approval/{}", rule.name);
        let mut whom = phrase::asked(&listed(&rule.from), rule.qualified.as_ref(), not);
        if !later.is_empty() {
            whom.push_str(&format!(", and {} when it is escalated", listed(later)));
        }
        self.add(what, whom, need, true, members.clone());
        (rule, need, members)
    }

    fn needed(
        &mut self,
        what: String,
        from: &[Approver],
        not: &[Exclusion],
        qualified: Option<&Template>,
        need: u32,
    ) {
        let members = self.could(from, qualified);
        let whom = if from.is_empty() { "any member".to_owned() } else { listed(from) };
        self.add(what, phrase::asked(&whom, qualified, not), need, true, members);
    }

    fn way_round(&mut self, what: &str, from: &[Approver], not: &[Exclusion], need: u32) {
        if !from.is_empty() {
            let members = self.could(from, None);
            let whom = phrase::asked(&listed(from), None, not);
            self.add(what.to_owned(), whom, need, false, members);
        }
    }

    fn add(
        &mut self,
        what: String,
        whom: String,
        need: u32,
        is_needed: bool,
        members: BTreeSet<MemberId>,
    ) {
        let state = self.state.to_owned();
        let lacks = need.saturating_sub(u32::try_from(members.len()).unwrap_or(u32::MAX));
        self.found.push(Authority { state, what, whom, need, is_needed, members, lacks });
    }

    /// The members who are asked; all, where nobody is named.
    fn could(&self, from: &[Approver], qualified: Option<&Template>) -> BTreeSet<MemberId> {
        self.members(qualified, |id, member| {
            from.is_empty() || from.iter().any(|from| from.is(id, member))
        })
    }

    /// The members who are asked; all, where the requester is: each of them can become one.
    fn controllers(&self, from: &[Controller], qualified: Option<&Template>) -> BTreeSet<MemberId> {
        self.members(qualified, |id, member| {
            from.iter().any(|from| match from {
                Controller::Requester => true,
                Controller::Approver(approver) => approver.is(id, member),
            })
        })
    }

    fn members(
        &self,
        qualified: Option<&Template>,
        is_asked: impl Fn(&MemberId, &Member) -> bool,
    ) -> BTreeSet<MemberId> {
        let domain = qualified.and_then(Template::literal);
        let could = |id: &MemberId, member: &Member| {
            is_asked(id, member)
                && domain.is_none_or(|domain| member.is_qualified(domain, self.now))
        };
        let members = self.project.members().iter();
        members.filter(|(id, member)| could(id, member)).map(|(id, _)| id.clone()).collect()
    }
}
