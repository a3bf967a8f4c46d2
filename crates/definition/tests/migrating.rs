//! Runs that go on by another version of their definition: which fit, what they keep, and that they then
//! do what any run of that version does.

use holdpoint_core::{Action, RefusalCode, RunStatus, testing::Bench};
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{
    cancel, cases, data, done, ended, fatal, last, people, refused, signal, workflow,
};

const OLD: &str = "
workflow: change
version: 1
title: A change
input:
  type: object
  required: [items]
  properties: { items: { type: array, items: { type: string } }, note: { type: string } }
start: agree
states:
  agree:
    hold:
      approval:
        rules: { peer: { from: role:engineer, need: 2 } }
        duties: { discharge: author }
        amended: reset
      signal: { name: ready }
      expires: 1d
    on: { released: check, rejected: refused, expired: refused }
  check:
    do: { activity: { run: check } }
    on: { succeeded: schedule, failed: stuck }
  stuck:
    choose:
      - { when: \"input.note == 'x'\", to: refused }
      - { else: refused }
  schedule:
    hold: { lock: \"${input.items}\", wait: { for: 1h } }
    on: { released: review }
  review:
    hold: { signal: { name: seen } }
    on: { released: both }
  both:
    all:
      branches:
        one: { start: listen, states: { listen: { hold: { signal: { name: one } }, on: { released: heard } }, heard: { end: heard } } }
      good: [heard]
      others: wait
    on: { completed: done }
  done: { end: done }
  refused: { end: refused }
";

/// The same with another approval, other names, and a default.
const NEW: &str = "
workflow: change
version: 2
title: A change
input:
  type: object
  required: [items]
  properties:
    items: { type: array, items: { type: string } }
    note: { type: string }
    window: { type: string, default: 2h }
start: board
expires: { after: 90d, to: refused }
states:
  board:
    hold:
      approval:
        rules: { board: { from: [role:board, member:bob], need: 1 } }
        duties: { discharge: author }
        veto: { from: role:board, overrule: role:engineer }
        amended: reset
      wait: { for: \"${input.window}\" }
      signal: { name: go }
      expires: 3d
    on: { released: verify, rejected: refused, expired: refused }
  verify:
    do: { activity: { run: verify, retry: { attempts: 2, delay: 1m } } }
    on: { succeeded: schedule, failed: stuck }
  schedule:
    hold: { lock: \"${input.items}\" }
    on: { released: review }
  review:
    hold: { signal: { name: seen } }
    on: { released: done }
  stuck:
    choose:
      - { when: \"has(input.note) && input.note == 'x'\", to: review }
      - { else: review }
  done: { end: done }
  refused: { end: refused }
";

const MAP: &[(&str, &str)] = &[("agree", "board"), ("check", "verify")];

fn old() -> Bench {
    let mut bench = Bench::new(workflow(OLD), people());
    bench.submit("fay", json!({ "items": ["web-1"] })).unwrap();
    bench
}

/// An old run that holds its locks and is held in `review`.
fn reviewed() -> Bench {
    let mut bench = old();
    let duties = vec![holdpoint_core::NewDuty { text: "tell them".to_owned(), before: None }];
    let vote = Action::Vote {
        hold: None,
        vote: holdpoint_core::Vote::Approve,
        reason: None,
        duties,
        in_place_of: None,
        plans: Default::default(),
    };
    bench.act("ada", vote).unwrap();
    bench.approve("bob").unwrap();
    bench.act("fay", signal("ready", json!(7))).unwrap();
    bench.attempt("check#1", done()).unwrap();
    bench.advance(SignedDuration::from_hours(2));
    let effect = holdpoint_core::EffectId::new("schedule#1/lock");
    bench.act("engine", Action::LocksGranted { effect }).unwrap();
    assert_eq!(bench.view().state, "review");
    bench
}

#[test]
fn a_hold_is_entered_anew() {
    let mut bench = old();
    bench.approve("ada").unwrap();
    bench.act("fay", signal("ready", json!(7))).unwrap();
    bench.advance(SignedDuration::from_hours(23));
    bench.migrate("ada", workflow(NEW), MAP).unwrap();
    let event = last(&bench, "run.migrated");
    assert_eq!(event["state"], "agree");
    assert_eq!(event["states"], json!({ "agree": "board", "check": "verify" }));
    assert_eq!(event["input"], json!({ "items": ["web-1"], "window": "2h" }));
    assert_eq!(bench.run().definition().version, 2);
    assert_eq!(bench.run().input(), &json!({ "items": ["web-1"] }), "as it was submitted");
    let view = bench.view();
    assert_eq!(view.state, "board");
    assert!(
        view.holds[0].conditions.iter().all(|one| !one.met && one.votes.is_empty()),
        "{view:?}"
    );
    // Its own deadline would have come by now.
    bench.advance(SignedDuration::from_hours(2));
    assert_eq!(bench.view().state, "board");
    bench.act("fay", signal("go", Value::Null)).unwrap();
    bench.approve("dora").unwrap();
    assert_eq!(bench.view().state, "verify");
    bench.attempt("verify#1", done()).unwrap();
    assert_eq!(bench.view().state, "schedule");
}

#[test]
fn what_a_run_has_stays_with_it() {
    let mut bench = reviewed();
    bench.migrate("ada", workflow(NEW), MAP).unwrap();
    let view = bench.view();
    assert_eq!((view.state.as_str(), view.locks), ("review", vec!["web-1".to_owned()]));
    assert_eq!(view.duties.len(), 1);
    let over = view.deadline.unwrap().at;
    assert_eq!(over, bench.run().started() + SignedDuration::from_hours(90 * 24));
    bench.act("fay", signal("seen", Value::Null)).unwrap();
    assert_eq!(bench.view().state, "review", "a duty is due before the end");
    bench.act("ada", Action::Discharge { duty: 1, note: "told".to_owned() }).unwrap();
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn a_run_that_is_blocked_goes_on_by_a_version_that_is_right() {
    let mut bench = reviewed_until_check();
    bench.attempt("check#1", fatal("no")).unwrap();
    assert_eq!((bench.status(), bench.view().state.as_str()), (RunStatus::Stuck, "stuck"));
    bench.migrate("ada", workflow(NEW), MAP).unwrap();
    assert_eq!(bench.view().state, "review", "and past the choice at once");
}

fn reviewed_until_check() -> Bench {
    let mut bench = old();
    bench.approve("ada").unwrap();
    bench.approve("bob").unwrap();
    bench.act("fay", signal("ready", json!(7))).unwrap();
    assert_eq!(bench.view().state, "check");
    bench
}

/// What it is about, the run, the new version, the map, and why it does not fit.
type Case = (&'static str, Bench, String, &'static [(&'static str, &'static str)], &'static str);

#[test]
fn a_run_that_does_not_fit_is_refused_and_stays() {
    let in_branches = || {
        let mut bench = reviewed();
        bench.act("ada", Action::Discharge { duty: 1, note: "told".to_owned() }).unwrap();
        bench.act("fay", signal("seen", Value::Null)).unwrap();
        assert_eq!(bench.view().state, "both");
        bench
    };
    let short = NEW.replace("after: 90d", "after: 1h");
    let strict = NEW.replace("required: [items]", "required: [items, risk]");
    let branched = NEW.replace("rejected: refused", "rejected: all").replace(
        "  done: { end: done }",
        "  all:\n    all: { branches: { a: { start: deep, states: { deep: { hold: { signal: { name: d } }, on: { released: e } }, e: { end: e } } } }, good: [e], others: wait }\n    on: { completed: done }\n  done: { end: done }",
    );
    let cases: Vec<Case> = vec![
        ("under way", reviewed_until_check(), NEW.to_owned(), MAP, "work is under way in `check`"),
        ("branches", in_branches(), NEW.to_owned(), MAP, "the branches of `both` are under way"),
        ("no such state", old(), NEW.to_owned(), &[], "version 2 has no state `agree`"),
        (
            "past an approval",
            old(),
            NEW.to_owned(),
            &[("agree", "schedule")],
            "a run comes to `schedule` only past `board`, and this one has not passed that",
        ),
        (
            "no hold",
            old(),
            NEW.to_owned(),
            &[("agree", "verify")],
            "`verify` is no hold, and would let the run past `agree`",
        ),
        ("an end", old(), NEW.to_owned(), &[("agree", "done")], "`done` is no hold"),
        (
            "misspelt",
            old(),
            NEW.to_owned(),
            &[("agre", "board")],
            "the old version has no state `agre`",
        ),
        (
            "misspelt, too",
            old(),
            NEW.to_owned(),
            &[("agree", "bord")],
            "the new version has no state `bord`",
        ),
        ("in a branch", old(), branched, &[("agree", "deep")], "`deep` is in a branch of `all`"),
        ("input", old(), strict, MAP, "the input does not fit the definition `change`"),
        ("late", reviewed(), short, MAP, "the time for the whole run was over"),
        (
            "no discharger",
            reviewed(),
            NEW.replace("        duties: { discharge: author }\n", ""),
            MAP,
            "nobody could discharge it",
        ),
        (
            "no discharger among the members",
            reviewed(),
            NEW.replace("duties: { discharge: author }", "duties: { discharge: role:auditor }"),
            MAP,
            "by version 2 the duty 1 is discharged by role auditor, and no member of the project could",
        ),
        ("unmapped duty", reviewed(), NEW.to_owned(), &[], "the duty 1 was taken on in `agree`"),
        (
            "cannot be entered",
            old(),
            NEW.replace("for: \"${input.window}\"", "for: \"${input.note}\""),
            MAP,
            "`board` could not be entered",
        ),
        (
            "a hold no more",
            reviewed(),
            NEW.replace(
                "    hold: { signal: { name: seen } }\n    on: { released: done }",
                "    do: { activity: { run: review } }\n    on: { succeeded: done, failed: done }",
            ),
            MAP,
            "`review` is no hold in version 2",
        ),
    ];
    for (what, mut bench, to, map, why) in cases {
        let before = format!("{:?}", bench.run());
        let refusal = refused(bench.migrate("ada", workflow(&to), map), RefusalCode::NotMigratable);
        assert!(refusal.message.contains(why), "{what}: {refusal}");
        assert_eq!(format!("{:?}", bench.run()), before, "{what}");
    }
}

#[test]
fn no_map_leads_past_what_holds_a_run_or_is_to_be_done() {
    let mut bench = reviewed_until_check();
    bench.attempt("check#1", done()).unwrap();
    assert_eq!(bench.view().state, "schedule");
    // Here no failure leads around it.
    let straight = NEW.replace("failed: stuck }", "failed: refused }").replace(
        "  stuck:
    choose:
      - { when: \"has(input.note) && input.note == 'x'\", to: review }
      - { else: review }
",
        "",
    );
    let past = |map: &[(&str, &str)], hold: &str| {
        let refusal = refused(
            bench.clone().migrate("ada", workflow(&straight), map),
            RefusalCode::NotMigratable,
        );
        assert!(refusal.message.contains(&format!("only past `{hold}`")), "{map:?}: {refusal}");
    };
    past(&[("agree", "board"), ("check", "verify"), ("schedule", "review")], "schedule");
    // Without a word for it, the new work has not been done.
    past(&[("agree", "board")], "verify");
    bench.migrate("ada", workflow(NEW), MAP).unwrap();
    assert_eq!(bench.view().state, "schedule");
}

/// Nobody is asked in this one: it demands evidence, waits and works.
const WORKS: &str = "
workflow: change
version: 1
title: A change
start: ready
states:
  ready:
    hold: { signal: { name: ready } }
    on: { released: prove }
  prove:
    hold: { evidence: [report], expires: 1d }
    on: { released: pause, expired: again }
  again:
    hold: { signal: { name: again } }
    on: { released: prove }
  pause:
    hold: { wait: { for: 1h } }
    on: { released: work }
  work:
    do: { activity: { run: work } }
    on: { succeeded: look, failed: repair }
  repair:
    hold: { signal: { name: repaired } }
    on: { released: work }
  look:
    hold: { signal: { name: seen } }
    on: { released: done }
  done: { end: done }
";

/// A run of it that has come to a state.
fn works(to: &str) -> Bench {
    let mut bench = Bench::new(workflow(WORKS), people());
    bench.submit("fay", json!({})).unwrap();
    bench.act("fay", signal("ready", Value::Null)).unwrap();
    match to {
        "prove" => {}
        "again" => bench.advance(SignedDuration::from_hours(25)),
        _ => {
            let evidence = holdpoint_core::NewEvidence {
                digest: holdpoint_core::Digest::of(b"a report"),
                size: Some(8),
                file: Some("report.txt".to_owned()),
                media_type: None,
                reference: None,
            };
            let name = "report".to_owned();
            bench.act("bob", Action::Attach { name, evidence, note: None }).unwrap();
            bench.advance(SignedDuration::from_hours(2));
            let end = if to == "repair" { fatal("no") } else { done() };
            bench.attempt("work#1", end).unwrap();
        }
    }
    assert_eq!(bench.view().state, to);
    bench
}

#[test]
fn what_was_left_otherwise_than_it_lets_pass_was_not_passed() {
    let newer = WORKS.replace("version: 1", "version: 2");
    let extra = newer
        .replace("succeeded: look, failed: repair", "succeeded: extra, failed: repair")
        + "  extra:\n    do: { activity: { run: extra } }\n    on: { succeeded: look, failed: look }\n";
    let checked = newer.replace(
        "    do: { activity: { run: work } }\n    on: { succeeded: look, failed: repair }",
        "    hold: { signal: { name: ok }, expires: 1d }\n    on: { released: look, expired: repair }",
    );
    let (head, rest) = newer.split_once("  ready:").unwrap();
    let (_, tail) = rest.split_once("  pause:").unwrap();
    let both = "  both:\n    hold: { signal: { name: ready } }\n    on: { released: pause }\n";
    let one = format!("{}{both}  pause:{tail}", head.replace("start: ready", "start: both"));
    let map: &[_] = &[("ready", "both"), ("prove", "both"), ("again", "pause")];
    // Where the run is, the new version, the map, and what it is not let past.
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Option<&'a str>);
    let cases: &[Case<'_>] = &[
        // By the way that it has taken it goes on.
        ("again", &newer, &[], None),
        ("repair", &newer, &[], None),
        ("look", &newer, &[], None),
        ("look", &checked, &[], None),
        ("repair", &checked, &[], Some("`work`")),
        // Neither past evidence that there was not, nor past work that failed.
        ("again", &newer, &[("again", "pause")], Some("`prove`")),
        ("repair", &newer, &[("repair", "look")], Some("`work`")),
        // Nor along a way that it could have taken, and has not.
        ("look", &newer, &[("look", "repair")], Some("`look`")),
        ("prove", &newer, &[("prove", "again")], Some("`prove`")),
        ("look", &extra, &[], Some("`extra`")),
        // Of two that become one both count.
        ("again", &one, map, Some("`both`")),
    ];
    for (at, to, map, past) in cases {
        let mut bench = works(at);
        let told = bench.migrate("ada", workflow(to), map);
        match past {
            None => {
                told.unwrap();
                assert_eq!(bench.view().state, *at, "{map:?}");
            }
            Some(past) => {
                let refusal = refused(told, RefusalCode::NotMigratable);
                let (_, lacking) = refusal.message.split_once("only past ").expect("what it is");
                assert!(lacking.contains(past), "{map:?}: {refusal}");
            }
        }
    }
}

#[test]
fn a_hold_that_a_run_was_migrated_out_of_was_not_passed() {
    let shown = WORKS.replace("version: 1", "version: 2").replace(" prove", " show");
    let mut bench = works("prove");
    bench.migrate("ada", workflow(&shown), &[("prove", "show")]).unwrap();
    let back = workflow(&WORKS.replace("version: 1", "version: 3"));
    let refusal =
        refused(bench.migrate("ada", back, &[("show", "pause")]), RefusalCode::NotMigratable);
    assert!(refusal.message.contains("only past `prove`"), "{refusal}");
}

#[test]
fn a_migration_that_is_recorded_is_replayed_whatever_would_be_asked_now() {
    let newer = workflow(&WORKS.replace("version: 1", "version: 2"));
    let mut bench = works("again");
    let before = bench.history().len();
    bench.migrate("ada", newer.clone(), &[]).unwrap();
    let mut recorded = bench.history()[before].clone();
    let mut told = data(&recorded);
    told["states"] = json!({ "again": "pause" });
    recorded.data = holdpoint_core::event::EventData::of(&told).unwrap();
    let mut run = bench.replay(before).unwrap();
    run.evolve(&*newer, &recorded).unwrap();
    assert_eq!(run.definition().version, 2);
}

#[test]
fn an_output_that_is_used_must_be_there_or_still_come() {
    let using = |of: &str| {
        NEW.replace(
            "    hold: { lock: \"${input.items}\" }",
            &format!("    hold: {{ lock: \"${{states.{of}.output.items}}\" }}"),
        )
    };
    let mut bench = reviewed_until_check();
    bench
        .attempt("check#1", holdpoint_core::Outcome::Completed(json!({ "items": ["db-1"] })))
        .unwrap();
    let mut other = bench.clone();
    let plain = [("agree", "board")];
    let refusal = refused(
        bench.migrate("ada", workflow(&using("verify")), &plain),
        RefusalCode::NotMigratable,
    );
    assert!(refusal.message.contains("`verify`, and this one has not passed"), "{refusal}");
    other.migrate("ada", workflow(&using("verify")), MAP).unwrap();
    assert_eq!(last(&other, "lock.requested")["items"], json!(["db-1"]));
    // From `board` the run still comes to it.
    let mut early = old();
    early.migrate("ada", workflow(&using("verify")), &plain).unwrap();
}

#[test]
fn who_may_is_the_project_s_to_say() {
    let mut bench = old();
    let refusal = refused(bench.migrate("bob", workflow(NEW), MAP), RefusalCode::NotEligible);
    assert_eq!(refusal.needed, ["one of ada"]);
    refused(bench.migrate("engine", workflow(NEW), MAP), RefusalCode::NotMember);
    refused(bench.migrate("zoe", workflow(NEW), MAP), RefusalCode::NotMember);
    // An owner, too, does not choose who decides on what they have submitted.
    let mut own = Bench::new(workflow(OLD), people());
    own.submit("ada", json!({ "items": ["web-1"] })).unwrap();
    refused(own.migrate("ada", workflow(NEW), MAP), RefusalCode::SelfApproval);
    bench.act("fay", cancel("enough")).unwrap();
    refused(bench.migrate("ada", workflow(NEW), MAP), RefusalCode::RunEnded);
}

#[test]
fn a_run_goes_back_as_it_came() {
    let mut bench = old();
    bench.migrate("ada", workflow(NEW), MAP).unwrap();
    bench.migrate("ada", workflow(OLD), &[("board", "agree")]).unwrap();
    assert_eq!(bench.view().state, "agree");
    let visits: Vec<Value> = bench
        .history()
        .iter()
        .filter(|event| event.kind.as_str() == "holdpoint.state.entered")
        .map(data)
        .collect();
    assert_eq!(visits[2], json!({ "state": "agree", "visit": 2 }), "no effect has a name twice");
    bench.approve("ada").unwrap();
}

/// Something that anybody does, or time.
fn step(bench: &mut Bench, what: u8) -> Result<Vec<(String, Value)>, RefusalCode> {
    let before = bench.history().len();
    let lock = || Action::LocksGranted { effect: holdpoint_core::EffectId::new("schedule#1/lock") };
    let vote = |vote| Action::vote(vote, Some("because"));
    let who = ["ada", "bob", "dora", "eve", "fay"];
    let by = |n: u8| who[usize::from(n) % who.len()];
    let answer = match what {
        0..10 => bench.approve(by(what)),
        10..15 => bench.reject(by(what), "no"),
        15..20 => bench.act(by(what), vote(holdpoint_core::Vote::Veto)),
        20..25 => {
            bench.act(by(what), Action::Withdraw { hold: None, in_place_of: None, reason: None })
        }
        25..32 => bench.act("fay", signal("go", json!({ "n": what }))),
        32..36 => bench.act("fay", signal("seen", Value::Null)),
        36..42 => bench.act("engine", lock()),
        42..50 => {
            let open = bench.open_activities();
            let Some((effect, ..)) = open.first() else { return Ok(Vec::new()) };
            let end = if what.is_multiple_of(3) { fatal("no") } else { done() };
            bench.attempt(&effect.clone(), end)
        }
        50..52 => bench.act("fay", cancel("enough")),
        52..54 => bench
            .act("fay", Action::Amend { input: json!({ "items": [] }), reason: "less".to_owned() }),
        hours => {
            bench.advance(SignedDuration::from_mins(i64::from(hours) * 20));
            Ok(Vec::new())
        }
    };
    answer.map_err(|refusal| refusal.code)?;
    let told = &bench.history()[before..];
    Ok(told.iter().map(|event| (event.kind.to_string(), data(event))).collect())
}

proptest! {
    #![proptest_config(cases(40))]

    /// What was done before the migration leaves no trace in what can be done after it.
    #[test]
    fn a_migrated_run_does_what_any_run_of_the_version_does(
        before in prop::collection::vec(0..25_u8, 0..4),
        after in prop::collection::vec(0..70_u8, 0..16),
    ) {
        let mut migrated = old();
        for what in before {
            let _ = step(&mut migrated, what);
        }
        prop_assume!(!migrated.status().is_ended());
        migrated.migrate("ada", workflow(NEW), MAP).unwrap();
        let mut native = Bench::new(workflow(NEW), people());
        native.submit("fay", json!({ "items": ["web-1"] })).unwrap();
        for what in after {
            prop_assert_eq!(step(&mut migrated, what), step(&mut native, what), "step {}", what);
            prop_assert_eq!(migrated.due(), native.due());
            prop_assert_eq!(migrated.view(), native.view());
            prop_assert_eq!(migrated.run().claims(&*workflow(NEW)), native.run().claims(&*workflow(NEW)));
        }
    }
}
