//! Examples of what is recorded when a hold opens.

use std::collections::BTreeMap;

use holdpoint_core::Digest;
use holdpoint_definition::{DefinitionEvent, OpenRule};

use super::text;

/// An example of each, with the name of its file.
pub(crate) fn examples() -> Vec<(&'static str, DefinitionEvent)> {
    vec![
        (
            "holdpoint.hold.opened",
            DefinitionEvent::HoldOpened {
                hold: text("authorize"),
                digest: Digest::of(b"what is voted on"),
                rules: vec![
                    OpenRule {
                        rule: text("peer"),
                        need: 1,
                        qualified: Some("network".parse().unwrap()),
                        roster: None,
                    },
                    OpenRule { rule: text("board"), need: 2, qualified: None, roster: None },
                ],
                not_applicable: [].into(),
                tasks: vec![],
                checks: vec![],
                plans: BTreeMap::new(),
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
            "holdpoint.hold.opened.roster",
            DefinitionEvent::HoldOpened {
                hold: text("authorize"),
                digest: Digest::of(b"what is voted on"),
                rules: vec![OpenRule {
                    rule: text("peers"),
                    need: 2,
                    qualified: None,
                    roster: Some(["ada", "grace.hopper@navy"].map(|id| id.parse().unwrap()).into()),
                }],
                not_applicable: [].into(),
                tasks: vec![],
                checks: vec![],
                plans: BTreeMap::new(),
                planned_of: None,
                until: None,
                deadline: None,
                window: None,
                remind: None,
                escalate: None,
                counted: vec![],
            },
        ),
        (
            "holdpoint.hold.opened.signal-only",
            DefinitionEvent::HoldOpened {
                hold: text("vendor"),
                digest: Digest::of(b"what is voted on"),
                rules: vec![],
                not_applicable: [].into(),
                tasks: vec![],
                checks: vec![],
                plans: BTreeMap::new(),
                planned_of: None,
                until: None,
                deadline: None,
                window: None,
                remind: None,
                escalate: None,
                counted: vec![],
            },
        ),
    ]
}
