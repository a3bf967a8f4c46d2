//! Overrides of a requirement for one run: who gives them, what they let begin, and when they end.

use holdpoint_core::{
    Action, NextAsk, Outcome, RefusalCode as Code, RunStatus, testing::Bench,
    view::ConditionStatus as Status,
};
use serde_json::{Value, json};

use crate::{
    common::{done, ended, last, open, people, refused, workflow},
    requirements::{CHANGE, OLD, RULES, SLOW, bench, found, of, published, report, stands},
};

/// The rules, with somebody who may override them for a run.
fn rules(override_: &str) -> String {
    RULES
        .replace("not: [requester] } }", &format!("not: [requester] }}, override: {override_} }}"))
        .replace("waiver: true", &format!("waiver: true, override: {override_}"))
        .replace(
            "bad > 3\", approval: { from: role:board, need: 1 }",
            &format!("bad > 3\", approval: {{ from: role:board, need: 1 }}, override: {override_}"),
        )
}

fn overriding(requirement: &str) -> Action {
    Action::OverrideRequirement {
        requirement: requirement.to_owned(),
        reason: " it burns ".to_owned(),
    }
}

fn withdrawing(requirement: &str) -> Action {
    Action::WithdrawOverride { requirement: requirement.to_owned(), reason: None }
}

/// A run that rests before its work, as only one has agreed: it was migrated to what asks two.
fn resting(override_: &str) -> Bench {
    let mut bench = Bench::new(workflow(SLOW), people());
    bench.submit("fay", json!({})).unwrap();
    bench.approve("bob").unwrap();
    bench.happens(&published(1, &rules(override_)));
    let newer = SLOW.replace("version: 1", "version: 2").replace("need: 1", "need: 2");
    bench.migrate("ada", workflow(&newer), &[]).unwrap();
    bench.act("fay", Action::Signal { name: "go".to_owned(), data: Value::Null }).unwrap();
    assert_eq!((bench.status(), open(&bench).len()), (RunStatus::Held, 0));
    bench
}

#[test]
fn a_run_that_rests_goes_on_by_it_and_shows_it() {
    let mut bench = resting("role:board");
    let ask = NextAsk::OverrideRequirement { requirement: "four-eyes".to_owned() };
    let step = bench.view().next_steps.into_iter().find(|step| step.ask.as_ref() == Some(&ask));
    assert_eq!(
        step.expect("it is proposed").text,
        "override `four-eyes` of the baseline for this run, with a reason, as role board, not requester or editors"
    );
    let candidates = &bench.view().holds[0].conditions[0].candidates;
    let names: Vec<_> = candidates.iter().map(|one| one.member.as_str()).collect();
    assert_eq!(names, ["dora", "eve"]);
    bench.act("dora", overriding("four-eyes")).unwrap();
    let recorded = last(&bench, "baseline.overridden");
    assert_eq!(recorded["requirement"], "four-eyes");
    assert_eq!((&recorded["member"], &recorded["roles"]), (&json!("dora"), &json!(["board"])));
    assert_eq!(recorded["reason"], "it burns");
    assert!(recorded["digest"].as_str().unwrap().starts_with("sha256:"));
    stands(
        &bench,
        &[("four-eyes", Status::Overridden, "dora has overridden it for this run: it burns")],
    );
    let one = of(&bench, "four-eyes");
    assert_eq!((one.met, one.overridden_by.unwrap().as_str()), (false, "dora"));
    assert_eq!(open(&bench), ["tell#1"]);
    bench.attempt("tell#1", done()).unwrap();
    assert_eq!(bench.status(), ended("done"));
    assert_eq!(of(&bench, "four-eyes").status, Status::Overridden);
}

#[test]
fn it_is_refused_to_those_whom_the_baseline_does_not_name_and_for_what_is_not_in_the_way() {
    // By whom, what, and how it is refused.
    for (who, by, requirement, code, says) in [
        ("role:board", "ada", "four-eyes", Code::NotEligible, "`ada` may not override"),
        ("member:fay", "fay", "four-eyes", Code::SelfApproval, "`fay` submitted the run"),
        (
            "{ from: member:fay, not: [requester] }",
            "fay",
            "four-eyes",
            Code::SelfApproval,
            "`fay` submitted",
        ),
        ("role:board", "dora", "five-eyes", Code::NotFound, "no requirement `five-eyes`"),
        ("role:board", "dora", "board", Code::NotOverridable, "nobody may override `board`"),
        (
            "role:board",
            "dora",
            "tested",
            Code::NotOverridable,
            "keeps no work of this run from beginning: the definition has no such work",
        ),
        ("role:board", "zoe", "four-eyes", Code::NotMember, "`zoe`"),
    ] {
        let mut bench = resting(who);
        let no = refused(bench.act(by, overriding(requirement)), code);
        assert!(no.message.contains(says), "{no}");
        assert_eq!(of(&bench, "four-eyes").status, Status::Open);
        let none = refused(bench.act("dora", withdrawing("four-eyes")), Code::NotOverridable);
        assert!(none.message.contains("is not overridden"), "{none}");
    }
    let mut bench = resting("role:board");
    let empty = Action::OverrideRequirement {
        requirement: "four-eyes".to_owned(),
        reason: "  ".to_owned(),
    };
    refused(bench.act("dora", empty), Code::InvalidInput);
    bench.act("dora", overriding("four-eyes")).unwrap();
    let again = refused(bench.act("eve", overriding("four-eyes")), Code::NotOverridable);
    assert!(again.message.contains("overridden already"), "{again}");
    // Who has asked for the run may, where the baseline says so.
    let mut bench = resting("{ from: member:fay, not: [] }");
    bench.act("fay", overriding("four-eyes")).unwrap();
    assert_eq!(open(&bench), ["tell#1"]);
    // And nothing is proposed that nobody can do.
    let bench = resting("member:fay");
    let asks = |bench: &Bench| {
        let steps = bench.view().next_steps;
        steps.iter().any(|step| matches!(step.ask, Some(NextAsk::OverrideRequirement { .. })))
    };
    assert!(!asks(&bench));
    // A run that nobody judges has nothing to override.
    let mut free = Bench::new(workflow(SLOW), people());
    free.submit("fay", json!({})).unwrap();
    refused(free.act("dora", overriding("four-eyes")), Code::NotOverridable);
}

#[test]
fn it_leaves_what_the_definition_asks_and_shows_also_where_the_rule_was_met() {
    let mut bench = bench(&rules("role:board"), CHANGE, "low");
    bench.act("dora", overriding("four-eyes")).unwrap();
    let why = "dora has overridden it for this run: it burns";
    stands(
        &bench,
        &[
            ("four-eyes", Status::Overridden, why),
            ("tested", Status::Open, "nothing has met it yet"),
        ],
    );
    assert!(!of(&bench, "four-eyes").met);
    assert!(open(&bench).is_empty(), "the hold of the definition stays");
    bench.approve("bob").unwrap();
    assert!(open(&bench).is_empty(), "it still asks two");
    bench.approve("cy").unwrap();
    assert_eq!(open(&bench), ["scan#1"]);
    stands(&bench, &[("four-eyes", Status::Overridden, why)]);
    assert!(of(&bench, "four-eyes").met, "it shows as an override although it is met");
}

#[test]
fn an_error_is_overridden_too() {
    let change =
        CHANGE.replace("bad: { when: \"states.scan.output.json.bad > 3\", from", "bad: { from");
    let mut bench = bench(&rules("role:board"), &change, "low");
    bench.approve("bob").unwrap();
    bench.approve("cy").unwrap();
    bench.attempt("scan#1", Outcome::Completed(json!({ "json": { "bad": "many" } }))).unwrap();
    report(&mut bench);
    bench.approve("bob").unwrap();
    bench.approve("dora").unwrap();
    assert_eq!(of(&bench, "bad").status, Status::Error);
    bench.act("eve", overriding("bad")).unwrap();
    assert_eq!(of(&bench, "bad").status, Status::Overridden);
    assert_eq!(open(&bench), ["roll-out#1/web-1/deploy"]);
}

#[test]
fn it_can_be_withdrawn_before_the_work_begins() {
    let mut bench = bench(&rules("role:board"), CHANGE, "low");
    bench.act("dora", overriding("tested")).unwrap();
    // By whoever gave it, or another who might have; nobody else.
    refused(bench.act("bob", withdrawing("tested")), Code::NotEligible);
    bench.act("eve", withdrawing("tested")).unwrap();
    assert_eq!(last(&bench, "baseline.override_withdrawn")["member"], "eve");
    stands(&bench, &[("tested", Status::Open, "nothing has met it yet")]);
    refused(bench.act("eve", withdrawing("tested")), Code::NotOverridable);
    // What keeps a run that rests is told anew.
    let two = rules("role:board").replace(
        "  board: { before: rollout, when: \"input.risk == 'high'\",",
        "  board: { override: role:board,",
    );
    let mut resting = Bench::new(workflow(SLOW), people());
    resting.submit("fay", json!({})).unwrap();
    resting.approve("bob").unwrap();
    resting.happens(&published(1, &two));
    let newer = SLOW.replace("version: 1", "version: 2");
    resting.migrate("ada", workflow(&newer), &[]).unwrap();
    resting.act("fay", Action::Signal { name: "go".to_owned(), data: Value::Null }).unwrap();
    let lacking = |bench: &Bench| {
        let held = last(bench, "baseline.held");
        held["lacking"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(lacking(&resting), ["board", "four-eyes"]);
    resting.act("dora", overriding("four-eyes")).unwrap();
    assert_eq!(lacking(&resting), ["board"]);
    resting.act("dora", withdrawing("four-eyes")).unwrap();
    assert_eq!(lacking(&resting), ["board", "four-eyes"]);
    for one in ["board", "four-eyes"] {
        resting.act("dora", overriding(one)).unwrap();
    }
    assert_eq!(open(&resting), ["tell#1"]);
    // There is no other work to come: it has begun, and nothing is taken back of it.
    let late = refused(resting.act("dora", withdrawing("four-eyes")), Code::NotOverridable);
    assert!(late.message.contains("has begun"), "{late}");
}

#[test]
fn it_ends_with_the_input_that_it_was_given_on_and_with_the_version() {
    let mut bench = bench(&rules("role:board"), CHANGE, "low");
    bench.act("dora", overriding("four-eyes")).unwrap();
    let input = json!({ "risk": "high" });
    bench.act("fay", Action::Amend { input, reason: "more".to_owned() }).unwrap();
    stands(&bench, &[("four-eyes", Status::Open, "`agree` waits")]);
    // Whoever has amended has written it.
    let input = json!({ "risk": "low" });
    bench.act("fay", Action::Amend { input, reason: "less".to_owned() }).unwrap();
    assert_eq!(
        of(&bench, "four-eyes").status,
        Status::Overridden,
        "it is the very input that it was given on"
    );
    let newer = CHANGE.replace("version: 1", "version: 2");
    bench.migrate("ada", workflow(&newer), &[]).unwrap();
    assert_eq!(of(&bench, "four-eyes").status, Status::Open);
    bench.act("dora", overriding("four-eyes")).unwrap();
    bench.attempt("scan#1", found(0)).unwrap_err();
}

#[test]
fn it_is_of_the_whole_run_and_lets_a_branch_go_on() {
    let mut bench = bench(&rules("role:board"), OLD, "low");
    bench.approve("bob").unwrap();
    assert!(open(&bench).is_empty());
    let proposed = bench.view().next_steps.iter().any(
        |step| matches!(&step.ask, Some(NextAsk::OverrideRequirement { requirement }) if requirement == "four-eyes"),
    );
    assert!(proposed, "{:?}", bench.view().next_steps);
    bench.act("dora", overriding("four-eyes")).unwrap();
    assert_eq!(open(&bench), ["tell#1"]);
    assert_eq!(of(&bench, "four-eyes").status, Status::Overridden);
    bench.attempt("tell#1", done()).unwrap();
    let late = refused(bench.act("dora", withdrawing("four-eyes")), Code::NotOverridable);
    assert!(late.message.contains("has begun"), "{late}");
}
