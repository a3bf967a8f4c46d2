//! The risk of a run: how it follows from the input, and what follows from it.

use holdpoint_core::{Action, Actor, Moment, RefusalCode, RunId, Started, Workflow, testing::uuid};
use serde_json::{Value, json};

use crate::common::{data, ended, faults, last, people, refused, submitted, workflow};

/// A definition with this risk, whose levels are `low`, `medium` and `high`.
fn risky(how: &str) -> String {
    format!(
        "workflow: risky\nversion: 1\ntitle: Risky\n\
         input: {{ type: object, properties: {{ n: {{ type: integer, default: 0 }}, text: {{ type: string }} }} }}\n\
         risk:\n  {how}\n  levels: {{ low: -5, medium: 10, high: 20 }}\nstart: ask\nstates:\n  ask:\n    hold:\n      \
         approval:\n        rules:\n          peers: {{ from: role:engineer, need: \"${{risk.level == 'high' ? 2 : 1}}\" }}\n          \
         board: {{ when: \"risk.score > 10\", from: role:board, need: 1 }}\n        amended: keep\n    \
         on: {{ released: done, rejected: done }}\n  done: {{ end: done }}\n"
    )
}

const TABLE: &str = "factors: { many: [{ when: input.n > 100, points: 30 }, { when: input.n > 10, points: 11 }], none: [{ when: input.n == 0, points: -7 }] }";

#[test]
fn points_make_a_level_that_rules_depend_on() {
    for (how, n, level, score, needs) in [
        (TABLE, 0, "low", -7, vec![("peers", 1)]),
        (TABLE, 10, "low", 0, vec![("peers", 1)]),
        (TABLE, 11, "medium", 11, vec![("peers", 1), ("board", 1)]),
        (TABLE, 101, "high", 30, vec![("peers", 2), ("board", 1)]),
        ("score: input.n", 9, "low", 9, vec![("peers", 1)]),
        ("score: input.n", 10, "medium", 10, vec![("peers", 1)]),
        ("score: input.n", 19, "medium", 19, vec![("peers", 1), ("board", 1)]),
        ("score: input.n", 20, "high", 20, vec![("peers", 2), ("board", 1)]),
        ("score: 'input.n > 15 ? input.n : 15'", 3, "medium", 15, vec![("peers", 1), ("board", 1)]),
    ] {
        let bench = submitted(&risky(how), "ada", json!({ "n": n }));
        let told = last(&bench, "risk.assessed");
        assert_eq!((&told["level"], &told["score"]), (&json!(level), &json!(score)), "{how} {n}");
        assert_eq!(bench.types()[1], "risk.assessed", "before anything follows from it");
        let opened = last(&bench, "hold.opened");
        let asked: Vec<(&str, u64)> = opened["rules"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| (rule["rule"].as_str().unwrap(), rule["need"].as_u64().unwrap()))
            .collect();
        assert_eq!(asked, needs, "{how} {n}");
        let risk = bench.view().risk.unwrap();
        assert_eq!((risk.level.as_str(), risk.score), (level, score));
    }
    let bench = submitted(&risky(TABLE), "ada", json!({ "n": 11 }));
    assert_eq!(
        last(&bench, "risk.assessed"),
        json!({
            "level": "medium", "score": 11, "factors": { "many": 11, "none": 0 }, "cases": { "many": 2 },
            "inputs": { "n": 11 },
        })
    );
}

#[test]
fn the_higher_of_two_levels_counts() {
    let claims = |at_least: &str| {
        risky(TABLE).replace("  levels:", &format!("  at_least: {at_least}\n  levels:"))
    };
    let claimed = claims("\"has(input.text) ? input.text : 'low'\"");
    for (n, text, level) in [
        (0, None, "low"),
        (0, Some("medium"), "medium"),
        (11, Some("low"), "medium"),
        (11, Some("medium"), "medium"),
        (11, Some("high"), "high"),
        (101, Some("low"), "high"),
    ] {
        let mut input = json!({ "n": n });
        if let Some(text) = text {
            input["text"] = text.into();
        }
        let bench = submitted(&claimed, "ada", input.clone());
        let told = last(&bench, "risk.assessed");
        let by_points = ["low", "medium", "high"][usize::from(n > 10) + usize::from(n > 100)];
        let expected = (level, by_points, text.unwrap_or("low"));
        assert_eq!(
            (&told["level"], &told["by_points"], &told["at_least"]),
            (&json!(expected.0), &json!(expected.1), &json!(expected.2))
        );
        assert_eq!(told["inputs"], input);
        let risk = bench.view().risk.unwrap();
        assert_eq!((risk.level.as_str(), risk.by_points.as_deref()), (level, Some(by_points)));
        // Rules go by the higher one.
        let need = last(&bench, "hold.opened")["rules"][0]["need"].clone();
        assert_eq!(need, if level == "high" { 2 } else { 1 });
        bench.replay(bench.history().len()).unwrap();
    }
    let mut bench = holdpoint_core::testing::Bench::new(workflow(&claimed), people());
    let refusal =
        refused(bench.submit("ada", json!({ "text": "huge" })), RefusalCode::InvalidInput);
    let says = "`at_least` gives \"huge\", and the levels are low, medium and high";
    assert!(refusal.message.contains(says), "{refusal}");
    let told = workflow(&claims("\"'medium'\"")).explain();
    assert!(told.contains("  at least: `'medium'`\n"), "{told}");
    for (at_least, says) in [
        ("\"'hgih'\"", "this can be `hgih`, which is no level"),
        ("input.n", "a text is wanted"),
        ("3", "this is a CEL expression that gives a text"),
        ("risk.level", "no variable `risk`"),
    ] {
        let found = faults(&claims(at_least));
        assert!(found.contains(says), "{at_least}: {found}");
    }
}

#[test]
fn what_it_follows_from_is_recorded_and_large_members_by_their_digest() {
    let text = "x".repeat(2000);
    let source = risky("score: 'size(input.text)'");
    let bench = submitted(&source, "ada", json!({ "n": 3, "text": text }));
    let digest = holdpoint_core::Digest::of(format!("\"{text}\"").as_bytes()).to_string();
    assert_eq!(last(&bench, "risk.assessed")["inputs"], json!({ "text": digest }));
    // Used whole, it is recorded whole.
    let whole = risky("score: 'size(input)'");
    let bench = submitted(&whole, "ada", json!({ "n": 3, "text": "x" }));
    assert_eq!(last(&bench, "risk.assessed")["inputs"], json!({ "n": 3, "text": "x" }));
}

#[test]
fn an_amendment_has_it_told_anew() {
    let mut bench = submitted(&risky(TABLE), "ada", json!({ "n": 1 }));
    let amend = |n: i32| Action::Amend { input: json!({ "n": n }), reason: "other".to_owned() };
    bench.act("ada", amend(500)).unwrap();
    assert_eq!(
        last(&bench, "run.amended")["risk"],
        json!({
            "level": "high", "score": 30, "factors": { "many": 30, "none": 0 }, "cases": { "many": 1 },
            "inputs": { "n": 500 },
        })
    );
    for by in ["bob", "cy", "dora"] {
        assert_eq!(bench.view().risk.unwrap().level, "high");
        bench.approve(by).unwrap();
    }
    assert_eq!(bench.status(), ended("done"));
    for count in 1..=bench.history().len() {
        bench.replay(count).unwrap();
    }
}

#[test]
fn what_cannot_be_told_is_refused_and_changes_nothing() {
    let source =
        risky("score: 'input.n == 7 ? 1 / 0 : (input.n == 8 ? int(input.text) : input.n)'");
    let workflow = crate::common::workflow(&source);
    for n in [7, 8] {
        let mut bench =
            holdpoint_core::testing::Bench::new(workflow.clone(), crate::common::people());
        let refusal =
            refused(bench.submit("ada", json!({ "n": n, "text": "x" })), RefusalCode::InvalidInput);
        assert!(refusal.message.contains("the risk cannot be told"), "{refusal}");
    }
    let mut bench = submitted(&source, "ada", json!({ "n": 1 }));
    let before = bench.history().len();
    let amend = Action::Amend { input: json!({ "n": 7 }), reason: "x".to_owned() };
    refused(bench.act("ada", amend), RefusalCode::InvalidInput);
    assert_eq!(bench.history().len(), before);
    let first: Value = data(&bench.history()[1]);
    assert_eq!(first, json!({ "level": "low", "score": 1, "inputs": { "n": 1 } }));
}

#[test]
fn the_example_of_the_page_can_be_used() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/risk.md"));
    let mut blocks = crate::docs::blocks(page, "yaml");
    let (_, at_least) = blocks.remove(1);
    let (kind, text) = blocks.remove(0);
    assert_eq!(kind, "fragment");
    workflow(&format!(
        "workflow: x\nversion: 1\ntitle: X\ninput: {{ type: object, required: [targets], properties: {{ targets: {{ type: array }}, risk: {{ enum: [low, medium, high] }} }} }}\n{at_least}start: a\nstates:\n  a: {{ end: a }}\n"
    ));
    let definition = crate::common::workflow(&format!(
        "workflow: x\nversion: 1\ntitle: X\ninput: {{ type: object }}\n{text}start: a\nstates:\n  a: {{ end: a }}\n"
    ));
    let told = definition.explain();
    assert!(
        told.contains("  reach: 40 where `size(input.targets) > 100`, else 20 where"),
        "{told}"
    );
    assert!(
        told.contains("  levels: low, medium from 20 points and high from 40 points\n"),
        "{told}"
    );
}

#[test]
fn what_makes_no_sense_is_found() {
    for (how, says) in [
        ("factors: {}", "there are no factors"),
        ("factors: { a: x }", "a mapping from names to lists"),
        ("factors: { a: [{ points: 3 }] }", "when"),
        ("factors: { a: [{ when: 'true', points: 1.5 }] }", "`points` is a whole number"),
        ("factors: { a: [{ when: 'true', points: 10000000 }] }", "cannot be 10000000"),
        ("factors: { a: [{ when: \"risk.score > 1\", points: 1 }] }", "no variable `risk`"),
        ("score: input.text", "a number is wanted"),
        ("score: input.m", "the input has no `m`"),
        ("score: input.n\n  factors: { a: [] }", "exactly one of `factors` and `score`"),
    ] {
        let found = faults(&risky(how));
        assert!(found.contains(says), "{how}: {found}");
    }
}

#[test]
fn a_run_that_is_migrated_has_the_risk_that_its_new_version_tells() {
    let plain = risky("score: 0")
        .replace("risk:\n  score: 0\n  levels: { low: -5, medium: 10, high: 20 }\n", "")
        .replace("\"${risk.level == 'high' ? 2 : 1}\"", "1")
        .replace("risk.score > 10", "input.n > 10");
    let mut bench = submitted(&plain, "bob", json!({ "n": 12 }));
    assert_eq!(bench.view().risk, None);
    for (how, level, score, rules) in
        [(TABLE, "medium", 11, 2), ("score: input.n * 2", "high", 24, 2), ("score: 3", "low", 3, 1)]
    {
        bench.migrate("ada", workflow(&risky(how)), &[]).unwrap();
        let risk = bench.view().risk.unwrap();
        assert_eq!((risk.level.as_str(), risk.score), (level, score), "{how}");
        assert_eq!(last(&bench, "risk.assessed")["level"], level, "{how}");
        let opened = last(&bench, "hold.opened");
        assert_eq!(opened["rules"].as_array().unwrap().len(), rules, "{how}: {opened}");
    }
    let before = bench.types();
    let cannot = bench.migrate("ada", workflow(&risky("score: 'size(input.text)'")), &[]);
    let refusal = refused(cannot, RefusalCode::NotMigratable);
    assert!(refusal.message.contains("the risk cannot be told"), "{refusal}");
    assert_eq!(bench.types(), before);
    bench.migrate("ada", workflow(&plain), &[]).unwrap();
    assert_eq!(bench.view().risk, None);
    let replayed = bench.replay(bench.history().len()).unwrap();
    assert_eq!(format!("{replayed:?}"), format!("{:?}", bench.run()));
}

#[test]
fn a_plan_before_submission_knows_the_risk() {
    let source = "workflow: risky\nversion: 1\ntitle: Risky\n\
         input: { type: object, properties: { n: { type: integer, default: 0 } } }\n\
         risk: { score: input.n, levels: { low: 0, high: 20 } }\nstart: roll\nstates:\n  roll:\n    \
         do: { rollout: { targets: \"${risk.level == 'high' && size(risk.factors) == 0 ? ['one'] : ['one', 'two']}\", each: { run: deploy } } }\n    \
         on: { succeeded: done, failed: done }\n  done: { end: done }\n";
    let (definition, project) = (workflow(source), people());
    let now = "2026-01-05T09:00:00Z".parse().unwrap();
    let requester = Actor::Member("ada".parse().unwrap());
    for (n, targets) in [(3, 2), (30, 1)] {
        let input = json!({ "n": n });
        let (run, project_id) = (RunId::from_uuid(uuid(1)), project.id());
        let started = Started {
            run,
            project: project_id,
            requester: &requester,
            at: now,
            input: &input,
            baseline: None,
        };
        let state = Workflow::start(&*definition, &started).unwrap();
        let plans = Workflow::plans(&*definition, &state, &Moment { now, project: &project });
        assert_eq!(plans[0].problem, None);
        assert_eq!(plans[0].plan.as_ref().unwrap().targets, targets, "{plans:?}");
    }
}
