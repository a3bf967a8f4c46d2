//! What people do besides voting: vetoes, conditions, amendments, objections, comments.

use holdpoint_definition::Definition;
use holdpoint_scenario::{Coverage, Played};
use insta::assert_snapshot;

use crate::common;

const APPROVALS: &str = r#"
workflow: approvals
version: 1
title: Approvals
input:
  type: object
  properties: { title: { type: string }, items: { type: array, items: { type: string } } }
start: agree
expires: { after: 60d, to: lapsed }
states:
  agree:
    hold:
      approval:
        rules: { peers: { from: role:engineer, need: majority, roster: now } }
        not: [requester]
        veto: { from: role:security, overrule: role:head }
        amended: subset
        duties: { discharge: [author, role:head] }
        remind: { every: 2d }
        escalate: { after: 3d, to: role:head }
    on: { released: work, rejected: refused }
  work:
    do: { activity: { run: build } }
    on: { succeeded: notice, failed: refused }
  notice:
    hold: { witness: { from: role:owner, for: 1d } }
    on: { released: done, objected: refused }
  done: { end: done }
  refused: { end: refused }
  lapsed: { end: lapsed }
"#;

const TOP: &str = "definition: approvals.yaml
members: { ada: [], olga: role:owner, e1: role:engineer, e2: role:engineer, e3: role:engineer, sam: role:security, hugo: role:head }
input: { title: One, items: [a, b] }
scenarios:
";

fn definition() -> Definition {
    Definition::parse("approvals.yaml", APPROVALS)
        .unwrap_or_else(|found| panic!("{found}"))
        .definition
}

fn one(steps: &str, then: &str) -> Played {
    let source =
        format!("{TOP}  one:\n    given: {{ by: ada }}\n    when:\n{steps}\n    then: {then}\n");
    common::play(&definition(), &source).remove(0)
}

#[track_caller]
fn passes(steps: &[&str], then: &str) {
    let steps: Vec<String> = steps.iter().map(|step| format!("      - {step}")).collect();
    let played = one(&steps.join("\n"), then);
    assert_eq!(played.failure, None, "{steps:?}");
}

#[track_caller]
fn differs(steps: &[&str], then: &str) -> String {
    let steps: Vec<String> = steps.iter().map(|step| format!("      - {step}")).collect();
    let failure = one(&steps.join("\n"), then).failure.unwrap();
    let lines = failure
        .differences
        .iter()
        .map(|one| format!("{}: expected {}, got {}\n", one.what, one.expected, one.got));
    format!("{}\n{}", failure.step, lines.collect::<String>())
}

#[test]
fn a_veto_holds_until_it_is_lifted_or_overruled() {
    passes(
        &[
            "{ veto: sam, refused: { code: HP1008, says: reason } }",
            "{ veto: { by: e1, reason: no }, refused: HP1002 }",
            "veto: { by: sam, hold: agree, reason: Not tested }",
            "approve: e1",
            "approve: e2",
            "expect: { state: agree, vetoes: [sam], waiting_for: [veto], could_approve: [] }",
            "withdraw: { by: sam, reason: Tested now }",
        ],
        "{ state: notice, vetoes: [], happened: [hold.vetoed, vote.withdrawn, hold.released] }",
    );
    passes(
        &[
            "veto: { by: sam, reason: Not tested }",
            "approve: e1",
            "approve: e2",
            "{ overrule: { by: e3, veto_of: sam, reason: x }, refused: HP1002 }",
            "{ overrule: { by: hugo, veto_of: e3, reason: x }, refused: HP1006 }",
            "overrule: { by: hugo, veto_of: sam, reason: The risk is mine }",
        ],
        "{ state: notice, happened: [veto.overruled] }",
    );
}

#[test]
fn votes_are_withdrawn_and_counted_anew() {
    passes(
        &[
            "approve: e1",
            "withdraw: e1",
            "expect: { waiting_for: { peers: 2 } }",
            "approve: e1",
            "members: { e2: [], e3: [] }",
            "expect: { state: agree }",
            "recount: olga",
        ],
        "{ state: notice, happened: [vote.withdrawn, approval.recounted, hold.released] }",
    );
}

#[test]
fn conditions_become_duties() {
    passes(
        &[
            "{ approve: { by: e1, duties: [{ text: x, before: nowhere }] }, refused: HP1008 }",
            "approve: { by: e1, duties: [Write it down, { text: Measure, before: work }] }",
            "expect: { duties: [] }",
            "approve: e2",
            "expect: { status: held, duties: [{ duty: 1, text: Write it down, before: ~, by: e1 }, { before: work }] }",
            "{ discharge: { by: e2, duty: 2, note: Done }, refused: HP1002 }",
            "{ discharge: { by: e1, duty: 2 }, refused: HP1008 }",
            "discharge: { by: e1, duty: 2, note: It takes a second }",
            "expect: { state: notice, duties: [Write it down] }",
            "after: 1d",
            "expect: { status: held, state: notice, duties: [{ duty: 1 }] }",
            "discharge: { by: hugo, duty: 1, note: Written }",
        ],
        "{ ended: done, duties: [], happened: [duty.opened, duties.awaited, duty.discharged] }",
    );
}

#[test]
fn an_amendment_is_put_over_the_input() {
    passes(
        &[
            "approve: e1",
            "{ amend: { by: e1, input: { items: [a] }, reason: x }, refused: HP1002 }",
            "{ amend: { by: ada, input: { items: [a] } }, refused: { code: HP1008, says: reason } }",
            "amend: { by: ada, input: { items: [a] }, reason: Only one }",
            "expect: { waiting_for: { peers: 1 }, input: { title: One, items: [a] } }",
            "amend: { by: olga, input: { title: Two }, reason: Another }",
        ],
        "{ waiting_for: { peers: 2 }, input: { title: Two, items: [a] } }",
    );
}

#[test]
fn witnesses_object_and_everybody_comments() {
    passes(
        &[
            "approve: e1",
            "approve: e2",
            "{ veto: sam, refused: HP1006 }", // not at a witness point
            "expect: { state: notice, waiting_for: [witness] }",
            "{ object: { by: ada, reason: x }, refused: HP1002 }",
            "comment: { by: sam, text: Is that so? }",
            "comment: { by: ada, text: It is. }",
            "{ comment: { by: ada, text: '' }, refused: HP1008 }",
            "object: { by: olga, reason: No }",
        ],
        "{ ended: refused, comments: [Is that so?, It is.] }",
    );
}

#[test]
fn what_differs_is_said() {
    assert_snapshot!(differs(
        &["veto: { by: sam, reason: x }", "comment: { by: sam, text: Hm }"],
        "{ vetoes: [], comments: [], duties: [{ duty: 1, before: ~ }, {}], input: { title: Two } }"
    ), @r#"
    then
    vetoes: expected nothing, got sam
    comments: expected nothing, got Hm
    duties: expected duty 1 before the end, any duty, got nothing
    input: expected {"title":"Two"}, got {"items":["a","b"],"title":"One"}
    "#);
    assert_snapshot!(differs(
        &["approve: { by: e1, duties: [x] }", "approve: e2"],
        "{ vetoes: [sam], duties: [{ before: work, by: e2, text: y }] }"
    ), @"
    then
    vetoes: expected sam, got nothing
    duties: expected `y` before `work` by e2, got duty 1 `x` before the end by e1
    ");
    assert_snapshot!(differs(&["recount: sam"], "{ state: agree }"), @"
    recount by sam
    answer: expected accepted, got refused with HP1006: the members whom `agree` asks ask for as many votes as before
    ");
}

#[test]
fn what_approvals_have_and_no_scenario_uses_is_listed() {
    let missed = |scenarios: &str| {
        let mut coverage = Coverage::new(&definition());
        for played in common::play(&definition(), &format!("{TOP}{scenarios}")) {
            assert_eq!(played.failure, None, "{}", played.name);
            coverage.add(&played.history);
        }
        let missed = coverage.missed().filter(|item| item.group() == "approvals");
        let mut text: String = missed.map(|item| format!("{}\n", item.in_words())).collect();
        text.push_str(&format!("{:?}", coverage.counts("approvals")));
        if coverage.missed().any(|item| item.in_words() == "the whole run: expires → lapsed") {
            text.push_str(", and the run never expires");
        }
        text
    };
    assert_snapshot!(missed("  one: { given: { by: ada }, when: [{ approve: e1 }, { approve: e2 }, { after: 1d }], then: { ended: done } }"), @"
    agree: nobody gives a veto
    agree: no veto is lifted
    agree: no veto is overruled
    agree: the input is never amended
    agree: no approval stands when the input is amended
    agree: no approval falls when the input is amended
    agree: no approval on a condition releases it
    agree: no duty is discharged
    agree: nobody is reminded
    agree: it is never escalated
    (0, 10), and the run never expires
    ");
    assert_snapshot!(missed("
  vetoes:
    given: { by: ada }
    when:
      - veto: { by: sam, reason: x }
      - withdraw: sam
      - veto: { by: sam, reason: x }
      - overrule: { by: hugo, veto_of: sam, reason: x }
      - approve: e1
      - amend: { by: ada, input: { items: [a] }, reason: x }
      - amend: { by: ada, input: { title: Two }, reason: x }
      - approve: { by: e1, duties: [x] }
      - approve: e2
      - discharge: { by: e1, duty: 1, note: x }
    then: { state: notice }
  time: { given: { by: ada }, when: [{ after: 60d }], then: { ended: lapsed } }
"), @"(10, 10)");
}
