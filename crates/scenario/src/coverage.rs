//! What no scenario reaches: states, ways between them, rules of approvals, what else approvals
//! have, what else holds wait for, and what a baseline demands.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{Event, MemberId, RunView, Vote, event::TypedEvent};
use holdpoint_definition::{ApprovalPart, Definition, DefinitionEvent, Outline, StateOf, Verdict};

use crate::{
    baselines::KeptBaseline,
    requirements::{Stood, requirements},
};

/// Something that a scenario can reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A state was entered.
    State {
        /// Which.
        state: String,
    },
    /// A state had an outcome, or a `choose` led somewhere.
    Way {
        /// Which state.
        state: String,
        /// The outcomes or conditions that lead there: of a `choose`, all with the same target,
        /// as a history does not tell them apart.
        on: String,
        /// Where it led.
        to: String,
    },
    /// Somebody voted under a rule.
    Rule {
        /// The hold.
        hold: String,
        /// The rule.
        rule: String,
    },
    /// A rule with a condition applied to a run, or did not.
    Condition {
        /// The hold.
        hold: String,
        /// The rule.
        rule: String,
        /// Whether it applied.
        applied: bool,
    },
    /// A piece of evidence was attached.
    Evidence {
        /// The hold that demands it.
        hold: String,
        /// Its name.
        name: String,
    },
    /// Somebody confirmed a task.
    Task {
        /// The hold.
        hold: String,
        /// Its name.
        task: String,
    },
    /// A run had a level of risk.
    Level {
        /// Which.
        level: String,
    },
    /// A case of a factor of the risk counted.
    RiskCase {
        /// The factor.
        factor: String,
        /// The case, from 1.
        case: u32,
        /// Its condition.
        when: String,
    },
    /// A run had a higher level of risk than its points make.
    RiskRaised,
    /// A check told that all is well, or something else.
    Check {
        /// The hold.
        hold: String,
        /// Its name.
        check: String,
        /// Whether it passed.
        passed: bool,
    },
    /// A conflict has kept the hold; or one was accepted.
    Conflict {
        /// The hold.
        state: String,
        /// Whether it was accepted.
        accepted: bool,
    },
    /// All else was there, and the window was closed; or that was overridden.
    Window {
        /// The hold or the rollout.
        state: String,
        /// Whether somebody let the run go on nevertheless.
        overridden: bool,
    },
    /// The time of the whole run was over.
    RunExpiry {
        /// The state that it ends in then.
        to: String,
    },
    /// Something that an approval has besides its rules was used.
    Use {
        /// The hold.
        hold: String,
        /// What was done with it.
        what: Use,
    },
    /// A run stood so to a requirement of its baseline.
    Requirement {
        /// The baseline.
        baseline: String,
        /// The requirement.
        requirement: String,
        /// How.
        stood: Stood,
    },
}

/// What can be done with what an approval has besides its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Somebody gave a veto.
    Veto,
    /// Its author lifted one.
    VetoLifted,
    /// Somebody overruled one.
    VetoOverruled,
    /// The input was amended.
    Amendment,
    /// An approval stood when the input was amended.
    ApprovalStood,
    /// An approval fell when the input was amended.
    ApprovalFell,
    /// The hold was released by an approval on a condition.
    Duty,
    /// A duty of such an approval was discharged.
    DutyDischarged,
    /// People were reminded.
    Reminder,
    /// Others could approve as well.
    Escalation,
    /// Somebody approved in the place of another.
    Substitute,
}

impl Use {
    /// What can be done with a part of an approval.
    fn of(part: ApprovalPart) -> Vec<Self> {
        match part {
            ApprovalPart::Veto => vec![Self::Veto, Self::VetoLifted, Self::VetoOverruled],
            ApprovalPart::Amendment { stand, fall } => {
                let stood = stand.then_some(Self::ApprovalStood);
                let fell = fall.then_some(Self::ApprovalFell);
                [Some(Self::Amendment), stood, fell].into_iter().flatten().collect()
            }
            ApprovalPart::Duties => vec![Self::Duty, Self::DutyDischarged],
            ApprovalPart::Reminder => vec![Self::Reminder],
            ApprovalPart::Escalation => vec![Self::Escalation],
            ApprovalPart::Substitutes => vec![Self::Substitute],
        }
    }

    /// That it does not happen, in words.
    const fn missing(self) -> &'static str {
        match self {
            Self::Veto => "nobody gives a veto",
            Self::VetoLifted => "no veto is lifted",
            Self::VetoOverruled => "no veto is overruled",
            Self::Amendment => "the input is never amended",
            Self::ApprovalStood => "no approval stands when the input is amended",
            Self::ApprovalFell => "no approval falls when the input is amended",
            Self::Duty => "no approval on a condition releases it",
            Self::DutyDischarged => "no duty is discharged",
            Self::Reminder => "nobody is reminded",
            Self::Escalation => "it is never escalated",
            Self::Substitute => "nobody approves in the place of another",
        }
    }
}

impl Item {
    /// `states`, `ways`, `rules`, `approvals`, `conditions` or `requirements`.
    #[must_use]
    pub const fn group(&self) -> &'static str {
        match self {
            Self::State { .. } => "states",
            Self::Way { .. } | Self::RunExpiry { .. } => "ways",
            Self::Use { .. } => "approvals",
            Self::Evidence { .. }
            | Self::Task { .. }
            | Self::Check { .. }
            | Self::Conflict { .. }
            | Self::Window { .. } => "conditions",
            Self::Rule { .. }
            | Self::Condition { .. }
            | Self::Level { .. }
            | Self::RiskCase { .. }
            | Self::RiskRaised => "rules",
            Self::Requirement { .. } => "requirements",
        }
    }

    /// In words, such as `authorize: rejected → draft`.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::State { state } => state.clone(),
            Self::Way { state, on, to } => format!("{state}: {on} → {to}"),
            Self::Rule { hold, rule } => format!("{hold}: nobody votes under `{rule}`"),
            Self::Condition { hold, rule, applied: true } => {
                format!("{hold}: `{rule}` never applies")
            }
            Self::Condition { hold, rule, applied: false } => {
                format!("{hold}: `{rule}` always applies")
            }
            Self::Evidence { hold, name } => format!("{hold}: nobody attaches `{name}`"),
            Self::Task { hold, task } => format!("{hold}: nobody confirms `{task}`"),
            Self::Level { level } => format!("no run has the risk `{level}`"),
            Self::RiskCase { factor, when, .. } => {
                format!("risk: `{factor}` never counts by `{when}`")
            }
            Self::RiskRaised => "risk: it is never higher than by its points".to_owned(),
            Self::Check { hold, check, passed: true } => {
                format!("{hold}: the check `{check}` never passes")
            }
            Self::Check { hold, check, passed: false } => {
                format!("{hold}: the check `{check}` always passes")
            }
            Self::Conflict { state, accepted: false } => {
                format!("{state}: no conflict ever keeps it")
            }
            Self::Conflict { state, accepted: true } => {
                format!("{state}: no conflict is ever accepted")
            }
            Self::Window { state, overridden: false } => {
                format!("{state}: its window is never waited for")
            }
            Self::Window { state, overridden: true } => {
                format!("{state}: its window is never overridden")
            }
            Self::RunExpiry { to } => format!("the whole run: expires → {to}"),
            Self::Use { hold, what } => format!("{hold}: {}", what.missing()),
            Self::Requirement { baseline, requirement, stood } => {
                format!("{baseline}: `{requirement}` is never {}", stood.as_str())
            }
        }
    }
}

/// What of a definition scenarios reach.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// Everything there is, in the order of the file, and whether it was reached.
    items: Vec<(Item, bool)>,
    /// Where the ways of each `choose` lead.
    chooses: BTreeSet<String>,
    /// The conditional rules of each hold.
    conditional: BTreeMap<String, Vec<String>>,
}

impl Coverage {
    /// Nothing of a definition has been reached yet.
    #[must_use]
    pub fn new(definition: &Definition) -> Self {
        let outline = definition.outline();
        let items = items(&outline).into_iter().map(|item| (item, false)).collect();
        let chooses = outline
            .states
            .iter()
            .filter(|state| state.kind == StateOf::Choose)
            .map(|state| state.name.clone())
            .collect();
        let conditional = outline
            .states
            .iter()
            .map(|state| {
                let rules = state.rules.iter().filter(|rule| rule.conditional);
                (state.name.clone(), rules.map(|rule| rule.name.clone()).collect())
            })
            .collect();
        Self { items, chooses, conditional }
    }

    /// Counts as well what a baseline demands, by which runs are judged from now on.
    pub fn judged_by(&mut self, definition: &Definition, baseline: &KeptBaseline) {
        for item in requirements(definition, baseline) {
            if self.items.iter().all(|(there, _)| *there != item) {
                self.items.push((item, false));
            }
        }
    }

    /// Adds how a run stands to its baseline at the end of what was played of it.
    pub fn add_view(&mut self, view: &RunView) {
        let Some(standing) = &view.baseline else { return };
        for one in &standing.requirements {
            let stands = Stood::of(one);
            self.mark(|item| {
                matches!(item, Item::Requirement { baseline, requirement, stood }
                    if baseline == standing.reference.name.as_str()
                        && *requirement == one.name
                        && stands.contains(stood))
            });
        }
    }

    /// Adds what a history reaches.
    pub fn add(&mut self, history: &[Event]) {
        let mut chosen: Option<String> = None;
        let mut standing = Standing::default();
        for event in history {
            let Ok(event) = DefinitionEvent::from_parts(&event.kind, &event.data) else {
                continue;
            };
            if let Some((state, outcome)) = event.outcome() {
                let (state, outcome) = (state.to_owned(), outcome.to_owned());
                self.mark(|item| {
                    matches!(item, Item::Way { state: s, on, .. } if *s == state && *on == outcome)
                });
            }
            for (hold, used) in standing.uses(&event) {
                self.mark(|item| {
                    matches!(item, Item::Use { hold: h, what } if *h == hold && *what == used)
                });
            }
            match event {
                DefinitionEvent::Expired { .. } => {
                    self.mark(|item| matches!(item, Item::RunExpiry { .. }));
                }
                DefinitionEvent::StateEntered { state, .. } => {
                    self.mark(|item| matches!(item, Item::State { state: s } if *s == state));
                    if let Some(from) = chosen.take() {
                        self.mark(|item| {
                            matches!(item, Item::Way { state: s, to, .. } if *s == from && *to == state)
                        });
                    }
                    chosen = self.chooses.contains(&state).then_some(state);
                }
                DefinitionEvent::HoldOpened { hold, rules, .. } => {
                    let open: BTreeSet<String> = rules.into_iter().map(|rule| rule.rule).collect();
                    for name in self.conditional.get(&hold).cloned().unwrap_or_default() {
                        let applies = open.contains(&name);
                        self.mark(|item| {
                            matches!(item, Item::Condition { hold: h, rule, applied }
                                if *h == hold && *rule == name && *applied == applies)
                        });
                    }
                }
                // A piece belongs to the run: whatever demands its name sees it.
                DefinitionEvent::EvidenceAttached(attached) => self.mark(
                    |item| matches!(item, Item::Evidence { name, .. } if *name == attached.evidence),
                ),
                DefinitionEvent::TaskConfirmed(confirmed) => self.mark(|item| {
                    matches!(item, Item::Task { hold, task }
                        if *hold == confirmed.hold && *task == confirmed.task)
                }),
                DefinitionEvent::RiskAssessed(risk)
                | DefinitionEvent::Amended { risk: Some(risk), .. } => self.mark(|item| match item {
                    Item::Level { level } => *level == risk.level,
                    Item::RiskCase { factor, case, .. } => risk.cases.get(factor) == Some(case),
                    Item::RiskRaised => risk.by_points.as_ref().is_some_and(|level| *level != risk.level),
                    _ => false,
                }),
                DefinitionEvent::CheckTold { hold, check, verdict, .. } => self.mark(|item| {
                    matches!(item, Item::Check { hold: h, check: c, passed }
                        if *h == hold && *c == check && *passed == (verdict == Verdict::Passed))
                }),
                DefinitionEvent::ConflictsChecked { hold, found }
                    if found.with.iter().any(|one| one.first) =>
                {
                    self.mark(|item| {
                        matches!(item, Item::Conflict { state, accepted: false } if *state == hold)
                    });
                }
                DefinitionEvent::ConflictAccepted { hold, .. } => self.mark(|item| {
                    matches!(item, Item::Conflict { state, accepted: true } if *state == hold)
                }),
                DefinitionEvent::WindowAwaited { state, .. } => self.mark(|item| {
                    matches!(item, Item::Window { state: s, overridden: false } if *s == state)
                }),
                DefinitionEvent::WindowOverridden { state, .. } => self.mark(|item| {
                    matches!(item, Item::Window { state: s, overridden: true } if *s == state)
                }),
                DefinitionEvent::ApprovalGranted(ballot)
                | DefinitionEvent::ApprovalRejected(ballot) => self.mark(|item| {
                    matches!(item, Item::Rule { hold, rule }
                        if *hold == ballot.hold && ballot.rules.contains(rule))
                }),
                _ => {}
            }
        }
    }

    fn mark(&mut self, reached: impl Fn(&Item) -> bool) {
        for (item, mark) in &mut self.items {
            *mark |= reached(item);
        }
    }

    /// How much there is in a group, and how much of it was reached.
    #[must_use]
    pub fn counts(&self, group: &str) -> (usize, usize) {
        let all = self.items.iter().filter(|(item, _)| item.group() == group);
        let reached = all.clone().filter(|(_, reached)| *reached).count();
        (reached, all.count())
    }

    /// What was reached of all there is, in percent, rounded down: 100 means everything.
    #[must_use]
    pub fn percent(&self) -> u32 {
        let reached = self.items.iter().filter(|(_, reached)| *reached).count();
        let percent = reached.saturating_mul(100).checked_div(self.items.len());
        percent.and_then(|percent| u32::try_from(percent).ok()).unwrap_or(100)
    }

    /// What was not reached, in the order of the file.
    pub fn missed(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|(_, reached)| !reached).map(|(item, _)| item)
    }
}

/// What of a run's history must be remembered to tell what is done with approvals.
#[derive(Default)]
struct Standing {
    /// Whose approvals stand in the hold that is open.
    approving: BTreeSet<MemberId>,
    /// The hold of each duty.
    duties: BTreeMap<u32, String>,
}

impl Standing {
    /// What is used by an event, and of which hold.
    fn uses(&mut self, event: &DefinitionEvent) -> Vec<(String, Use)> {
        let used = |hold: &String, what| vec![(hold.clone(), what)];
        match event {
            DefinitionEvent::HoldOpened { .. } => self.approving.clear(),
            DefinitionEvent::ApprovalGranted(ballot) => {
                self.approving.insert(ballot.place().clone());
                if ballot.in_place_of.is_some() {
                    return used(&ballot.hold, Use::Substitute);
                }
            }
            DefinitionEvent::VoteWithdrawn { hold, vote: Vote::Veto, .. } => {
                return used(hold, Use::VetoLifted);
            }
            DefinitionEvent::VoteWithdrawn { member, in_place_of, .. } => {
                self.approving.remove(in_place_of.as_ref().unwrap_or(member));
            }
            DefinitionEvent::Vetoed(ballot) => return used(&ballot.hold, Use::Veto),
            DefinitionEvent::VetoOverruled { hold, .. } => return used(hold, Use::VetoOverruled),
            DefinitionEvent::Amended { hold, kept, .. } => {
                let before = self.approving.len();
                self.approving.retain(|member| kept.contains_key(member));
                let stood = (!self.approving.is_empty()).then_some(Use::ApprovalStood);
                let fell = (self.approving.len() < before).then_some(Use::ApprovalFell);
                let all = [Some(Use::Amendment), stood, fell].into_iter().flatten();
                return all.map(|what| (hold.clone(), what)).collect();
            }
            DefinitionEvent::Replanned { fell, .. } => {
                self.approving.retain(|member| !fell.contains(member));
            }
            DefinitionEvent::DutyOpened(opened) => {
                self.duties.insert(opened.duty, opened.hold.clone());
                return used(&opened.hold, Use::Duty);
            }
            DefinitionEvent::DutyDischarged { duty, .. } => {
                let hold = self.duties.get(duty);
                return hold.map(|hold| used(hold, Use::DutyDischarged)).unwrap_or_default();
            }
            DefinitionEvent::Reminded { hold, .. } => return used(hold, Use::Reminder),
            DefinitionEvent::Escalated { hold, .. } => return used(hold, Use::Escalation),
            _ => {}
        }
        Vec::new()
    }
}

/// Everything that can be reached.
fn items(outline: &Outline) -> Vec<Item> {
    let mut items = Vec::new();
    for state in &outline.states {
        let name = || state.name.clone();
        items.push(Item::State { state: name() });
        if state.kind == StateOf::Choose {
            let mut ways: Vec<(String, Vec<&str>)> = Vec::new();
            for way in &state.ways {
                match ways.iter_mut().find(|(to, _)| *to == way.to) {
                    Some((_, on)) => on.push(&way.on),
                    None => ways.push((way.to.clone(), vec![&way.on])),
                }
            }
            items.extend(ways.into_iter().map(|(to, on)| Item::Way {
                state: name(),
                on: on.join(" or "),
                to,
            }));
        } else {
            items.extend(state.ways.iter().map(|way| Item::Way {
                state: name(),
                on: way.on.clone(),
                to: way.to.clone(),
            }));
        }
        for rule in &state.rules {
            let rule_name = || rule.name.clone();
            items.push(Item::Rule { hold: name(), rule: rule_name() });
            if rule.conditional {
                items.extend([true, false].map(|applied| Item::Condition {
                    hold: name(),
                    rule: rule_name(),
                    applied,
                }));
            }
        }
        let evidence = state.evidence.iter().cloned();
        items.extend(evidence.map(|evidence| Item::Evidence { hold: name(), name: evidence }));
        let tasks = state.tasks.iter().cloned();
        items.extend(tasks.map(|task| Item::Task { hold: name(), task }));
        for check in &state.checks {
            items.extend([true, false].map(|passed| Item::Check {
                hold: name(),
                check: check.clone(),
                passed,
            }));
        }
        if let Some(conflicts) = state.conflicts {
            items.push(Item::Conflict { state: name(), accepted: false });
            if conflicts.acceptable {
                items.push(Item::Conflict { state: name(), accepted: true });
            }
        }
        if let Some(window) = state.window {
            items.push(Item::Window { state: name(), overridden: false });
            if window.overridable {
                items.push(Item::Window { state: name(), overridden: true });
            }
        }
        let uses = state.parts.iter().flat_map(|part| Use::of(*part));
        items.extend(uses.map(|what| Item::Use { hold: name(), what }));
    }
    items.extend(outline.levels.iter().map(|level| Item::Level { level: level.clone() }));
    for (factor, cases) in &outline.factors {
        items.extend((1_u32..).zip(cases).map(|(case, when)| Item::RiskCase {
            factor: factor.clone(),
            case,
            when: when.clone(),
        }));
    }
    items.extend(outline.risk_at_least.then_some(Item::RiskRaised));
    items.extend(outline.expires.iter().map(|one| Item::RunExpiry { to: one.to.clone() }));
    items
}
