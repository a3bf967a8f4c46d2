//! Formatting changes how a text looks, and nothing else.

use std::{fs, path::Path};

use holdpoint_authoring::format::{FormatFailure, format};
use holdpoint_definition::{
    Definition,
    yaml::{Findings, read},
};
use insta::assert_snapshot;
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::Value;

fn value(source: &str) -> Value {
    read(source, &mut Findings::new("x", source)).unwrap().to_json()
}

/// The comments of a text in which `#` begins nothing but comments.
fn comments(source: &str) -> Vec<&str> {
    source
        .lines()
        .filter_map(|line| line.split_once('#'))
        .map(|(_, told)| told.trim_end())
        .collect()
}

const MESSY: &str = "# What it is for.
workflow:   two-eyes
version: 1
title:  'Somebody else agrees'   # shown in lists


start: agree
states:
    # People decide here.
    agree:
        hold: {approval: {rules: {peer: {from: role:engineer, need: 1}, board: {when: \"input.risk == 'high'\", from: [role:board], need: 2}}, not: [requester]}}
        on: {released:   done,rejected: refused}
    done: { end: done }
    refused:
          end:    refused # the end
";

#[test]
fn a_messy_definition_gets_its_look() {
    let formatted = format("x", MESSY).unwrap();
    assert_snapshot!(formatted, @r#"
    # What it is for.
    workflow: two-eyes
    version: 1
    title: "Somebody else agrees" # shown in lists

    start: agree
    states:
      # People decide here.
      agree:
        hold: {
          approval: {
            rules: {
              peer: { from: role:engineer, need: 1 },
              board: { when: "input.risk == 'high'", from: [role:board], need: 2 }
            },
            not: [requester]
          }
        }
        on: { released: done, rejected: refused }
      done: { end: done }
      refused:
        end: refused # the end
    "#);
    assert_eq!(format("x", &formatted).unwrap(), formatted);
    assert_eq!(value(&formatted), value(MESSY));
    assert_eq!(comments(&formatted), comments(MESSY));
    assert!(Definition::parse("x", &formatted).is_err(), "it has no input `risk`, as before");
}

#[test]
fn what_is_shipped_has_its_look() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = fs::read_to_string(&path).unwrap();
        assert_eq!(format("x", &source).unwrap(), source, "{}", path.display());
    }
}

#[test]
fn every_sample_is_formatted_once_or_left_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../definition/tests/samples");
    let mut formatted = 0;
    for entry in fs::read_dir(folder.join("valid"))
        .unwrap()
        .chain(fs::read_dir(folder.join("invalid")).unwrap())
    {
        let path = entry.unwrap().path();
        let source = fs::read_to_string(&path).unwrap();
        if let Ok(text) = format("x", &source) {
            assert_eq!(value(&text), value(&source), "{}", path.display());
            assert_eq!(format("x", &text).unwrap(), text, "{}", path.display());
            formatted += 1;
        }
    }
    assert!(formatted > 100, "{formatted}");
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    for source in ["a: [", "a: 1\na: 2\n", "a: b: c"] {
        let failure = format("x.yaml", source).unwrap_err();
        assert!(
            matches!(failure, FormatFailure::Unreadable(found) if found.has_errors()),
            "{source}"
        );
    }
}

/// A small YAML document, written carelessly: spaces, comments, quotes, block and flow.
fn document() -> impl Strategy<Value = String> {
    let leaf = select(vec![
        "1",
        "1.50",
        "true",
        "~",
        "plain text",
        "'it''s'",
        "\"a\\tb\"",
        "'${input.x}'",
        "\"input.risk == 'high'\"",
        "role:engineer",
        "25%",
        "[]",
        "{}",
        "[ 1,2 , a ]",
        "{a:  1, b: [x,  y]}",
        "\"# no comment\"",
        "|\n      two\n        lines",
        ">-\n      folded\n      text",
    ]);
    let comment = select(vec!["", "", "   # a comment", " #another, {x: 1}"]);
    let line = (select(vec!["a", "b", "c-d", "long-key"]), select(vec![" ", "   "]), leaf, comment);
    vec((line, any::<bool>(), select(vec!["", "\n", "# alone\n", "\n\n"])), 1..8).prop_map(|lines| {
        let mut text = String::new();
        for (n, ((key, space, value, comment), nested, before)) in lines.into_iter().enumerate() {
            text.push_str(before);
            // After a text of several lines a comment would be part of it.
            let comment = if value.contains('\n') { "" } else { comment };
            if nested {
                text.push_str(&format!("{key}{n}:\n    {key}:{space}{value}{comment}\n    list:\n    -   x\n    -  {{y: 1}}\n"));
            } else {
                text.push_str(&format!("{key}{n}:{space}{value}{comment}\n"));
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn values_and_comments_stay(source in document()) {
        match format("x", &source) {
            Ok(text) => {
                prop_assert_eq!(value(&text), value(&source));
                let told = |text: &str| -> Vec<String> {
                    text.lines().filter(|line| !line.contains("# no comment"))
                        .filter_map(|line| line.split_once(" #").map(|(_, rest)| rest).or(line.strip_prefix('#')))
                        .map(|rest| rest.trim().to_owned()).collect()
                };
                prop_assert_eq!(told(&text), told(&source));
                prop_assert_eq!(format("x", &text).unwrap(), text);
            }
            Err(failure) => prop_assert!(false, "{failure}:\n{source}"),
        }
    }
}
