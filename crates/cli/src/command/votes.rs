//! `holdpoint approve`, `reject` and `veto`, of one run or several. Each run is decided by itself, about
//! its own input: there is no vote on several.

use std::sync::Arc;

use holdpoint::{
    core::{Action, MemberId, Refusal, RunView},
    engine::RunRow,
};
use serde_json::Value;

use crate::{
    arguments::{votes::Votes, which::Filter},
    command::{
        about::{About, OfVote},
        bulk::{self, Errand, How, Look, Meant, Part},
        names::Projects,
    },
    context::Context,
    failure::Failure,
};

/// What is voted, and how that is said when it is done.
pub(crate) struct Ballot {
    pub(crate) name: &'static str,
    pub(crate) action: Action,
    pub(crate) done: &'static str,
}

/// Votes on one run, or on several.
pub(crate) async fn vote(context: &Context, on: Votes, ballot: Ballot) -> Result<(), Failure> {
    let Votes { which, of, plans: _, hold, acting } = on;
    let filter = Filter { whose: which.whose.clone(), state: of.state };
    bulk::each(context, which, &acting, &Voting { ballot, filter, hold }).await
}

struct Voting {
    ballot: Ballot,
    filter: Filter,
    hold: Option<String>,
}

impl Errand for Voting {
    fn name(&self) -> &'static str {
        self.ballot.name
    }

    fn done(&self) -> (&'static str, &'static str) {
        (self.ballot.done, self.ballot.done)
    }

    fn none(&self) -> &'static str {
        "no run that this fits waits for votes"
    }

    fn action(&self, to: &Meant) -> Action {
        let mut action = self.ballot.action.clone();
        if let (How::Seen(About::Vote(about)), Action::Vote { plans, .. }) = (&to.how, &mut action)
        {
            *plans = about.plans.values().copied().collect();
        }
        action
    }

    fn check(&self, projects: &Projects, rows: &[RunRow]) -> Result<(), Refusal> {
        projects.filter(&self.filter, rows)?;
        let hold = self.hold.as_deref();
        hold.map_or(Ok(()), |hold| projects.hold(&self.filter.whose, hold, rows))
    }

    fn takes(&self, row: &RunRow) -> bool {
        self.filter.takes(row)
    }

    fn fits(&self, view: &RunView) -> Vec<Part> {
        let waits = view.holds.iter().any(|open| {
            self.hold.as_ref().is_none_or(|hold| open.hold == *hold)
                && open.conditions.iter().any(|condition| condition.kind == "approval")
        });
        if waits { vec![Part::default()] } else { Vec::new() }
    }

    fn look(&self) -> Look {
        Arc::new(|_, events| OfVote::of(events))
    }

    fn read(&self, seen: Value) -> serde_json::Result<About> {
        serde_json::from_value(seen).map(About::Vote)
    }

    fn in_place_of(&self) -> Option<&MemberId> {
        match &self.ballot.action {
            Action::Vote { in_place_of, .. } => in_place_of.as_ref(),
            _ => None,
        }
    }

    fn leaves_to_others(&self) -> bool {
        true
    }
}
