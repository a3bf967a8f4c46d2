//! Pictures show every state and every way, whatever a definition is like.

use std::{fs, path::Path};

use holdpoint_authoring::picture::{Direction, mermaid, svg};
use holdpoint_definition::{Baseline, Definition, Outline, StateOf, StateOutline, Way};
use insta::assert_snapshot;
use proptest::{collection::vec, prelude::*, sample::select};

/// What is drawn in an SVG: the texts, and the number of boxes and ways.
struct Drawn {
    texts: Vec<String>,
    boxes: usize,
    ways: usize,
}

/// Reads a picture, and holds it to what every one must be like.
fn drawn(picture: &str) -> Drawn {
    let document = roxmltree::Document::parse(picture).unwrap();
    let root = document.root_element();
    let size: Vec<f64> = root
        .attribute("viewBox")
        .unwrap()
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    let within = |value: f64, max: f64| (0.0..=max).contains(&value);
    let mut drawn = Drawn { texts: Vec::new(), boxes: 0, ways: 0 };
    for node in root.descendants().filter(roxmltree::Node::is_element) {
        let class = node.attribute("class").unwrap_or_default();
        drawn.boxes += usize::from(class.starts_with("box "));
        drawn.ways += usize::from(class.starts_with("way"));
        if node.tag_name().name() == "text" {
            drawn.texts.push(node.text().unwrap_or_default().to_owned());
            let at = |name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap();
            assert!(within(at("x"), size[2]) && within(at("y"), size[3]), "a text is outside");
        }
        if let Some(path) = node.attribute("d") {
            assert!(!path.contains("NaN") && !path.contains("inf"), "{path}");
        }
    }
    drawn
}

fn shipped() -> Vec<(String, Definition)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with(".scenarios.yaml"))
        .map(|path| {
            let source = fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let definition = Definition::parse(&name, &source).unwrap().definition;
            (name, definition)
        })
        .collect()
}

#[test]
fn every_shipped_definition_is_drawn_whole() {
    for (name, definition) in shipped() {
        let outline = definition.outline();
        for direction in [Direction::Down, Direction::Right] {
            let picture = svg(&outline, definition.title(), direction).unwrap();
            let again = svg(&outline, definition.title(), direction).unwrap();
            assert_eq!(picture, again, "{name}");
            let drawn = drawn(&picture);
            assert_eq!(drawn.boxes, outline.states.len(), "{name}");
            let text = mermaid(&outline, direction);
            assert_eq!(drawn.ways, text.matches("-->").count(), "{name}");
            for state in &outline.states {
                assert!(drawn.texts.contains(&state.name), "{name}: {}", state.name);
            }
        }
    }
}

#[test]
fn a_baseline_shows_where_it_is_met_and_where_it_is_passed() {
    let definition = Definition::parse(
        "x.yaml",
        "
workflow: x
version: 1
title: X
start: agree
states:
  agree:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } }, expires: 1d } }
    on: { released: install, rejected: done, expired: tell }
  tell: { do: { activity: { run: tell } }, on: { succeeded: done, failed: done } }
  install: { do: { activity: { run: install } }, on: { succeeded: done, failed: done } }
  done: { end: done }
",
    );
    let definition = definition.unwrap().definition;
    let baseline = Baseline::parse(
        "rules.yaml",
        "
baseline: rules
title: Rules
requirements:
  two-eyes: { approval: { from: role:engineer, need: 1 } }
  three-eyes: { when: \"input.nothing\", approval: { from: role:engineer, need: 2 } }
  tested: { before: rollout, evidence: report }
  read: { evidence: manual, except: { x: it has none } }
",
    );
    let mut outline = definition.outline();
    let without = svg(&outline, "X", Direction::Down).unwrap();
    assert!(!without.contains("two-eyes"));
    outline.baseline = Some(baseline.unwrap().outline(&definition));
    let picture = svg(&outline, "X", Direction::Down).unwrap();
    let drawn = drawn(&picture);
    for text in [
        "meets two-eyes",
        "reached without two-eyes",
        "needs three-eyes",
        "baseline rules",
        "two-eyes: not met",
        "tested: not applicable",
        "read: overridden: it has none",
    ] {
        assert!(drawn.texts.iter().any(|one| one == text), "{text}: {:?}", drawn.texts);
    }
    // From the dot to the hold, and out of it by its deadline.
    assert_eq!(picture.matches("\"way past\"").count(), 1, "{picture}");
    assert_eq!(picture.matches(" below\"").count(), 1);
    assert_snapshot!(mermaid(&outline, Direction::Down), @r#"
    flowchart TD
      start(( )) --> s0
      s0{{"agree<br>1 of role engineer<br>expires after 1d<br>meets two-eyes"}}
      s0 -->|"released"| s2
      s0 -->|"rejected"| s3
      s0 -->|"expired"| s1
      s1["tell<br>needs three-eyes<br>reached without two-eyes"]
      s1 -->|"succeeded, failed"| s3
      style s1 stroke:#ba2525,stroke-width:3px
      s2["install<br>needs two-eyes, three-eyes"]
      s2 -->|"succeeded, failed"| s3
      s3(["done"])
      linkStyle 3 stroke:#ba2525
      baseline["baseline rules<br>two-eyes: not met<br>three-eyes: error: #96;input.nothing#96;: the input has no #96;nothing#96;<br>tested: not applicable<br>read: overridden: it has none"]
      style baseline fill:none,stroke-dasharray:4
    "#);
}

#[test]
fn mermaid_has_every_state_and_way() {
    let source = r#"
workflow: x
version: 1
title: x
input: { properties: { risk: { type: string, default: low } } }
start: which
states:
  which: { choose: [{ when: "input.risk == \"<high>\" && 1 > 0", to: agree }, { else: build }] }
  agree:
    hold: { approval: { rules: { peer: { from: [role:engineer, member:ada], need: 2, when: "true" } }, expires: 36h }, wait: { for: 90m }, signal: { name: go } }
    on: { released: build, rejected: done, expired: done }
  build: { do: { activity: { run: build } }, on: { succeeded: roll-out, failed: agree } }
  roll-out: { do: { rollout: { targets: [a], waves: [1, 50%, 100%], each: { run: deploy }, rollback: { run: restore } } }, on: { succeeded: done, rolled_back: done, failed: agree } }
  done: { end: finished }
"#;
    let outline = Definition::parse("x", source)
        .unwrap_or_else(|found| panic!("{found}"))
        .definition
        .outline();
    assert_snapshot!(mermaid(&outline, Direction::Right), @r#"
    flowchart LR
      start(( )) --> s0
      s0{"which"}
      s0 -->|"input.risk == #34;#60;high#62;#34; #38;#38; 1 #62; 0"| s1
      s0 -->|"else"| s2
      s1{{"agree<br>2 of role engineer or member ada, if it applies<br>wait 1h 30m<br>signal go<br>expires after 1d 12h"}}
      s1 -->|"released"| s2
      s1 -->|"rejected, expired"| s4
      s2["build"]
      s2 -->|"succeeded"| s3
      s2 -->|"failed"| s1
      s3[["roll-out<br>deploy in waves 1, 50%, 100%<br>restore to undo"]]
      s3 -->|"succeeded, rolled back"| s4
      s3 -->|"failed"| s1
      s4(["done<br>finished"])
    "#);
    let drawn = drawn(&svg(&outline, "a <title> & more", Direction::Down).unwrap());
    assert_eq!((drawn.boxes, drawn.ways), (5, 9));
    assert!(
        drawn.texts.contains(&"input.risk == \"<high>\" && 1 > 0".to_owned()),
        "{:?}",
        drawn.texts
    );
}

#[test]
fn what_nobody_could_read_is_not_drawn() {
    let row = |count: usize| {
        let state = |n: usize| StateOutline {
            name: format!("s{n}"),
            kind: StateOf::Activity,
            within: Vec::new(),
            branches: Vec::new(),
            ways: vec![Way {
                on: "succeeded".to_owned(),
                to: format!("s{}", (n + 1).min(count - 1)),
            }],
            rules: Vec::new(),
            parts: Vec::new(),
            evidence: Vec::new(),
            tasks: Vec::new(),
            checks: Vec::new(),
            window: None,
            conflicts: None,
            signal: None,
            run: None,
            activities: Vec::new(),
            ends: None,
            summary: Vec::new(),
        };
        let states = (0..count).map(state).collect();
        Outline {
            start: "s0".to_owned(),
            states,
            levels: Vec::new(),
            factors: Vec::new(),
            risk_at_least: false,
            expires: None,
            baseline: None,
        }
    };
    assert_eq!(drawn(&svg(&row(60), "x", Direction::Down).unwrap()).boxes, 60);
    let refused = svg(&row(61), "x", Direction::Down).unwrap_err();
    assert_snapshot!(refused.to_string(), @"a picture of 61 states and 61 ways would take long to draw, and nobody could read it: at most 60 and 180 are drawn");
    assert_eq!(mermaid(&row(61), Direction::Down).matches("-->").count(), 62);
}

/// Any outline: pictures do not need a definition that makes sense.
fn outline() -> impl Strategy<Value = Outline> {
    let kinds = vec![
        StateOf::Hold,
        StateOf::Activity,
        StateOf::Rollout,
        StateOf::Choose,
        StateOf::All,
        StateOf::Child,
        StateOf::End,
    ];
    let line = select(vec![
        "2 of role engineer",
        "<&>\"'",
        "\u{1}\n\u{202e}",
        "",
        "größer 🚀",
        "a very long line that goes on and on until nobody reads it any more",
    ]);
    let ways =
        vec((select(vec!["released", "rejected", "failed", "x == 'y' && z"]), 0_usize..9), 0..4);
    vec((select(kinds), vec(line, 0..3), ways), 1..9).prop_map(|states| {
        let name = |n: usize| format!("s{n}");
        let count = states.len();
        let states =
            states.into_iter().enumerate().map(|(n, (kind, summary, ways))| StateOutline {
                name: name(n),
                kind,
                within: Vec::new(),
                branches: Vec::new(),
                ways: ways
                    .into_iter()
                    .map(|(on, to)| Way { on: on.to_owned(), to: name(to % count) })
                    .collect(),
                rules: Vec::new(),
                parts: Vec::new(),
                evidence: Vec::new(),
                tasks: Vec::new(),
                checks: Vec::new(),
                window: None,
                conflicts: None,
                signal: None,
                run: None,
                activities: Vec::new(),
                ends: None,
                summary: summary.into_iter().map(str::to_owned).collect(),
            });
        Outline {
            start: name(0),
            states: states.collect(),
            levels: Vec::new(),
            factors: Vec::new(),
            risk_at_least: false,
            expires: None,
            baseline: None,
        }
    })
}

proptest! {
    #[test]
    fn everything_is_drawn(outline in outline()) {
        for direction in [Direction::Down, Direction::Right] {
            let drawn = drawn(&svg(&outline, "x\u{0}y", direction).unwrap());
            prop_assert_eq!(drawn.boxes, outline.states.len());
            prop_assert_eq!(drawn.ways, mermaid(&outline, direction).matches("-->").count());
        }
    }
}
