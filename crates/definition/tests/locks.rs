//! Locks on items: when a hold asks for them, what they release, and who takes them again.

use holdpoint_core::{Action, EffectId, RefusalCode, testing::Bench};
use serde_json::{Value, json};

use crate::common::{data, ended, faults, last, people, workflow};

const LOCKING: &str = "
workflow: change
version: 1
title: A change
input:
  type: object
  required: [items]
  properties: { items: {} }
start: schedule
states:
  schedule:
    hold:
      approval:
        rules: { peer: { from: role:engineer, need: 1 } }
        veto: { from: role:board, overrule: role:board }
        amended: keep
      lock: { items: \"${input.items}\", break: role:board }
      expires: 2d
    on: { released: work, rejected: refused, expired: lapsed }
  work:
    do: { activity: { run: work } }
    on: { succeeded: review, failed: schedule }
  review:
    unlock: true
    hold: { signal: { name: seen } }
    on: { released: done }
  done: { end: done }
  refused: { end: refused }
  lapsed: { end: lapsed }
";

fn bench(items: Value) -> Bench {
    let mut bench = Bench::new(workflow(LOCKING), people());
    bench.submit("ada", json!({ "items": items })).unwrap();
    bench
}

fn grant(
    bench: &mut Bench,
    visit: u32,
) -> Result<Vec<holdpoint_core::Event>, holdpoint_core::Refusal> {
    let effect = EffectId::new(format!("schedule#{visit}/lock"));
    bench.act("engine", Action::LocksGranted { effect })
}

fn claims(bench: &Bench) -> (Vec<String>, Option<Vec<String>>) {
    let claims = bench.run().claims(&*workflow(LOCKING));
    let held = claims.held.keys().map(ToString::to_string).collect();
    let wanted = claims.wanted.map(|one| one.items.iter().map(ToString::to_string).collect());
    (held, wanted)
}

fn words(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

#[test]
fn a_hold_asks_for_its_locks_when_it_has_all_else() {
    let mut bench = bench(json!(["web-1", "db-1"]));
    assert_eq!(claims(&bench), (vec![], None), "who waits for people keeps nobody waiting");
    let refusal = grant(&mut bench, 1).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::NotAwaited);
    bench.approve("bob").unwrap();
    assert_eq!(claims(&bench), (vec![], Some(words(&["db-1", "web-1"]))));
    assert_eq!(last(&bench, "lock.requested")["items"], json!(["db-1", "web-1"]));
    let condition = &bench.view().holds[0].conditions.last().unwrap().clone();
    assert_eq!((condition.kind, condition.met), ("lock", false));
    let since = bench.now().strftime("%Y-%m-%d %H:%M:%S UTC");
    assert_eq!(condition.summary, format!("the locks on db-1, web-1, since {since}"));
    grant(&mut bench, 1).unwrap();
    assert_eq!(bench.view().state, "work");
    assert_eq!(bench.view().locks, ["db-1", "web-1"]);
    assert_eq!(claims(&bench), (words(&["db-1", "web-1"]), None));
}

#[test]
fn locks_are_given_back_where_the_definition_says_so_and_at_the_end() {
    let mut bench = bench(json!(["a"]));
    bench.approve("bob").unwrap();
    grant(&mut bench, 1).unwrap();
    bench.attempt("work#1", holdpoint_core::Outcome::Completed(json!({}))).unwrap();
    assert_eq!(last(&bench, "lock.released"), json!({ "state": "review", "items": ["a"] }));
    assert_eq!(claims(&bench), (vec![], None));
    let mut bench = self::bench(json!(["a"]));
    bench.approve("bob").unwrap();
    grant(&mut bench, 1).unwrap();
    bench.act("ada", Action::Cancel { reason: "enough".to_owned() }).unwrap();
    assert_eq!(bench.status(), ended("cancelled"));
    assert_eq!(claims(&bench), (vec![], None));
}

#[test]
fn what_holds_again_after_the_request_keeps_the_locks_away() {
    let mut bench = bench(json!(["a"]));
    bench.approve("bob").unwrap();
    let veto = Action::vote(holdpoint_core::Vote::Veto, Some("not today"));
    bench.act("dora", veto).unwrap();
    assert_eq!(claims(&bench), (vec![], None));
    assert_eq!(grant(&mut bench, 1).unwrap_err().code, RefusalCode::NotAwaited);
    bench.act("dora", Action::Withdraw { hold: None, in_place_of: None, reason: None }).unwrap();
    assert_eq!(claims(&bench), (vec![], Some(words(&["a"]))));
    // Other items are another request.
    let input = json!({ "items": ["b"] });
    bench.act("ada", Action::Amend { input, reason: "the other".to_owned() }).unwrap();
    assert_eq!(claims(&bench), (vec![], Some(words(&["b"]))));
    grant(&mut bench, 1).unwrap();
    assert_eq!(bench.view().locks, ["b"]);
}

#[test]
fn a_run_that_waits_for_locks_holds_none() {
    let mut bench = bench(json!(["a", "b"]));
    bench.approve("bob").unwrap();
    grant(&mut bench, 1).unwrap();
    // It comes back with all its locks, which are enough.
    let failed = holdpoint_core::Outcome::Failed { error: "no".to_owned(), retryable: false };
    bench.attempt("work#1", failed.clone()).unwrap();
    assert_eq!(bench.view().locks, ["a", "b"]);
    bench.approve("bob").unwrap();
    assert_eq!(bench.view().state, "work", "what it holds it need not wait for");
    bench.attempt("work#2", failed).unwrap();
    let input = json!({ "items": ["b", "c"] });
    bench.act("ada", Action::Amend { input, reason: "one more".to_owned() }).unwrap();
    bench.approve("bob").unwrap();
    assert_eq!(claims(&bench), (vec![], Some(words(&["b", "c"]))));
    assert_eq!(last(&bench, "lock.released")["items"], json!(["a", "b"]));
}

#[test]
fn locks_can_be_broken_by_whom_the_definition_names() {
    let mut bench = bench(json!(["a", "b"]));
    let take = |item: &str, reason: &str| Action::BreakLock {
        item: item.parse().unwrap(),
        reason: reason.to_owned(),
    };
    assert_eq!(bench.act("dora", take("a", "now")).unwrap_err().code, RefusalCode::NotAwaited);
    bench.approve("bob").unwrap();
    grant(&mut bench, 1).unwrap();
    assert_eq!(bench.act("bob", take("a", "now")).unwrap_err().code, RefusalCode::NotEligible);
    assert_eq!(bench.act("dora", take("a", " ")).unwrap_err().code, RefusalCode::InvalidInput);
    let events = bench.act("dora", take("a", "the run hangs")).unwrap();
    assert_eq!(data(&events[0])["item"], "a");
    assert_eq!(claims(&bench), (words(&["b"]), None));
    bench.act("ada", take("b", "the owner may, too")).unwrap();
    assert_eq!(bench.view().state, "work", "the run goes on without them");
}

#[test]
fn a_run_that_is_blocked_says_who_takes_its_locks() {
    let source = LOCKING.replace(
        "  work:\n",
        "  which:\n    choose: [{ when: \"10 / size(input.items) > 4\", to: work }, { else: review }]\n  work:\n",
    );
    let source = source
        .replace("released: work, rejected", "released: which, rejected")
        .replace("10 / size(input.items)", "10 / (size(input.items) - 2)");
    let mut bench = Bench::new(workflow(&source), people());
    bench.submit("ada", json!({ "items": ["a", "b"] })).unwrap();
    bench.approve("bob").unwrap();
    grant(&mut bench, 1).unwrap();
    assert_eq!(bench.status(), holdpoint_core::RunStatus::Stuck);
    let says = |bench: &Bench| {
        let steps = bench.view().next_steps;
        let found = steps.iter().find(|one| one.text.starts_with("it keeps its locks on "));
        found.map(|one| one.text.clone())
    };
    let said = says(&bench).unwrap();
    assert!(said.starts_with("it keeps its locks on a, b: cancel it, or have"), "{said}");
    assert!(said.contains("role owner") && said.contains("role board"), "{said}");
    for item in ["a", "b"] {
        let (item, reason) = (item.parse().unwrap(), "it is blocked".to_owned());
        bench.act("dora", Action::BreakLock { item, reason }).unwrap();
    }
    assert_eq!(says(&bench), None);
    assert_eq!(claims(&bench), (vec![], None));
}

#[test]
fn what_cannot_be_locked_blocks_the_run_before_anybody_has_approved() {
    for (items, said) in [
        (json!("a"), "is not a list"),
        (json!([5]), "`5` is not the name of an item"),
        (json!(["a b"]), "`a b` is not a name of an item"),
        (json!((0..1_001).map(|n| format!("n{n}")).collect::<Vec<_>>()), "at most 1000 items"),
    ] {
        let mut bench = Bench::new(workflow(LOCKING), people());
        let refusal = bench.submit("ada", json!({ "items": items })).unwrap_err();
        assert!(refusal.message.contains(said), "{refusal}");
    }
    let mut bench = bench(json!([]));
    bench.approve("bob").unwrap();
    assert_eq!(bench.view().state, "work", "nothing is waited for");
}

#[test]
fn a_hold_that_waits_for_locks_expires_as_any_other() {
    let mut bench = bench(json!(["a"]));
    bench.approve("bob").unwrap();
    bench.sleep(jiff::SignedDuration::from_hours(49));
    assert_eq!(grant(&mut bench, 1).unwrap_err().code, RefusalCode::NotAwaited);
    bench.advance(jiff::SignedDuration::ZERO);
    assert_eq!(bench.status(), ended("lapsed"));
}

#[test]
fn locks_are_checked_and_said_in_words() {
    let lock = "lock: { items: \"${input.items}\", break: role:board }";
    for (other, code) in [
        ("lock: 5", "HP2004"),
        ("lock: []", "HP2016"),
        ("lock: { break: role:board }", "HP2003"),
        ("lock: { items: [a], break: [] }", "HP2020"),
        ("lock: { items: [a], by: role:board }", "HP2002"),
    ] {
        let found = faults(&LOCKING.replace(lock, other));
        assert!(found.contains(&format!("error[{code}]")), "{other}: {found}");
    }
    assert!(faults(&LOCKING.replace("unlock: true", "unlock: all")).contains("HP2004"));
    let text = workflow(LOCKING).explain();
    assert!(text.contains("When it has all else it waits for the locks on input.items, which it holds until the run ends or unlocks them; role owner or role board may break one."), "{text}");
    assert!(text.contains("The locks that the run holds are given back."), "{text}");
}
