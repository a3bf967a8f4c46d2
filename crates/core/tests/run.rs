//! One execution of a definition: attempts, timers, commands sent twice, replay and snapshots.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation must fail the test that stated it"
)]

mod reboot;

use std::sync::Arc;

use holdpoint_core::{
    Action, Actor, Command, CommandId, DefinitionRef, Digest, EffectId, Event, EventType,
    IllegalEvent, Moment, Outcome, Project, Refusal, RefusalCode, Run, RunAnswer, RunStatus,
    Sequence, Version, Vote,
    command::request_of,
    event::TypedEvent,
    run::{Decided, DueStep, RunEvent},
    testing::{Bench, event_types, project, types, uuid},
    workflow::{DecideFailure, DynWorkflow},
};
use jiff::SignedDuration;
use reboot::{LAPSES_AFTER, LIMIT, RETRY, Reboot, RebootEvent};
use serde_json::{Value, json};

fn people() -> Project {
    project(&[("ada", &["engineer"], &[]), ("ben", &["engineer"], &[])])
}

#[track_caller]
fn asked() -> Bench {
    let mut bench = Bench::new(Arc::new(Reboot::default()), people());
    bench.submit("ada", json!({ "host": "web-1" })).unwrap();
    bench
}

#[track_caller]
fn approved() -> Bench {
    let mut bench = asked();
    bench.approve("ben").unwrap();
    bench
}

fn done() -> Outcome {
    Outcome::Completed(json!("done"))
}

fn failed(error: &str) -> Outcome {
    Outcome::Failed { error: error.to_owned(), retryable: true }
}

fn begin(effect: &str, attempt: u32) -> Action {
    Action::AttemptStarted { effect: EffectId::new(effect), attempt, configured: None }
}

fn end(effect: &str, attempt: u32, outcome: Outcome) -> Action {
    Action::AttemptEnded { effect: EffectId::new(effect), attempt, outcome }
}

fn note(text: &str) -> Action {
    Action::Signal { name: "note".to_owned(), data: json!(text) }
}

fn ended(outcome: &str) -> RunStatus {
    RunStatus::Ended { outcome: outcome.to_owned() }
}

#[track_caller]
fn step(bench: &Bench, effect: &str) -> DueStep {
    let due = bench.due().into_iter().find(|due| due.effect.as_str() == effect);
    due.unwrap_or_else(|| panic!("`{effect}` is not due")).step
}

/// Sends an action that is refused, and sees to it that nothing has changed.
#[track_caller]
fn refused(bench: &mut Bench, actor: &str, action: Action, code: RefusalCode) -> Refusal {
    let (before, events) = (format!("{:?}", bench.run()), bench.history().len());
    let command = bench.command(actor, action);
    let refusal = bench.send(&command).expect_err("expected a refusal");
    assert_eq!(refusal.code, code, "{refusal}");
    assert_eq!(bench.history().len(), events, "a refusal leaves no event");
    assert_eq!(format!("{:?}", bench.run()), before, "a refusal changes nothing");
    assert_eq!(bench.run().answer_to(&command).unwrap(), None, "a refusal is no answer to keep");
    refusal
}

#[test]
fn a_run_goes_from_submission_to_its_end() {
    let mut bench = asked();
    assert_eq!(types(bench.history()), ["run.started", "acme.reboot.asked"]);
    assert_eq!(bench.status(), RunStatus::Held);
    assert_eq!(
        (bench.view().title.as_str(), bench.view().state.as_str()),
        ("reboot \"web-1\"", "asked")
    );
    let run = bench.run();
    assert_eq!(run.requester(), &Actor::Member("ada".parse().unwrap()));
    assert_eq!(run.project().as_str(), "lab");
    assert_eq!(run.input(), &json!({ "host": "web-1" }));
    assert_eq!((run.started(), run.updated()), (bench.now(), bench.now()));
    assert_eq!(run.definition().digest, Digest::of(b"under test"));

    bench.advance(SignedDuration::from_secs(5));
    bench.approve("ben").unwrap();
    assert_eq!(bench.run().updated() - bench.run().started(), SignedDuration::from_secs(5));
    assert_eq!(bench.status(), RunStatus::Working);
    let input = json!({ "host": "web-1" });
    assert_eq!(
        bench.open_activities(),
        [
            ("drain".to_owned(), "drain".to_owned(), input.clone()),
            ("reboot".to_owned(), "reboot".to_owned(), input)
        ]
    );
    let events = bench.attempt("drain", done()).unwrap();
    assert_eq!(types(&events), ["activity.started", "activity.completed", "acme.reboot.done"]);
    bench.attempt("reboot", done()).unwrap();
    assert_eq!(bench.status(), ended("rebooted"));
    assert_eq!(bench.due(), [], "a run that is over is owed nothing");
}

#[test]
fn an_input_that_the_workflow_does_not_accept_starts_nothing() {
    let mut bench = Bench::new(Arc::new(Reboot::default()), people());
    let refusal = bench.submit("ada", json!({ "hosts": [] })).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::InvalidInput);
    assert!(bench.history().is_empty());
}

#[test]
fn a_failed_attempt_is_tried_again_until_the_policy_is_exhausted() {
    let mut bench = approved();
    let delay = RETRY.delay_first;
    for attempt in 1..RETRY.attempts_max {
        bench.act("engine", begin("reboot", attempt)).unwrap();
        assert_eq!(step(&bench, "reboot"), DueStep::UnderWay { attempt });
        let events = bench.act("engine", end("reboot", attempt, failed("no power"))).unwrap();
        assert_eq!(types(&events), ["activity.failed"], "the workflow does not hear of it");
        let DueStep::Attempt { attempt: next, not_before, .. } = step(&bench, "reboot") else {
            panic!("another attempt is due");
        };
        assert_eq!((next, not_before), (attempt + 1, Some(bench.now() + delay)));
        bench.advance(delay);
    }
    let events = bench.attempt("reboot", failed("no power")).unwrap();
    assert_eq!(types(&events), ["activity.started", "activity.failed", "acme.reboot.over"]);
    let last = RunEvent::from_parts(&events[1].kind, &events[1].data).unwrap();
    assert!(matches!(last, RunEvent::AttemptFailed { attempt: 3, retry_at: None, .. }), "{last:?}");
    assert_eq!(bench.status(), ended("reboot failed"));
}

#[test]
fn a_failure_that_no_attempt_can_mend_is_the_last() {
    let mut bench = approved();
    let outcome = Outcome::Failed { error: "no such host".to_owned(), retryable: false };
    let events = bench.attempt("drain", outcome).unwrap();
    assert_eq!(types(&events), ["activity.started", "activity.failed", "acme.reboot.over"]);
    assert_eq!(bench.status(), ended("drain failed"));
}

#[test]
fn an_unknown_outcome_is_no_failure_and_the_next_attempt_is_due_at_once() {
    let mut bench = approved();
    for attempt in 1..=5 {
        bench.act("engine", begin("reboot", attempt)).unwrap();
        let outcome = Outcome::Unknown { reason: "the engine stopped".to_owned() };
        let events = bench.act("engine", end("reboot", attempt, outcome)).unwrap();
        assert_eq!(types(&events), ["activity.unknown"]);
        let DueStep::Attempt { attempt: next, not_before: None, .. } = step(&bench, "reboot")
        else {
            panic!("another attempt is due at once");
        };
        assert_eq!(next, attempt + 1, "attempts are counted, whatever became of them");
    }
    for _ in 1..RETRY.attempts_max {
        let events = bench.attempt("reboot", failed("no power")).unwrap();
        assert_eq!(types(&events), ["activity.started", "activity.failed"]);
    }
    bench.attempt("reboot", failed("no power")).unwrap();
    assert_eq!(bench.status(), ended("reboot failed"), "only failures exhaust the policy");
}

#[test]
fn an_attempt_that_nobody_waits_for_any_more_is_abandoned() {
    let mut bench = approved();
    bench.act("engine", begin("drain", 1)).unwrap();
    bench.act("engine", begin("reboot", 1)).unwrap();
    let events = bench.act("ada", Action::Cancel { reason: "wrong host".to_owned() }).unwrap();
    assert_eq!(types(&events), ["acme.reboot.over", "activity.abandoned", "activity.abandoned"]);
    refused(&mut bench, "engine", end("reboot", 1, done()), RefusalCode::RunEnded);

    let mut bench = approved();
    bench.act("engine", begin("drain", 1)).unwrap();
    let events =
        bench.attempt("reboot", Outcome::Failed { error: "dead".to_owned(), retryable: false });
    let types = types(&events.unwrap());
    assert_eq!(types[2..], ["acme.reboot.over", "activity.abandoned"]);
}

#[test]
fn timers_fire_when_they_are_due() {
    let mut bench = asked();
    let DueStep::Fire { at } = step(&bench, "lapse") else { panic!("a timer is due") };
    assert_eq!(at, bench.now() + LAPSES_AFTER);
    let fire = || Action::TimerFired { effect: EffectId::new("lapse") };
    bench.advance(LAPSES_AFTER - SignedDuration::from_nanos(1));
    refused(&mut bench, "engine", fire(), RefusalCode::NotAwaited);
    bench.advance(SignedDuration::from_nanos(1));
    assert_eq!(types(&bench.history()[2..]), ["timer.fired", "acme.reboot.over"]);
    assert_eq!(bench.status(), ended("lapsed"));

    let mut bench = approved();
    bench.act("engine", begin("reboot", 1)).unwrap();
    bench.advance(LIMIT);
    assert_eq!(bench.status(), ended("out of time"));
    assert_eq!(bench.types().last().unwrap(), "activity.abandoned");
}

#[test]
fn what_does_not_fit_the_run_is_refused_and_leaves_nothing() {
    use RefusalCode::{AlreadyExists, NotAwaited, RunEnded, SelfApproval};
    let fire = |effect: &str| Action::TimerFired { effect: EffectId::new(effect) };
    let vote = Action::vote(Vote::Approve, None);
    let cancel = Action::Cancel { reason: "enough".to_owned() };
    let completed =
        Action::Completed { effect: EffectId::new("reboot"), output: json!("rebooted") };
    let failure = Action::Failed { effect: EffectId::new("reboot"), error: "dead".to_owned() };

    let mut bench = asked();
    for (actor, action, code) in [
        ("ada", vote.clone(), SelfApproval),
        ("ada", Action::Start, AlreadyExists),
        ("engine", begin("reboot", 1), NotAwaited),
        ("engine", begin("lapse", 1), NotAwaited),
        ("engine", end("reboot", 1, done()), NotAwaited),
        ("engine", fire("limit"), NotAwaited),
        ("engine", completed.clone(), NotAwaited),
        ("engine", failure.clone(), NotAwaited),
    ] {
        refused(&mut bench, actor, action, code);
    }

    let mut bench = approved();
    for (actor, action, code) in [
        ("ben", vote.clone(), NotAwaited),
        ("engine", fire("reboot"), NotAwaited),
        ("engine", fire("lapse"), NotAwaited),
        ("engine", begin("reboot", 0), NotAwaited),
        ("engine", begin("reboot", 2), NotAwaited),
        ("engine", end("reboot", 1, done()), NotAwaited),
        ("engine", completed.clone(), NotAwaited),
        ("engine", failure.clone(), NotAwaited),
    ] {
        refused(&mut bench, actor, action, code);
    }

    bench.act("engine", begin("reboot", 1)).unwrap();
    for action in [begin("reboot", 1), begin("reboot", 2), end("reboot", 2, done())] {
        refused(&mut bench, "engine", action, NotAwaited);
    }
    bench.act("engine", end("reboot", 1, done())).unwrap();
    refused(&mut bench, "engine", end("reboot", 1, done()), NotAwaited);
    refused(&mut bench, "engine", begin("reboot", 1), NotAwaited);

    bench.act("ada", cancel.clone()).unwrap();
    for (actor, action) in [
        ("ada", cancel),
        ("ben", vote),
        ("ben", note("late")),
        ("ada", Action::Start),
        ("engine", begin("drain", 1)),
        ("engine", fire("limit")),
        ("engine", completed),
    ] {
        let refusal = refused(&mut bench, actor, action, RunEnded);
        assert_eq!(refusal.message, "the run has ended with `cancelled`");
    }
}

#[test]
fn attempts_and_timers_are_the_engines() {
    let mut bench = approved();
    let ours = [
        begin("reboot", 1),
        Action::TimerFired { effect: EffectId::new("limit") },
        end("reboot", 1, done()),
    ];
    for action in ours {
        refused(&mut bench, "ben", action, RefusalCode::NotEligible);
    }
}

#[test]
fn a_persons_command_sent_twice_gets_the_same_answer() {
    let mut bench = asked();
    let first = bench.command("ben", note("mind the backups"));
    let events = bench.send(&first).unwrap();
    let answer = RunAnswer { version: Version(3), sequence: Sequence(3) };
    assert_eq!((events.len(), bench.run().answer_to(&first).unwrap()), (1, Some(answer)));
    bench.act("ben", note("and the cache")).unwrap();
    assert_eq!(bench.run().answer_to(&first).unwrap(), Some(answer), "whatever came after it");
    assert_eq!(bench.send(&first).unwrap(), [], "nothing is decided again");

    let several = bench.command("ada", Action::Cancel { reason: "enough".to_owned() });
    bench.send(&several).unwrap();
    assert_eq!(bench.run().answer_to(&several).unwrap(), Some(bench.run().at()), "its last event");
    let submission = request_of(&several.actor, &Action::Start);
    let answer = RunAnswer { version: Version(2), sequence: Sequence(2) };
    assert_eq!(
        bench.run().answer_to_submission(&submission),
        Ok(answer),
        "the run's id is the command's"
    );
    let new = Command { id: CommandId::from_uuid(uuid(999)), ..first.clone() };
    assert_eq!(bench.run().answer_to(&new).unwrap(), None);
    let stolen = Command { actor: several.actor.clone(), ..first.clone() };
    let other = Command { action: note("mind the cache"), ..first };
    for reused in [stolen, other] {
        let refusal = bench.send(&reused).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::CommandIdReused);
        assert_eq!(
            refusal.message,
            format!("the command id {} was used before, for something else", reused.id)
        );
    }
    let other = request_of(&several.actor, &"another submission");
    let refusal = bench.run().answer_to_submission(&other).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::CommandIdReused);
}

#[test]
fn a_request_keeps_its_digest_across_versions() {
    // A command that is sent again after an update must still be known as the same one.
    let vote = |hold: Option<&str>, reason: Option<&str>| Action::Vote {
        hold: hold.map(str::to_owned),
        vote: Vote::Approve,
        reason: reason.map(str::to_owned),
        duties: vec![],
        in_place_of: None,
        plans: Default::default(),
    };
    let signal = Action::Signal { name: "go".to_owned(), data: json!({ "b": 1, "a": [2.5] }) };
    for (action, json) in [
        (vote(None, None), r#"{"action":"vote","vote":"approve"}"#),
        (
            vote(Some("authorize"), Some("fine")),
            r#"{"action":"vote","hold":"authorize","vote":"approve","reason":"fine"}"#,
        ),
        (signal, r#"{"action":"signal","name":"go","data":{"a":[2.5],"b":1}}"#),
        (Action::Cancel { reason: "no".to_owned() }, r#"{"action":"cancel","reason":"no"}"#),
    ] {
        let actor = Actor::Member("ada".parse().unwrap());
        let expected = format!(r#"{{"actor":"member:ada","asks":{json}}}"#);
        assert_eq!(request_of(&actor, &action), Digest::of(expected.as_bytes()), "{json}");
    }
}

#[test]
fn the_answers_of_the_engines_own_commands_are_not_kept() {
    let mut bench = approved();
    let command = bench.command("engine", begin("reboot", 1));
    bench.send(&command).unwrap();
    assert_eq!(bench.run().answer_to(&command).unwrap(), None);
    refused(&mut bench, "engine", command.action, RefusalCode::NotAwaited);
}

/// The history of a run that has seen a bit of everything, and is not over.
fn history() -> (Bench, Vec<Event>) {
    let mut bench = approved();
    bench.act("ben", note("mind the backups")).unwrap();
    bench.attempt("drain", failed("busy")).unwrap();
    bench.act("engine", begin("drain", 2)).unwrap();
    let events = bench.history().to_vec();
    (bench, events)
}

#[test]
fn a_run_goes_on_from_any_snapshot() {
    let (bench, events) = history();
    let workflow = Reboot::default();
    let live = format!("{:?}", bench.run());
    for count in 1..=events.len() {
        let snapshot = bench.replay(count).unwrap().snapshot(&workflow).unwrap();
        let mut run = Run::restore(&workflow, &snapshot).unwrap();
        for event in &events[count..] {
            run.evolve(&workflow, event).unwrap();
        }
        assert_eq!(format!("{run:?}"), live, "from a snapshot at version {count}");
    }
}

#[test]
fn what_is_not_a_snapshot_is_not_restored() {
    let (bench, _) = history();
    let workflow = Reboot::default();
    let whole = bench.run().snapshot(&workflow).unwrap();
    for snapshot in [&b""[..], b"{}", b"null", b"\xff", &whole[..whole.len() - 1]] {
        let failure = Run::restore(&workflow, snapshot).unwrap_err();
        assert_eq!(failure.event, "snapshot");
    }
    let mut other: Value = serde_json::from_slice(&whole).unwrap();
    other["state"] = json!({ "stage": "unheard of" });
    Run::restore(&workflow, other.to_string().as_bytes()).unwrap_err();
}

fn changed(event: &Event, change: impl FnOnce(&mut Value)) -> Event {
    let mut value = serde_json::to_value(event).unwrap();
    change(&mut value);
    Event::from_bytes(value.to_string().as_bytes()).unwrap()
}

#[test]
fn a_stream_that_does_not_begin_a_run_is_illegal() {
    let (_, events) = history();
    let workflow = Reboot::default();
    let begin = |event: &Event| Run::begin(&workflow, event).unwrap_err();
    assert_eq!(begin(&events[1]).event, "acme.reboot.asked");
    let started = &events[0];
    assert!(Run::begin(&workflow, started).is_ok());
    let without =
        |member: &str| changed(started, |e| drop(e.as_object_mut().unwrap().remove(member)));
    begin(&without("subject"));
    begin(&without("definition"));
    begin(&changed(started, |e| e["version"] = json!(2)));
    begin(&changed(started, |e| e["data"]["input"] = json!({})));
    begin(&changed(started, |e| drop(e["data"].as_object_mut().unwrap().remove("workflow"))));
}

/// The next event of a run that has come as far as `history`, made from its last.
fn next(events: &[Event], kind: &str, data: Value) -> Event {
    changed(events.last().unwrap(), |event| {
        event["type"] = json!(kind);
        event["data"] = data;
        for position in ["sequence", "version", "previous"] {
            event[position] = json!(event[position].as_u64().unwrap() + 1);
        }
    })
}

#[track_caller]
fn evolved(bench: &Bench, event: &Event) -> Result<(), IllegalEvent> {
    bench.replay(bench.history().len()).unwrap().evolve(&Reboot::default(), event)
}

#[test]
fn an_event_of_another_place_or_stream_is_illegal() {
    let (bench, events) = history();
    let good = next(&events, "acme.reboot.noted", json!({ "note": 1 }));
    evolved(&bench, &good).unwrap();
    evolved(&bench, events.last().unwrap()).unwrap_err();
    for (member, value) in [
        ("version", json!(good.version.0 + 1)),
        ("version", json!(good.version.0 - 1)),
        ("subject", json!(uuid(999))),
        ("source", json!("another-lab")),
    ] {
        let failure = evolved(&bench, &changed(&good, |e| e[member] = value)).unwrap_err();
        assert_eq!(failure.event, "acme.reboot.noted", "{member}: {failure}");
    }
}

#[test]
fn an_event_that_cannot_follow_is_illegal() {
    let (bench, events) = history();
    let running = json!({ "effect": "drain", "attempt": 2 });
    let with = |more: Value| {
        let mut data = running.clone();
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        data
    };
    evolved(&bench, &next(&events, "holdpoint.activity.abandoned", running.clone())).unwrap();
    for (kind, data) in [
        // Attempts that are not the next, or not under way.
        ("holdpoint.activity.started", with(json!({ "activity": "drain", "attempt": 3 }))),
        (
            "holdpoint.activity.started",
            json!({ "effect": "reboot", "activity": "x", "attempt": 2 }),
        ),
        (
            "holdpoint.activity.started",
            json!({ "effect": "reboot", "activity": "x", "attempt": 0 }),
        ),
        ("holdpoint.activity.abandoned", with(json!({ "attempt": 1 }))),
        ("holdpoint.activity.abandoned", with(json!({ "effect": "reboot" }))),
        ("holdpoint.activity.completed", with(json!({ "attempt": 1, "output": null }))),
        ("holdpoint.activity.failed", with(json!({ "attempt": 3, "error": "" }))),
        ("holdpoint.activity.unknown", with(json!({ "effect": "none", "reason": "" }))),
        // Data that does not fit the type.
        ("holdpoint.activity.completed", running.clone()),
        ("holdpoint.activity.abandoned", json!({ "effect": "drain", "attempt": -2 })),
        ("holdpoint.activity.abandoned", json!(null)),
        ("acme.reboot.noted", json!({})),
        ("acme.reboot.over", json!({ "outcome": 1 })),
        // Timers that were not due yet.
        ("holdpoint.timer.fired", json!({ "effect": "limit", "due": "2030-01-01T00:00:00Z" })),
        // What happens only once, or not here.
        ("holdpoint.run.started", serde_json::from_str(events[0].data.as_str()).unwrap()),
        ("acme.reboot.asked", json!({})),
        ("acme.reboot.approved", json!({})),
        ("acme.reboot.done", json!({ "what": "nothing" })),
        // Types that nobody knows.
        ("acme.reboot.repainted", json!({})),
        ("holdpoint.activity.paused", running.clone()),
    ] {
        let event = next(&events, kind, data.clone());
        let failure = evolved(&bench, &event).expect_err(&format!("{kind} {data}"));
        assert!(!failure.event.is_empty() && !failure.reason.is_empty());
    }
}

#[test]
fn nothing_begins_after_the_end() {
    let (mut bench, _) = history();
    bench.act("ada", Action::Cancel { reason: "enough".to_owned() }).unwrap();
    let events = bench.history();
    for (kind, data) in [
        ("holdpoint.activity.started", json!({ "effect": "x", "activity": "x", "attempt": 1 })),
        ("holdpoint.timer.fired", json!({ "effect": "limit", "due": "2026-01-05T09:00:00Z" })),
        ("acme.reboot.noted", json!({ "note": "late" })),
    ] {
        evolved(&bench, &next(events, kind, data)).expect_err(kind);
    }
}

/// Decides without a bench, which a workflow's defect would make panic.
#[track_caller]
fn broken(workflow: &dyn DynWorkflow, mut bench: Bench, action: Action) -> IllegalEvent {
    let command = bench.command("engine", action.clone());
    let command = match action {
        Action::Signal { .. } => bench.command("ben", action),
        _ => command,
    };
    let project = people();
    let at = Moment { now: bench.now(), project: &project };
    let before = format!("{:?}", bench.run());
    match bench.run().decide(workflow, &command, &at) {
        Err(DecideFailure::Broken(illegal)) => {
            assert_eq!(format!("{:?}", bench.run()), before, "nothing has changed");
            illegal
        }
        other => panic!("expected a defect, got {other:?}"),
    }
}

#[test]
fn a_workflow_that_breaks_its_own_rules_changes_nothing() {
    let misbehave = Action::Signal { name: "misbehave".to_owned(), data: json!(null) };
    let illegal = broken(&Reboot::default(), asked(), misbehave);
    assert!(illegal.event.contains("Asked"), "{illegal}");

    let mut bench = approved();
    bench.act("engine", begin("reboot", 1)).unwrap();
    let deaf = Reboot { is_deaf: true, ..Reboot::default() };
    let illegal = broken(&deaf, bench, end("reboot", 1, done()));
    assert_eq!(illegal.event, "pending", "it would be done for ever: {illegal}");

    let note = Action::Signal { name: "note".to_owned(), data: json!(null) };
    let restrains = Reboot { restrains_nothing: true, ..Reboot::default() };
    let illegal = broken(&restrains, asked(), note);
    assert_eq!(illegal.event, "restraints", "it would be taken back for ever: {illegal}");
}

#[test]
fn every_event_of_a_run_is_kept_from_the_workflow() {
    for kind in event_types::<RunEvent>() {
        assert!(RunEvent::is_type(&EventType::from_static(kind)), "{kind}");
    }
    for kind in event_types::<RebootEvent>() {
        assert!(!RunEvent::is_type(&EventType::from_static(kind)), "{kind}");
    }
}

/// Decides a submission without a bench.
fn submit(input: &Value) -> Result<Decided, DecideFailure> {
    let definition = DefinitionRef {
        name: "reboot".parse().unwrap(),
        version: 4,
        digest: Digest::of(b"under test"),
    };
    let project = people();
    let mut bench = Bench::new(Arc::new(Reboot::default()), project.clone());
    let command = bench.command("ada", Action::Start);
    let at = Moment { now: bench.now(), project: &project };
    Run::submit(&definition, &Reboot::default(), &command, input, &at)
}

#[test]
fn a_submission_names_its_definition() {
    let input = json!({ "host": "web-2" });
    let events = submit(&input).unwrap().events;
    let first = RunEvent::from_parts(&events[0].kind, &events[0].data).unwrap();
    assert_eq!(
        first,
        RunEvent::Started {
            workflow: "reboot".parse().unwrap(),
            version: 4,
            input,
            parent: None,
            baseline: None
        }
    );
    assert_eq!(events[1].kind.as_str(), "acme.reboot.asked");
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!("innermost"), |inner, n| match n % 2 {
        0 => Value::Array(vec![inner]),
        _ => json!({ "inner": inner }),
    })
}

/// JSON is read to a certain depth only, so what is deeper must not be written.
#[test]
fn what_is_nested_too_deeply_to_be_read_again_is_not_kept() {
    submit(&json!({ "host": nested(99) })).unwrap();
    for levels in [100, 127, 1_000] {
        match submit(&json!({ "host": nested(levels) })) {
            Err(DecideFailure::Refused(refusal)) => {
                assert_eq!(refusal.code, RefusalCode::InvalidInput);
                assert_eq!(refusal.message, "the input is nested deeper than 100 levels");
            }
            other => panic!("{levels}: {other:?}"),
        }
    }

    let mut bench = Bench::new(Arc::new(Reboot::default()), people());
    bench.submit("ada", json!({ "host": nested(99) })).unwrap();
    let signal = |data: Value| Action::Signal { name: "note".to_owned(), data };
    bench.act("ben", signal(nested(100))).unwrap();
    refused(&mut bench, "ben", signal(nested(101)), RefusalCode::InvalidInput);

    bench.approve("ben").unwrap();
    bench.attempt("drain", Outcome::Completed(nested(100))).unwrap();
    let events = bench.attempt("reboot", Outcome::Completed(nested(101))).unwrap();
    assert_eq!(types(&events), ["activity.started", "activity.failed", "acme.reboot.over"]);
    assert_eq!(bench.status(), ended("reboot failed"), "and it is not tried again");
}

#[test]
fn a_submission_that_breaks_the_workflows_rules_is_not_accepted() {
    match submit(&json!({ "host": "twice" })) {
        Err(DecideFailure::Broken(illegal)) => assert!(illegal.event.contains("Asked")),
        other => panic!("expected a defect, got {other:?}"),
    }
}
