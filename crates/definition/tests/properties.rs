//! What holds for every run, whatever people, machines and time do to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdpoint_core::{
    Action, Digest, EffectId, Event, MemberId, Moment, NewDuty, NewEvidence, Outcome, ProjectEvent,
    Ruling, RunStatus, Settlement, Steering, Substitution, Vote, run::DueStep, testing::Bench,
};
use holdpoint_definition::Definition;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{
    APPROVED_CHANGE, PLAIN_ROLLOUT, cases, data, fatal, finds_what_it_fits, flaky, people,
    somebody_can_steer_so, verdict, workflow,
};

/// Random runs of each definition.
const RUNS_FEW: u32 = 48;
const STEPS_MAX: usize = 60;

const LOOP: &str = "
workflow: loop
version: 1
title: Round and round, held each time
expires: { after: 5d, to: over }
input:
  type: object
  required: [targets, bake]
  properties: { targets: { type: array, items: { type: string } }, bake: { type: string } }
start: prepare
states:
  prepare: { do: { activity: { run: prepare, repeatable: false, retry: { attempts: 2, delay: 1m } } }, on: { succeeded: ask, failed: pause } }
  pause: { hold: { wait: { for: 1h }, witness: { from: role:board, for: 90m } }, on: { released: prepare, objected: ask } }
  ask:
    hold:
      approval:
        rules:
          peer: { from: role:engineer, need: 1 }
          board: { from: [role:board, member:bob], need: majority, roster: now, after: peer }
        not: [executors]
        veto: { from: [member:fay, role:board], overrule: member:cy }
        duties: { discharge: [author, role:engineer] }
        amended: subset
        substitutes: each
        remind: { every: 40m }
        escalate: { after: 1h, to: role:board }
        expires: 3h
      wait: { for: 30m }
      signal: { name: go, when: 'has(signal.n) && signal.n > 0', expires: 5h }
    on: { released: count, rejected: prepare, expired: pause }
  count: { choose: [{ when: 'states.ask.output.n > 1', to: roll }, { else: ask }] }
  roll:
    do:
      rollout:
        targets: '${input.targets}'
        waves: [2, 100%]
        max_failed: 2
        max_parallel: 2
        each: { run: deploy, settle: { run: look, with: { at: '${target}' }, from: [requester, role:engineer], not: [executors] } }
        healthy: { http: 'http://${target}/', for: '${has(states.ask.output) ? input.bake : input.bake}' }
        rollback: { run: restore, retry: { attempts: 2 } }
    on: { succeeded: done, rolled_back: ask, failed: ask }
  done: { end: done }
  over: { end: over }
";

/// Branches with holds, work, a rollout, and branches of their own.
const BRANCHES: &str = "
workflow: branches
version: 1
title: Side by side
expires: { after: 5d, to: over }
input:
  type: object
  required: [targets, bake]
  properties: { targets: { type: array, items: { type: string } }, bake: { type: string } }
start: side
states:
  side:
    all:
      good: [done]
      OTHERS
      expires: 3d
      branches:
        one:
          start: authorize
          states:
            authorize:
              hold:
                approval:
                  rules: { peer: { from: role:engineer, need: 1 } }
                  duties: { discharge: [author, role:engineer] }
                  amended: subset
                  expires: 3h
              on: { released: inner, rejected: one-no, expired: one-no }
            inner:
              all:
                good: [fine]
                others: cancel
                branches:
                  x: { start: x-work, states: { x-work: { do: { activity: { run: w }, expires: 8h }, on: { succeeded: x-fine, failed: x-bad, expired: x-bad } }, x-fine: { end: fine }, x-bad: { end: bad } } }
                  y: { start: y-wait, states: { y-wait: { hold: { signal: { name: go } }, on: { released: y-fine } }, y-fine: { end: fine } } }
              on: { completed: one-yes, failed: authorize }
            one-yes: { end: done }
            one-no: { end: no }
        two:
          start: ask
          states:
            ask:
              hold:
                approval: { rules: { board: { from: [role:board, role:engineer], need: 1 } }, not: [executors], veto: { from: member:fay, overrule: member:cy }, amended: keep }
                signal: { name: go, when: 'has(signal.n)', expires: 2d }
              on: { released: roll, rejected: two-no, expired: two-no }
            roll:
              do:
                rollout:
                  targets: '${input.targets}'
                  max_parallel: 2
                  each: { run: deploy }
                  healthy: { http: 'http://${target}/', for: '${has(states.ask.output) ? input.bake : input.bake}' }
                  rollback: { run: restore }
              on: { succeeded: two-yes, rolled_back: two-no, failed: two-no }
            two-yes: { end: done }
            two-no: { end: no }
    on: { completed: done, failed: again, expired: over }
  again: { hold: { wait: { for: 1h } }, on: { released: side } }
  done: { end: done }
  over: { end: over }
";

/// A rollout with everything that one can have.
const STAGED: &str = "
workflow: staged
version: 1
title: Step by step
input:
  type: object
  required: [targets]
  properties: { targets: { type: array, items: { type: string } } }
start: roll
states:
  roll:
    do:
      rollout:
        targets: '${input.targets}'
        order: name
        waves: [{ to: 1, bake: 10m }, { to: 50%, hold: { from: [role:engineer, role:board], need: 2, not: requester } }, { to: 100%, bake: 5m, hold: manual }]
        max_failed: 2
        max_parallel: all
        max_unavailable: 50%
        steps:
          pre_check: { run: look }
          drain: { run: drain }
          deploy: { run: deploy }
          verify: { run: verify }
          undrain: { run: undrain }
        healthy: { http: 'http://${target}/' }
        rollback: { run: restore, waves: [1, 100%], max_parallel: 2 }
        switch: { run: switch, bake: 1m }
        switch_back: { run: switch-back }
        control: { from: [requester, role:engineer] }
      expires: 12h
    on: { succeeded: observe, rolled_back: done, failed: done }
  observe: { hold: { wait: { for: 2h } }, on: { released: done } }
  done: { end: done }
";

const CONDITIONS: &str = "
workflow: conditions
version: 1
title: What people show, do and waive, again and again
expires: { after: 9d, to: over }
input:
  type: object
  required: [targets, bake]
  properties: { targets: { type: array, items: { type: string } }, bake: { type: string } }
start: prepare
states:
  prepare:
    hold:
      approval:
        rules: { peer: { from: role:engineer, need: 2 } }
        not: [editors]
        amended: subset
      evidence:
        report: { from: [role:engineer, member:fay], not: [requester], valid: 5h, again: [each_visit, amended] }
        plan: { when: \"size(input.targets) > 1\" }
      check: { look: { run: look, every: 1m, attempts: 3, on_fail: refuse, valid_for: 1h } }
      task:
        cabling: { title: 'Connect ${input.targets[0]}', from: role:engineer, need: 2 }
        label: { when: \"size(input.targets) > 2\", title: Label it, from: member:fay, note: required }
      waiver:
        from: [role:board, member:bob]
        not: [requester]
        scope: [approval, evidence, task, check]
        duties: { review: { within: 3h, from: [role:board, member:fay] } }
      expires: 3d
    on: { released: work, waived: work, rejected: over, failed: over, expired: over }
  work: { do: { activity: { run: work } }, on: { succeeded: check, failed: prepare } }
  check: { hold: { evidence: [plan], signal: { name: go } }, on: { released: prepare } }
  over: { end: over }
";

const MEMBERS: [&str; 8] = ["ada", "bob", "cy", "dora", "eve", "fay", "zed", "engine"];
const SIGNALS: [&str; 2] = ["go", "stop"];

#[derive(Clone, Debug)]
enum Step {
    Act {
        who: usize,
        action: Action,
    },
    Advance {
        minutes: i64,
    },
    /// Begins an attempt and leaves it under way.
    Begin {
        which: usize,
    },
    /// Ends an attempt that is under way.
    End {
        which: usize,
        outcome: Outcome,
    },
    /// Begins an attempt and ends it.
    Attempt {
        which: usize,
        outcome: Outcome,
    },
    /// Has a check say how an attempt ended of which nobody knows.
    Settle {
        which: usize,
        settlement: Settlement,
    },
    /// Something that no engine would send.
    Stray {
        effect: usize,
        attempt: u32,
    },
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        6 => Just(verdict("passed")),
        1 => Just(verdict("failed")),
        1 => Just(verdict("inconclusive")),
        1 => Just(Outcome::Completed(Value::Null)),
        1 => Just(flaky("no route")),
        1 => Just(fatal("disk full")),
        1 => Just(Outcome::Unknown { reason: "went away".to_owned() }),
        1 => Just(Outcome::Unanswered { error: "no answer".to_owned() }),
    ]
}

fn settlement() -> impl Strategy<Value = Settlement> {
    prop_oneof![
        Just(Settlement::Done { output: Value::Null }),
        Just(Settlement::NotDone { detail: None }),
        Just(Settlement::Unknown { detail: "no idea".to_owned() }),
    ]
}

/// Mostly the voter's own.
fn place() -> impl Strategy<Value = Option<MemberId>> {
    prop::option::weighted(
        0.3,
        (0..MEMBERS.len() - 1).prop_map(|who| MEMBERS[who].parse().unwrap()),
    )
}

fn action() -> impl Strategy<Value = Action> {
    let vote = (any::<bool>(), prop::option::of(Just("no plan".to_owned())), 0..6, place())
        .prop_map(|(named, reason, against, in_place_of)| Action::Vote {
            hold: named.then(|| "authorize".to_owned()),
            vote: match against {
                0 => Vote::Reject,
                1 => Vote::Veto,
                _ => Vote::Approve,
            },
            duties: match against {
                2 => vec![NewDuty { text: "tell us".to_owned(), before: None }],
                3 => vec![NewDuty { text: "try it".to_owned(), before: Some("roll".to_owned()) }],
                _ => vec![],
            },
            reason,
            in_place_of,
            plans: Default::default(),
        });
    let about_votes = (0..8, 0..MEMBERS.len(), 0..3_u32).prop_map(|(what, who, duty)| match what {
        0 => Action::Withdraw {
            hold: None,
            in_place_of: (who < 3).then(|| MEMBERS[who].parse().unwrap()),
            reason: None,
        },
        1 => Action::Overrule {
            hold: None,
            member: MEMBERS[who].parse().unwrap(),
            reason: "it is fine".to_owned(),
        },
        2 => Action::Recount { hold: None },
        3 => Action::Discharge { duty, note: "done".to_owned() },
        4 => Action::Amend {
            input: json!({ "targets": [MEMBERS[who]], "bake": "1s" }),
            reason: "another".to_owned(),
        },
        5 => Action::Object { hold: None, reason: "no".to_owned() },
        6 => Action::Recheck { hold: None, check: None },
        _ => Action::Comment { text: "well".to_owned() },
    });
    let conditions = (0..6_u8, any::<bool>()).prop_map(|(what, other)| {
        let task = Some(if other { "cabling" } else { "label" }.to_owned());
        match what {
            0 | 1 => Action::Attach {
                name: if other { "report" } else { "plan" }.to_owned(),
                evidence: NewEvidence {
                    digest: Digest::of(&[what]),
                    size: Some(1),
                    file: Some("it.txt".to_owned()),
                    media_type: None,
                    reference: None,
                },
                note: None,
            },
            2 | 3 => Action::Done { hold: None, task, note: other.then(|| "done".to_owned()) },
            4 => Action::Reopen { hold: None, task, reason: "loose".to_owned() },
            _ => Action::Waive { hold: None, reason: "it burns".to_owned() },
        }
    });
    let signal = (0..SIGNALS.len(), 0..4).prop_map(|(name, data)| Action::Signal {
        name: SIGNALS[name].to_owned(),
        data: match data {
            0 => json!(null),
            1 => json!({ "n": 1 }),
            2 => json!({ "n": 2 }),
            _ => json!([]),
        },
    });
    let steering = (
        prop::sample::select(Steering::ALL.to_vec()),
        prop::option::of(prop::sample::select(vec!["a", "b", "c", "switch", "z"])),
        prop::option::weighted(0.8, Just("seen".to_owned())),
    )
        .prop_map(|(steering, target, reason)| Action::Steer {
            steering,
            target: target.map(str::to_owned),
            reason,
            state: None,
            over: BTreeSet::new(),
        });
    let ruling = (0..3).prop_map(|what| Action::Settle {
        effect: None,
        ruling: match what {
            0 => Ruling::Done { output: Value::Null },
            1 => Ruling::Failed,
            _ => Ruling::Again,
        },
        reason: "seen".to_owned(),
    });
    prop_oneof![
        6 => ruling,
        20 => vote,
        8 => about_votes,
        8 => conditions,
        8 => signal,
        24 => steering,
        1 => Just(Action::Cancel { reason: "enough".to_owned() }),
        1 => Just(Action::Start),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..MEMBERS.len(), action()).prop_map(|(who, action)| Step::Act { who, action }),
        2 => (0..200_i64).prop_map(|minutes| Step::Advance { minutes }),
        1 => Just(Step::Advance { minutes: 60 * 24 * 8 }),
        2 => any::<usize>().prop_map(|which| Step::Begin { which }),
        3 => (any::<usize>(), outcome()).prop_map(|(which, outcome)| Step::End { which, outcome }),
        8 => (any::<usize>(), outcome())
            .prop_map(|(which, outcome)| Step::Attempt { which, outcome }),
        3 => (any::<usize>(), settlement())
            .prop_map(|(which, settlement)| Step::Settle { which, settlement }),
        1 => (any::<usize>(), 0..3_u32)
            .prop_map(|(effect, attempt)| Step::Stray { effect, attempt }),
    ]
}

/// Some stand for others, for two days.
fn substitutes() -> impl Iterator<Item = ProjectEvent> {
    let all = [("bob", "fay"), ("cy", "fay"), ("eve", "bob"), ("fay", "dora")];
    (1..).zip(all).map(|(number, (member, substitute))| {
        ProjectEvent::SubstituteNamed(Substitution {
            number,
            member: member.parse().unwrap(),
            substitute: substitute.parse().unwrap(),
            from: None,
            until: "2026-01-07T00:00:00Z".parse().unwrap(),
            roles: [].into(),
            reason: None,
        })
    })
}

/// A run under observation: the bench, and what has been seen of its effects.
struct Watched {
    bench: Bench,
    workflow: Arc<Definition>,
    /// What each effect asked for when it was first seen.
    asked: BTreeMap<String, String>,
    pending: BTreeSet<String>,
    /// Those that are activities.
    activities: BTreeSet<String>,
    gone: BTreeSet<String>,
}

impl Watched {
    fn submit(source: &str, by: &str, input: Value) -> Self {
        let workflow = workflow(source);
        let mut bench = Bench::new(workflow.clone(), people());
        substitutes().for_each(|fact| bench.happens(&fact));
        bench.submit(by, input).unwrap();
        let (asked, pending, activities, gone) = Default::default();
        let mut watched = Self { bench, workflow, asked, pending, activities, gone };
        watched.look();
        watched
    }

    /// Checks what holds between commands.
    fn look(&mut self) {
        let due = self.bench.due();
        let named: BTreeSet<&EffectId> = due.iter().map(|due| &due.effect).collect();
        assert_eq!(named.len(), due.len(), "an effect is asked for twice: {due:?}");
        let asked = self.bench.run().asked(&*self.workflow);
        let now: BTreeSet<String> = asked.iter().map(ToString::to_string).collect();
        for due in &due {
            let id = due.effect.to_string();
            assert!(!self.gone.contains(&id), "`{id}` was over and is asked for again");
            let what = match &due.step {
                DueStep::Fire { at } => at.to_string(),
                DueStep::Watch { seen } => format!("{seen:?}"),
                DueStep::Attempt { activity, .. } => format!("{activity:?}"),
                DueStep::Start { child, .. } => format!("{child:?}"),
                DueStep::UnderWay { .. }
                | DueStep::Await { .. }
                | DueStep::Settle { .. }
                | DueStep::Rest { .. } => continue,
            };
            let first = self.asked.entry(id.clone()).or_insert_with(|| what.clone());
            assert_eq!(*first, what, "`{id}` asks for something else than before");
        }
        let activities = due.iter().filter(|due| matches!(due.step, DueStep::Attempt { .. }));
        self.activities.extend(activities.map(|due| due.effect.to_string()));
        let begun = begun(&self.bench);
        // What was taken back before it began may be asked for anew.
        let is_over = |id: &&String| !self.activities.contains(*id) || begun.contains(*id);
        self.gone.extend(self.pending.difference(&now).filter(is_over).cloned());
        self.pending = now;
        somebody_can_steer_so(&self.bench);
        let view = self.bench.view();
        match self.bench.status() {
            RunStatus::Working => assert!(!due.is_empty(), "nothing works: {view:?}"),
            RunStatus::Held => {
                let rollout = view.rollout.as_ref();
                let waits =
                    rollout.is_some_and(|one| one.paused.is_some() || one.between.is_some());
                assert!(waits || !view.holds.is_empty() || !view.duties.is_empty(), "{view:?}");
                assert!(!view.next_steps.is_empty(), "{view:?}");
            }
            RunStatus::Stuck => assert!(!view.next_steps.is_empty(), "no way out: {view:?}"),
            RunStatus::Ended { .. } => {
                assert!(due.is_empty() && view.holds.is_empty() && view.next_steps.is_empty());
            }
        }
    }

    /// Sends a command twice: a refusal leaves no trace, and what was accepted counts once.
    fn send(&mut self, actor: &str, action: Action) {
        let command = self.bench.command(actor, action);
        let (before, view) = (self.trace(), self.bench.view());
        let answer = self.bench.send(&command);
        let accepted = answer.is_ok();
        finds_what_it_fits(&view, &command.action, answer.err().as_ref());
        let after = self.trace();
        assert!(accepted || before == after, "a refused command left a trace");
        let again = self.bench.send(&command);
        assert!(again.is_err() || again.as_deref() == Ok(&[]), "{command:?}: {again:?}");
        assert_eq!(after, self.trace(), "{command:?} counted twice");
        self.look();
    }

    fn trace(&self) -> String {
        format!("{:?} {:?}", self.bench.run(), self.bench.history().len())
    }

    /// The effects of which a step is possible, with the attempt: to begin, or under way.
    fn activities(&self, under_way: bool) -> Vec<(EffectId, u32)> {
        self.bench
            .due()
            .into_iter()
            .filter_map(|due| match due.step {
                DueStep::Attempt { attempt, .. } if !under_way => Some((due.effect, attempt)),
                DueStep::UnderWay { attempt } if under_way => Some((due.effect, attempt)),
                _ => None,
            })
            .collect()
    }

    fn begin(&mut self, which: usize) -> Option<(EffectId, u32)> {
        let open = self.activities(false);
        let (effect, attempt) = open.get(which.checked_rem(open.len())?)?.clone();
        self.send(
            "engine",
            Action::AttemptStarted { effect: effect.clone(), attempt, configured: None },
        );
        Some((effect, attempt))
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Act { who, action } => self.send(MEMBERS[*who], action.clone()),
            Step::Advance { minutes } => {
                self.bench.advance(SignedDuration::from_mins(*minutes));
                self.look();
            }
            Step::Begin { which } => {
                self.begin(*which);
            }
            Step::End { which, outcome } => {
                let open = self.activities(true);
                if !open.is_empty() {
                    let (effect, attempt) = open[which % open.len()].clone();
                    let outcome = outcome.clone();
                    self.send("engine", Action::AttemptEnded { effect, attempt, outcome });
                }
            }
            Step::Attempt { which, outcome } => {
                if let Some((effect, attempt)) = self.begin(*which) {
                    let outcome = outcome.clone();
                    self.send("engine", Action::AttemptEnded { effect, attempt, outcome });
                }
            }
            Step::Settle { which, settlement } => {
                let open: Vec<_> = self
                    .bench
                    .due()
                    .into_iter()
                    .filter_map(|due| match due.step {
                        DueStep::Settle { attempt, .. } => Some((due.effect, attempt)),
                        _ => None,
                    })
                    .collect();
                if !open.is_empty() {
                    let (effect, attempt) = open[which % open.len()].clone();
                    let settlement = settlement.clone();
                    self.send("engine", Action::AttemptSettled { effect, attempt, settlement });
                }
            }
            Step::Stray { effect, attempt } => {
                let known: Vec<_> = self.asked.keys().cloned().collect();
                if !known.is_empty() {
                    let effect = EffectId::new(known[effect % known.len()].clone());
                    self.stray(&effect, *attempt);
                }
            }
        }
    }

    /// What an engine does not send in this state is refused, unless it happens to fit.
    fn stray(&mut self, effect: &EffectId, attempt: u32) {
        let output = Value::Null;
        let outcome = Outcome::Completed(Value::Null);
        let ended = Action::AttemptEnded { effect: effect.clone(), attempt, outcome };
        for action in [
            Action::Completed { effect: effect.clone(), output },
            Action::Failed { effect: effect.clone(), error: "no".to_owned() },
            Action::TimerFired { effect: effect.clone() },
            ended,
        ] {
            self.send("engine", action);
        }
    }

    /// Every beginning of the history is a run.
    fn replay_all(&self) {
        let project = people();
        for count in 1..=self.bench.history().len() {
            let run = self.bench.replay(count).unwrap();
            let at = Moment { now: self.bench.now(), project: &project };
            let _ = (run.view(&*self.workflow, &at), run.due(&*self.workflow));
        }
    }
}

/// The effects at which an attempt was begun.
fn begun(bench: &Bench) -> BTreeSet<String> {
    attempts(bench.history()).map(|(effect, _)| effect).collect()
}

/// The attempts that were begun: effect and number.
fn attempts(history: &[Event]) -> impl Iterator<Item = (String, u64)> {
    let started =
        history.iter().filter(|event| event.kind.as_str() == "holdpoint.activity.started");
    started.map(data).map(|data| {
        (data["effect"].as_str().unwrap().to_owned(), data["attempt"].as_u64().unwrap())
    })
}

/// What has begun after people, or failures, have stopped a rollout: of what was begun before, the
/// steps that are left in a pause, and nothing of what leads forward once it is turned round.
fn keeps_to_stops(history: &[Event]) {
    let mut turned: BTreeSet<String> = BTreeSet::new();
    // The targets that were begun, of each rollout that is paused.
    let mut paused: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let goes_back = |step: &str| step.starts_with("undo_") || step.starts_with("restore");
    for (at, event) in history.iter().enumerate() {
        let state = || data(event)["state"].as_str().unwrap().to_owned();
        match event.kind.as_str() {
            "holdpoint.rollout.started" | "holdpoint.rollout.resumed" => {
                let state = state();
                paused.remove(&state);
                if event.kind.as_str() == "holdpoint.rollout.started" {
                    turned.remove(&state);
                }
            }
            "holdpoint.rollout.undo_started" | "holdpoint.rollout.stopped" => {
                let state = state();
                paused.remove(&state);
                turned.insert(state);
            }
            "holdpoint.rollout.paused" => {
                let before = attempts(&history[..at])
                    .filter_map(|(effect, _)| Some(effect.rsplit_once('/')?.0.to_owned()));
                paused.insert(state(), before.collect());
            }
            "holdpoint.activity.started" => {
                let (effect, attempt) = attempts(std::slice::from_ref(event)).next().unwrap();
                let Some((target, step)) = effect.rsplit_once('/') else { continue };
                let state = target.split_once('#').unwrap().0;
                assert!(
                    !turned.contains(state) || goes_back(step),
                    "{effect} begins after the turn"
                );
                if let Some(before) = paused.get(state) {
                    assert!(attempt == 1, "{effect} is tried again in a pause");
                    assert!(before.contains(target), "{effect} begins in a pause");
                }
            }
            _ => {}
        }
    }
}

fn run(source: &str, by: usize, input: Value, steps: &[Step]) {
    let mut watched = Watched::submit(source, MEMBERS[by], input);
    for step in steps {
        watched.take(step);
    }
    keeps_to_stops(watched.bench.history());
    watched.replay_all();
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..STEPS_MAX)
}

fn targets() -> impl Strategy<Value = Vec<&'static str>> {
    (1..=5_usize).prop_map(|count| ["a", "b", "c", "d", "e"][..count].to_vec())
}

proptest! {
    #![proptest_config(cases(RUNS_FEW))]

    #[test]
    fn a_change_keeps_its_word(
        by in 0..3_usize,
        risk in prop::sample::select(vec!["low", "medium", "high"]),
        targets in targets(),
        steps in steps(),
    ) {
        run(APPROVED_CHANGE, by, json!({
            "title": "t", "risk": risk, "domain": "network", "items": ["core"],
            "targets": targets, "version": "2",
        }), &steps);
    }

    #[test]
    fn a_rollout_keeps_its_word(by in 0..3_usize, targets in targets(), steps in steps()) {
        run(PLAIN_ROLLOUT, by, json!({ "title": "t", "targets": targets, "version": "2" }), &steps);
    }

    #[test]
    fn what_people_show_do_and_waive_keeps_its_word(
        by in 0..3_usize,
        targets in targets(),
        steps in steps(),
    ) {
        run(CONDITIONS, by, json!({ "targets": targets, "bake": "1s" }), &steps);
    }

    #[test]
    fn a_staged_rollout_keeps_its_word(by in 0..3_usize, targets in targets(), steps in steps()) {
        run(STAGED, by, json!({ "targets": targets }), &steps);
    }

    #[test]
    fn a_loop_keeps_its_word(
        by in 0..3_usize,
        targets in targets(),
        bake in prop::sample::select(vec!["1s", "soon"]),
        steps in steps(),
    ) {
        run(LOOP, by, json!({ "targets": targets, "bake": bake }), &steps);
    }
}

proptest! {
    // Each run is long, and is replayed from every point.
    #![proptest_config(cases(RUNS_FEW / 6))]

    #[test]
    fn branches_keep_their_word(
        by in 0..3_usize,
        targets in targets(),
        bake in prop::sample::select(vec!["1s", "soon"]),
        others in prop::sample::select(vec![
            "others: wait", "others: cancel", "join: any\n      others: cancel",
        ]),
        steps in steps(),
    ) {
        let input = json!({ "targets": targets, "bake": bake });
        run(&BRANCHES.replace("OTHERS", others), by, input, &steps);
    }
}
