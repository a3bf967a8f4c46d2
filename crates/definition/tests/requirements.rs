//! How a run stands to the baseline that it is judged by, and what that keeps it from.

use holdpoint_core::{
    Action, Digest, NewEvidence, Outcome, ProjectEvent, RefusalCode, RunStatus, Vote,
    testing::Bench,
    view::{ConditionStatus as Status, RequirementView},
};
use serde_json::{Value, json};

use crate::common::{done, ended, hours, last, open, people, refused, workflow};

pub(crate) const RULES: &str = "
baseline: rules
title: Rules
requirements:
  four-eyes: { approval: { from: role:engineer, need: 2, not: [requester] } }
  board: { before: rollout, when: \"input.risk == 'high'\", approval: { from: role:board, need: 1 } }
  tested: { before: rollout, evidence: report, waiver: true }
  bad: { before: rollout, when: \"states.scan.output.json.bad > 3\", approval: { from: role:board, need: 1 } }
";

/// Everything that the rules demand, in a definition of its own names.
pub(crate) const CHANGE: &str = "
workflow: change
version: 1
title: Change
input:
  type: object
  required: [risk]
  properties: { risk: { enum: [low, high] } }
start: agree
states:
  agree:
    hold:
      approval:
        rules:
          peers: { from: role:engineer, need: 2 }
          board: { when: \"input.risk == 'high'\", from: role:board, need: 1 }
        not: [requester]
        veto: { from: role:board, overrule: role:board }
        amended: reset
      expires: 7d
    on: { released: scan, rejected: again, expired: again }
  again:
    hold: { signal: { name: again } }
    on: { released: agree }
  scan:
    do: { activity: { run: scan } }
    on: { succeeded: prove, failed: refused }
  prove:
    hold:
      evidence: [report]
      approval:
        rules:
          look: { from: role:engineer, need: 1 }
          bad: { when: \"states.scan.output.json.bad > 3\", from: role:board, need: 1 }
        amended: reset
      waiver: { from: role:board, scope: [evidence], duties: { look: { text: Look, within: 2d, from: role:engineer } } }
    on: { released: roll-out, rejected: refused, waived: roll-out }
  roll-out:
    do: { rollout: { targets: [web-1], waves: [100%], each: { run: deploy } } }
    on: { succeeded: done, failed: refused }
  done: { end: done }
  refused: { end: refused }
";

pub(crate) fn published(revision: u32, source: &str) -> ProjectEvent {
    ProjectEvent::BaselinePublished {
        baseline: "rules".parse().unwrap(),
        revision,
        digest: Digest::of(source.as_bytes()),
        title: "Rules".to_owned(),
        source: source.to_owned(),
        reason: "an audit".to_owned(),
    }
}

pub(crate) fn bench(rules: &str, change: &str, risk: &str) -> Bench {
    let mut bench = Bench::new(workflow(change), people());
    bench.happens(&published(1, rules));
    bench.submit("fay", json!({ "risk": risk })).unwrap();
    bench
}

#[track_caller]
pub(crate) fn of(bench: &Bench, name: &str) -> RequirementView {
    let view = bench.view().baseline.expect("the run is judged");
    view.requirements.into_iter().find(|one| one.name == name).expect("a requirement")
}

#[track_caller]
pub(crate) fn stands(bench: &Bench, expected: &[(&str, Status, &str)]) {
    for (name, status, why) in expected {
        let one = of(bench, name);
        assert_eq!((one.status, one.why.as_str()), (*status, *why), "{name}");
    }
}

pub(crate) fn found(bad: i64) -> Outcome {
    Outcome::Completed(json!({ "json": { "bad": bad } }))
}

pub(crate) fn report(bench: &mut Bench) {
    let evidence = NewEvidence {
        digest: Digest::of(b"a report"),
        size: Some(8),
        file: Some("report.txt".to_owned()),
        media_type: None,
        reference: None,
    };
    bench.act("bob", Action::Attach { name: "report".to_owned(), evidence, note: None }).unwrap();
}

fn waits(hold: &str) -> String {
    format!("`{hold}` waits")
}

#[test]
fn each_requirement_has_a_status_at_every_moment() {
    let mut bench = bench(RULES, CHANGE, "low");
    let low = "`input.risk == 'high'` is false";
    stands(
        &bench,
        &[
            ("four-eyes", Status::Open, &waits("agree")),
            ("board", Status::NotApplicable, low),
            ("tested", Status::Open, "nothing has met it yet"),
        ],
    );
    // Whether it is demanded is not told before it has been looked.
    assert_eq!(of(&bench, "bad").status, Status::Error);
    bench.approve("bob").unwrap();
    bench.approve("cy").unwrap();
    assert_eq!(
        last(&bench, "baseline.met"),
        json!({ "hold": "agree", "requirements": ["four-eyes"] })
    );
    stands(&bench, &[("four-eyes", Status::Met, "`agree` was released")]);
    bench.attempt("scan#1", found(0)).unwrap();
    stands(
        &bench,
        &[
            ("bad", Status::NotApplicable, "`states.scan.output.json.bad > 3` is false"),
            ("tested", Status::Open, &waits("prove")),
        ],
    );
    report(&mut bench);
    bench.approve("bob").unwrap();
    stands(&bench, &[("tested", Status::Met, "`prove` was released")]);
    assert!(of(&bench, "tested").met);
    bench.attempt("roll-out#1/web-1/deploy", done()).unwrap();
    assert_eq!(bench.status(), ended("done"));
    stands(&bench, &[("four-eyes", Status::Met, "`agree` was released")]);
}

#[test]
fn what_is_refused_is_open_again_when_it_is_asked_again() {
    let mut bench = bench(RULES, CHANGE, "high");
    let both = |bench: &Bench, status, why: &str| {
        stands(bench, &[("four-eyes", status, why), ("board", status, why)]);
    };
    both(&bench, Status::Open, &waits("agree"));
    bench.act("dora", Action::vote(Vote::Veto, Some("not today"))).unwrap();
    both(&bench, Status::Refused, "`agree` is vetoed by dora");
    let lift = Action::Withdraw { hold: None, in_place_of: None, reason: None };
    bench.act("dora", lift).unwrap();
    both(&bench, Status::Open, &waits("agree"));
    bench.reject("bob", "no").unwrap();
    both(&bench, Status::Refused, "`agree` was rejected");
    let again = || Action::Signal { name: "again".to_owned(), data: Value::Null };
    bench.act("fay", again()).unwrap();
    both(&bench, Status::Open, &waits("agree"));
    bench.advance(hours(200));
    both(&bench, Status::Refused, "`agree` has expired");
    bench.act("fay", again()).unwrap();
    for member in ["bob", "cy", "dora"] {
        bench.approve(member).unwrap();
    }
    both(&bench, Status::Met, "`agree` was released");
}

#[test]
fn a_waiver_counts_where_the_requirement_says_so() {
    for waivable in [true, false] {
        let rules = RULES.replace("waiver: true", &format!("waiver: {waivable}"));
        let mut bench = bench(&rules, CHANGE, "low");
        bench.approve("bob").unwrap();
        bench.approve("cy").unwrap();
        bench.attempt("scan#1", found(0)).unwrap();
        bench.approve("bob").unwrap();
        let waive = Action::Waive { hold: None, reason: "it burns".to_owned() };
        bench.act("dora", waive).unwrap();
        if waivable {
            stands(&bench, &[("tested", Status::Waived, "`prove` was waived")]);
            assert!(!of(&bench, "tested").met);
            assert_eq!(open(&bench), ["roll-out#1/web-1/deploy"]);
        } else {
            stands(&bench, &[("tested", Status::Refused, "`prove` was waived")]);
            assert!(open(&bench).is_empty());
        }
    }
}

#[test]
fn an_error_keeps_the_work_from_beginning() {
    // What the definition does not trip over, as its own rule is not asked for the same.
    let change =
        CHANGE.replace("bad: { when: \"states.scan.output.json.bad > 3\", from", "bad: { from");
    let mut bench = bench(RULES, &change, "low");
    bench.approve("bob").unwrap();
    bench.approve("cy").unwrap();
    bench.attempt("scan#1", Outcome::Completed(json!({ "json": { "bad": "many" } }))).unwrap();
    report(&mut bench);
    bench.approve("bob").unwrap();
    bench.approve("dora").unwrap();
    assert_eq!(of(&bench, "bad").status, Status::Error);
    assert_eq!((bench.status(), open(&bench).len()), (RunStatus::Held, 0));
    let held = last(&bench, "baseline.held");
    assert_eq!(held["state"], "roll-out");
    assert_eq!(held["lacking"].as_object().unwrap().keys().collect::<Vec<_>>(), ["bad"]);
    let view = bench.view();
    let [hold] = view.holds.as_slice() else { panic!("{:?}", view.holds) };
    assert_eq!((hold.hold.as_str(), hold.conditions.len()), ("roll-out", 1));
    let condition = &hold.conditions[0];
    assert_eq!((condition.kind, condition.status), ("baseline", Status::Error));
    assert!(
        condition.summary.starts_with("`bad` of the baseline rules: "),
        "{}",
        condition.summary
    );
    // Where it can be told at once that it never can be, nothing is begun at all.
    let rules = RULES.replace("input.risk == 'high'", "input.scope == 'all'");
    let change =
        CHANGE.replace("enum: [low, high] }", "enum: [low, high] }, scope: { type: string }");
    let mut bench = Bench::new(workflow(&change), people());
    bench.happens(&published(1, &rules));
    let no = refused(bench.submit("fay", json!({ "risk": "low" })), RefusalCode::InvalidInput);
    assert!(
        no.message.starts_with(
            "with this input it cannot be told whether `board` of the baseline `rules` is demanded"
        ),
        "{no}"
    );
    bench.submit("fay", json!({ "risk": "low", "scope": "all" })).unwrap();
    let amend = |input: Value| Action::Amend { input, reason: "less".to_owned() };
    let no = refused(bench.act("fay", amend(json!({ "risk": "low" }))), RefusalCode::InvalidInput);
    assert!(no.message.contains("`board`"), "{no}");
    bench.act("fay", amend(json!({ "risk": "low", "scope": "one" }))).unwrap();
}

/// A definition that asks one where two must agree: it was published before the baseline.
pub(crate) const OLD: &str = "
workflow: change
version: 1
title: Change
input: { type: object, properties: { risk: { type: string, default: low } } }
start: agree
states:
  agree:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } }, not: [requester] } }
    on: { released: both, rejected: refused }
  both:
    all:
      branches:
        one: { start: tell, states: { tell: { do: { activity: { run: tell } }, on: { succeeded: told, failed: told } }, told: { end: told } } }
        two: { start: log, states: { log: { hold: { signal: { name: log } }, on: { released: logged } }, logged: { end: logged } } }
      good: [told, logged]
      others: wait
    on: { completed: done }
  done: { end: done }
  refused: { end: refused }
";

#[test]
fn what_was_released_with_less_does_not_begin_work_also_in_a_branch() {
    let mut bench = bench(RULES, OLD, "low");
    bench.approve("bob").unwrap();
    assert!(open(&bench).is_empty());
    let held = json!({
        "state": "tell", "lacking": { "four-eyes": "nothing has met it yet" }
    });
    assert_eq!(last(&bench, "baseline.held"), held);
    let names: Vec<_> = bench.view().holds.iter().map(|hold| hold.hold.clone()).collect();
    assert_eq!(names, ["tell", "log"]);
    // Nothing changes by what others do meanwhile.
    bench.act("fay", Action::Signal { name: "log".to_owned(), data: Value::Null }).unwrap();
    assert!(open(&bench).is_empty());
    let count = bench.types().iter().filter(|kind| *kind == "baseline.held").count();
    assert_eq!(count, 1);
    // A run that nobody judges goes on as ever.
    let mut free = Bench::new(workflow(OLD), people());
    free.submit("fay", json!({})).unwrap();
    free.approve("bob").unwrap();
    assert_eq!(open(&free), ["tell#1"]);
    assert!(free.view().baseline.is_none());
    assert!(!free.types().iter().any(|kind| kind.starts_with("baseline.")));
}

#[test]
fn a_run_is_judged_by_the_baseline_that_it_began_with() {
    let mut bench = bench(RULES, CHANGE, "low");
    let less = RULES.replace("need: 2", "need: 1");
    bench.happens(&published(2, &less));
    let judged = |bench: &Bench| bench.view().baseline.unwrap().reference.revision;
    assert_eq!(judged(&bench), 1);
    bench.happens(&ProjectEvent::BaselineWithdrawn {
        baseline: "rules".parse().unwrap(),
        revision: 2,
        reason: "a trial".to_owned(),
    });
    assert_eq!(judged(&bench), 1);
    bench.approve("bob").unwrap();
    bench.approve("cy").unwrap();
    stands(&bench, &[("four-eyes", Status::Met, "`agree` was released")]);
}

/// The work lies behind a hold of its own, so that a run can be migrated on its way to it.
pub(crate) const SLOW: &str = "
workflow: change
version: 1
title: Change
start: agree
states:
  agree:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } }, not: [requester] } }
    on: { released: later, rejected: refused }
  later:
    hold: { signal: { name: go } }
    on: { released: tell }
  tell:
    do: { activity: { run: tell } }
    on: { succeeded: done, failed: refused }
  done: { end: done }
  refused: { end: refused }
";

#[test]
fn a_migrated_run_is_judged_by_the_baseline_in_force_then() {
    let newer = SLOW.replace("version: 1", "version: 2").replace("need: 1", "need: 2");
    let go = || Action::Signal { name: "go".to_owned(), data: Value::Null };
    // One had agreed before there was a baseline: that is not enough any more.
    let mut late = Bench::new(workflow(SLOW), people());
    late.submit("fay", json!({})).unwrap();
    late.approve("bob").unwrap();
    late.happens(&published(1, RULES));
    assert!(late.view().baseline.is_none());
    late.migrate("ada", workflow(&newer), &[]).unwrap();
    late.act("fay", go()).unwrap();
    assert_eq!(last(&late, "baseline.held")["state"], "tell");
    assert!(open(&late).is_empty());

    // What was met by the same demand of another baseline still is, under whatever name.
    let stricter = RULES.replace("need: 2, not: [requester]", "need: 3, not: [requester]");
    let others = RULES.replace("title: Rules", "title: Other rules");
    for (rules, status) in [(others, Status::Met), (stricter, Status::Open)] {
        let two = SLOW.replace("need: 1", "need: 2");
        let mut bench = Bench::new(workflow(&two), people());
        bench.happens(&published(1, RULES));
        bench.submit("fay", json!({})).unwrap();
        bench.approve("bob").unwrap();
        bench.approve("cy").unwrap();
        bench.happens(&published(2, &rules));
        let renamed = newer.replace("agree", "ask");
        bench.migrate("ada", workflow(&renamed), &[("agree", "ask")]).unwrap();
        assert_eq!(of(&bench, "four-eyes").status, status, "{rules}");
        bench.act("fay", go()).unwrap();
        assert_eq!(open(&bench).is_empty(), status == Status::Open, "{rules}");
    }
}

#[test]
fn a_run_that_is_migrated_while_no_baseline_is_in_force_keeps_its_own() {
    let withdrawn = ProjectEvent::BaselineWithdrawn {
        baseline: "rules".parse().unwrap(),
        revision: 1,
        reason: "a trial".to_owned(),
    };
    let two = RULES.replace("need: 2", "need: 3");
    // The revision it is judged by, from what was published before it began and before it is migrated.
    for (before, then, revision) in [
        (None, vec![], None),
        (None, vec![published(1, RULES)], Some(1)),
        (None, vec![published(1, RULES), withdrawn.clone()], None),
        (Some(published(1, RULES)), vec![], Some(1)),
        (Some(published(1, RULES)), vec![withdrawn], Some(1)),
        (Some(published(1, RULES)), vec![published(2, &two)], Some(2)),
    ] {
        let mut bench = Bench::new(workflow(SLOW), people());
        before.iter().for_each(|fact| bench.happens(fact));
        bench.submit("fay", json!({})).unwrap();
        then.iter().for_each(|fact| bench.happens(fact));
        let newer = SLOW.replace("version: 1", "version: 2");
        bench.migrate("ada", workflow(&newer), &[]).unwrap();
        let judged = bench.view().baseline.map(|one| one.reference.revision);
        assert_eq!(judged, revision, "{before:?} {then:?}");
    }
}

#[test]
fn of_several_releases_the_last_says_how_a_freeze_was_kept() {
    const RULES: &str = "
baseline: rules
title: Rules
requirements:
  freeze: { before: rollout, not_during: calendar:freeze, override: role:board }
";
    let calendar = |name: &str, says: &str| ProjectEvent::CalendarPublished {
        calendar: name.parse().unwrap(),
        revision: 1,
        digest: Digest::of(says.as_bytes()),
        title: None,
        source: format!("calendar: {name}\nzone: UTC\n{says}"),
    };
    let overridden = "the window of `";
    // The holds in the order in which they come, which of them is overridden, and what comes of it.
    for (first, second, in_spite, status, why) in [
        ("a", "b", "a", Status::Met, "`b` was released"),
        ("b", "a", "b", Status::Met, "`a` was released"),
        ("a", "b", "b", Status::Overridden, overridden),
        ("b", "a", "a", Status::Overridden, overridden),
    ] {
        let hold = |name: &str, to: &str| {
            format!(
                "  {name}:\n    hold: {{ signal: {{ name: go }}, window: {{ in: calendar:always, override: role:board }}, not_during: calendar:freeze }}\n    on: {{ released: {to} }}\n"
            )
        };
        let source = format!(
            "workflow: change\nversion: 1\ntitle: Change\nstart: {first}\nstates:\n{}{}  roll-out:\n    do: {{ rollout: {{ targets: [web-1], waves: [100%], each: {{ run: deploy }} }} }}\n    on: {{ succeeded: done, failed: done }}\n  done: {{ end: done }}\n",
            hold(first, second),
            hold(second, "roll-out")
        );
        let mut bench = Bench::new(workflow(&source), people());
        bench.happens(&published(1, RULES));
        bench.happens(&calendar(
            "always",
            "windows: [{ starts: 2026-01-01T00:00, lasts: 24h, repeat: FREQ=DAILY }]\n",
        ));
        bench.happens(&calendar(
            "freeze",
            "freezes: [{ from: 2026-01-06, to: 2026-01-08, reason: The year is closed }]\n",
        ));
        bench.submit("fay", json!({})).unwrap();
        // It is Monday the 5th. In the freeze one is overridden; outside of it the other is released.
        if in_spite == first {
            bench.advance(hours(24));
        }
        for name in [first, second] {
            assert_eq!(bench.view().state, name);
            if name == in_spite && name == second {
                bench.advance(hours(24));
            } else if name != in_spite && name == second {
                bench.advance(hours(24 * 5));
            }
            bench.act("fay", Action::Signal { name: "go".to_owned(), data: Value::Null }).unwrap();
            if name == in_spite {
                let reason = "it burns".to_owned();
                bench.act("dora", Action::Override { hold: None, reason }).unwrap();
            }
        }
        assert_eq!(open(&bench), ["roll-out#1/web-1/deploy"]);
        let found = of(&bench, "freeze");
        assert_eq!(found.status, status, "{first} {second} {in_spite}: {found:?}");
        assert!(found.why.starts_with(why), "{found:?}");
        if status == Status::Overridden {
            assert_eq!(
                found.why,
                format!("the window of `{in_spite}` was overridden by dora: it burns")
            );
        }
        assert_eq!(found.met, status == Status::Met);
    }
}

#[test]
fn an_excepted_definition_shows_it_and_is_not_kept_back() {
    let rules = RULES
        .replace("not: [requester] } }", "not: [requester] }, except: { change: it is a trial } }");
    let mut bench = bench(&rules, OLD, "low");
    stands(&bench, &[("four-eyes", Status::Overridden, "it is a trial")]);
    bench.approve("bob").unwrap();
    assert_eq!(open(&bench), ["tell#1"]);
    assert!(!of(&bench, "four-eyes").met);
    let mut met = self::bench(&rules, CHANGE, "low");
    met.approve("bob").unwrap();
    met.approve("cy").unwrap();
    stands(&met, &[("four-eyes", Status::Overridden, "it is a trial")]);
    assert!(of(&met, "four-eyes").met, "it shows as an override although it is met");
}
