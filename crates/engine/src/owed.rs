//! What a run in memory is owed, summed up, so that after an append only what has changed is looked at.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use holdpoint_core::{
    EffectId, IllegalEvent, Seen,
    run::{Due, DueStep},
};
use jiff::Timestamp;

/// What a run is owed, as it was looked at.
pub(crate) struct Survey {
    /// The effects that were looked at; all when `None`.
    pub effects: Option<BTreeSet<EffectId>>,
    /// What there is to do about those of them that are asked for, in their order; or that the run's
    /// definition cannot say it.
    pub due: Result<Vec<Due>, IllegalEvent>,
}

/// When something is to be done about effects.
#[derive(Default)]
pub(crate) struct Times {
    of: HashMap<EffectId, Timestamp>,
    by_time: BTreeSet<(Timestamp, EffectId)>,
}

impl Times {
    /// The first of them.
    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// The effects of which it has come.
    pub(crate) fn come(&self, now: Timestamp) -> impl Iterator<Item = &EffectId> {
        self.by_time.iter().take_while(move |(at, _)| *at <= now).map(|(_, effect)| effect)
    }

    pub(crate) fn set(&mut self, effect: EffectId, at: Timestamp) {
        self.remove(&effect);
        self.by_time.insert((at, effect.clone()));
        self.of.insert(effect, at);
    }

    pub(crate) fn remove(&mut self, effect: &EffectId) {
        if let Some((effect, at)) = self.of.remove_entry(effect) {
            self.by_time.remove(&(at, effect));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.of.clear();
        self.by_time.clear();
    }
}

/// What counts of an effect where all are summed up.
struct Mark {
    /// The activity that is asked for.
    activity: Option<String>,
    /// Whether machines are owed work.
    works: bool,
}

/// What a run is owed, summed up.
#[derive(Default)]
pub(crate) struct Owed {
    marks: HashMap<EffectId, Mark>,
    working: usize,
    /// How often each activity is asked for.
    activities: BTreeMap<String, usize>,
    times: Times,
    seen: BTreeMap<EffectId, Seen>,
}

impl Owed {
    /// What is owed by these dues, which are all.
    pub(crate) fn of(due: &[Due]) -> Self {
        let mut owed = Self::default();
        due.iter().for_each(|due| owed.add(due));
        owed
    }

    /// Takes what was looked at; nothing is known when that cannot be said.
    pub(crate) fn after(before: Option<Self>, survey: &Survey) -> Option<Self> {
        let due = survey.due.as_ref().ok()?;
        match (&survey.effects, before) {
            (None, _) => Some(Self::of(due)),
            (Some(_), None) => None,
            (Some(effects), Some(mut owed)) => {
                effects.iter().for_each(|effect| owed.remove(effect));
                due.iter().for_each(|due| owed.add(due));
                Some(owed)
            }
        }
    }

    fn add(&mut self, due: &Due) {
        let effect = &due.effect;
        let (activity, works) = match &due.step {
            DueStep::Fire { at } => {
                self.times.set(effect.clone(), *at);
                (None, false)
            }
            DueStep::Watch { seen } => {
                self.seen.insert(effect.clone(), seen.clone());
                (None, false)
            }
            DueStep::Attempt { activity, not_before, .. } => {
                if let Some(at) = not_before {
                    self.times.set(effect.clone(), *at);
                }
                (Some(&activity.name), true)
            }
            DueStep::Settle { check, .. } => (Some(&check.name), true),
            // What has become of a run that was started is looked at by the next start.
            DueStep::UnderWay { .. } | DueStep::Start { .. } | DueStep::Await { .. } => {
                (None, true)
            }
            DueStep::Rest { .. } => (None, false),
        };
        self.working = self.working.saturating_add(usize::from(works));
        if let Some(name) = activity {
            let count = self.activities.entry(name.clone()).or_default();
            *count = count.saturating_add(1);
        }
        self.marks.insert(effect.clone(), Mark { activity: activity.cloned(), works });
    }

    fn remove(&mut self, effect: &EffectId) {
        let Some(Mark { activity, works }) = self.marks.remove(effect) else { return };
        self.times.remove(effect);
        self.seen.remove(effect);
        self.working = self.working.saturating_sub(usize::from(works));
        if let Some(name) = activity
            && let Some(count) = self.activities.get_mut(&name)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.activities.remove(&name);
            }
        }
    }

    /// When the next timer fires, or the next attempt may begin that may not yet.
    pub(crate) fn wake_at(&self) -> Option<Timestamp> {
        self.times.first()
    }

    /// Whether machines are owed work.
    pub(crate) const fn is_working(&self) -> bool {
        self.working > 0
    }

    /// The activities that are asked for, each once.
    pub(crate) fn activities(&self) -> Vec<String> {
        self.activities.keys().cloned().collect()
    }

    /// All that the run is to be told of when it is no longer so.
    pub(crate) fn seen(&self) -> Seen {
        let mut all = Seen::default();
        self.seen.values().for_each(|seen| all.add(seen.clone()));
        all
    }
}
