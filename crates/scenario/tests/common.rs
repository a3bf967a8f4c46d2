//! Definitions, and scenarios about them, in a line each.

use std::sync::Arc;

use holdpoint_core::{DefinitionRef, Digest, workflow::DynWorkflow};
use holdpoint_definition::Definition;
use holdpoint_scenario::{Played, Suite};

/// A hold with people, a wait and a signal; an activity; a rollout; a choice.
pub(crate) const EVERYTHING: &str = r#"
workflow: everything
version: 1
title: Everything
input:
  type: object
  properties:
    risk: { enum: [low, high], default: low }
    targets: { type: array, items: { type: string }, default: [web-1, web-2] }
start: agree
states:
  agree:
    hold:
      approval:
        rules:
          peer: { from: role:engineer, need: 1 }
          board: { when: "input.risk == 'high'", from: role:board, need: 1 }
        not: [requester]
        expires: 2d
    on: { released: build, rejected: refused, expired: lapsed }
  build:
    do: { activity: { run: build, with: { by: "${requester}" }, timeout: 10m, retry: { attempts: 2, delay: 1m } } }
    on: { succeeded: which, failed: failed }
  which:
    choose: [{ when: "input.risk == 'high'", to: night }, { else: roll-out }]
  night:
    hold: { wait: { for: 8h }, signal: { name: go, when: "signal == 'now'" } }
    on: { released: roll-out }
  roll-out:
    do:
      rollout:
        targets: "${input.targets}"
        waves: [1, 100%]
        each: { run: deploy }
        healthy: { http: "http://${target}/health" }
        rollback: { run: restore }
    on: { succeeded: done, rolled_back: failed, failed: failed }
  done: { end: done }
  refused: { end: refused }
  lapsed: { end: lapsed }
  failed: { end: failed }
"#;

/// The beginning of a file of scenarios about [`EVERYTHING`].
pub(crate) const TOP: &str = "definition: everything.yaml
members: { ada: [], grace: role:engineer, linus: role:engineer, bea: role:board }
scenarios:
";

pub(crate) fn definition() -> Definition {
    Definition::parse("everything.yaml", EVERYTHING)
        .unwrap_or_else(|found| panic!("{found}"))
        .definition
}

/// Plays every scenario of a definition's.
#[track_caller]
pub(crate) fn play(definition: &Definition, source: &str) -> Vec<Played> {
    let suite = Suite::parse("x.scenarios.yaml", source).unwrap_or_else(|found| panic!("{found}"));
    let found = suite.check(definition);
    assert!(found.is_empty(), "{found}");
    let reference = DefinitionRef {
        name: definition.name().clone(),
        version: definition.version(),
        digest: Digest::of(b"x"),
    };
    let workflow: Arc<dyn DynWorkflow> = Arc::new(definition.clone());
    suite.scenarios().iter().map(|scenario| scenario.play(&workflow, &reference)).collect()
}

/// Plays one scenario about [`EVERYTHING`], whose `given`, `when` and `then` are `body`.
#[track_caller]
pub(crate) fn one(body: &str) -> Played {
    let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
    let mut played = play(&definition(), &format!("{TOP}  one:\n{body}"));
    assert_eq!(played.len(), 1);
    played.remove(0)
}

/// One that must pass.
#[track_caller]
pub(crate) fn passes(body: &str) -> Played {
    let played = one(body);
    assert_eq!(played.failure, None, "{body}");
    played
}

/// One that must fail; what differs, a line each.
#[track_caller]
pub(crate) fn fails(body: &str) -> String {
    let failure = one(body).failure.unwrap_or_else(|| panic!("it passed:\n{body}"));
    let mut text = format!("line {}, {}\n", failure.line, failure.step);
    for one in failure.differences {
        text.push_str(&format!("{}: expected {}, got {}\n", one.what, one.expected, one.got));
    }
    text
}
