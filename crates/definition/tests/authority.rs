//! What definitions ask of people, and who of a project could do it.

use holdpoint_core::testing::{BEGIN, project};
use holdpoint_definition::{Authority, Definition};

const CHANGE: &str = "
workflow: change
version: 1
title: Change
input:
  type: object
  required: [domain, need]
  properties:
    domain: { type: string }
    need: { type: integer, minimum: 1, maximum: 9 }
start: ask
states:
  ask:
    hold:
      approval:
        rules:
          peers: { from: role:engineer, need: 2, qualified: network }
          most: { from: [role:engineer, member:cy], need: majority, roster: now }
          all: { from: role:board, need: all, roster: opening }
          computed: { from: role:engineer, need: '${input.need}', qualified: '${input.domain}' }
        not: [requester, editors]
        veto: { from: role:security, overrule: role:owner }
        escalate: { after: 1d, to: role:board }
        amended: reset
      task: { cable: { title: Pull it, from: role:technician, need: 2 } }
      signal: { name: tested }
      conflicts: { found: hold, accept: role:commander }
      waiver: { from: role:commander, scope: [approval], duties: { ratify: { within: 1d, from: role:owner } } }
      window: { in: calendar:maintenance, override: role:commander }
      lock: { items: [db], break: role:commander }
      expires: 7d
      evidence: { report: { from: role:technician }, note: {} }
    on: { released: notice, waived: notice, rejected: refused, expired: refused }
  notice:
    hold: { witness: { from: role:service-owner, for: 1d } }
    on: { released: work, objected: refused }
  work:
    do:
      activity:
        run: work
        window: { in: calendar:maintenance, closes: finish, override: role:owner, not: [requester] }
        settle: { from: [role:technician, requester], not: [executors], qualified: network }
    on: { succeeded: every, failed: refused }
  every:
    do:
      rollout:
        targets: [a, b, c]
        waves:
          - { to: 1, hold: { from: role:service-owner, need: 2, not: [requester] } }
          - { to: 2, bake: 10m }
          - { to: 100%, hold: manual }
        each: { run: work, repeatable: false }
        rollback: { run: undo }
        control: { from: [role:technician, member:dee] }
        window: { in: calendar:maintenance, closes: finish, override: role:owner }
    on: { succeeded: done, failed: refused, rolled_back: refused }
  done: { end: done }
  refused: { end: refused }
";

fn in_words(asked: &[Authority]) -> Vec<String> {
    let words = |one: &Authority| {
        let members: Vec<&str> = one.members.iter().map(|member| member.as_str()).collect();
        format!(
            "{} {}{} {} of {}: {}; lacks {}",
            one.state,
            one.what,
            if one.is_needed { "" } else { " (round)" },
            one.need,
            one.whom,
            members.join(" "),
            one.lacks,
        )
    };
    asked.iter().map(words).collect()
}

#[test]
fn what_is_asked_is_told_with_whom_there_is() {
    let definition = Definition::parse("change.yaml", CHANGE).unwrap().definition;
    let members: [(&str, &[&str], &[&str]); 3] = [
        ("bob", &["engineer", "board"], &["network"]),
        ("cy", &["technician"], &[]),
        ("dee", &["engineer"], &["storage"]),
    ];
    let asked = definition.authority(&project(&members), BEGIN.parse().unwrap());
    let unwitnessed: Vec<&str> =
        asked.iter().filter(|one| one.is_unwitnessed()).map(|one| one.state.as_str()).collect();
    assert_eq!(unwitnessed, ["notice"]);
    insta::assert_snapshot!(in_words(&asked).join("\n"), @"
    ask approval/peers 2 of role engineer, qualified in network, but not the requester or the editors, and role board when it is escalated: bob; lacks 1
    ask approval/most 2 of role engineer or member cy, but not the requester or the editors, and role board when it is escalated: bob cy dee; lacks 0
    ask approval/all 1 of role board, but not the requester or the editors, and role board when it is escalated: bob; lacks 0
    ask approval/computed 1 of role engineer, qualified in input.domain, but not the requester or the editors, and role board when it is escalated: bob dee; lacks 0
    ask veto (round) 1 of role security: ; lacks 1
    ask overrule (round) 1 of role owner: bob; lacks 0
    ask evidence/report 1 of role technician: cy; lacks 0
    ask task/cable 2 of role technician: cy; lacks 1
    ask signal/tested 1 of any member: bob cy dee; lacks 0
    ask waiver (round) 1 of role commander: ; lacks 1
    ask duty/ratify (round) 1 of role owner: bob; lacks 0
    ask break (round) 1 of role owner or role commander: bob; lacks 0
    ask override (round) 1 of role commander, but not the requester: ; lacks 1
    ask accept (round) 1 of role commander: ; lacks 1
    every promote/1 2 of role service-owner, but not the requester: ; lacks 2
    every promote/3 1 of role technician or member dee: cy dee; lacks 0
    every steer (round) 1 of role technician or member dee: cy dee; lacks 0
    every override (round) 1 of role owner, but not the requester: bob; lacks 0
    every settle/each (round) 1 of role owner, but not the requester: bob; lacks 0
    notice witness (round) 1 of role service-owner: ; lacks 1
    work override (round) 1 of role owner, but not the requester: bob; lacks 0
    work settle (round) 1 of role technician or the requester, qualified in network, but not the executors: bob; lacks 0
    ");
}

#[test]
fn nobody_is_counted_for_two_seats() {
    let rules = |rules: &str| {
        let head = "workflow: change\nversion: 1\ntitle: Change\ninput: { type: object, properties: { big: { type: boolean, default: false } } }\nstart: ask\nstates:\n";
        let source = format!(
            "{head}  ask:\n    hold: {{ approval: {{ rules: {{ {rules} }} }} }}\n    on: {{ released: done, rejected: refused }}\n  done: {{ end: done }}\n  refused: {{ end: refused }}\n"
        );
        let definition = Definition::parse("change.yaml", &source).unwrap().definition;
        let members: [(&str, &[&str], &[&str]); 3] = [
            ("bob", &["engineer"], &[]),
            ("cy", &["engineer", "board"], &[]),
            ("dee", &["engineer", "board", "chief", "lead"], &[]),
        ];
        let asked = definition.authority(&project(&members), BEGIN.parse().unwrap());
        let together = asked.iter().filter(|one| one.what == "approval");
        in_words(&together.cloned().collect::<Vec<_>>())
    };
    let peers = "peers: { from: role:engineer, need: 2 }";
    assert_eq!(rules(peers), [""; 0]);
    assert_eq!(rules(&format!("{peers}, board: {{ from: role:board, need: 1 }}")), [""; 0]);
    assert_eq!(
        rules(&format!("{peers}, board: {{ from: role:board, need: 2 }}")),
        ["ask approval 4 of those whom the rules ask together: bob cy dee; lacks 1"]
    );
    // Enough of all, and of those only one who could sit where two are asked.
    assert_eq!(
        rules(
            "one: { from: role:chief, need: 1 }, two: { from: role:lead, need: 1 }, peer: { from: role:engineer, need: 1 }"
        ),
        ["ask approval 3 of those whom the rules ask together: bob cy dee; lacks 1"]
    );
    // That too few could fill one alone is told of that one.
    assert_eq!(rules(&format!("{peers}, board: {{ from: role:board, need: 3 }}")), [""; 0]);
    // Not every run waits for what has a condition.
    assert_eq!(
        rules(&format!("{peers}, board: {{ when: input.big, from: role:board, need: 2 }}")),
        [""; 0]
    );
}
