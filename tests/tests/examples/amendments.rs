//! Examples of what is recorded when the input of a run is amended.

use std::sync::Arc;

use holdpoint_core::Digest;
use holdpoint_definition::{DefinitionEvent, OpenRule};
use serde_json::json;

use super::text;

pub(crate) fn examples() -> Vec<(&'static str, DefinitionEvent)> {
    vec![
        (
            "holdpoint.run.amended",
            DefinitionEvent::Amended {
                hold: text("authorize"),
                input: Arc::new(json!({ "risk": "low", "targets": ["web-1"] })),
                digest: Digest::of(b"what is voted on now"),
                reason: text("web-2 is gone"),
                rules: vec![OpenRule {
                    rule: text("peers"),
                    need: 2,
                    qualified: None,
                    roster: None,
                }],
                not_applicable: [].into(),
                tasks: vec![],
                checks: vec![],
                plans: [].into(),
                planned_of: None,
                until: Some("2026-01-05T22:00:00Z".parse().unwrap()),
                deadline: Some("2026-01-12T09:00:00Z".parse().unwrap()),
                kept: [("ada".parse().unwrap(), [text("peers")].into())].into(),
                signal_fell: false,
                risk: None,
                window: None,
                counted: vec![],
            },
        ),
        (
            "holdpoint.run.amended.plans",
            DefinitionEvent::Amended {
                hold: text("authorize"),
                input: Arc::new(json!({ "risk": "low", "targets": ["web-1"] })),
                digest: Digest::of(b"what is voted on now"),
                reason: text("web-2 is gone"),
                rules: vec![OpenRule {
                    rule: text("peers"),
                    need: 2,
                    qualified: None,
                    roster: None,
                }],
                not_applicable: [].into(),
                tasks: vec![],
                checks: vec![],
                plans: [(text("implement"), Digest::of(b"the plan that is asked about"))].into(),
                planned_of: None,
                until: Some("2026-01-05T22:00:00Z".parse().unwrap()),
                deadline: Some("2026-01-12T09:00:00Z".parse().unwrap()),
                kept: [("ada".parse().unwrap(), [text("peers")].into())].into(),
                signal_fell: false,
                risk: None,
                window: None,
                counted: vec![],
            },
        ),
        (
            "holdpoint.run.amended.reset",
            DefinitionEvent::Amended {
                hold: text("authorize"),
                input: Arc::new(json!({})),
                digest: Digest::of(b"what is voted on now"),
                reason: text("another plan"),
                rules: vec![],
                not_applicable: [].into(),
                tasks: vec![],
                checks: vec![],
                plans: [].into(),
                planned_of: None,
                until: None,
                deadline: None,
                kept: [].into(),
                signal_fell: false,
                risk: None,
                window: None,
                counted: vec![],
            },
        ),
        (
            "holdpoint.run.amended.without-its-signal",
            DefinitionEvent::Amended {
                hold: text("authorize"),
                input: Arc::new(json!({})),
                digest: Digest::of(b"what is voted on now"),
                reason: text("another plan"),
                rules: vec![],
                not_applicable: [].into(),
                tasks: vec![],
                checks: vec![],
                plans: [].into(),
                planned_of: None,
                until: None,
                deadline: None,
                kept: [].into(),
                signal_fell: true,
                risk: None,
                window: None,
                counted: vec![],
            },
        ),
    ]
}
