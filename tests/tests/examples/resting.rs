//! Examples of what is recorded of a run that rests before a state, and of its baseline.

use holdpoint_core::Digest;
use holdpoint_definition::{DefinitionEvent, HeldBy, MetByRelease, OverrideEnd, Overriding};

use super::text;

/// An example of each, with the name of its file.
pub(crate) fn examples() -> Vec<(&'static str, DefinitionEvent)> {
    vec![
        (
            "holdpoint.duties.awaited",
            DefinitionEvent::DutiesAwaited { before: text("implement"), duties: vec![1, 2] },
        ),
        (
            "holdpoint.run.locked_down",
            DefinitionEvent::LockedDown {
                state: text("implement"),
                by: vec![HeldBy { lockdown: 3, reason: text("Störung") }],
            },
        ),
        (
            "holdpoint.run.lockdown_lifted",
            DefinitionEvent::LockdownLifted { state: text("implement") },
        ),
        (
            "holdpoint.baseline.met",
            DefinitionEvent::BaselineMet(MetByRelease {
                hold: text("authorize"),
                requirements: [text("four-eyes"), text("tested")].into(),
                overridden: [].into(),
            }),
        ),
        (
            "holdpoint.baseline.met.overridden",
            DefinitionEvent::BaselineMet(MetByRelease {
                hold: text("schedule"),
                requirements: [].into(),
                overridden: [text("freeze")].into(),
            }),
        ),
        (
            "holdpoint.baseline.overridden",
            DefinitionEvent::RequirementOverridden(Overriding {
                requirement: text("tested"),
                member: "grace".parse().unwrap(),
                roles: ["head".parse().unwrap()].into(),
                digest: Digest::of(b"input"),
                reason: text("Störung"),
            }),
        ),
        (
            "holdpoint.baseline.override_withdrawn",
            DefinitionEvent::OverrideWithdrawn(OverrideEnd {
                requirement: text("tested"),
                member: "grace".parse().unwrap(),
                roles: ["head".parse().unwrap()].into(),
                reason: Some(text("there is a report after all")),
            }),
        ),
        (
            "holdpoint.baseline.held",
            DefinitionEvent::BaselineHeld {
                state: text("implement"),
                lacking: [(text("four-eyes"), text("nothing has met it yet"))].into(),
            },
        ),
    ]
}
