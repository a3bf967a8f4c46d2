//! A definition in plain sentences, and what differs between two.

use holdpoint_definition::Definition;
use insta::assert_snapshot;

use crate::docs::definitions_of_the_guide;

const SOURCE: &str = r#"
workflow: patch
version: 1
title: Patch
input:
  type: object
  required: [title, count]
  properties:
    title: { type: string, description: what it is about }
    risk: { enum: [low, high], default: low }
    count: { type: integer }
    names: { type: array, items: { type: string } }
    more: {}
start: agree
states:
  agree:
    hold:
      approval:
        rules:
          peer: { from: [role:engineer, member:ada], qualified: network, need: 1 }
          board: { when: "input.risk == 'high'", from: role:board, need: "${input.count}" }
        not: [requester]
        expires: 7d
      wait: { for: 90m }
      signal: { name: go, when: "signal == 'now'", expires: "${input.risk == 'low' ? '1h' : '2h'}" }
    on: { released: build, rejected: refused, expired: which }
  which: { choose: [{ when: "size(input.title) > 3", to: refused }, { else: later }] }
  later: { hold: { wait: { until: 2027-01-01T00:00:00Z } }, on: { released: refused } }
  build:
    do: { activity: { run: build, with: { by: "${requester}" }, retry: { attempts: 3 } } }
    on: { succeeded: roll-out, failed: refused }
  roll-out:
    do:
      rollout:
        targets: [web-1, web-2]
        each: { run: deploy }
        healthy: { http: "http://${target}/", for: 2m }
    on: { succeeded: done, failed: refused }
  done: { end: done }
  refused: { end: refused }
"#;

fn definition(source: &str) -> Definition {
    Definition::parse("x.yaml", source).unwrap_or_else(|found| panic!("{found}")).definition
}

#[test]
fn a_definition_is_told_in_sentences() {
    assert_snapshot!(definition(SOURCE).explain(), @r#"
    Patch (`patch`, version 1)

    What is submitted:
      - count: a whole number
      - more: a value; may be left out
      - names: a list of texts; may be left out
      - risk: low or high; low when left out
      - title: a text (what it is about)
    A run begins in `agree`.

    agree
      The run is held.
      People must agree, under every rule that applies; each approval fills one seat:
      - peer: 1 approval by role engineer or member ada, qualified in network.
      - board: only where `input.risk == 'high'`, as many approvals as `input.count` gives, by role board.
      Nobody decides on a run that they have submitted.
      One rejection, with a reason, is enough to reject.
      Whoever votes in the place of others counts once.
      It waits for 1h 30m from then on.
      It waits for the signal `go`, with data for which `signal == 'now'`.
      After 7d or input.risk == 'low' ? '1h' : '2h' it expires, whichever comes first.
      When released, it goes on in `build`.
      When rejected, the run is over: refused.
      When expired, it goes on in `which`.

    which
      Where `size(input.title) > 3`, the run goes on in `refused`.
      Otherwise it goes on in `later`.

    later
      The run is held.
      It waits until 2027-01-01T00:00:00Z.
      When released, the run is over: refused.

    build
      A worker does `build` with {"by":"${requester}"} (at most 10m an attempt, up to 3 attempts, with pauses of 1s).
      When succeeded, it goes on in `roll-out`.
      When failed, the run is over: refused.

    roll-out
      At each target of ["web-1","web-2"] a worker does `deploy` (at most 10m an attempt, one attempt).
      The waves end at 100% of all targets; at most 50 are worked on at once.
      Then http://${target}/ must answer with status 200 for 2m, asked every 1s.
      With the first target that fails it goes no further, and nothing is restored.
      It is steered by the requester or role owner.
      When succeeded, the run is over: done.
      When failed, the run is over: refused.

    The requester and members with the role owner can cancel a run at any time, with a reason.
    "#);
}

#[test]
fn whom_an_escalation_asks_is_told_with_what_it_asks_them() {
    let source = SOURCE.replace(
        "        not: [requester]\n",
        "        not: [requester]\n        escalate: { after: 2d, to: [role:head, member:ada] }\n",
    );
    let told = definition(&source).explain();
    let sentence = "After 2d, role head or member ada may approve as well, under every rule; as many \
                    are needed as before.";
    assert!(told.contains(sentence), "{told}");
}

#[test]
fn a_rollout_is_told_with_all_that_it_has() {
    let source = include_str!("samples/valid/rollout-with-everything.yaml");
    let told = definition(source).explain();
    let rollout = told.split("\nroll\n").nth(1).unwrap();
    assert_snapshot!(rollout, @r#"
      At each target of input.targets, one after the other:
        pre-check: `look` with {"at":"${target}"} (at most 10m an attempt, one attempt).
        out of service: `drain` (at most 10m an attempt, one attempt).
        deploy: `deploy` (at most 10m an attempt, 2h waiting for its turn, 1h all attempts together, 1m without a sign of life, up to 2 attempts, with pauses of 1s, each up to 25% shorter).
        verify: `verify` (at most 10m an attempt, one attempt).
        into service: `undrain` (at most 10m an attempt, one attempt).
      A target at which a step fails is undone at once.
      They come in the order of their names.
      Those of input.canaries come first.
      The waves end at 1, 10%, 50%, 100% of all targets; all of a wave are worked on at once.
      At most 25% are out of service at once.
      Then http://${target}/health must answer with status 200 for 0s, asked every 1s.
      After the wave that ends at 1: bake input.bake.
      After the wave that ends at 10%: until somebody who steers it promotes it.
      After the wave that ends at 50%: bake 1h, then until 2 of role release or member ada promote it, not requester or executors.
      When all are done, a worker does `switch` with {"to":"new"} (at most 10m an attempt, 1m without a sign of life, one attempt); undone by `switch` with {"to":"old"} (at most 10m an attempt, one attempt).
      After that: bake 10m, then until somebody who steers it promotes it.
      With 3 failed targets it is turned round: what was begun is restored in reverse order, 10 at once, in waves that end at 1, 100%, by `restore` (at most 10m an attempt, 1h all attempts together, one attempt).
      It is steered by the requester or role release.
      After 12h it is turned round.
      When succeeded, the run is over: done.
      When rolled back, the run is over: done.
      When failed, the run is over: done.

    The requester and members with the role owner can cancel a run at any time, with a reason.
    "#);
}

#[test]
fn every_definition_of_the_guide_is_told_state_by_state() {
    for source in definitions_of_the_guide() {
        let definition = definition(&source);
        let text = definition.explain();
        for state in definition.outline().states.iter().filter(|state| state.ends.is_none()) {
            assert!(text.contains(&format!("\n{}\n  ", state.name)), "{}:\n{text}", state.name);
        }
    }
}

/// What differs when this is replaced in [`SOURCE`], a line each.
fn differs(replaced: &[(&str, &str)]) -> String {
    let mut source = SOURCE.to_owned();
    for (from, to) in replaced {
        assert!(source.contains(from), "{from}");
        source = source.replacen(from, to, 1);
    }
    let (before, after) = (definition(SOURCE), definition(&source));
    let back: Vec<_> = after.compare(&before);
    let changes = before.compare(&after);
    assert_eq!(back.len(), changes.len(), "what differs does so both ways");
    let shown = |one: &Option<String>| one.clone().unwrap_or_else(|| "-".to_owned());
    changes
        .iter()
        .map(|one| {
            format!("{}, {}: {} → {}\n", one.place, one.what, shown(&one.before), shown(&one.after))
        })
        .collect()
}

#[test]
fn what_looks_different_and_means_the_same_is_no_difference() {
    assert_eq!(differs(&[]), "");
    assert_eq!(
        differs(&[
            ("workflow: patch", "# A comment.\nworkflow: 'patch'"),
            ("[role:engineer, member:ada]", "[member:ada, role:engineer]"),
            ("expires: 7d", "expires: 1w"),
            ("for: 90m", "for: 1h 30m"),
            ("run: deploy }", "run: deploy, timeout: 10m, with: {} }"),
            (
                "done: { end: done }\n  refused: { end: refused }",
                "refused: { end: refused }\n  done: { end: done }"
            ),
        ]),
        ""
    );
}

#[test]
fn the_order_of_people_and_who_is_named_twice_mean_nothing() {
    const ALL: &str = "
workflow: all
version: 1
title: All
start: agree
states:
  agree:
    hold:
      approval:
        rules:
          peers: { from: PEOPLE, need: 1 }
          second: { from: role:b, need: 1 }
          last: { from: PEOPLE, need: 1, after: RULES }
        not: EXCLUDED
        veto: { from: PEOPLE, overrule: PEOPLE }
        duties: { discharge: PEOPLE }
        escalate: { after: 1d, to: PEOPLE }
      witness: { from: PEOPLE, for: 1d }
    on: { released: done, rejected: done, objected: done }
  done: { end: done }
";
    let all = |people: &str, rules: &str, excluded: &str| {
        let source = ALL.replace("PEOPLE", people).replace("RULES", rules);
        definition(&source.replace("EXCLUDED", excluded))
    };
    let one = all("[role:a, member:b]", "[peers, second]", "[requester, editors]");
    let other = all(
        "[member:b, role:a, role:a]",
        "[second, peers, peers]",
        "[editors, editors, requester]",
    );
    assert_eq!(one.compare(&other), []);
    let fewer = all("[role:a]", "[peers]", "[editors]");
    assert_eq!(one.compare(&fewer).len(), 9, "{:?}", one.compare(&fewer));
}

#[test]
fn every_difference_in_meaning_is_told() {
    assert_snapshot!(differs(&[
        ("version: 1", "version: 2"),
        ("required: [title, count]", "required: [title, count, more]"),
        ("enum: [low, high]", "enum: [low, high, huge]"),
        ("member:ada], qualified: network, need: 1", "role:lead], need: 2"),
        ("when: \"input.risk == 'high'\", from", "from"),
        ("not: [requester]\n        expires: 7d", "expires: 3d"),
        ("wait: { for: 90m }\n", "\n"),
        ("when: \"signal == 'now'\", ", ""),
        ("expired: which", "expired: refused"),
        ("  which: { choose: [{ when: \"size(input.title) > 3\", to: refused }, { else: later }] }\n", ""),
        ("  later: { hold: { wait: { until: 2027-01-01T00:00:00Z } }, on: { released: refused } }\n", ""),
        ("attempts: 3", "attempts: 4, backoff: exponential"),
        ("healthy: { http: \"http://${target}/\", for: 2m }", "rollback: { run: restore }"),
        ("on: { succeeded: done, failed: refused }", "on: { succeeded: done, failed: refused, rolled_back: undone }"),
        ("  done: { end: done }", "  undone: { end: undone }\n  done: { end: fine }"),
    ]), @r#"
    definition, version: 1 → 2
    input, more: optional {} → required {}
    input, risk: optional {"default":"low","enum":["low","high"]} → optional {"default":"low","enum":["low","high","huge"]}
    state agree, approval expires after: 7d → 3d
    state agree, on expired: which → refused
    state agree, rule board: applies where: input.risk == 'high' → always
    state agree, rule peer: how many must approve: 1 → 2
    state agree, rule peer: qualified in: network → -
    state agree, rule peer: who may vote: member ada or role engineer → role engineer or role lead
    state agree, signal: accepted where: signal == 'now' → -
    state agree, waits for: 1h 30m → -
    state agree, who is excluded from voting: the requester → nobody
    state build, attempts: up to 3 attempts, with pauses of 1s → up to 4 attempts, with pauses of 1s, then twice as long each time, at most 1m
    state roll-out, healthy: http://${target}/ must answer with status 200 → -
    state roll-out, healthy: every: 1s → -
    state roll-out, healthy: failed with more bad in a row than: 2 → -
    state roll-out, healthy: for: 2m → -
    state roll-out, on rolled_back: - → undone
    state roll-out, rollback: activity: - → restore
    state roll-out, rollback: attempts: - → one attempt
    state roll-out, rollback: given to the worker: - → {}
    state roll-out, rollback: timeout of an attempt: - → 10m
    state undone, kind: - → an end
    state undone, outcome: - → undone
    state done, outcome: done → fine
    state which, kind: a choice → -
    state which, ways, in order: where size(input.title) > 3 to refused; else to later → -
    state later, kind: a hold → -
    state later, on released: refused → -
    state later, waits until: 2027-01-01T00:00:00Z → -
    "#);
}
