//! What no scenario reaches: states, ways between them, rules of approvals.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{Event, event::TypedEvent};
use holdpoint_definition::{Definition, DefinitionEvent, Outline, StateOf};

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
}

impl Item {
    /// `states`, `ways` or `rules`.
    #[must_use]
    pub const fn group(&self) -> &'static str {
        match self {
            Self::State { .. } => "states",
            Self::Way { .. } => "ways",
            Self::Rule { .. } | Self::Condition { .. } => "rules",
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

    /// Adds what a history reaches.
    pub fn add(&mut self, history: &[Event]) {
        let mut chosen: Option<String> = None;
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
            match event {
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
    }
    items
}
