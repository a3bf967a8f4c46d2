//! Baselines: what a definition must not weaken, and what it may demand beyond that.

use holdpoint_core::{BaselineReader, Judged};
use holdpoint_definition::{Baseline, Baselines, Conformance, LANGUAGE, Standing};

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/baseline.md"));

fn baseline(requirement: &str) -> Baseline {
    let source = format!("baseline: rules\ntitle: Rules\nrequirements:\n  one: {requirement}\n");
    Baseline::parse("rules.yaml", &source).unwrap_or_else(|found| panic!("{found}"))
}

/// A definition of these states, with the ends that they lead to.
fn definition(states: &str) -> String {
    format!(
        "workflow: change\nversion: 1\ntitle: A change\ninput:\n  type: object\n  required: [risk, need]\n  properties: {{ risk: {{ type: string }}, need: {{ type: integer }} }}\nstart: ask\nstates:\n{states}\n  done: {{ end: done }}\n  refused: {{ end: refused }}\n"
    )
}

const WORK: &str = "do: { activity: { run: install } }, on: { succeeded: done, failed: refused }";
const ROLLOUT: &str = "rollout: { targets: [a], waves: [100%], each: { run: install }";

fn check(requirement: &str, source: &str) -> Conformance {
    let found = baseline(requirement).check("change.yaml", source);
    assert!(found.definition.is_some(), "{}", found.findings);
    let errors = found.findings.iter().any(|one| one.code.as_str() == "HP2401");
    let not_met = found.requirements.iter().any(|(_, standing)| *standing == Standing::NotMet);
    assert_eq!(errors, not_met, "a finding for what is not met, and for nothing else");
    found
}

fn standing(requirement: &str, source: &str) -> Standing {
    check(requirement, source).requirements[0].1.clone()
}

/// A definition whose work lies behind this approval.
fn behind(approval: &str) -> String {
    definition(&format!(
        "  ask: {{ hold: {{ approval: {{ {approval} }} }}, on: {{ released: install, rejected: refused }} }}\n  install: {{ {WORK} }}"
    ))
}

#[test]
fn an_approval_may_be_tightened_and_not_weakened() {
    const TWO: &str =
        "{ approval: { from: [role:engineer, role:board], need: 2, not: [requester] } }";
    for (approval, met) in [
        ("rules: { a: { from: [role:engineer, role:board], need: 2 } }, not: [requester]", true),
        ("rules: { a: { from: role:board, need: 3 } }, not: [requester, editors]", true),
        (
            "rules: { a: { from: role:engineer, need: 1 }, b: { from: role:board, need: 1 } }, not: [requester]",
            true,
        ),
        (
            "rules: { a: { from: role:engineer, need: 2 }, b: { from: role:other, need: 1 } }, not: [requester]",
            true,
        ),
        (
            "rules: { a: { from: role:engineer, need: 2, qualified: network } }, not: [requester]",
            true,
        ),
        ("rules: { a: { from: role:engineer, need: 2 } }, not: [requester], amended: subset", true),
        ("rules: { a: { from: role:engineer, need: 1 } }, not: [requester]", false),
        ("rules: { a: { from: role:engineer, need: 2 } }", false),
        ("rules: { a: { from: role:engineer, need: 2 } }, not: [editors]", false),
        ("rules: { a: { from: [role:engineer, role:other], need: 2 } }, not: [requester]", false),
        (
            "rules: { a: { from: role:engineer, need: 1 }, b: { from: role:other, need: 1 } }, not: [requester]",
            false,
        ),
        ("rules: { a: { from: role:engineer, need: '${input.need}' } }, not: [requester]", false),
        ("rules: { a: { from: role:engineer, need: all, roster: now } }, not: [requester]", false),
        (
            "rules: { a: { from: role:engineer, need: 2, when: \"input.risk == 'high'\" }, b: { from: role:board, need: 1 } }, not: [requester]",
            false,
        ),
        ("rules: { a: { from: role:engineer, need: 2 } }, not: [requester], amended: keep", false),
        (
            "rules: { a: { from: role:engineer, need: 2 } }, not: [requester], substitutes: each",
            false,
        ),
        (
            "rules: { a: { from: role:engineer, need: 2 } }, not: [requester], substitutes: once",
            true,
        ),
        (
            "rules: { a: { from: role:engineer, need: 2 } }, not: [requester], escalate: { after: 1d, to: role:boss }",
            false,
        ),
        (
            "rules: { a: { from: role:engineer, need: 2 } }, not: [requester], escalate: { after: 1d, to: role:board }",
            true,
        ),
    ] {
        let expected = if met { Standing::Met } else { Standing::NotMet };
        assert_eq!(standing(TWO, &behind(approval)), expected, "{approval}");
    }
}

#[test]
fn a_qualification_and_a_condition_are_the_same_or_do_not_count() {
    let qualified = "{ approval: { from: role:engineer, need: 1, qualified: network } }";
    for (domain, expected) in [
        (", qualified: network", Standing::Met),
        (", qualified: storage", Standing::NotMet),
        (", qualified: '${input.risk}'", Standing::NotMet),
        ("", Standing::NotMet),
    ] {
        let approval = format!("rules: {{ a: {{ from: role:engineer, need: 1{domain} }} }}");
        assert_eq!(standing(qualified, &behind(&approval)), expected, "{domain}");
    }
    let risky = "{ when: \"input.risk == 'high'\", approval: { from: role:board, need: 1 } }";
    for (when, expected) in [
        (", when: \"input.risk == 'high'\"", Standing::Met),
        ("", Standing::Met),
        (", when: \"input.risk == 'low'\"", Standing::NotMet),
    ] {
        let approval = format!(
            "rules: {{ a: {{ from: role:board, need: 1{when} }}, b: {{ from: role:engineer, need: 1 }} }}"
        );
        assert_eq!(standing(risky, &behind(&approval)), expected, "{when}");
    }
}

#[test]
fn every_way_to_the_work_counts() {
    const ONE: &str = "{ approval: { from: role:engineer, need: 1 } }";
    const APPROVAL: &str =
        "approval: { rules: { a: { from: role:engineer, need: 1 } }, expires: 1d }";
    let by = |on: &str, more: &str| {
        definition(&format!(
            "  ask: {{ hold: {{ {APPROVAL} }}, on: {{ {on} }} }}\n{more}\n  install: {{ {WORK} }}"
        ))
    };
    let asked = by("released: install, rejected: refused, expired: refused", "");
    assert_eq!(standing(ONE, &asked), Standing::Met);
    // A hold of other people is no deadline that releases, and not the hold that is demanded.
    let again = "  wait: { hold: { evidence: [leave] , expires: 1d }, on: { released: install, expired: refused } }";
    let round = by("released: install, rejected: refused, expired: wait", again);
    let found = check(ONE, &round);
    assert_eq!(found.requirements[0].1, Standing::NotMet);
    assert!(
        found.findings.to_string().contains("this way does not: `ask`, `wait`, `install`"),
        "{}",
        found.findings
    );
    // What comes back to the hold passes it.
    let back = "  wait: { hold: { wait: { for: 1h } }, on: { released: ask } }";
    let back = by("released: install, rejected: refused, expired: wait", back);
    assert_eq!(standing(ONE, &back), Standing::Met);
}

#[test]
fn a_waived_hold_counts_only_where_the_requirement_says_so() {
    let source = definition(&format!(
        "  ask:\n    hold:\n      approval: {{ rules: {{ a: {{ from: role:engineer, need: 1 }} }} }}\n      waiver: {{ from: role:boss, scope: [approval], duties: {{ review: {{ text: Look at it, within: 2d, from: role:board }} }} }}\n    on: {{ released: install, waived: install, rejected: refused }}\n  install: {{ {WORK} }}"
    ));
    let demand = |more: &str| format!("{{ approval: {{ from: role:engineer, need: 1 }}{more} }}");
    assert_eq!(standing(&demand(""), &source), Standing::NotMet);
    assert_eq!(standing(&demand(", waiver: false"), &source), Standing::NotMet);
    assert_eq!(standing(&demand(", waiver: true"), &source), Standing::Met);
}

#[test]
fn evidence_is_demanded_in_every_case() {
    for (evidence, expected) in [
        ("[test-report]", Standing::Met),
        ("{ test-report: { valid: 1d }, plan: {} }", Standing::Met),
        ("[plan]", Standing::NotMet),
        ("{ test-report: { when: \"input.risk == 'high'\" } }", Standing::NotMet),
    ] {
        let source = definition(&format!(
            "  ask: {{ hold: {{ evidence: {evidence} }}, on: {{ released: install }} }}\n  install: {{ {WORK} }}"
        ));
        assert_eq!(standing("{ evidence: test-report }", &source), expected, "{evidence}");
    }
}

#[test]
fn a_freeze_is_kept_directly_before_the_work_or_by_it() {
    const FREEZE: &str = "{ before: rollout, not_during: calendar:freeze, override: role:boss }";
    const ON: &str = "on: { succeeded: done, failed: refused }";
    let held = |window: &str, between: &str, to: &str, rollout: &str| {
        definition(&format!(
            "  ask: {{ hold: {{ {window}, expires: 1d }}, on: {{ released: {to}, expired: refused }} }}\n{between}\n  roll: {{ do: {{ {ROLLOUT}{rollout} }} }}, {ON} }}"
        ))
    };
    let wait = "  then: { hold: { wait: { for: 1d } }, on: { released: roll } }";
    let choose =
        "  then: { choose: [{ when: \"input.risk == 'high'\", to: roll }, { else: roll }] }";
    let freeze = "not_during: calendar:freeze";
    let overridden =
        |by: &str| format!("window: {{ in: calendar:nights, override: {by} }}, {freeze}");
    for (source, expected) in [
        (held(freeze, "", "roll", ""), Standing::Met),
        (held(freeze, choose, "then", ""), Standing::Met),
        (held(freeze, wait, "then", ""), Standing::NotMet),
        (held("not_during: calendar:other", "", "roll", ""), Standing::NotMet),
        (held(&overridden("role:boss"), "", "roll", ""), Standing::Met),
        (held(&overridden("role:engineer"), "", "roll", ""), Standing::NotMet),
        (
            held(
                "wait: { for: 1d }",
                "",
                "roll",
                ", not_during: calendar:freeze, window: { in: calendar:nights, closes: pause }",
            ),
            Standing::Met,
        ),
    ] {
        assert_eq!(standing(FREEZE, &source), expected, "{source}");
    }
}

#[test]
fn what_is_excepted_is_told_as_such_whether_it_is_met_or_not() {
    let overridden = |met| Standing::Overridden { reason: "it is only a trial".to_owned(), met };
    let demand = |need: u32| {
        format!(
            "{{ approval: {{ from: role:engineer, need: {need} }}, except: {{ change: it is only a trial }} }}"
        )
    };
    let source = behind("rules: { a: { from: role:engineer, need: 1 } }");
    assert_eq!(standing(&demand(1), &source), overridden(true));
    assert_eq!(standing(&demand(2), &source), overridden(false));
    let other =
        "{ approval: { from: role:engineer, need: 2 }, except: { other: it is only a trial } }";
    assert_eq!(standing(other, &source), Standing::NotMet);
    let rollouts = "{ before: rollout, approval: { from: role:engineer, need: 2 } }";
    assert_eq!(standing(rollouts, &source), Standing::NotApplicable);
}

#[test]
fn a_condition_that_cannot_be_told_is_an_error() {
    let source = behind("rules: { a: { from: role:engineer, need: 1 } }");
    let of = |when: &str, more: &str| {
        let demand =
            format!("{{ when: \"{when}\", approval: {{ from: role:engineer, need: 1 }}{more} }}");
        baseline(&demand).check("change.yaml", &source)
    };
    for (when, untold) in [
        ("input.risk == 'high'", false),
        ("input.need > 2", false),
        ("requester == 'ada'", false),
        ("input.scope == 'all'", true),
        ("input.risk > 2", true),
        ("risk.level == 'high'", true),
    ] {
        let found = of(when, "");
        let codes: Vec<_> = found.findings.iter().map(|one| one.code.as_str()).collect();
        let standing = &found.requirements[0].1;
        if untold {
            assert_eq!(codes, ["HP2402"], "{when}: {}", found.findings);
            assert!(matches!(standing, Standing::Error { .. }), "{when}: {standing:?}");
        } else {
            assert!(codes.is_empty(), "{when}: {}", found.findings);
            assert_eq!(*standing, Standing::Met, "{when}");
        }
    }
    // Of whom it is not demanded it need not be told.
    let excepted = of("input.scope == 'all'", ", except: { change: it is a trial }");
    assert!(matches!(excepted.requirements[0].1, Standing::Overridden { met: true, .. }));
}

#[test]
fn an_engine_is_told_what_a_definition_lacks_and_where() {
    let rules = "baseline: rules\ntitle: Rules\nrequirements:\n  one: { approval: { from: role:engineer, need: 2 }, except: { other: it is a trial } }\n  two: { before: rollout, evidence: report }\n";
    let read = Baselines.read(rules).unwrap();
    assert_eq!((read.baseline.as_str(), read.title.as_str()), ("rules", "Rules"));
    assert_eq!(read.requirements, ["one", "two"]);
    assert!(Baselines.read("baseline: rules").is_err());
    let source = behind("rules: { a: { from: role:engineer, need: 1 } }");
    let name = "change".parse().unwrap();
    let judge = |language: &str, source: &str| {
        Baselines.shortfalls(rules, &Judged { name: &name, language, source })
    };
    let found = judge(LANGUAGE, &source).unwrap();
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((one.requirement.as_str(), one.line, one.column), ("one", 11, 3));
    assert!(one.help.as_ref().is_some_and(|help| help.contains("`ask` is not enough")));
    assert!(judge(LANGUAGE, "workflow: Change!").is_err());
    // Of what it cannot read nobody knows, so nothing is taken for granted.
    let found = judge("rust", "change 1").unwrap();
    let names: Vec<_> = found.iter().map(|one| one.requirement.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    let other = "other".parse().unwrap();
    let found =
        Baselines.shortfalls(rules, &Judged { name: &other, language: "rust", source: "other 1" });
    assert_eq!(found.unwrap().len(), 1);
}

#[test]
fn a_baseline_that_says_nothing_clear_is_refused() {
    for (requirement, code) in [
        ("{}", "HP2003"),
        ("{ evidence: a, not_during: calendar:b }", "HP2003"),
        ("{ evidence: a, befor: rollout }", "HP2002"),
        ("{ evidence: a, before: lunch }", "HP2004"),
        ("{ evidence: a, before: [] }", "HP2004"),
        ("{ evidence: a, when: 'input.(' }", "HP2014"),
        ("{ evidence: a, when: 'inptu.risk == 1' }", "HP2015"),
        ("{ evidence: a, when: '1 + 1' }", "HP2063"),
        ("{ evidence: a, when: 7 }", "HP2004"),
        ("{ evidence: a, override: boss }", "HP2019"),
        ("{ evidence: a, waiver: perhaps }", "HP2004"),
        ("{ evidence: a, except: { b: '' } }", "HP2004"),
        ("{ approval: { from: role:engineer } }", "HP2003"),
        ("{ approval: { from: role:engineer, need: all } }", "HP2004"),
        ("{ approval: { from: engineer, need: 1 } }", "HP2019"),
        ("{ not_during: freeze }", "HP2032"),
        ("{ not_during: calendar:freeze, when: 'true' }", "HP2004"),
    ] {
        let source =
            format!("baseline: rules\ntitle: Rules\nrequirements:\n  one: {requirement}\n");
        let found = Baseline::parse("rules.yaml", &source).unwrap_err();
        let codes: Vec<_> = found.iter().map(|one| one.code.as_str()).collect();
        assert_eq!(codes, [code], "{requirement}: {found}");
        assert!(found.iter().all(|one| one.help.is_some()), "{requirement}");
    }
    let none = Baseline::parse("rules.yaml", "baseline: rules\ntitle: Rules\nrequirements: {}\n");
    assert_eq!(none.unwrap_err().iter().count(), 1);
}

#[test]
fn what_cannot_be_used_is_told_as_without_a_baseline() {
    let found = baseline("{ evidence: a }").check("change.yaml", "workflow: Change!");
    assert!(found.definition.is_none() && found.requirements.is_empty());
    assert!(found.findings.has_errors());
}

#[test]
fn the_page_can_be_used() {
    for (_, source) in crate::docs::blocks(PAGE, "yaml") {
        let read = Baseline::parse("docs/baseline.md", &source);
        let read = read.unwrap_or_else(|found| panic!("{found}"));
        assert_eq!((read.name(), read.title()), ("house-rules", "What every change keeps to"));
    }
}

#[test]
fn a_hold_that_would_be_enough_and_is_left_otherwise_is_named_with_the_outcome() {
    let source = definition(&format!(
        "  ask: {{ hold: {{ approval: {{ rules: {{ a: {{ from: role:engineer, need: 1 }} }} }}, waiver: {{ from: role:boss, scope: [approval], duties: {{ ratify: {{ text: r, within: 2d, from: role:board }} }} }} }}, on: {{ released: install, rejected: refused, waived: install }} }}\n  install: {{ {WORK} }}"
    ));
    let found =
        check("{ approval: { from: role:engineer, need: 1 } }", &source).findings.to_string();
    let told = "`ask` is enough only by `released`, and leads there by `waived`";
    assert!(found.contains(told), "{found}");
}

#[test]
fn who_may_override_for_one_run_is_told_and_checked() {
    let words = |requirement: &str| {
        let found = baseline(requirement);
        found.in_words().next().map(|(_, words)| words).unwrap()
    };
    for (override_, says) in [
        ("role:head", "; role head, not requester or editors may override it for one run"),
        (
            "{ from: [role:head, member:ada], not: [requester] }",
            "; role head or member ada, not requester may override it for one run",
        ),
        ("{ from: role:head, not: [] }", "; role head may override it for one run"),
    ] {
        let words = words(&format!("{{ evidence: report, override: {override_} }}"));
        assert!(words.ends_with(says), "{words}");
    }
    for (override_, code) in [
        ("everybody", "HP2019"),
        ("[]", "HP2020"),
        ("{ not: [requester] }", "HP2003"),
        ("{ from: role:head, need: 2 }", "HP2002"),
        ("{ from: role:head, not: [nobody] }", "HP2019"),
    ] {
        let source = format!(
            "baseline: rules\ntitle: Rules\nrequirements:\n  one: {{ evidence: report, override: {override_} }}\n"
        );
        let found = Baseline::parse("rules.yaml", &source).unwrap_err();
        let codes: Vec<_> = found.iter().map(|one| one.code.as_str()).collect();
        assert!(codes.contains(&code), "{override_}: {codes:?}");
    }
}

#[test]
fn approvals_that_stand_for_another_plan_are_weaker() {
    let source = |drifted: &str| {
        definition(&format!(
            "  ask: {{ hold: {{ approval: {{ rules: {{ a: {{ from: role:engineer, need: 1 }} }}{drifted} }} }}, on: {{ released: install, rejected: refused }} }}\n  install: {{ do: {{ rollout: {{ targets: {{ select: env=prod }}, approved_at: ask, waves: [100%], each: {{ run: install }} }} }}, on: {{ succeeded: done, failed: refused, drifted: ask }} }}"
        ))
    };
    for (drifted, expected) in [
        ("", Standing::Met),
        (", drifted: reset", Standing::Met),
        (", drifted: subset", Standing::Met),
        (", drifted: keep", Standing::NotMet),
    ] {
        let found = standing("{ approval: { from: role:engineer, need: 1 } }", &source(drifted));
        assert_eq!(found, expected, "{drifted}");
    }
}

#[test]
fn two_baselines_are_compared_by_what_they_mean() {
    let of = |requirements: &str| {
        let source = format!("baseline: rules\ntitle: Rules\nrequirements:\n{requirements}");
        Baseline::parse("rules.yaml", &source).unwrap_or_else(|found| panic!("{found}"))
    };
    let before =
        of("  a: { approval: { from: [role:b, role:a], need: 2, not: [editors, requester] } }
  b: { before: rollout, evidence: report, waiver: true }
  c: { not_during: calendar:freeze }
");
    // The order in which somebody is named, and of the requirements, means nothing.
    let same = of("  c: { before: [run, rollout, activity], not_during: 'calendar:freeze' }
  b: { before: [rollout], evidence: report, waiver: true }
  a: { approval: { need: 2, from: [role:a, role:b], not: [requester, editors] } }
");
    assert!(before.compare(&same).is_empty(), "{:?}", before.compare(&same));
    let after = of("  d: { evidence: plan }
  a: { when: \"input.risk == 'high'\", approval: { from: role:a, need: 1, qualified: network }, except: { fix: it is small } }
  b: { evidence: report, override: { from: role:head, not: [] } }
");
    let told: Vec<String> = before
        .compare(&after)
        .into_iter()
        .map(|one| {
            let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            format!("{}: {}: {} > {}", one.place, one.what, or(one.before), or(one.after))
        })
        .collect();
    assert_eq!(
        told,
        [
            "requirement d: before: - > any work",
            "requirement d: evidence: - > plan",
            "requirement d: when: - > always",
            "requirement a: approval: by: role a, role b > role a",
            "requirement a: approval: how many: 2 > 1",
            "requirement a: approval: not by: editors, requester > -",
            "requirement a: approval: qualified in: - > network",
            "requirement a: not of fix: - > it is small",
            "requirement a: when: always > input.risk == 'high'",
            "requirement b: a hold that was waived: counts > -",
            "requirement b: before: rollout > any work",
            "requirement b: may be overridden by: - > role head",
            "requirement c: before: any work > -",
            "requirement c: not during: calendar:freeze > -",
            "requirement c: when: always > -",
        ]
    );
}

#[test]
fn it_is_explained_by_what_a_definition_meets_a_baseline() {
    let states = format!(
        "  ask: {{ hold: {{ approval: {{ rules: {{ a: {{ from: role:engineer, need: 1 }} }} }} }}, on: {{ released: install, rejected: refused }} }}\n  install: {{ {WORK} }}"
    );
    let source = definition(&states);
    let read = holdpoint_definition::Definition::parse("change.yaml", &source).unwrap().definition;
    for (requirement, says) in [
        (
            "{ approval: { from: role:engineer, need: 1 } }",
            "Met before `install` by the release of `ask`.",
        ),
        (
            "{ approval: { from: role:engineer, need: 2 } }",
            "Not met: nothing here meets it, and it stands before `install`.",
        ),
        ("{ before: rollout, evidence: report }", "The definition has no such work."),
        (
            "{ approval: { from: role:engineer, need: 1 }, except: { change: a trial } }",
            "Not demanded of this definition: a trial. It is met nevertheless, by the release of `ask`.",
        ),
        (
            "{ when: \"input.colour == 'red'\", evidence: report }",
            "Whether it is demanded before `install` cannot be told: ",
        ),
    ] {
        let text = baseline(requirement).explain(&read);
        assert!(text.starts_with("By the baseline `rules` (Rules):\n\none\n  "), "{text}");
        assert!(text.contains(&format!("\n  {says}")), "{text}");
    }
    let kept = definition(&format!(
        "  ask: {{ hold: {{ signal: {{ name: go }} }}, on: {{ released: install }} }}\n  install: {{ do: {{ {ROLLOUT}, window: {{ in: calendar:open, closes: finish }}, not_during: calendar:freeze }} }}, on: {{ succeeded: done, failed: refused }} }}"
    ));
    let read = holdpoint_definition::Definition::parse("change.yaml", &kept)
        .unwrap_or_else(|found| panic!("{found}"))
        .definition;
    let text = baseline("{ not_during: calendar:freeze }").explain(&read);
    assert!(
        text.contains("Met before `install` by `install`, which keeps to it itself."),
        "{text}"
    );
}
