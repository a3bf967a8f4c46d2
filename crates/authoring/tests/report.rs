//! Findings for other programs.

use holdpoint_authoring::report;
use holdpoint_definition::{Definition, DiagnosticCode, Diagnostics};
use insta::assert_snapshot;
use serde_sarif::sarif::Sarif;

fn found(file: &str, source: &str) -> Diagnostics {
    Definition::parse(file, source).unwrap_err()
}

fn samples() -> Vec<Diagnostics> {
    vec![
        found(
            "a b/ü,x:%.yaml",
            "workflow: x\nversion: 0\ntitle: x\nstart: a\nstates: { a: { end: done } }\n",
        ),
        found("empty.yaml", ""),
        found("lines.yaml", "title:\n  - a\n  - b\nversion: 1\n"),
    ]
}

#[test]
fn sarif_has_every_finding_at_its_place() {
    let log = report::sarif(&samples()).unwrap();
    // Read back with the types that were made of the standard's schema.
    let read: Sarif = serde_json::from_value(log.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), log);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), DiagnosticCode::ALL.len());
    for result in run["results"].as_array().unwrap() {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        let region = &result["locations"][0]["physicalLocation"]["region"];
        let at = |key: &str| region[key].as_u64().unwrap();
        assert!((at("startLine"), at("startColumn")) <= (at("endLine"), at("endColumn")));
        assert!(at("startLine") >= 1 && at("startColumn") >= 1);
    }
    assert_snapshot!(serde_json::to_string_pretty(&run["results"][0]).unwrap(), @r#"
    {
      "level": "error",
      "locations": [
        {
          "physicalLocation": {
            "artifactLocation": {
              "uri": "a%20b/%C3%BC%2Cx%3A%25.yaml"
            },
            "region": {
              "endColumn": 11,
              "endLine": 2,
              "startColumn": 10,
              "startLine": 2
            }
          }
        }
      ],
      "message": {
        "text": "a version cannot be 0\ngive a whole number from 1 to 4294967295"
      },
      "ruleId": "HP2016",
      "ruleIndex": 15
    }
    "#);
    assert_snapshot!(serde_json::to_string_pretty(&rules[2]).unwrap(), @r#"
    {
      "defaultConfiguration": {
        "level": "error"
      },
      "help": {
        "text": "What to do about it: docs/errors/HP2003.md"
      },
      "id": "HP2003",
      "shortDescription": {
        "text": "A key that must be there is not."
      }
    }
    "#);
}

#[test]
fn no_findings_are_a_log_too() {
    let log = report::sarif(&[]).unwrap();
    assert_eq!(log["runs"][0]["results"], serde_json::json!([]));
    assert_eq!(report::github(&[]), "");
}

#[test]
fn github_is_told_in_lines_that_nothing_can_break() {
    assert_snapshot!(report::github(&samples()), @"
    ::error file=a b/ü%2Cx%3A%25.yaml,line=2,endLine=2,col=10,endColumn=10,title=HP2016::a version cannot be 0%0Agive a whole number from 1 to 4294967295
    ::error file=empty.yaml,line=1,endLine=1,col=1,endColumn=1,title=HP2004::an empty value cannot stand here%0Aa definition is a mapping with the keys `workflow`, `version`, `title`, `input`, `risk`, `start`, `expires`, `states`
    ::error file=lines.yaml,line=1,endLine=1,col=1,endColumn=5,title=HP2003::a definition has no `workflow`%0Aadd the key `workflow`
    ::error file=lines.yaml,line=1,endLine=1,col=1,endColumn=5,title=HP2003::a definition has no `start`%0Aadd the key `start`
    ::error file=lines.yaml,line=1,endLine=1,col=1,endColumn=5,title=HP2003::a definition has no `states`%0Aadd the key `states`
    ::error file=lines.yaml,line=2,endLine=2,col=3,endColumn=3,title=HP2004::a list cannot stand here%0Aa title is a text; quote it if it looks like something else
    ");
}

#[test]
fn every_code_has_a_meaning() {
    for code in DiagnosticCode::ALL {
        assert!(code.meaning().ends_with('.') && !code.meaning().contains('\n'), "{code}");
    }
}
