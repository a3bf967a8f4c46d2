//! Golden files of the events that every history is made of.
//!
//! A history is kept for years and is read by programs that are newer than it. So a golden file,
//! once it was in a release, **must stay readable for ever, and is never changed or removed**. An
//! event that gets a new member keeps the file without it, beside a new one that has it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation must fail the test that stated it"
)]

#[path = "common/golden.rs"]
mod golden;

use std::path::Path;

use golden::{Golden, Stored};
use holdpoint_core::{
    Actor, Authentication, BaselineRef, CommandId, DefinitionRef, Digest, EffectId, EventId,
    LockdownScope, NewEvent, NewEvidence, PendingEvent, ProjectEvent, ReleaseRule, RunId, Sequence,
    Settled, SettledBy, Substitution, Version,
    conflict::{Conflict, Overlap, Relation},
    project::Qualification,
    run::{Parent, RunEvent},
    testing::uuid,
};
use serde_json::json;

const SOURCE: &str = "workflow: restart\nversion: 3\ntitle: \"Neustart über Nacht\"\n";

const BASELINE: &str = "baseline: house-rules\ntitle: Was für alle gilt # überall\n";
const CALENDAR: &str = "calendar: maintenance\nzone: UTC # everywhere\n";

fn definition(version: u32, source: &str) -> DefinitionRef {
    let digest = Digest::of(source.as_bytes());
    DefinitionRef { name: "restart".parse().unwrap(), version, digest }
}

fn baseline() -> BaselineRef {
    BaselineRef {
        name: "house-rules".parse().unwrap(),
        revision: 2,
        digest: Digest::of(BASELINE.as_bytes()),
    }
}

fn run_examples() -> Vec<(&'static str, RunEvent)> {
    let effect = || EffectId::new("implement#1/deploy/web-1");
    vec![
        (
            "holdpoint.run.started",
            RunEvent::Started {
                workflow: "normal-change".parse().unwrap(),
                version: 3,
                input: json!({
                    "title": "Kernel 6.18 → alle Knoten",
                    "risk": "high",
                    "targets": ["web-1", "web-2"],
                    "share": 0.25,
                    "count": 18_446_744_073_709_551_615_u64,
                    "note": null,
                }),
                parent: None,
                baseline: None,
            },
        ),
        (
            "holdpoint.run.started.with-a-baseline",
            RunEvent::Started {
                workflow: "normal-change".parse().unwrap(),
                version: 3,
                input: json!({ "title": "Kernel 6.18" }),
                parent: None,
                baseline: Some(baseline()),
            },
        ),
        (
            "holdpoint.run.started.by-a-run",
            RunEvent::Started {
                workflow: "build-an-image".parse().unwrap(),
                version: 1,
                input: json!({ "title": "2.0" }),
                parent: Some(Parent {
                    run: "0199a1b2-c3d4-7000-8000-000000000001".parse().unwrap(),
                    effect: EffectId::new("build#1"),
                    depth: 1,
                }),
                baseline: None,
            },
        ),
        (
            "holdpoint.run.migrated",
            RunEvent::Migrated {
                from: definition(3, SOURCE),
                to: definition(4, "workflow: restart\nversion: 4\n"),
                state: "authorize".to_owned(),
                states: [("authorize".to_owned(), "board".to_owned())].into(),
                input: Some(json!({ "title": "Kernel 6.18", "bake": "2m" })),
                baseline: None,
                roles: ["owner".parse().unwrap()].into(),
                reason: "version 3 asked the wrong board".to_owned(),
            },
        ),
        (
            "holdpoint.run.migrated.as-it-is",
            RunEvent::Migrated {
                from: definition(3, SOURCE),
                to: definition(4, "workflow: restart\nversion: 4\n"),
                state: "authorize".to_owned(),
                states: std::collections::BTreeMap::new(),
                input: None,
                baseline: None,
                roles: ["migrate".parse().unwrap()].into(),
                reason: "the older version is retired".to_owned(),
            },
        ),
        (
            "holdpoint.run.migrated.with-a-baseline",
            RunEvent::Migrated {
                from: definition(3, SOURCE),
                to: definition(4, "workflow: restart\nversion: 4\n"),
                state: "authorize".to_owned(),
                states: std::collections::BTreeMap::new(),
                input: None,
                baseline: Some(baseline()),
                roles: ["migrate".parse().unwrap()].into(),
                reason: "the older version is retired".to_owned(),
            },
        ),
        (
            "holdpoint.run.conflicts",
            RunEvent::Conflicts {
                with: vec![Conflict {
                    run: "0199a1b2-c3d4-7000-8000-000000000002".parse().unwrap(),
                    items: [Relation::Same, Relation::DependsOn, Relation::NeededBy]
                        .map(|relation| Overlap {
                            item: "web-1".parse().unwrap(),
                            relation,
                            other: "db-1".parse().unwrap(),
                        })
                        .into(),
                }],
            },
        ),
        (
            "holdpoint.child.started",
            RunEvent::ChildStarted {
                effect: EffectId::new("build#1"),
                run: "0199a1b2-c3d4-7000-8000-000000000002".parse().unwrap(),
            },
        ),
        (
            "holdpoint.child.refused",
            RunEvent::ChildRefused {
                effect: EffectId::new("build#1"),
                error: "there is no definition `build-an-image`".to_owned(),
            },
        ),
        (
            "holdpoint.child.ended",
            RunEvent::ChildEnded {
                effect: EffectId::new("build#1"),
                run: "0199a1b2-c3d4-7000-8000-000000000002".parse().unwrap(),
                outcome: "done".to_owned(),
            },
        ),
        (
            "holdpoint.activity.queued",
            RunEvent::AttemptQueued {
                effect: effect(),
                attempt: 1,
                waits_for: "the queue `network`".to_owned(),
                before: 3,
            },
        ),
        (
            "holdpoint.activity.not_begun",
            RunEvent::AttemptNotBegun {
                effect: effect(),
                attempt: 1,
                error: "it did not begin within 10m, waiting for the queue `network`".to_owned(),
            },
        ),
        (
            "holdpoint.activity.started.configured",
            RunEvent::AttemptStarted {
                effect: effect(),
                activity: "deploy".to_owned(),
                attempt: 1,
                configured: Some(Digest::of(b"{\"command\":[\"deploy\"]}")),
            },
        ),
        (
            "holdpoint.activity.started",
            RunEvent::AttemptStarted {
                effect: effect(),
                activity: "deploy".to_owned(),
                attempt: 1,
                configured: None,
            },
        ),
        (
            "holdpoint.activity.completed",
            RunEvent::AttemptCompleted {
                effect: effect(),
                attempt: 2,
                output: json!({ "changed": true, "log": "line 1\nline \"2\"" }),
            },
        ),
        (
            "holdpoint.activity.completed.no-output",
            RunEvent::AttemptCompleted { effect: effect(), attempt: 1, output: json!(null) },
        ),
        (
            "holdpoint.activity.failed",
            RunEvent::AttemptFailed {
                effect: effect(),
                attempt: 1,
                error: "exit status 1: no route to host".to_owned(),
                retry_at: Some("2026-01-05T09:00:02.5Z".parse().unwrap()),
            },
        ),
        (
            "holdpoint.activity.failed.last",
            RunEvent::AttemptFailed {
                effect: effect(),
                attempt: 3,
                error: "timed out after 10m".to_owned(),
                retry_at: None,
            },
        ),
        (
            "holdpoint.activity.unknown",
            RunEvent::AttemptUnknown {
                effect: effect(),
                attempt: 2,
                reason: "the engine stopped during the attempt".to_owned(),
                counts: false,
            },
        ),
        (
            "holdpoint.activity.unknown.counts",
            RunEvent::AttemptUnknown {
                effect: effect(),
                attempt: 2,
                reason: "no answer within 10m".to_owned(),
                counts: true,
            },
        ),
        (
            "holdpoint.activity.settled",
            RunEvent::AttemptSettled {
                effect: effect(),
                attempt: 2,
                settled: Settled::Done,
                output: Some(json!({ "release": 7 })),
                detail: Some("release 7 is there".to_owned()),
                retry_at: None,
                by: None,
            },
        ),
        (
            "holdpoint.activity.settled.not-done",
            RunEvent::AttemptSettled {
                effect: effect(),
                attempt: 2,
                settled: Settled::NotDone,
                output: None,
                detail: None,
                retry_at: Some("2026-01-05T09:00:02.5Z".parse().unwrap()),
                by: None,
            },
        ),
        (
            "holdpoint.activity.settled.by-a-person",
            RunEvent::AttemptSettled {
                effect: effect(),
                attempt: 2,
                settled: Settled::Failed,
                output: None,
                detail: Some("the machine is gone".to_owned()),
                retry_at: None,
                by: Some(SettledBy {
                    member: "eve".parse().unwrap(),
                    roles: ["operator".parse().unwrap()].into(),
                    qualified: Some("network".parse().unwrap()),
                }),
            },
        ),
        (
            "holdpoint.activity.abandoned",
            RunEvent::AttemptAbandoned { effect: effect(), attempt: 4 },
        ),
        (
            "holdpoint.timer.fired",
            RunEvent::TimerFired {
                effect: EffectId::new("authorize#1/deadline"),
                due: "2026-01-12T09:00:00Z".parse().unwrap(),
            },
        ),
    ]
}

fn project_examples() -> Vec<(&'static str, ProjectEvent)> {
    let member = || "grace.hopper@navy".parse().unwrap();
    vec![
        (
            "holdpoint.project.created",
            ProjectEvent::Created { title: "The core network of the south".to_owned() },
        ),
        (
            "holdpoint.member.added",
            ProjectEvent::MemberAdded { member: member(), name: "Grace Hopper".to_owned() },
        ),
        ("holdpoint.member.removed", ProjectEvent::MemberRemoved { member: member() }),
        (
            "holdpoint.role.granted",
            ProjectEvent::RoleGranted { member: member(), role: "engineer".parse().unwrap() },
        ),
        (
            "holdpoint.role.revoked",
            ProjectEvent::RoleRevoked { member: member(), role: "owner".parse().unwrap() },
        ),
        (
            "holdpoint.qualification.recorded",
            ProjectEvent::QualificationRecorded {
                member: member(),
                qualification: Qualification {
                    domain: "network".parse().unwrap(),
                    issuer: "Network school, certificate 12".to_owned(),
                    from: Some("2026-01-01T00:00:00Z".parse().unwrap()),
                    until: Some("2028-01-01T00:00:00Z".parse().unwrap()),
                    evidence: None,
                },
            },
        ),
        (
            "holdpoint.qualification.recorded.with-evidence",
            ProjectEvent::QualificationRecorded {
                member: member(),
                qualification: Qualification {
                    domain: "network".parse().unwrap(),
                    issuer: "Network school, certificate 12".to_owned(),
                    from: None,
                    until: None,
                    evidence: Some(NewEvidence {
                        digest: Digest::of(b"certificate 12"),
                        size: Some(14),
                        file: Some("certificate-12.pdf".to_owned()),
                        media_type: Some("application/pdf".to_owned()),
                        reference: None,
                    }),
                },
            },
        ),
        (
            "holdpoint.qualification.recorded.always",
            ProjectEvent::QualificationRecorded {
                member: member(),
                qualification: Qualification {
                    domain: "storage".parse().unwrap(),
                    issuer: "head of infrastructure".to_owned(),
                    from: None,
                    until: None,
                    evidence: None,
                },
            },
        ),
        (
            "holdpoint.qualification.revoked",
            ProjectEvent::QualificationRevoked {
                member: member(),
                domain: "network".parse().unwrap(),
                reason: None,
            },
        ),
        (
            "holdpoint.qualification.revoked.with-a-reason",
            ProjectEvent::QualificationRevoked {
                member: member(),
                domain: "network".parse().unwrap(),
                reason: Some("the certificate was withdrawn".to_owned()),
            },
        ),
        (
            "holdpoint.definition.published",
            ProjectEvent::DefinitionPublished {
                name: "restart".parse().unwrap(),
                version: 3,
                digest: Digest::of(SOURCE.as_bytes()),
                language: "holdpoint/1".to_owned(),
                title: "Neustart über Nacht".to_owned(),
                source: SOURCE.to_owned(),
                release: None,
            },
        ),
        (
            "holdpoint.definition.published.released",
            ProjectEvent::DefinitionPublished {
                name: "restart".parse().unwrap(),
                version: 3,
                digest: Digest::of(SOURCE.as_bytes()),
                language: "holdpoint/1".to_owned(),
                title: "Neustart über Nacht".to_owned(),
                source: SOURCE.to_owned(),
                release: Some(RunId::from_uuid(uuid(5))),
            },
        ),
        (
            "holdpoint.publishing.governed",
            ProjectEvent::PublishingGoverned {
                rule: Some(ReleaseRule {
                    definition: "definition-release".parse().unwrap(),
                    states: ["publish".to_owned(), "released".to_owned()].into(),
                }),
                reason: "Vier Augen für Regeln".to_owned(),
            },
        ),
        (
            "holdpoint.publishing.governed.by_nobody",
            ProjectEvent::PublishingGoverned { rule: None, reason: "an incident".to_owned() },
        ),
        (
            "holdpoint.baseline.published",
            ProjectEvent::BaselinePublished {
                baseline: "house-rules".parse().unwrap(),
                revision: 2,
                digest: Digest::of(BASELINE.as_bytes()),
                title: "Was für alle gilt".to_owned(),
                source: BASELINE.to_owned(),
                reason: "an audit asks for it".to_owned(),
            },
        ),
        (
            "holdpoint.baseline.withdrawn",
            ProjectEvent::BaselineWithdrawn {
                baseline: "house-rules".parse().unwrap(),
                revision: 2,
                reason: "it was a trial".to_owned(),
            },
        ),
        (
            "holdpoint.items.changed",
            ProjectEvent::ItemsChanged {
                set: vec![
                    serde_json::from_value(json!({ "name": "db-1.example.com" })).unwrap(),
                    serde_json::from_value(json!({
                        "name": "web-1",
                        "labels": { "env": "prod", "note": "Süd, \"links\"" },
                        "groups": ["south", "web"],
                        "depends_on": ["db-1.example.com"],
                    }))
                    .unwrap(),
                ],
                removed: vec!["web-0".parse().unwrap()],
            },
        ),
        (
            "holdpoint.calendar.published",
            ProjectEvent::CalendarPublished {
                calendar: "maintenance".parse().unwrap(),
                revision: 2,
                digest: Digest::of(b"what it says"),
                title: Some("Wartung über Nacht".to_owned()),
                source: CALENDAR.to_owned(),
            },
        ),
        (
            "holdpoint.calendar.published.untitled",
            ProjectEvent::CalendarPublished {
                calendar: "freeze".parse().unwrap(),
                revision: 1,
                digest: Digest::of(b"what it says"),
                title: None,
                source: CALENDAR.to_owned(),
            },
        ),
        (
            "holdpoint.calendar.retired",
            ProjectEvent::CalendarRetired {
                calendar: "freeze".parse().unwrap(),
                reason: "The year is closed".to_owned(),
            },
        ),
        (
            "holdpoint.lockdown.imposed",
            ProjectEvent::LockdownImposed {
                lockdown: 2,
                scope: LockdownScope {
                    definitions: ["normal-change".parse().unwrap()].into(),
                    except: ["emergency-change".parse().unwrap()].into(),
                    items: Some("env=prod, !legacy".parse().unwrap()),
                },
                reason: "Störung im Netz".to_owned(),
            },
        ),
        (
            "holdpoint.lockdown.imposed.everywhere",
            ProjectEvent::LockdownImposed {
                lockdown: 1,
                scope: LockdownScope::default(),
                reason: "an incident".to_owned(),
            },
        ),
        (
            "holdpoint.lockdown.released",
            ProjectEvent::LockdownReleased { lockdown: 2, reason: "it is over".to_owned() },
        ),
        (
            "holdpoint.substitute.named",
            ProjectEvent::SubstituteNamed(Substitution {
                number: 3,
                member: "ada".parse().unwrap(),
                substitute: "grace.hopper@navy".parse().unwrap(),
                from: Some("2026-07-01T00:00:00Z".parse().unwrap()),
                until: "2026-08-01T00:00:00Z".parse().unwrap(),
                roles: ["board".parse().unwrap()].into(),
                reason: Some("on leave".to_owned()),
            }),
        ),
        (
            "holdpoint.substitute.named.for-all",
            ProjectEvent::SubstituteNamed(Substitution {
                number: 1,
                member: "ada".parse().unwrap(),
                substitute: "grace.hopper@navy".parse().unwrap(),
                from: None,
                until: "2026-08-01T00:00:00Z".parse().unwrap(),
                roles: [].into(),
                reason: None,
            }),
        ),
        (
            "holdpoint.substitute.withdrawn",
            ProjectEvent::SubstituteWithdrawn {
                substitution: 3,
                reason: Some("she is back".to_owned()),
            },
        ),
        (
            "holdpoint.substitute.withdrawn.without-reason",
            ProjectEvent::SubstituteWithdrawn { substitution: 1, reason: None },
        ),
    ]
}

/// A new variant does not compile before it has a name here, and the test fails before it has an
/// example.
fn run_type(event: &RunEvent) -> &'static str {
    match event {
        RunEvent::Started { .. } => "holdpoint.run.started",
        RunEvent::Migrated { .. } => "holdpoint.run.migrated",
        RunEvent::ChildStarted { .. } => "holdpoint.child.started",
        RunEvent::ChildRefused { .. } => "holdpoint.child.refused",
        RunEvent::Conflicts { .. } => "holdpoint.run.conflicts",
        RunEvent::ChildEnded { .. } => "holdpoint.child.ended",
        RunEvent::AttemptQueued { .. } => "holdpoint.activity.queued",
        RunEvent::AttemptNotBegun { .. } => "holdpoint.activity.not_begun",
        RunEvent::AttemptStarted { .. } => "holdpoint.activity.started",
        RunEvent::AttemptCompleted { .. } => "holdpoint.activity.completed",
        RunEvent::AttemptFailed { .. } => "holdpoint.activity.failed",
        RunEvent::AttemptUnknown { .. } => "holdpoint.activity.unknown",
        RunEvent::AttemptSettled { .. } => "holdpoint.activity.settled",
        RunEvent::AttemptAbandoned { .. } => "holdpoint.activity.abandoned",
        RunEvent::TimerFired { .. } => "holdpoint.timer.fired",
    }
}

/// As [`run_type`].
fn project_type(event: &ProjectEvent) -> &'static str {
    match event {
        ProjectEvent::Created { .. } => "holdpoint.project.created",
        ProjectEvent::MemberAdded { .. } => "holdpoint.member.added",
        ProjectEvent::MemberRemoved { .. } => "holdpoint.member.removed",
        ProjectEvent::RoleGranted { .. } => "holdpoint.role.granted",
        ProjectEvent::RoleRevoked { .. } => "holdpoint.role.revoked",
        ProjectEvent::QualificationRecorded { .. } => "holdpoint.qualification.recorded",
        ProjectEvent::QualificationRevoked { .. } => "holdpoint.qualification.revoked",
        ProjectEvent::DefinitionPublished { .. } => "holdpoint.definition.published",
        ProjectEvent::PublishingGoverned { .. } => "holdpoint.publishing.governed",
        ProjectEvent::BaselinePublished { .. } => "holdpoint.baseline.published",
        ProjectEvent::BaselineWithdrawn { .. } => "holdpoint.baseline.withdrawn",
        ProjectEvent::ItemsChanged { .. } => "holdpoint.items.changed",
        ProjectEvent::CalendarPublished { .. } => "holdpoint.calendar.published",
        ProjectEvent::CalendarRetired { .. } => "holdpoint.calendar.retired",
        ProjectEvent::LockdownImposed { .. } => "holdpoint.lockdown.imposed",
        ProjectEvent::LockdownReleased { .. } => "holdpoint.lockdown.released",
        ProjectEvent::SubstituteNamed(_) => "holdpoint.substitute.named",
        ProjectEvent::SubstituteWithdrawn { .. } => "holdpoint.substitute.withdrawn",
    }
}

fn by(actor: &str, subject: Option<RunId>, new: NewEvent) -> PendingEvent {
    PendingEvent {
        id: EventId::from_uuid(uuid(7)),
        source: "core-network".parse().unwrap(),
        subject,
        kind: new.kind,
        time: "2026-01-05T09:00:00.123456789Z".parse().unwrap(),
        actor: Actor::try_from(actor.to_owned()).unwrap(),
        auth: Authentication::engine(),
        cause: CommandId::from_uuid(uuid(6)),
        request: None,
        trace: None,
        definition: None,
        data: new.data,
    }
}

/// The first event of a run has every member of the envelope; those after it are the engine's.
fn in_a_run(new: NewEvent) -> Stored {
    let run = Some(RunId::from_uuid(uuid(5)));
    if new.kind.as_str() == "holdpoint.run.started" {
        let event = PendingEvent {
            auth: Authentication::new("local:ada"),
            request: Some(Digest::of(b"what was asked")),
            trace: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
            definition: Some(Digest::of(SOURCE.as_bytes())),
            ..by("member:ada", run, new)
        };
        return Stored { event, at: Sequence(4_690), version: Version(1), previous: Sequence(0) };
    }
    let event = by("engine", run, new);
    Stored { event, at: Sequence(4_711), version: Version(12), previous: Sequence(4_690) }
}

fn in_a_project(new: NewEvent) -> Stored {
    let event = PendingEvent {
        auth: Authentication::new("local:ada"),
        request: Some(Digest::of(b"what was asked")),
        ..by("member:ada", None, new)
    };
    Stored { event, at: Sequence(9), version: Version(9), previous: Sequence(8) }
}

#[test]
fn every_event_is_written_and_read_as_ever() {
    let mut golden = Golden::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden"));
    golden.check(run_examples(), run_type, in_a_run);
    golden.check(project_examples(), project_type, in_a_project);
    golden.finish();
}
