//! Examples of what is recorded of a run that rests before a state, and of its baseline.

use holdpoint_core::Digest;
use holdpoint_definition::{
    DefinitionEvent, HeldBy, Lapsing, MetByRelease, OverrideEnd, Overriding, QualifiedVote,
};

use super::text;

/// An example of each, with the name of its file.
fn qualified(until: &str) -> QualifiedVote {
    QualifiedVote {
        hold: text("authorize"),
        rule: text("peer"),
        member: "bob".parse().unwrap(),
        domain: "network".parse().unwrap(),
        until: Some(until.parse().unwrap()),
    }
}

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
        (
            "holdpoint.qualifications.lapsed",
            DefinitionEvent::QualificationsLapsed(Lapsing {
                state: text("implement"),
                approvals: vec![qualified("2026-01-01T00:00:00Z")],
                seen: Digest::of(b"qualifications"),
                again: Some("2026-02-01T00:00:00Z".parse().unwrap()),
            }),
        ),
        (
            "holdpoint.state.entered.qualified",
            DefinitionEvent::StateEntered {
                state: text("implement"),
                visit: 1,
                qualified: vec![qualified("2027-01-01T00:00:00Z")],
            },
        ),
    ]
}
