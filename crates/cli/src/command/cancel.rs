//! `holdpoint cancel`, of one run or several.

use std::sync::Arc;

use holdpoint::{
    core::{Action, NextAsk, Refusal, RunView},
    engine::RunRow,
};
use serde_json::Value;

use crate::{
    arguments::{
        Acting,
        which::{Filter, InState, Which},
    },
    command::{
        about::{About, OfRun},
        bulk::{self, Errand, Look, Meant, Part},
        names::Projects,
    },
    context::Context,
    failure::Failure,
};

/// Cancels one run, or several.
pub(crate) async fn cancel(
    context: &Context,
    (which, of, acting): (Which, InState, Acting),
    action: Action,
) -> Result<(), Failure> {
    let filter = Filter { whose: which.whose.clone(), state: of.state };
    bulk::each(context, which, &acting, &Cancelling { action, filter }).await
}

struct Cancelling {
    action: Action,
    filter: Filter,
}

impl Errand for Cancelling {
    fn name(&self) -> &'static str {
        "cancel"
    }

    fn done(&self) -> (&'static str, &'static str) {
        ("cancelled", "cancelled")
    }

    fn none(&self) -> &'static str {
        "there is no run that this fits"
    }

    fn action(&self, _: &Meant) -> Action {
        self.action.clone()
    }

    fn check(&self, projects: &Projects, rows: &[RunRow]) -> Result<(), Refusal> {
        projects.filter(&self.filter, rows)
    }

    fn takes(&self, row: &RunRow) -> bool {
        self.filter.takes(row)
    }

    fn fits(&self, view: &RunView) -> Vec<Part> {
        let can_be = view.next_steps.iter().any(|step| step.ask == Some(NextAsk::Cancel));
        if can_be { vec![Part::default()] } else { Vec::new() }
    }

    fn look(&self) -> Look {
        Arc::new(|view, _| Some(OfRun::of(view)))
    }

    fn read(&self, seen: Value) -> serde_json::Result<About> {
        serde_json::from_value(seen).map(About::Run)
    }
}
