//! Examples of what is recorded of votes: given, in the place of another, taken back, set aside, counted.

use holdpoint_core::{Digest, NewDuty, Vote};
use holdpoint_definition::{Ballot, DefinitionEvent, InPlaceOf};

use super::text;

pub(crate) fn ballot(reason: Option<&str>) -> Ballot {
    Ballot {
        hold: text("authorize"),
        member: "grace.hopper@navy".parse().unwrap(),
        digest: Digest::of(b"what was voted on"),
        rules: [text("board"), text("peer")].into(),
        roles: ["board".parse().unwrap(), "engineer".parse().unwrap()].into(),
        qualified: ["network".parse().unwrap()].into(),
        reason: reason.map(text),
        duties: vec![],
        evidence: [].into(),
        plans: [].into(),
        in_place_of: None,
    }
}

pub(crate) fn examples() -> Vec<(&'static str, DefinitionEvent)> {
    vec![
        ("holdpoint.approval.granted", DefinitionEvent::ApprovalGranted(ballot(None))),
        (
            "holdpoint.approval.granted.unqualified",
            DefinitionEvent::ApprovalGranted(Ballot { qualified: [].into(), ..ballot(None) }),
        ),
        (
            "holdpoint.approval.rejected",
            DefinitionEvent::ApprovalRejected(ballot(Some("no rollback plan"))),
        ),
        (
            "holdpoint.approval.granted.on-conditions",
            DefinitionEvent::ApprovalGranted(Ballot {
                duties: vec![
                    NewDuty { text: text("tell the night shift"), before: Some(text("implement")) },
                    NewDuty { text: text("measure again"), before: None },
                ],
                ..ballot(None)
            }),
        ),
        (
            "holdpoint.approval.granted.in-place-of",
            DefinitionEvent::ApprovalGranted(Ballot {
                in_place_of: Some(InPlaceOf {
                    member: "ada".parse().unwrap(),
                    roles: ["board".parse().unwrap()].into(),
                    substitution: 3,
                    until: "2026-08-01T00:00:00Z".parse().unwrap(),
                }),
                ..ballot(None)
            }),
        ),
        (
            "holdpoint.hold.vetoed",
            DefinitionEvent::Vetoed(Ballot {
                rules: [].into(),
                qualified: [].into(),
                ..ballot(Some("the key is in the log"))
            }),
        ),
        (
            "holdpoint.vote.withdrawn",
            DefinitionEvent::VoteWithdrawn {
                hold: text("authorize"),
                member: "grace.hopper@navy".parse().unwrap(),
                vote: Vote::Veto,
                in_place_of: None,
                reason: Some(text("it was rotated")),
            },
        ),
        (
            "holdpoint.vote.withdrawn.in-place-of",
            DefinitionEvent::VoteWithdrawn {
                hold: text("authorize"),
                member: "grace.hopper@navy".parse().unwrap(),
                vote: Vote::Approve,
                in_place_of: Some("ada".parse().unwrap()),
                reason: None,
            },
        ),
        (
            "holdpoint.vote.withdrawn.without-reason",
            DefinitionEvent::VoteWithdrawn {
                hold: text("authorize"),
                member: "grace.hopper@navy".parse().unwrap(),
                vote: Vote::Approve,
                in_place_of: None,
                reason: None,
            },
        ),
        (
            "holdpoint.veto.overruled",
            DefinitionEvent::VetoOverruled {
                hold: text("authorize"),
                member: "ada".parse().unwrap(),
                roles: ["head".parse().unwrap()].into(),
                veto_of: "grace.hopper@navy".parse().unwrap(),
                reason: text("the risk is accepted"),
            },
        ),
        (
            "holdpoint.approval.recounted",
            DefinitionEvent::Recounted {
                hold: text("authorize"),
                needs: [(text("board"), 2), (text("peers"), 3)].into(),
            },
        ),
    ]
}
