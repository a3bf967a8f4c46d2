//! Golden files of the events that runs of a declarative definition have.
//!
//! A history is kept for years and is read by programs that are newer than it. So a golden file,
//! once it was in a release, **must stay readable for ever, and is never changed or removed**. An
//! event that gets a new member keeps the file without it, beside a new one that has it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation must fail the test that stated it"
)]

#[path = "examples/amendments.rs"]
mod amendments;
#[path = "../../crates/core/tests/common/golden.rs"]
mod golden;
#[path = "examples/holds.rs"]
mod holds;
#[path = "examples/plans.rs"]
mod plans;
#[path = "examples/resting.rs"]
mod resting;
#[path = "examples/types.rs"]
mod types;
#[path = "examples/votes.rs"]
mod votes;
#[path = "examples/windows.rs"]
mod windows;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use golden::{Golden, Stored};
use holdpoint_core::{
    Actor, Authentication, CommandId, Digest, EffectId, EventId, NewEvent, PendingEvent, RunId,
    Sequence, Version,
    conflict::{Found, Look, Overlap, Relation},
    testing::uuid,
};
use holdpoint_definition::{
    AskedTimes, Attached, Ballot, Because, CheckTimes, Confirmation, DefinitionEvent, Gate,
    OfTarget, OpenCheck, OpenTask, Opened, Past, Risk, Sender, Verdict,
};
use serde_json::{Value, json};

fn overlaps() -> Vec<Overlap> {
    vec![Overlap {
        item: "db-1.example.com".parse().unwrap(),
        relation: Relation::NeededBy,
        other: "web-1".parse().unwrap(),
    }]
}

fn items() -> std::collections::BTreeSet<holdpoint_core::ItemName> {
    ["db-1.example.com".parse().unwrap(), "web-1".parse().unwrap()].into()
}

fn no_risk() -> Risk {
    Risk {
        level: text("low"),
        score: 0,
        factors: [].into(),
        cases: [].into(),
        by_points: None,
        at_least: None,
        inputs: [].into(),
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn target(detail: Option<&str>) -> OfTarget {
    OfTarget {
        state: text("implement"),
        target: text("web-1:8080"),
        number: 2,
        wave: 1,
        detail: detail.map(text),
    }
}

fn waiting() -> Vec<(&'static str, DefinitionEvent)> {
    vec![
        (
            "holdpoint.state.entered",
            DefinitionEvent::StateEntered {
                state: text("authorize"),
                visit: 1,
                qualified: Vec::new(),
            },
        ),
        (
            "holdpoint.run.blocked",
            DefinitionEvent::Blocked {
                state: text("authorize"),
                reason: text("the condition gives `1`, neither true nor false"),
            },
        ),
        (
            "holdpoint.duty.opened",
            DefinitionEvent::DutyOpened(Opened {
                duty: 1,
                hold: text("authorize"),
                by: "grace.hopper@navy".parse().unwrap(),
                text: text("tell the night shift"),
                before: Some(text("implement")),
                due: None,
                waiver: None,
            }),
        ),
        (
            "holdpoint.duty.opened.before-the-end",
            DefinitionEvent::DutyOpened(Opened {
                duty: 2,
                hold: text("authorize"),
                by: "grace.hopper@navy".parse().unwrap(),
                text: text("measure again"),
                before: None,
                due: None,
                waiver: None,
            }),
        ),
        (
            "holdpoint.duty.discharged",
            DefinitionEvent::DutyDischarged {
                duty: 1,
                member: "ada".parse().unwrap(),
                roles: ["quality".parse().unwrap()].into(),
                note: text("told at 21:40"),
            },
        ),
        (
            "holdpoint.task.confirmed",
            DefinitionEvent::TaskConfirmed(Confirmation {
                hold: text("prepare"),
                task: text("cabling"),
                member: "ada".parse().unwrap(),
                roles: ["technician".parse().unwrap()].into(),
                qualified: Some("electrical".parse().unwrap()),
                note: Some(text("both feeds measured")),
                executes: false,
            }),
        ),
        (
            "holdpoint.task.reopened",
            DefinitionEvent::TaskReopened {
                hold: text("prepare"),
                task: text("cabling"),
                member: "ada".parse().unwrap(),
                roles: [].into(),
                reason: text("one feed is loose"),
            },
        ),
        (
            "holdpoint.waiver.given",
            DefinitionEvent::WaiverGiven {
                hold: text("authorize"),
                member: "ada".parse().unwrap(),
                roles: ["incident-commander".parse().unwrap()].into(),
                digest: Digest::of(b"what is done"),
                reason: text("the site is down"),
            },
        ),
        (
            "holdpoint.hold.waived",
            DefinitionEvent::HoldWaived {
                hold: text("authorize"),
                by: ["ada".parse().unwrap()].into(),
                reason: text("the site is down"),
                conditions: vec![text("approval/peers"), text("evidence/test-report")],
            },
        ),
        (
            "holdpoint.duty.opened.waiver",
            DefinitionEvent::DutyOpened(Opened {
                duty: 1,
                hold: text("authorize"),
                by: "ada".parse().unwrap(),
                text: text("review"),
                before: None,
                due: Some("2026-01-07T09:00:00Z".parse().unwrap()),
                waiver: Some(text("review")),
            }),
        ),
        (
            "holdpoint.duty.overdue",
            DefinitionEvent::DutyOverdue { duty: 1, due: "2026-01-07T09:00:00Z".parse().unwrap() },
        ),
        (
            "holdpoint.evidence.attached",
            DefinitionEvent::EvidenceAttached(Attached {
                evidence: text("test-report"),
                state: text("authorize"),
                member: "ada".parse().unwrap(),
                roles: ["engineer".parse().unwrap()].into(),
                digest: Digest::of(b"it works"),
                size: Some(8),
                file: Some(text("report.pdf")),
                media_type: Some(text("application/pdf")),
                reference: None,
                note: Some(text("the second run")),
                reset: [(text("authorize"), ["grace.hopper@navy".parse().unwrap()].into())].into(),
            }),
        ),
        (
            "holdpoint.evidence.attached.reference",
            DefinitionEvent::EvidenceAttached(Attached {
                evidence: text("load-test"),
                state: text("build"),
                member: "ada".parse().unwrap(),
                roles: [].into(),
                digest: Digest::of(b"it works"),
                size: None,
                file: None,
                media_type: None,
                reference: Some(text("https://reports.example.com/4711")),
                note: None,
                reset: [].into(),
            }),
        ),
        (
            "holdpoint.approval.granted.on-evidence",
            DefinitionEvent::ApprovalGranted(Ballot {
                evidence: [(text("test-report"), Digest::of(b"it works"))].into(),
                ..votes::ballot(None)
            }),
        ),
        (
            "holdpoint.hold.opened.conditions",
            DefinitionEvent::HoldOpened {
                hold: text("prove"),
                digest: Digest::of(b"what is voted on"),
                rules: vec![],
                not_applicable: [text("evidence/load-test")].into(),
                tasks: vec![OpenTask {
                    task: text("cabling"),
                    title: text("Connect rack 7"),
                    instructions: Some(text("Both feeds")),
                    need: 2,
                    qualified: Some("electrical".parse().unwrap()),
                }],
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
            "holdpoint.run.commented",
            DefinitionEvent::Commented {
                state: text("authorize"),
                text: text("the vendor calls at noon"),
            },
        ),
        (
            "holdpoint.lock.requested",
            DefinitionEvent::LocksRequested { hold: text("schedule"), items: items() },
        ),
        (
            "holdpoint.lock.granted",
            DefinitionEvent::LocksGranted { hold: text("schedule"), items: items() },
        ),
        (
            "holdpoint.lock.released",
            DefinitionEvent::LocksReleased { state: text("review"), items: items() },
        ),
        (
            "holdpoint.lock.broken",
            DefinitionEvent::LockBroken {
                item: "db-1.example.com".parse().unwrap(),
                member: "dora".parse().unwrap(),
                roles: ["head".parse().unwrap()].into(),
                reason: text("the run hangs, and nothing is at work any more"),
            },
        ),
        (
            "holdpoint.conflict.checked",
            DefinitionEvent::ConflictsChecked {
                hold: text("schedule"),
                found: Look {
                    with: vec![Found {
                        run: RunId::from_uuid(uuid(0x21)),
                        number: 7,
                        title: text("Renew the storage"),
                        first: true,
                        items: overlaps(),
                        digest: Digest::of(b"items"),
                    }],
                    more: 2,
                },
            },
        ),
        (
            "holdpoint.conflict.accepted",
            DefinitionEvent::ConflictAccepted {
                hold: text("schedule"),
                with: RunId::from_uuid(uuid(0x21)),
                number: 7,
                items: overlaps(),
                digest: Digest::of(b"items"),
                member: "dora".parse().unwrap(),
                roles: ["head".parse().unwrap()].into(),
                reason: text("both teams do it together"),
            },
        ),
        ("holdpoint.wait.elapsed", DefinitionEvent::WaitElapsed { hold: text("authorize") }),
        (
            "holdpoint.signal.received",
            DefinitionEvent::SignalReceived {
                name: text("vendor-ready"),
                data: Arc::new(json!({ "ticket": 4711 })),
                sender: None,
            },
        ),
        (
            "holdpoint.signal.received.by-one-who-may",
            DefinitionEvent::SignalReceived {
                name: text("vendor-ready"),
                data: Arc::new(json!({ "ticket": 4711 })),
                sender: Some(Sender {
                    member: "ci".parse().unwrap(),
                    holds: ["vendor".to_owned()].into(),
                    roles: ["machine".parse().unwrap()].into(),
                    qualified: ["network".parse().unwrap()].into(),
                }),
            },
        ),
        (
            "holdpoint.signal.received.without-data",
            DefinitionEvent::SignalReceived {
                name: text("vendor-ready"),
                data: Arc::new(Value::Null),
                sender: None,
            },
        ),
        (
            "holdpoint.signal.consumed",
            DefinitionEvent::SignalConsumed {
                hold: text("vendor"),
                name: text("vendor-ready"),
                index: 0,
            },
        ),
        (
            "holdpoint.hold.opened.with-checks",
            DefinitionEvent::HoldOpened {
                hold: text("ready"),
                digest: Digest::of(b"what is voted on"),
                rules: vec![],
                not_applicable: [text("check/errors")].into(),
                tasks: vec![],
                checks: vec![OpenCheck {
                    check: text("pipeline"),
                    input: Arc::new(
                        json!({ "probe": { "run": { "activity": "ci-status", "input": {} } } }),
                    ),
                    every_ms: Some(300_000),
                    valid_ms: Some(3_600_000),
                }],
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
            "holdpoint.check.told",
            DefinitionEvent::CheckTold {
                hold: text("ready"),
                check: text("pipeline"),
                number: 2,
                verdict: Verdict::Failed,
                detail: Some(text("2 tests failed")),
                output: Some(Digest::of(b"what it answered")),
                next: Some("2026-01-05T09:05:00Z".parse().unwrap()),
            },
        ),
        (
            "holdpoint.check.told.passed",
            DefinitionEvent::CheckTold {
                hold: text("ready"),
                check: text("pipeline"),
                number: 1,
                verdict: Verdict::Passed,
                detail: None,
                output: None,
                next: None,
            },
        ),
        (
            "holdpoint.risk.assessed",
            DefinitionEvent::RiskAssessed(Risk {
                level: text("high"),
                score: 50,
                factors: [(text("reach"), 60), (text("rehearsal"), -10)].into(),
                ..no_risk()
            }),
        ),
        (
            "holdpoint.risk.assessed.by-an-expression",
            DefinitionEvent::RiskAssessed(Risk { level: text("low"), score: 0, ..no_risk() }),
        ),
        (
            "holdpoint.risk.assessed.at-least",
            DefinitionEvent::RiskAssessed(Risk {
                level: text("high"),
                score: 50,
                factors: [(text("reach"), 60), (text("rehearsal"), -10)].into(),
                cases: [(text("reach"), 2), (text("rehearsal"), 1)].into(),
                by_points: Some(text("medium")),
                at_least: Some(text("high")),
                inputs: [(text("claimed"), json!("high")), (text("tested"), json!(true))].into(),
            }),
        ),
        (
            "holdpoint.check.asked",
            DefinitionEvent::CheckAsked {
                hold: text("ready"),
                check: text("pipeline"),
                number: 2,
                because: Because::Stale,
            },
        ),
        (
            "holdpoint.hold.failed",
            DefinitionEvent::HoldFailed { hold: text("ready"), check: text("pipeline") },
        ),
        ("holdpoint.hold.released", DefinitionEvent::HoldReleased { hold: text("authorize") }),
        (
            "holdpoint.hold.rejected",
            DefinitionEvent::HoldRejected {
                hold: text("authorize"),
                member: "grace.hopper@navy".parse().unwrap(),
            },
        ),
        (
            "holdpoint.hold.expired",
            DefinitionEvent::HoldExpired {
                hold: text("authorize"),
                deadline: "2026-01-12T09:00:00Z".parse().unwrap(),
            },
        ),
        (
            "holdpoint.hold.objected",
            DefinitionEvent::Objected {
                hold: text("notice"),
                member: "grace.hopper@navy".parse().unwrap(),
                roles: ["service-owner".parse().unwrap()].into(),
                reason: text("the shop is full on that day"),
            },
        ),
        (
            "holdpoint.witness.no_objection",
            DefinitionEvent::NotObjected {
                hold: text("notice"),
                until: "2026-01-07T09:00:00Z".parse().unwrap(),
            },
        ),
        (
            "holdpoint.hold.reminded",
            DefinitionEvent::Reminded {
                hold: text("authorize"),
                reminder: 2,
                to: ["ada", "grace.hopper@navy"].map(|id| id.parse().unwrap()).into(),
                next: None,
                counted: vec![],
            },
        ),
        (
            "holdpoint.hold.escalated",
            DefinitionEvent::Escalated {
                hold: text("authorize"),
                to: vec![text("role:head"), text("member:ada")],
            },
        ),
        (
            "holdpoint.run.cancelled",
            DefinitionEvent::Cancelled {
                state: text("implement"),
                reason: text("the vendor withdrew it"),
            },
        ),
        ("holdpoint.run.ended", DefinitionEvent::Ended { outcome: text("completed") }),
        (
            "holdpoint.child.requested",
            DefinitionEvent::ChildRequested {
                state: text("build"),
                effect: EffectId::new("build#1"),
                definition: "build-an-image".parse().unwrap(),
                version: Some(3),
                input: Arc::new(json!({ "title": "2.0" })),
            },
        ),
        (
            "holdpoint.child.requested.whichever-version",
            DefinitionEvent::ChildRequested {
                state: text("build"),
                effect: EffectId::new("build#2"),
                definition: "build-an-image".parse().unwrap(),
                version: None,
                input: Arc::new(json!({})),
            },
        ),
        (
            "holdpoint.child.stopping",
            DefinitionEvent::ChildStopping {
                state: text("build"),
                reason: text("the run was cancelled"),
                deadline: None,
            },
        ),
        (
            "holdpoint.child.stopping.late",
            DefinitionEvent::ChildStopping {
                state: text("build"),
                reason: text("the time for it was over"),
                deadline: Some("2026-01-07T09:00:00Z".parse().unwrap()),
            },
        ),
        (
            "holdpoint.branches.started",
            DefinitionEvent::BranchesStarted {
                state: text("both"),
                branches: vec![text("network"), text("storage")],
            },
        ),
        (
            "holdpoint.branches.stopping",
            DefinitionEvent::BranchesStopping {
                state: text("both"),
                reason: text("another branch has not ended well"),
            },
        ),
        (
            "holdpoint.branch.ended",
            DefinitionEvent::BranchEnded {
                state: text("network-done"),
                branch: text("network"),
                outcome: text("done"),
            },
        ),
        (
            "holdpoint.branch.stopped",
            DefinitionEvent::BranchStopped { state: text("copy"), branch: text("storage") },
        ),
        (
            "holdpoint.branches.joined",
            DefinitionEvent::BranchesJoined { state: text("both"), outcome: text("completed") },
        ),
    ]
}

fn working() -> Vec<(&'static str, DefinitionEvent)> {
    let state = || text("implement");
    vec![
        (
            "holdpoint.work.requested",
            DefinitionEvent::WorkRequested {
                state: state(),
                effect: EffectId::new("implement#1"),
                activity: text("deploy"),
                input: Arc::new(json!({ "version": "6.18" })),
                window: None,
            },
        ),
        (
            "holdpoint.work.requested.window",
            DefinitionEvent::WorkRequested {
                state: state(),
                effect: EffectId::new("implement#1"),
                activity: text("deploy"),
                input: Arc::new(json!({})),
                window: Some(AskedTimes {
                    windows: vec!["maintenance".parse().unwrap()],
                    not_during: vec!["freeze".parse().unwrap()],
                    fits_ms: None,
                }),
            },
        ),
        (
            "holdpoint.work.succeeded",
            DefinitionEvent::WorkSucceeded {
                state: state(),
                output: Arc::new(json!({ "changed": true })),
            },
        ),
        (
            "holdpoint.work.failed",
            DefinitionEvent::WorkFailed { state: state(), reason: text("exit status 1") },
        ),
        (
            "holdpoint.work.expired",
            DefinitionEvent::WorkExpired {
                state: state(),
                deadline: "2026-01-05T10:00:00Z".parse().unwrap(),
            },
        ),
        (
            "holdpoint.run.expired",
            DefinitionEvent::Expired {
                state: state(),
                deadline: "2026-02-04T09:00:00Z".parse().unwrap(),
            },
        ),
        (
            "holdpoint.rollout.started",
            DefinitionEvent::RolloutStarted {
                plan: None,
                state: state(),
                targets: Arc::new(vec![text("web-1"), text("web-2"), text("web-3")]),
                waves: Arc::new(vec![1, 3]),
                check: Some(CheckTimes { for_ms: 120_000, every_ms: 1_000 }),
                selector: None,
                gates: Arc::new(vec![]),
                switch: false,
                window: None,
            },
        ),
        (
            "holdpoint.rollout.started.planned",
            DefinitionEvent::RolloutStarted {
                plan: Some(Digest::of(b"a plan")),
                state: state(),
                targets: Arc::new(vec![text("web-1")]),
                waves: Arc::new(vec![1]),
                check: None,
                selector: None,
                gates: Arc::new(vec![]),
                switch: false,
                window: None,
            },
        ),
        (
            "holdpoint.rollout.started.gated",
            DefinitionEvent::RolloutStarted {
                plan: None,
                state: state(),
                targets: Arc::new(vec![text("web-1"), text("web-2")]),
                waves: Arc::new(vec![1, 2]),
                check: None,
                selector: None,
                gates: Arc::new(vec![
                    Gate { wave: 1, bake_ms: 1_800_000, holds: vec![] },
                    Gate { wave: 2, bake_ms: 0, holds: vec![2, 3] },
                ]),
                switch: true,
                window: None,
            },
        ),
        (
            "holdpoint.rollout.started.unchecked",
            DefinitionEvent::RolloutStarted {
                plan: None,
                state: state(),
                targets: Arc::new(vec![text("web-1")]),
                waves: Arc::new(vec![1]),
                check: None,
                selector: None,
                gates: Arc::new(vec![]),
                switch: false,
                window: None,
            },
        ),
        (
            "holdpoint.rollout.started.selected",
            DefinitionEvent::RolloutStarted {
                plan: None,
                state: state(),
                targets: Arc::new(vec![text("db-1"), text("web-1")]),
                waves: Arc::new(vec![1, 2]),
                check: None,
                selector: Some(text("env=prod, !legacy")),
                gates: Arc::new(vec![]),
                switch: false,
                window: None,
            },
        ),
        (
            "holdpoint.rollout.wave_started",
            DefinitionEvent::WaveStarted { state: state(), wave: 2, targets: 2 },
        ),
        (
            "holdpoint.rollout.bake_started",
            DefinitionEvent::BakeStarted {
                state: state(),
                wave: 1,
                until: "2026-01-05T09:30:00Z".parse().unwrap(),
            },
        ),
        ("holdpoint.rollout.bake_ended", DefinitionEvent::BakeEnded { state: state(), wave: 1 }),
        (
            "holdpoint.rollout.held",
            DefinitionEvent::RolloutHeld {
                state: state(),
                wave: 1,
                from: vec![text("requester"), text("role:release")],
                need: 2,
            },
        ),
        (
            "holdpoint.rollout.promoted",
            DefinitionEvent::Promoted {
                state: state(),
                wave: 1,
                past: Past::Hold,
                member: "grace".parse().unwrap(),
                roles: ["release".parse().unwrap()].into(),
                reason: None,
            },
        ),
        (
            "holdpoint.rollout.promoted.reason",
            DefinitionEvent::Promoted {
                state: state(),
                wave: 1,
                past: Past::Bake,
                member: "grace".parse().unwrap(),
                roles: ["release".parse().unwrap()].into(),
                reason: Some(text("the graphs are flat")),
            },
        ),
        (
            "holdpoint.rollout.not_begun",
            DefinitionEvent::NotBegun { state: state(), targets: vec![text("sw-2"), text("sw-3")] },
        ),
        (
            "holdpoint.rollout.paused",
            DefinitionEvent::RolloutPaused { state: state(), reason: text("an incident") },
        ),
        (
            "holdpoint.rollout.resumed",
            DefinitionEvent::RolloutResumed { state: state(), reason: None },
        ),
        (
            "holdpoint.rollout.resumed.reason",
            DefinitionEvent::RolloutResumed { state: state(), reason: Some(text("it is over")) },
        ),
        (
            "holdpoint.target.step_done",
            DefinitionEvent::TargetStepDone { of: target(None), step: text("drain") },
        ),
        (
            "holdpoint.target.skipped",
            DefinitionEvent::TargetSkipped(target(Some("it is being replaced"))),
        ),
        ("holdpoint.target.deployed", DefinitionEvent::TargetDeployed(target(None))),
        ("holdpoint.target.healthy", DefinitionEvent::TargetHealthy(target(None))),
        (
            "holdpoint.target.healthy.said-by-a-person",
            DefinitionEvent::TargetHealthy(target(Some("looked at by hand"))),
        ),
        (
            "holdpoint.target.failed",
            DefinitionEvent::TargetFailed(target(Some("exit status 1: no route to host"))),
        ),
        (
            "holdpoint.target.inconclusive",
            DefinitionEvent::TargetInconclusive(target(Some("no answer in 2m"))),
        ),
        ("holdpoint.target.rechecked", DefinitionEvent::TargetRechecked(target(None))),
        (
            "holdpoint.rollout.stopped",
            DefinitionEvent::RolloutStopped { state: state(), reason: text("1 target failed") },
        ),
        (
            "holdpoint.rollout.undo_started",
            DefinitionEvent::UndoStarted {
                state: state(),
                reason: text("1 target failed"),
                over: Default::default(),
            },
        ),
        ("holdpoint.target.restored", DefinitionEvent::TargetRestored(target(None))),
        ("holdpoint.target.stuck", DefinitionEvent::TargetStuck(target(Some("the disk is full")))),
        ("holdpoint.target.retried", DefinitionEvent::TargetRetried(target(None))),
        (
            "holdpoint.target.taken_over",
            DefinitionEvent::TargetTakenOver(target(Some("reinstalled by hand"))),
        ),
        (
            "holdpoint.rollout.finished",
            DefinitionEvent::RolloutFinished { state: state(), outcome: text("rolled_back") },
        ),
    ]
}

fn stored(new: NewEvent) -> Stored {
    let event = PendingEvent {
        id: EventId::from_uuid(uuid(7)),
        source: "core-network".parse().unwrap(),
        subject: Some(RunId::from_uuid(uuid(5))),
        kind: new.kind,
        time: "2026-01-05T09:00:00.123456789Z".parse().unwrap(),
        actor: Actor::Member("ada".parse().unwrap()),
        auth: Authentication::new("local:ada"),
        cause: CommandId::from_uuid(uuid(6)),
        request: None,
        trace: None,
        definition: None,
        data: new.data,
    };
    Stored { event, at: Sequence(4_711), version: Version(12), previous: Sequence(4_690) }
}

#[test]
fn every_event_is_written_and_read_as_ever() {
    let mut golden = Golden::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("golden"));
    let mut examples = waiting();
    examples.extend(working());
    examples.extend(holds::examples());
    examples.extend(amendments::examples());
    examples.extend(votes::examples());
    examples.extend(windows::examples());
    examples.extend(plans::examples());
    examples.extend(resting::examples());
    golden.check(examples, types::type_of, stored);
    golden.finish();
}
