//! Examples of what is recorded of plans and drift.

use std::sync::Arc;

use holdpoint_core::{Digest, PlanDrift, SomeTargets};
use holdpoint_definition::{Ballot, DefinitionEvent, PlanTargets, PlannedOf};

use super::{text, votes::ballot};

fn some<const N: usize>(names: [&str; N]) -> SomeTargets {
    names.map(text).iter().collect()
}

fn planned_of() -> PlannedOf {
    let targets = PlanTargets {
        names: Arc::new(vec![text("web-1"), text("web-2")]),
        waves: Arc::new(vec![1, 2]),
        marks: "0a1b2c3d4e5f6071".into(),
    };
    let inventory = Digest::of(b"the inventory");
    PlannedOf { inventory, targets: [(text("implement"), targets)].into() }
}

/// An example of each, with the name of its file.
pub(crate) fn examples() -> Vec<(&'static str, DefinitionEvent)> {
    vec![
        (
            "holdpoint.hold.opened.plans",
            DefinitionEvent::HoldOpened {
                hold: text("authorize"),
                digest: Digest::of(b"what is voted on"),
                rules: vec![],
                not_applicable: [].into(),
                tasks: vec![],
                checks: vec![],
                plans: [(text("implement"), Digest::of(b"the plan that is asked about"))].into(),
                planned_of: None,
                until: Some("2026-01-05T22:00:00Z".parse().unwrap()),
                deadline: Some("2026-01-12T09:00:00.25Z".parse().unwrap()),
                window: None,
                remind: None,
                escalate: None,
                counted: vec![],
            },
        ),
        (
            "holdpoint.rollout.drifted",
            DefinitionEvent::RolloutDrifted {
                state: text("implement"),
                approved: Some(Digest::of(b"the plan that was released")),
                found: Some(Digest::of(b"the plan as it is now")),
                problem: None,
                drift: None,
            },
        ),
        (
            "holdpoint.rollout.drifted.no-plan",
            DefinitionEvent::RolloutDrifted {
                state: text("implement"),
                approved: Some(Digest::of(b"the plan that was released")),
                found: None,
                problem: Some(text("the target `a b` is no name")),
                drift: None,
            },
        ),
        (
            "holdpoint.rollout.drifted.targets",
            DefinitionEvent::RolloutDrifted {
                state: text("implement"),
                approved: Some(Digest::of(b"the plan that was released")),
                found: Some(Digest::of(b"the plan as it is now")),
                problem: None,
                drift: Some(PlanDrift {
                    moved: some(["web-2"]),
                    changed: some(["db-1"]),
                    ..PlanDrift::default()
                }),
            },
        ),
        (
            "holdpoint.rollout.drifted.unapproved",
            DefinitionEvent::RolloutDrifted {
                state: text("implement"),
                approved: None,
                found: Some(Digest::of(b"the plan as it is now")),
                problem: None,
                drift: None,
            },
        ),
        (
            "holdpoint.hold.opened.planned-of",
            DefinitionEvent::HoldOpened {
                hold: text("authorize"),
                digest: Digest::of(b"what is voted on"),
                rules: vec![],
                not_applicable: [].into(),
                tasks: vec![],
                checks: vec![],
                plans: [(text("implement"), Digest::of(b"the plan that is asked about"))].into(),
                planned_of: Some(Arc::new(planned_of())),
                until: None,
                deadline: None,
                window: None,
                remind: None,
                escalate: None,
                counted: vec![],
            },
        ),
        (
            "holdpoint.approval.granted.on-plans",
            DefinitionEvent::ApprovalGranted(Ballot {
                plans: [(text("implement"), Digest::of(b"the plan that is asked about"))].into(),
                ..ballot(None)
            }),
        ),
        (
            "holdpoint.hold.replanned",
            DefinitionEvent::Replanned {
                hold: text("authorize"),
                plans: [(text("implement"), Digest::of(b"the plan as it is now"))].into(),
                planned_of: Arc::new(planned_of()),
                drift: [(
                    text("implement"),
                    PlanDrift {
                        added: some(["web-2"]),
                        removed: some(["web-3"]),
                        ..PlanDrift::default()
                    },
                )]
                .into(),
                fell: ["grace.hopper@navy".parse().unwrap()].into(),
            },
        ),
    ]
}
