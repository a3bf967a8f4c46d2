//! The parser meets every text: it neither panics nor hangs, and its findings lie in the text.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::LazyLock,
    time::{Duration, Instant},
};

use holdpoint_core::{Loader as _, testing::Bench};
use holdpoint_definition::{Definition, Diagnostics, Language, SCHEMA, Severity};
use proptest::{
    prelude::*,
    sample::{Index, select},
};
use serde_json::{Value, json};

use crate::{
    common::{APPROVED_CHANGE, NORMAL_CHANGE, ROLLING_ROLLOUT, cases, people},
    docs::definitions_of_the_guide,
    watch,
};

/// What is changed: all definitions that ship, and those of the cookbook and the guide, so that all
/// of the language is there.
static SEEDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let files = ["workflows", "docs/cookbook"].into_iter().flat_map(|directory| {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(directory);
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path())
    });
    let definitions = files.filter(|path| !path.to_str().unwrap().ends_with(".scenarios.yaml"));
    let shipped = definitions.map(|path| fs::read_to_string(path).unwrap());
    shipped.chain(definitions_of_the_guide()).collect()
});

/// The language's keys and words, as its schema has them.
static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    fn collect(schema: &Value, found: &mut BTreeSet<String>) {
        match schema {
            Value::Object(members) => {
                for (key, value) in members {
                    if let ("properties", Value::Object(properties)) = (key.as_str(), value) {
                        found.extend(properties.keys().cloned());
                    }
                    if let ("enum" | "const", words) = (key.as_str(), value) {
                        let all =
                            words.as_array().map_or(std::slice::from_ref(words), Vec::as_slice);
                        found.extend(all.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    collect(value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    collect(&serde_json::from_str(SCHEMA).unwrap(), &mut found);
    let others = [
        "object",
        "type",
        "properties",
        "required",
        "default",
        "a",
        "${input.a}",
        "role:engineer",
        "member:ada",
        "7d",
        "100%",
        "60%",
        "all",
        "majority",
        "author",
        "requester",
        "input.a == 1",
        "",
    ];
    found.extend(others.map(str::to_owned));
    assert!(found.len() > 60, "{found:?}");
    found.into_iter().collect()
});

/// How many texts of each kind are tried; `HOLDPOINT_FUZZ_CASES` raises it.
const TEXTS_FEW: u32 = 64;
/// No text of the bounded size takes longer; this finds what never ends. `HOLDPOINT_FUZZ_SECONDS`
/// says another time.
static PARSE_MAX: LazyLock<Duration> = LazyLock::new(|| {
    let asked = std::env::var("HOLDPOINT_FUZZ_SECONDS").ok().map(|text| text.parse().unwrap());
    Duration::from_secs(asked.unwrap_or(300))
});

/// Pieces of the language, to be put where they do not belong.
const PIECES: [&str; 26] = [
    "${",
    "}",
    "$${input.x}",
    "'",
    "\"",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}}",
    "#",
    "&a ",
    "*a",
    "<<: ",
    "|\n",
    ">-\n",
    "\t",
    "\r\n",
    "---\n",
    "\u{feff}",
    "\u{2028}",
    "é",
    "\u{1f980}",
    "0x7f",
    "!!binary ",
];

#[derive(Clone, Debug)]
enum Change {
    Flip { at: usize, bit: u8 },
    Delete { at: usize, length: usize },
    Insert { at: usize, piece: usize },
    SwapLines { one: usize, other: usize },
    RepeatLine { line: usize },
    Indent { line: usize, by: usize },
    Truncate { at: usize },
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<usize>;
    prop_oneof![
        3 => (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip { at, bit }),
        2 => (at(), 1..40_usize).prop_map(|(at, length)| Change::Delete { at, length }),
        3 => (at(), 0..PIECES.len()).prop_map(|(at, piece)| Change::Insert { at, piece }),
        2 => (at(), at()).prop_map(|(one, other)| Change::SwapLines { one, other }),
        1 => at().prop_map(|line| Change::RepeatLine { line }),
        1 => (at(), 0..6_usize).prop_map(|(line, by)| Change::Indent { line, by }),
        1 => at().prop_map(|at| Change::Truncate { at }),
    ]
}

fn changed(source: &str, changes: &[Change]) -> String {
    let mut text = source.to_owned();
    for change in changes {
        let size = text.len().max(1);
        let mut bytes = text.clone().into_bytes();
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        let count = lines.len().max(1);
        text = match change {
            Change::Flip { at, bit } => {
                if let Some(byte) = bytes.get_mut(at % size) {
                    *byte ^= 1 << bit;
                }
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Change::Delete { at, length } => {
                let at = at % size;
                bytes.drain(at.min(bytes.len())..(at + length).min(bytes.len()));
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Change::Insert { at, piece } => {
                let at = (at % size).min(bytes.len());
                bytes.splice(at..at, PIECES[*piece].bytes());
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Change::SwapLines { one, other } if !lines.is_empty() => {
                lines.swap(one % count, other % count);
                lines.concat()
            }
            Change::RepeatLine { line } if !lines.is_empty() => {
                let line = line % count;
                lines.insert(line, lines[line]);
                lines.concat()
            }
            Change::Indent { line, by } if !lines.is_empty() => {
                let line = line % count;
                let moved = " ".repeat(*by) + lines[line].trim_start_matches(' ');
                lines[line] = &moved;
                lines.concat()
            }
            Change::Truncate { at } => {
                bytes.truncate(at % size);
                String::from_utf8_lossy(&bytes).into_owned()
            }
            _ => text,
        };
    }
    text
}

/// Parses, and checks all that holds for every text. What can be used, is.
#[track_caller]
fn meets(source: &str) {
    let begun = Instant::now();
    let _watched = watch::over(source, *PARSE_MAX);
    let parsed = Definition::parse("fuzz.yaml", source);
    assert!(begun.elapsed() < *PARSE_MAX, "it took {:?}:\n{source}", begun.elapsed());
    match parsed {
        Ok(checked) => {
            in_range(&checked.warnings, source);
            assert!(!checked.warnings.has_errors());
            Language.load(source).unwrap();
            let workflow = std::sync::Arc::new(checked.definition);
            for input in [input(), json!({ "n": 1 })] {
                let _: Result<_, _> = Bench::new(workflow.clone(), people()).submit("ada", input);
            }
        }
        Err(findings) => {
            assert!(findings.has_errors());
            in_range(&findings, source);
            assert!(Language.accept(source).is_err());
            let stored = findings
                .iter()
                .any(|one| one.code.severity() == Severity::Error && !one.code.is_forgiven());
            assert!(!stored || Language.load(source).is_err());
        }
    }
}

fn input() -> Value {
    json!({
        "title": "t", "risk": "low", "domain": "network", "items": ["core"],
        "targets": ["a", "b"], "version": "2",
    })
}

#[track_caller]
fn in_range(findings: &Diagnostics, source: &str) {
    for one in findings {
        let before =
            source.get(..one.span.start).filter(|_| source.get(one.span.clone()).is_some());
        let before = before.unwrap_or_else(|| panic!("{one:?} is not in the text:\n{source}"));
        assert_eq!(one.line, before.matches('\n').count() + 1, "{one:?}");
        let line = before.rsplit('\n').next().unwrap_or_default();
        assert_eq!(one.column, line.chars().count() + 1, "{one:?}");
        assert!(one.help.is_some(), "{one:?} has no help");
        assert!(matches!(one.code.severity(), Severity::Error | Severity::Warning));
    }
    let shown = findings.to_string();
    let each = shown.len() / findings.iter().count().max(1);
    assert!(each < 4 * 1024, "{each} bytes a finding");
}

/// YAML of any shape, with the language's keys and texts in it.
fn yaml() -> impl Strategy<Value = Value> {
    let word = select(WORDS.as_slice());
    let leaf = prop_oneof![
        word.clone().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        any::<f64>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..8)
                .prop_map(|entries| { Value::Object(entries.into_iter().collect(),) }),
        ]
    })
}

proptest! {
    #![proptest_config(cases(TEXTS_FEW))]

    #[test]
    fn a_changed_definition(
        seed in any::<Index>(),
        changes in prop::collection::vec(change(), 1..5),
    ) {
        let seed: &String = seed.get(SEEDS.as_slice());
        meets(&changed(seed, &changes));
    }

    #[test]
    fn a_definition_with_parts_of_others(
        seed in any::<Index>(),
        other in any::<Index>(),
        lines in (any::<Index>(), any::<Index>(), 1..12_usize),
        word in select(WORDS.as_slice()),
    ) {
        let (seed, other): (&String, &String) =
            (seed.get(SEEDS.as_slice()), other.get(SEEDS.as_slice()));
        let mut text: Vec<&str> = seed.lines().collect();
        let other: Vec<&str> = other.lines().collect();
        let (to, from, count) = lines;
        let (to, from) = (to.index(text.len()), from.index(other.len()));
        let part = other.iter().skip(from).take(count).copied();
        let replaced = text.get(to).copied().unwrap_or_default();
        let key = replaced.replacen(replaced.trim().split(':').next().unwrap_or_default(), &word, 1);
        text.splice(to..to, part.chain([key.as_str()]));
        meets(&text.join("\n"));
    }

    #[test]
    fn any_text(text in "(?s).{0,300}") {
        meets(&text);
    }

    #[test]
    fn any_yaml(value in yaml(), replaced in 0..6_usize) {
        // JSON is YAML. One part of a whole definition is replaced, so that the rest is looked at.
        let part = serde_json::to_string(&value).unwrap();
        let key = ["workflow: approved-change", "version: 1", "title: Approved change", "start: authorize"]
            .get(replaced);
        match key {
            Some(key) => {
                let name = key.split(':').next().unwrap_or_default();
                meets(&APPROVED_CHANGE.replace(key, &format!("{name}: {part}")));
            }
            None if replaced == 4 => meets(&APPROVED_CHANGE.replace(
                "    hold:\n      approval:\n        rules:\n          look: { from: [role:engineer, role:owner], need: 1 }",
                &format!("    hold: {part}"),
            )),
            None => meets(&part),
        }
    }

    #[test]
    fn any_expression(text in "[a-z0-9.()\\[\\]{}'\"+*/%<>=!&|?:, -]{0,40}") {
        expression(&text);
        expression(&format!("input.n == {text}"));
    }
}

/// A definition with this condition, and with this in a template.
#[track_caller]
fn expression(text: &str) {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    meets(&format!(
        "
workflow: one-expression
version: 1
title: One expression
input: {{ type: object, required: [n], properties: {{ n: {{ type: integer }} }} }}
start: check
states:
  check: {{ choose: [{{ when: {}, to: work }}, {{ else: end }}] }}
  work: {{ do: {{ activity: {{ run: work, with: {{ it: {} }} }} }}, on: {{ succeeded: end, failed: end }} }}
  end: {{ end: end }}
",
        quoted(text),
        quoted(&format!("a ${{{text}}} b"))
    ));
}

#[test]
fn texts_made_to_be_expensive() {
    let deep = 100_000;
    meets(&"[".repeat(deep));
    meets(&"{a: ".repeat(deep));
    meets(&"- ".repeat(deep));
    meets(&"? ".repeat(deep));
    meets(&format!("{}1{}", "[".repeat(60), "]".repeat(60)));
    meets(&"a: &a [*a]\n".repeat(10));
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let before = format!("*a{}", n - 1);
        let ten = [before.as_str(); 10].join(", ");
        laughs.push_str(&format!("a{n}: &a{n} [{ten}]\n"));
    }
    meets(&laughs);
    meets(&"k: v\n".repeat(3_000));
    meets(&format!("title: '{}'", "é".repeat(500_000)));
    meets(&" ".repeat(1024 * 1024));
    meets(&"x".repeat(1024 * 1024 + 1));
    meets(&(0..1_000).map(|n| format!("k{n}: ${{\n")).collect::<String>());
}

#[test]
fn expressions_made_to_be_expensive() {
    for text in [
        "(".repeat(1_999),
        format!("{}1{}", "(".repeat(999), ")".repeat(999)),
        format!("{}1{}", "[".repeat(999), "]".repeat(999)),
        "!".repeat(1_000) + "true",
        "-".repeat(1_000) + "1",
        "1+".repeat(999) + "1",
        "1+".repeat(49) + "1",
        "1+".repeat(48) + "1",
        "(".repeat(90) + "1" + &")".repeat(90),
        "[".repeat(40) + "1" + &"]".repeat(40),
        "size([".repeat(20) + "1" + &"])".repeat(20),
        "[1].map(x,".repeat(9) + "1" + &")".repeat(9),
        "true ? ".repeat(20) + "1" + &" : 2".repeat(20),
        "n[".repeat(30).replace('n', "[0]") + "0" + &"]".repeat(30),
        "1<".repeat(999) + "1",
        "true&&".repeat(300) + "true",
        "true?1:".repeat(250) + "1",
        "input".to_owned() + &".title".repeat(300),
        "input".to_owned() + &"['title']".repeat(200),
        "[1].map(x,".repeat(150) + "1" + &")".repeat(150),
        "size(".repeat(300) + "'a'" + &")".repeat(300),
        "'a'".to_owned() + &".contains('a')".repeat(130),
        "{1:".repeat(400) + "1" + &"}".repeat(400),
        "é".repeat(1_000),
    ] {
        expression(&text.replace("title", "n"));
    }
}

#[test]
fn the_shipped_definitions_have_no_findings_with_any_line_ending() {
    for source in [NORMAL_CHANGE, ROLLING_ROLLOUT] {
        for text in [source.to_owned(), source.replace('\n', "\r\n"), format!("\u{feff}{source}")] {
            let checked = Definition::parse("shipped.yaml", &text).unwrap();
            assert!(checked.warnings.is_empty(), "{}", checked.warnings);
        }
    }
}
