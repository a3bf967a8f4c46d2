//! Examples of what is recorded of plans and drift.

use holdpoint_core::Digest;
use holdpoint_definition::DefinitionEvent;

use super::text;

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
                found: Digest::of(b"the plan as it is now"),
            },
        ),
        (
            "holdpoint.rollout.drifted.unapproved",
            DefinitionEvent::RolloutDrifted {
                state: text("implement"),
                approved: None,
                found: Digest::of(b"the plan as it is now"),
            },
        ),
    ]
}
