//! Durations, times and calendars that follow from the input are looked at when it is submitted.

use holdpoint_core::{Action, ProjectEvent, RefusalCode, Workflow, testing::Bench};
use holdpoint_definition::calendar::Calendar;
use serde_json::json;

use crate::common::{people, refused, submitted, workflow};

/// A definition that computes much of its input, all of it far from its beginning.
const CHANGE: &str = r#"
workflow: change
version: 1
title: A change
input:
  type: object
  properties:
    bake: { type: string, default: 2m }
    every: { type: string, default: 5s }
    wave: { type: string, default: 1h }
    switch: { type: string, default: 1h }
    expires: { type: string, default: 2d }
    signal: { type: string, default: 2d }
    deadline: { type: string, default: 3d }
    wait: { type: string, default: 0s }
    until: { type: string, default: "2026-02-01T00:00:00Z" }
    fits: { type: string, default: 1h }
    calendar: { type: string, default: maintenance }
    freeze: { type: string, default: maintenance }
    work: { type: string, default: maintenance }
    fresh: { type: string, default: 1h }
    again: { type: string, default: 1m }
    looks: { type: boolean, default: true }
    quick: { type: boolean, default: false }
    missing: { type: string }
start: ask
states:
  ask:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } }, amended: reset } }
    on: { released: which, rejected: done }
  which:
    choose:
      - { when: input.quick, to: quick }
      - { else: wait }
  quick:
    hold: { signal: { name: go } }
    on: { released: done }
  wait:
    hold:
      approval: { rules: { peer: { from: role:engineer, need: 1 } }, expires: "${input.expires}" }
      signal: { name: go, expires: "${input.signal}" }
      wait: { for: "${input.wait}" }
      expires: "${input.deadline}"
    on: { released: until, rejected: done, expired: done }
  until:
    hold:
      wait: { until: "${input.until}" }
      window: { in: "calendar:${input.calendar}", fits: "${input.fits}" }
      not_during: "calendar:${input.freeze}"
      check:
        pipeline:
          when: input.looks
          run: ci
          valid_for: "${input.fresh}"
          every: "${input.again}"
    on: { released: roll }
  roll:
    do:
      rollout:
        targets: [a, b]
        waves: [{ to: 1, bake: "${input.wave}" }, 100%]
        each: { run: deploy }
        healthy: { http: "http://${target}/", for: "${input.bake}", every: "${input.every}" }
        switch: { run: switch, bake: "${input.switch}" }
        switch_back: { run: back }
        window: { in: "calendar:${input.work}", closes: finish }
    on: { succeeded: later, rolled_back: done, failed: done }
  later:
    hold: { wait: { for: "${has(input.missing) ? input.missing : '1h'}" } }
    on: { released: done }
  done: { end: done }
"#;

fn bench() -> Bench {
    let mut bench = Bench::new(workflow(CHANGE), people());
    let source =
        "calendar: maintenance\nzone: UTC\nwindows: [{ starts: 2026-01-06T22:00, lasts: 4h }]\n";
    let calendar = Calendar::parse("maintenance", source).unwrap();
    bench.happens(&ProjectEvent::CalendarPublished {
        calendar: calendar.name().clone(),
        revision: 1,
        digest: calendar.digest(),
        title: None,
        source: source.to_owned(),
    });
    bench
}

/// What an input is refused for.
const BAD: &[(&str, &str, &str, &str)] = &[
    ("bake", "soon", "healthy.for` of `roll`: it is not a duration", "such as `90s`"),
    ("every", "often", "healthy.every` of `roll`", "${input.every}"),
    ("wave", "1 month", "waves[0].bake` of `roll`", "such as `90s`"),
    ("switch", "-1h", "switch.bake` of `roll`", "such as `90s`"),
    ("expires", "0s", "approval.expires` of `wait`: it leaves no time at all", "such as `90s`"),
    ("signal", "x", "signal.expires` of `wait`", "such as `90s`"),
    ("deadline", "", "expires` of `wait`", "such as `90s`"),
    ("wait", "a while", "wait.for` of `wait`", "such as `90s`"),
    ("until", "tomorrow", "wait.until` of `until`: it is not a time", "2026-03-01T22:00:00Z"),
    ("fits", "0s", "window.fits` of `until`: it leaves no time at all", "such as `90s`"),
    ("calendar", "nights", "window` of `until`: no such calendar is published", "calendar list"),
    ("calendar", "NIGHTS", "window` of `until`: ", "calendar list"),
    ("freeze", "frost", "not_during` of `until`", "calendar list"),
    ("work", "nights", "window` of `roll`", "calendar list"),
    ("fresh", "0s", "check.pipeline.valid_for` of `until`", "such as `90s`"),
    ("again", "now", "check.pipeline.every` of `until`", "such as `90s`"),
    ("missing", "never", "wait.for` of `later`", "${has(input.missing)"),
];

#[test]
fn what_is_none_is_refused_at_submission_with_its_place_and_a_remedy() {
    for (member, text, says, needs) in BAD {
        let mut bench = bench();
        let input = json!({ *member: text });
        let refusal = refused(bench.submit("ada", input), RefusalCode::InvalidInput);
        assert!(refusal.message.contains(says), "{member}: {refusal}");
        let needed = refusal.needed.join("\n");
        assert!(needed.contains(needs) && needed.contains("follows from the input"), "{needed}");
        assert!(bench.history().is_empty(), "{member}");
    }
    bench().submit("ada", json!({})).unwrap();
}

#[test]
fn an_amendment_is_looked_at_likewise() {
    for (member, text, says, _) in BAD {
        let mut bench = bench();
        bench.submit("ada", json!({})).unwrap();
        let before = bench.history().len();
        let input = json!({ *member: text });
        let input = Workflow::complete_input(&*workflow(CHANGE), input);
        let amend = Action::Amend { input, reason: "other".to_owned() };
        let refusal = refused(bench.act("ada", amend), RefusalCode::InvalidInput);
        assert!(refusal.message.contains(says), "{member}: {refusal}");
        assert_eq!(bench.history().len(), before, "{member}");
    }
}

#[test]
fn what_the_run_cannot_come_to_is_not_looked_at() {
    for input in [
        // It takes the other way.
        json!({ "quick": true, "bake": "soon", "calendar": "nights" }),
        // Its check is not made.
        json!({ "looks": false, "fresh": "0s", "again": "now" }),
    ] {
        bench().submit("ada", input).unwrap();
    }
}

#[test]
fn what_depends_on_earlier_states_is_told_when_it_is_reached() {
    let source = "
workflow: change
version: 1
title: A change
input: { type: object, properties: { by: { type: string, default: soon } } }
start: ask
states:
  ask:
    hold: { signal: { name: go } }
    on: { released: which }
  which:
    choose:
      - { when: \"states.ask.output == 'now'\", to: done }
      - { else: wait }
  wait:
    hold: { wait: { for: \"${states.ask.output}\" } }
    on: { released: done }
  done: { end: done }
";
    let mut bench = submitted(source, "ada", json!({}));
    let signal = |data: &str| crate::common::signal("go", json!(data));
    bench.act("ada", signal("soon")).unwrap();
    let reason = bench.view().next_steps[0].text.clone();
    assert!(reason.contains("`wait` cannot be entered: `soon` is not a duration"), "{reason}");
    let rollout = source.replace(
        "hold: { wait: { for: \"${states.ask.output}\" } }\n    on: { released: done }",
        "do: { rollout: { targets: [a, b], each: { run: deploy }, healthy: { tcp: \"${target}:80\", for: \"${states.ask.output}\" } } }\n    on: { succeeded: done, failed: done }",
    );
    let mut bench = submitted(&rollout, "ada", json!({}));
    bench.act("ada", signal("soon")).unwrap();
    let failed = crate::common::last(&bench, "work.failed");
    assert_eq!(failed["reason"], "`soon` is not a duration such as `10m`");
    // Where the way depends on it, all that could come are looked at.
    let asks = source.replace("${states.ask.output}", "${input.by}");
    let mut bench = Bench::new(workflow(&asks), people());
    refused(bench.submit("ada", json!({})), RefusalCode::InvalidInput);
    bench.submit("ada", json!({ "by": "1h" })).unwrap();
}
