//! What the schema of the input says about expressions: what is refused fails, or gives the same
//! whatever is submitted, and nothing else is refused.

use holdpoint_core::{RunStatus, testing::Bench};
use holdpoint_definition::Definition;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{cases, people};

const INPUT: &str = "
input:
  type: object
  required: [risk, count, title, targets, open, of, any, share]
  properties:
    risk: { enum: [low, high] }
    count: { type: integer }
    share: { type: [number, 'null'] }
    title: { type: string }
    targets: { type: array, items: { type: string } }
    open: { type: boolean }
    of: { type: object, properties: { who: { type: string }, n: { type: number } } }
    any: {}
";

fn which(condition: &str) -> String {
    format!(
        "workflow: w\nversion: 1\ntitle: W{INPUT}start: which\nstates:\n  which: {{ choose: [{{ when: \"{condition}\", to: 'yes' }}, {{ else: 'no' }}] }}\n  'yes': {{ end: 'yes' }}\n  'no': {{ end: 'no' }}\n"
    )
}

/// What is found in a condition.
fn found(condition: &str) -> String {
    match Definition::parse("w.yaml", &which(condition)) {
        Ok(checked) => checked.warnings.to_string(),
        Err(found) => found.to_string(),
    }
}

#[test]
fn what_cannot_fit_is_found() {
    for (condition, expected) in [
        ("input.count > '3'", "HP2063]: a number and a text cannot be compared"),
        ("input.count == '3'", "HP2063]: a number and a text are never equal"),
        ("input.title != 3", "HP2063]: a text and a number are never equal"),
        ("input.title + 1 == 'x'", "HP2063]: a text and a number cannot be added"),
        ("input.title * 2 > 1", "HP2063]: a text is no number to count with"),
        ("input.title", "HP2063]: a condition is true or false, and this gives a text"),
        ("size(input.count) > 1", "HP2063]: a number has no size"),
        ("input.count.startsWith('a')", "HP2063]: `startsWith` asks a text, and this is a number"),
        ("input.title.who == 'a'", "HP2063]: this has no member `who`: it is a text"),
        ("'a' in input.title", "HP2063]: nothing is `in` a text"),
        ("input.title.all(c, true)", "HP2063]: a text cannot be gone through"),
        ("input.targets.exists(t, t == 3)", "HP2063]: a text and a number are never equal"),
        ("input.of.who > 1", "HP2063]: a text and a number cannot be compared"),
        ("input.of['n'] == 'x'", "HP2063]: a number and a text are never equal"),
        ("input.share == 'x'", "HP2063]: null or a number and a text are never equal"),
        ("(input.open ? 1 : 2) == 'x'", "HP2063]: a number and a text are never equal"),
        ("requester == 1", "HP2063]: a text and a number are never equal"),
        ("input.risk == 'hgih'", "HP2064]: this is never `hgih`"),
        ("input.risk != 'medium'", "HP2064]: this is never `medium`"),
        ("'hihg' == input['risk']", "HP2064]: this is never `hihg`"),
        ("input.risk in ['medium', 'none']", "HP2064]: this is never `medium` or `none`"),
    ] {
        let found = found(condition);
        assert!(found.contains(expected), "{condition}:\n{found}");
    }
    assert!(found("input.risk == 'hgih'").contains("help: did you mean `high`?"));
    assert!(found("input.risk == 'medium'").contains("help: it can be low, high"));
}

#[test]
fn what_may_fit_is_not() {
    for condition in [
        "input.any == 1 || input.any == 'x' || input.any",
        "input.count > 3 && input.count < 4.5",
        "input.count == 3.0",
        "input.share == null || input.share > 1.0",
        "input.title == null",
        "input.title + 'x' == 'ax'",
        "size(input.title) > 1 && size(input.targets) > 1 && size(input.of) > 0",
        "string(input.count) == '3' && int(input.title) == 3",
        "input.targets.all(t, t.startsWith('web')) && 'a' in input.targets",
        "input.targets[0] == 'a' && input.of.who == 'x' && input.of['who'] == 'x'",
        "input.risk == 'high' || input.risk in ['low', 'medium']",
        "input.open && !input.open",
        "input.any.some.thing[3] > 'x'",
        "(input.open ? 'a' : 1) == 'a'",
        "input.targets.map(t, size(t)).exists(n, n > 2)",
        "requester == 'ada' && requester in input.targets",
        "{'a': 1}.a == 1 && [1, 'a'][0] == 1",
        "input.of == {'who': 'x'}",
    ] {
        assert_eq!(found(condition), "", "{condition}");
    }
}

/// A definition around the states of `first`.
fn around(first: &str) -> String {
    let source = format!(
        "workflow: w\nversion: 1\ntitle: W{INPUT}start: first\nstates:\n  first:\n{first}\n  done: {{ end: done }}\n"
    );
    match Definition::parse("w.yaml", &source) {
        Ok(checked) => checked.warnings.to_string(),
        Err(found) => found.to_string(),
    }
}

#[test]
fn what_stands_where_another_kind_is_wanted_is_found() {
    let need = |need: &str| {
        around(&format!(
            "    hold: {{ approval: {{ rules: {{ a: {{ from: role:x, need: \"{need}\" }} }} }} }}\n    on: {{ released: done, rejected: done }}"
        ))
    };
    let found = need("${input.title}");
    assert!(found.contains("HP2063]: `need` is a whole number, and this gives a text"), "{found}");
    assert_eq!(need("${input.count}"), "");
    assert_eq!(need("${input.any}"), "");
    let wait = |key: &str, text: &str| {
        around(&format!(
            "    hold: {{ wait: {{ {key}: \"{text}\" }} }}\n    on: {{ released: done }}"
        ))
    };
    let found = wait("for", "${input.count}");
    assert!(
        found.contains("HP2063]: `for` is a duration such as `10m`, and this gives a number"),
        "{found}"
    );
    assert_eq!(wait("for", "${input.count}m"), "");
    let found = wait("until", "${input.open}");
    assert!(
        found.contains("HP2063]: `until` is a time, as a text, and this gives true or false"),
        "{found}"
    );
    let targets = |text: &str| {
        around(&format!(
            "    do: {{ rollout: {{ targets: \"{text}\", each: {{ run: r }} }} }}\n    on: {{ succeeded: done, failed: done }}"
        ))
    };
    let found = targets("${input.title}");
    assert!(
        found.contains("HP2063]: `targets` is a list of names, and this gives a text"),
        "{found}"
    );
    assert_eq!(targets("${input.targets}"), "");
}

#[test]
fn an_output_must_be_able_to_be_there() {
    let source = |with: &str| {
        format!(
            "
workflow: w
version: 1
title: W
start: a
states:
  a: {{ do: {{ activity: {{ run: a }} }}, on: {{ succeeded: hold, failed: end }} }}
  hold: {{ hold: {{ wait: {{ for: 1h }} }}, on: {{ released: both }} }}
  both:
    all:
      good: [done]
      others: wait
      branches:
        one: {{ start: x, states: {{ x: {{ do: {{ activity: {{ run: x, with: {{ v: \"{with}\" }} }} }}, on: {{ succeeded: x-done, failed: x-done }} }}, x-done: {{ end: done }} }} }}
        two: {{ start: y, states: {{ y: {{ do: {{ activity: {{ run: y }} }}, on: {{ succeeded: y-done, failed: y-done }} }}, y-done: {{ end: done }} }} }}
    on: {{ completed: z }}
  z: {{ do: {{ activity: {{ run: z }} }}, on: {{ succeeded: end, failed: end }} }}
  end: {{ end: end }}
"
        )
    };
    let found = |with: &str| match Definition::parse("w.yaml", &source(with)) {
        Ok(checked) => checked.warnings.to_string(),
        Err(found) => found.to_string(),
    };
    for good in [
        "${states.a.output}",
        "${states.y.output}",
        "${has(states.z) ? states.z.output : 'none'}",
        "${has(states.z.output) ? states.z.output : 'none'}",
    ] {
        assert_eq!(found(good), "", "{good}");
    }
    for (bad, expected) in [
        ("${states.z.output}", "HP2065]: no run has been in `z` when it comes to `x`"),
        ("${states.x.output}", "HP2065]: no run has been in `x` when it comes to `x`"),
        ("${states.both.output}", "HP2065]: `both` is an `all`, which leaves no output"),
        ("${states.end.output}", "HP2065]: `end` is an `end`, which leaves no output"),
    ] {
        let found = found(bad);
        assert!(found.contains(expected), "{bad}:\n{found}");
    }
}

fn operand() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "input.risk",
        "input.count",
        "input.title",
        "input.targets",
        "input.open",
        "input.of",
        "input.any",
        "input.share",
        "input.of.who",
        "input.of.n",
        "input.targets[0]",
        "requester",
        "'low'",
        "'x'",
        "3",
        "2.5",
        "true",
        "['low', 'x']",
        "{'who': 'x'}",
        "size(input.title)",
        "string(input.count)",
        "(input.open ? input.title : input.count)",
        "null",
    ])
}

fn value() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(3),
        json!(2.5),
        json!("low"),
        json!("x"),
        json!(["low"]),
        json!({ "who": "x" }),
    ])
}

/// Inputs that fit the schema.
fn inputs() -> impl Strategy<Value = Value> {
    let text = || prop::sample::select(vec!["low", "x", "3", ""]);
    let number = || prop::sample::select(vec![json!(3), json!(0), json!(2.5)]);
    (
        prop::sample::select(vec!["low", "high"]),
        prop::sample::select(vec![json!(3), json!(3.0), json!(-1)]),
        prop_oneof![number(), Just(json!(null))],
        text(),
        prop::collection::vec(text(), 0..3),
        any::<bool>(),
        (text(), number()),
        value(),
    )
        .prop_map(|(risk, count, share, title, targets, open, (who, n), any)| {
            json!({
                "risk": risk, "count": count, "share": share, "title": title, "targets": targets,
                "open": open, "of": { "who": who, "n": n }, "any": any,
            })
        })
}

proptest! {
    #![proptest_config(cases(64))]

    /// What is refused could never have been of use.
    #[test]
    fn what_is_refused_fails_or_is_always_the_same(
        left in operand(),
        right in operand(),
        operator in prop::sample::select(vec!["==", "!=", "<", ">=", "+", "-", "in"]),
        inputs in prop::collection::vec(inputs(), 8),
    ) {
        let condition = match operator {
            "+" | "-" => format!("({left} {operator} {right}) == input.any"),
            _ => format!("{left} {operator} {right}"),
        };
        let found = found(&condition);
        prop_assume!(found.contains("HP2063") || found.contains("HP2064"));
        // The same, with a schema that says nothing of kinds.
        let source = which(&condition)
            .replace(INPUT, "\ninput: { type: object, properties: { risk: {}, count: {}, share: {}, title: {}, targets: {}, open: {}, of: {}, any: {} } }\n");
        let parsed = Definition::parse("w.yaml", &source);
        // What is wrong without the schema as well was seen from what is written out.
        let Ok(checked) = parsed else { return Ok(()) };
        let workflow = std::sync::Arc::new(checked.definition);
        let mut told = std::collections::BTreeSet::new();
        for input in inputs {
            let mut bench = Bench::new(workflow.clone(), people());
            // A condition that cannot be told refuses the submission.
            if bench.submit("ada", input).is_ok()
                && let RunStatus::Ended { outcome } = bench.status()
            {
                told.insert(outcome);
            }
        }
        prop_assert!(told.len() <= 1, "{condition} gives {told:?}:\n{found}");
        let negated = operator == "!=";
        prop_assert!(!told.contains(if negated { "no" } else { "yes" }), "{condition}: {told:?}");
    }
}

/// A definition that was published before kinds were checked goes on; it is not published anew.
#[test]
fn what_was_published_before_is_still_loaded() {
    use holdpoint_core::Loader as _;
    let source = which("input.title > 3");
    assert!(holdpoint_definition::Language.load(&source).is_ok());
    let refused = holdpoint_definition::Language.accept(&source).unwrap_err();
    assert!(refused.reason.contains("HP2063"), "{refused}");
    assert!(holdpoint_definition::Language.load(&which("input.nothing")).is_err());
}
