//! How long a large definition takes to be checked. `make speed` measures it as it is shipped; nothing
//! is asserted of the time, as the machine may be busy.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use holdpoint_definition::Definition;

/// A definition of so many lines, or a little more, with something of everything that takes time to
/// check: expressions, templates, rules, rollouts, choices and loops back.
fn large(lines: usize) -> String {
    let mut text = "workflow: large
version: 1
title: A large definition
input:
  type: object
  required: [title, risk, targets]
  properties:
    title: { type: string }
    risk: { enum: [low, medium, high] }
    targets: { type: array, items: { type: string } }
start: hold-0
states:
"
    .to_owned();
    let mut n = 0;
    while text.lines().count() < lines {
        let next = n + 1;
        write!(
            text,
            "  hold-{n}:
    hold:
      approval:
        rules:
          peers:
            from: [role:engineer, member:ada]
            qualified: \"${{input.risk}}\"
            need: \"${{input.risk == 'low' ? 1 : 2}}\"
          board:
            when: \"input.risk == 'high' && size(input.targets) > {n}\"
            from: role:board
            need: majority
            roster: opening
            after: peers
        not: [requester, editors]
        amended: subset
        expires: \"${{input.risk == 'low' ? '1d' : '7d'}}\"
    on:
      released: work-{n}
      rejected: refused
      expired: lapsed
  work-{n}:
    do:
      rollout:
        targets: \"${{input.targets}}\"
        waves: [1, 25%, 100%]
        each:
          run: deploy
          with:
            title: \"${{input.title}} for ${{requester}}\"
            step: {n}
        healthy:
          http: \"http://${{target}}/health\"
          for: 1m
        rollback:
          run: restore
    on:
      succeeded: choice-{n}
      rolled_back: hold-{n}
      failed: refused
  choice-{n}:
    choose:
      - when: \"size(input.targets) > {n}\"
        to: hold-{next}
      - else: done
"
        )
        .unwrap();
        n = next;
    }
    write!(text, "  hold-{n}: {{ end: finished }}\n  done: {{ end: done }}\n  refused: {{ end: refused }}\n  lapsed: {{ end: lapsed }}\n").unwrap();
    text
}

#[test]
fn a_definition_of_two_thousand_lines_is_checked() {
    let source = large(2_000);
    let mut times: Vec<Duration> = (0..if cfg!(debug_assertions) { 1 } else { 21 })
        .map(|_| {
            let begun = Instant::now();
            let checked = Definition::parse("large.yaml", &source);
            let taken = begun.elapsed();
            let checked = checked.unwrap_or_else(|found| panic!("{found}"));
            assert!(checked.warnings.is_empty(), "{}", checked.warnings);
            taken
        })
        .collect();
    times.sort();
    println!(
        "{} lines, {} bytes: {:?} (median of {})",
        source.lines().count(),
        source.len(),
        times[times.len() / 2],
        times.len()
    );
}
