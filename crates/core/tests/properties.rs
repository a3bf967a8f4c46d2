//! What must hold for every history, over random ones: replay is the live state, any prefix
//! replays, and what is sent twice happens once.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation must fail the test that stated it"
)]

mod office;
mod reboot;

use std::sync::Arc;

use holdpoint_core::{
    Action, Actor, Command, Digest, EffectId, Event, Moment, Outcome, ProjectAction, Run,
    project::{OWNER, Qualification},
    run::DueStep,
    testing::{Bench, project},
    workflow::DecideFailure,
};
use jiff::{SignedDuration, Timestamp};
use office::{Office, member, role};
use proptest::{collection::vec, prelude::*, sample::select};
use reboot::Reboot;
use serde_json::{Value, json};

/// Any JSON document.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((".{0,4}", inner), 0..4).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

/// What may happen to a run. Most of it makes sense at some time, and little of it always.
#[derive(Clone, Debug)]
enum Step {
    Act(&'static str, Action),
    /// Begin, or end, whatever attempt there is.
    Attempt(Option<Outcome>),
    Advance(i64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let person = || select(vec!["ada", "ben", "zed"]);
    let anyone = select(vec!["ada", "ben", "engine", "engine"]);
    let effect =
        || select(vec!["lapse", "limit", "drain", "reboot", "none"]).prop_map(EffectId::new);
    let outcome = || {
        prop_oneof![
            any_json().prop_map(Outcome::Completed),
            any::<bool>().prop_map(|retryable| Outcome::Failed { error: "no".into(), retryable }),
            Just(Outcome::Unknown { reason: "gone".into() }),
            Just(Outcome::Unanswered { error: "late".into() }),
        ]
    };
    let vote = select(vec![holdpoint_core::Vote::Approve, holdpoint_core::Vote::Reject]);
    prop_oneof![
        3 => (person(), vote)
            .prop_map(|(who, vote)| Step::Act(who, Action::vote(vote, None))),
        3 => (person(), any_json())
            .prop_map(|(who, data)| Step::Act(who, Action::Signal { name: "note".into(), data })),
        1 => person().prop_map(|who| Step::Act(who, Action::Cancel { reason: "enough".into() })),
        1 => Just(Step::Act("ada", Action::Start)),
        1 => effect().prop_map(|effect| Step::Act("engine", Action::TimerFired { effect })),
        2 => (anyone, effect(), 0_u32..4).prop_map(|(who, effect, attempt)| {
            Step::Act(who, Action::AttemptStarted { effect, attempt, configured: None })
        }),
        2 => (effect(), 0_u32..4, outcome()).prop_map(|(effect, attempt, outcome)| {
            Step::Act("engine", Action::AttemptEnded { effect, attempt, outcome })
        }),
        1 => (effect(), any_json()).prop_map(|(effect, output)| {
            Step::Act("engine", Action::Completed { effect, output })
        }),
        6 => Just(Step::Attempt(None)),
        6 => outcome().prop_map(|outcome| Step::Attempt(Some(outcome))),
        2 => (0_i64..700).prop_map(Step::Advance),
        1 => Just(Step::Advance(86_400)),
    ]
}

/// The action that a step comes to now.
fn action_of(bench: &Bench, step: Step) -> Option<(&'static str, Action)> {
    let outcome = match step {
        Step::Act(who, action) => return Some((who, action)),
        Step::Attempt(outcome) => outcome,
        Step::Advance(_) => return None,
    };
    bench.due().into_iter().find_map(|due| match (due.step, &outcome) {
        (DueStep::Attempt { attempt, .. }, None) => Some((
            "engine",
            Action::AttemptStarted { effect: due.effect, attempt, configured: None },
        )),
        (DueStep::UnderWay { attempt }, Some(outcome)) => {
            let outcome = outcome.clone();
            Some(("engine", Action::AttemptEnded { effect: due.effect, attempt, outcome }))
        }
        _ => None,
    })
}

/// Sends a command again that was accepted: nothing may come of it.
fn again(bench: &mut Bench, command: &Command) {
    let (before, length) = (format!("{:?}", bench.run()), bench.history().len());
    match bench.send(command) {
        Ok(events) => {
            assert_eq!(events, [], "{command:?}");
            assert!(bench.run().answer_to(command).unwrap().is_some());
        }
        Err(_) => assert_eq!(command.actor, Actor::Engine, "only the state guards its commands"),
    }
    assert_eq!(bench.history().len(), length);
    assert_eq!(format!("{:?}", bench.run()), before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    /// `Bench` compares replay and snapshot with the live run after every command.
    #[test]
    fn every_history_of_a_run_replays(host in any_json(), steps in vec(any_step(), 0..40)) {
        let workflow = Reboot::default();
        let people = project(&[("ada", &[], &[]), ("ben", &[], &[])]);
        let mut bench = Bench::new(Arc::new(Reboot::default()), people);
        bench.submit("ada", json!({ "host": host })).unwrap();
        // The input that the run goes on with is the one that was submitted, bit for bit.
        prop_assert_eq!(&bench.run().input()["host"], &host);

        let mut live = vec![(bench.history().len(), format!("{:?}", bench.run()))];
        let mut accepted: Vec<Command> = Vec::new();
        for step in steps {
            if let Step::Advance(seconds) = step {
                bench.advance(SignedDuration::from_secs(seconds));
            }
            let Some((who, action)) = action_of(&bench, step) else { continue };
            let (before, length) = (format!("{:?}", bench.run()), bench.history().len());
            let command = bench.command(who, action);
            match bench.send(&command) {
                Ok(events) => {
                    prop_assert!(!events.is_empty());
                    prop_assert!(events.iter().all(|event| event.cause == command.id));
                    let answer = bench.run().answer_to(&command).unwrap();
                    let is_person = command.actor != Actor::Engine;
                    prop_assert_eq!(answer, is_person.then(|| bench.run().at()));
                    again(&mut bench, &command);
                    accepted.push(command);
                }
                Err(_) => {
                    prop_assert_eq!(bench.history().len(), length);
                    prop_assert_eq!(format!("{:?}", bench.run()), before);
                }
            }
            live.push((bench.history().len(), format!("{:?}", bench.run())));
        }
        for command in &accepted {
            again(&mut bench, command);
        }

        for count in 1..=bench.history().len() {
            bench.replay(count).unwrap();
        }
        let last = format!("{:?}", bench.run());
        for (count, then) in live {
            let run = bench.replay(count).unwrap();
            prop_assert_eq!(format!("{:?}", run), then);
            let mut run = Run::restore(&workflow, &run.snapshot(&workflow).unwrap()).unwrap();
            for event in &bench.history()[count..] {
                run.evolve(&workflow, event).unwrap();
            }
            prop_assert_eq!(format!("{:?}", run), last.as_str());
        }
    }

    /// What a decision says happened can happen: none of its events is illegal.
    #[test]
    fn a_decision_never_breaks_the_run(steps in vec(any_step(), 0..30)) {
        let people = project(&[("ada", &[], &[]), ("ben", &[], &[])]);
        let mut bench = Bench::new(Arc::new(Reboot::default()), people.clone());
        bench.submit("ada", json!({ "host": 1 })).unwrap();
        for step in steps {
            let Some((who, action)) = action_of(&bench, step) else { continue };
            let command = bench.command(who, action);
            let at = Moment { now: bench.now(), project: &people };
            match bench.run().decide(&Reboot::default(), &command, &at) {
                Ok(decided) => {
                    prop_assert_eq!(bench.send(&command).unwrap().len(), decided.events.len());
                }
                Err(DecideFailure::Refused(_)) => {}
                Err(DecideFailure::Broken(illegal)) => prop_assert!(false, "{illegal}"),
            }
        }
    }

    #[test]
    fn every_history_of_a_project_replays(
        actions in vec((select(vec!["ada", "ben", "cy", "engine"]), any_action()), 0..40),
    ) {
        let mut office = Office::created();
        let mut then = vec![(office.history.len(), office.project().clone())];
        for (actor, action) in actions {
            let before = (office.history.len(), office.project().clone());
            let command = office.command(actor, action);
            match office.send(&command) {
                Ok(types) => {
                    prop_assert!(!types.is_empty());
                    let answer = office.project().answer_to(&command).unwrap();
                    prop_assert_eq!(answer, Some(office.project().at()));
                    then.push((office.history.len(), office.project().clone()));
                    prop_assert!(office.send(&command).unwrap().is_empty());
                    prop_assert_eq!(then.last().map(|(_, last)| last), Some(office.project()));
                }
                Err(_) => {
                    prop_assert_eq!((office.history.len(), office.project().clone()), before);
                }
            }
            let owned = office.project().members().values().any(|member| member.has_role(OWNER));
            prop_assert!(owned, "a project keeps an owner");
        }
        for (count, project) in then {
            prop_assert_eq!(office.replay(count), project);
        }
    }

    /// What is stored is what is read, whatever JSON people send.
    #[test]
    fn an_event_reads_back_what_it_says(data in any_json(), trace in proptest::option::of(".*")) {
        let mut bench = Bench::new(Arc::new(Reboot::default()), project(&[("ada", &[], &[])]));
        bench.submit("ada", json!({ "host": 1 })).unwrap();
        let mut command = bench.command("ada", Action::Signal { name: "note".into(), data: data.clone() });
        command.trace = trace;
        let events = bench.send(&command).unwrap();
        let read: Value = events[0].data.read().unwrap();
        prop_assert_eq!(&read["note"], &data);
        let bytes = serde_json::to_vec(&events[0]).unwrap();
        prop_assert_eq!(&Event::from_bytes(&bytes).unwrap(), &events[0]);
        prop_assert_eq!(serde_json::to_vec(&Event::from_bytes(&bytes).unwrap()).unwrap(), bytes);
    }

    #[test]
    fn reading_any_bytes_never_panics(bytes in vec(any::<u8>(), 0..200), text in "\\PC*") {
        let _ = Event::from_bytes(&bytes);
        let _ = Run::restore(&Reboot::default(), &bytes);
        let _ = Digest::try_from(text.clone());
        let _ = Actor::try_from(text);
    }
}

fn any_action() -> impl Strategy<Value = ProjectAction> {
    let who = || select(vec!["ada", "ben", "cy"]).prop_map(member);
    let which = || select(vec![OWNER, "engineer"]).prop_map(role);
    let domain = || select(vec!["network", "storage"]);
    let when = || {
        proptest::option::of(
            (0_i64..4).prop_map(|hour| Timestamp::from_second(hour * 3_600).unwrap()),
        )
    };
    prop_oneof![
        1 => Just(ProjectAction::Create { title: "Again".to_owned() }),
        4 => (who(), vec(which(), 0..3))
            .prop_map(|(member, roles)| ProjectAction::AddMember { member, name: None, roles }),
        2 => who().prop_map(|member| ProjectAction::RemoveMember { member }),
        4 => (who(), which()).prop_map(|(member, role)| ProjectAction::GrantRole { member, role }),
        4 => (who(), which()).prop_map(|(member, role)| ProjectAction::RevokeRole { member, role }),
        2 => (who(), domain(), when(), when()).prop_map(|(member, domain, from, until)| {
            let domain = domain.parse().unwrap();
            let issuer = "school".to_owned();
            ProjectAction::Qualify {
                member,
                qualification: Qualification { domain, issuer, from, until, evidence: None },
            }
        }),
        2 => (who(), domain()).prop_map(|(member, domain)| {
            let reason = Some("no longer works here".to_owned());
            ProjectAction::Disqualify { member, domain: domain.parse().unwrap(), reason }
        }),
        2 => (0_u32..3, ".{0,3}").prop_map(|(version, source)| ProjectAction::Publish {
            name: "change".parse().unwrap(),
            version,
            language: "holdpoint/1".to_owned(),
            title: "A change".to_owned(),
            source,
            release: None,
        }),
    ]
}
