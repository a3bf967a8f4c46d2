//! What `show` proposes can be done: every step is typed, in a copy of the place in which it was
//! proposed, and somebody must be let do it.

use serde_json::Value;

use crate::common::{DATA, Place, copy};

/// What everybody in these runs may do, but for the requester: a step that one of them is let do was
/// proposed rightly.
const ROLES: &str = "engineer security head commander tester";
/// A run of a workflow with these states, submitted by `req`, where programs behave like this.
fn place(states: &str, programs: &[(&str, &str)], input: &str) -> Place {
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    for member in ["ada", "eve"] {
        if member != "ada" {
            place.must(&format!("project member add {member} --as ada"));
        }
        for role in ROLES.split(' ') {
            place.must(&format!("project role grant {member} {role} --as ada"));
        }
    }
    place.must("project member add req --as ada");
    let activities = programs.iter().map(|(name, command)| {
        format!("[activity.{name}]\ncommand = ['/bin/sh', '-c', '''{command}''']\n")
    });
    place.write(&format!("{DATA}/holdpoint.toml"), activities.collect::<String>());
    let ends = ["done", "refused", "over"].into_iter();
    let ends = ends.filter(|end| states.contains(&format!(": {end}")));
    let ends: String = ends.map(|end| format!("  {end}: {{ end: {end} }}\n")).collect();
    let input_of = "input: { type: object, properties: { n: { type: integer, default: 1 } } }";
    place.write(
        "flow.yaml",
        format!("workflow: flow\nversion: 1\ntitle: Flow\n{input_of}\n{states}{ends}"),
    );
    place.write("input.json", "{ \"n\": 2 }");
    place.write("report.txt", "all is well");
    place.must("definitions publish flow.yaml --as ada");
    place.must(&format!("submit flow {input} --as req"));
    place
}

/// What is typed for a step that only says in words what to do, as the documentation has it.
fn documented(step: &Value) -> Vec<String> {
    let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
    let hold = text("hold");
    let words = text("text");
    let one = |line: String| vec![line];
    match step["action"].as_str().unwrap() {
        "vote" if words.starts_with("veto") => one(format!("veto 1 --hold {hold} --reason so")),
        "vote" => {
            let reject = format!("reject 1 --hold {hold} --reason so");
            let approve = format!("approve 1 --hold {hold}");
            let both = words.starts_with("approve or reject");
            if both { vec![approve, reject] } else { one(reject) }
        }
        "withdraw" => one(format!("withdraw 1 --hold {hold}")),
        "overrule" => one(format!("overrule 1 {} --hold {hold} --reason so", text("member"))),
        "recount" => one(format!("recount 1 --hold {hold}")),
        "object" => one(format!("object 1 --hold {hold} --reason so")),
        "amend" => one("amend 1 --input-file input.json --reason so".to_owned()),
        "attach" => one(format!("attach 1 {} report.txt", text("name"))),
        "done" => one(format!("done 1 {} --hold {hold} --note so", text("task"))),
        "waive" => one(format!("waive 1 --hold {hold} --reason so")),
        "override" => one("override 1 --reason so".to_owned()),
        "discharge" => one(format!("discharge 1 {} --note so", step["duty"])),
        "release_lockdown" => one(format!("lockdown release {} --reason so", step["lockdown"])),
        "cancel" => one("cancel 1 --reason so".to_owned()),
        other => panic!("nothing is documented for {other}: {step}"),
    }
}

/// The commands that are printed with a step, with something for what is to be filled in; of
/// alternatives, each.
fn printed(line: &str) -> Vec<String> {
    let Some((_, command)) = line.split_once(": `holdpoint ") else { return Vec::new() };
    let command = command.strip_suffix('`').unwrap().replace("TEXT", "so");
    let command = command.replace("JSON", "true").replace("TARGET", "web-1");
    let Some(choice) = command.split(' ').find(|word| word.contains('|')) else {
        return vec![command];
    };
    choice.split('|').map(|one| command.replace(choice, one)).collect()
}

/// Types all that is proposed, and answers with what that was.
fn type_all(place: &Place) -> Vec<String> {
    let shown = place.must("show 1");
    let lines: Vec<&str> = shown.lines().filter_map(|line| line.strip_prefix("next: ")).collect();
    let asked = place.ask("show 1")["view"]["next_steps"].as_array().unwrap().clone();
    let mut typed = Vec::new();
    // The first lines may be about machines.
    for (step, line) in asked.iter().zip(&lines[lines.len() - asked.len()..]) {
        let text = step["text"].as_str().unwrap();
        assert!(line.starts_with(text), "`{text}` is not shown:\n{shown}");
        let commands = match printed(line) {
            printed if !printed.is_empty() => printed,
            _ if step["action"].is_null() => Vec::new(),
            _ => documented(step),
        };
        for command in commands {
            let mut told = Vec::new();
            let done = ["eve", "ada", "req"].iter().any(|member| {
                let copied = Place::empty();
                copy(&place.path(DATA), &copied.path(DATA));
                for file in ["input.json", "report.txt"] {
                    copied.write(file, std::fs::read(place.path(file)).unwrap());
                }
                told.push(copied.sh(&format!("{command} --as {member}")));
                told.last().is_some_and(|ran| ran.code == Some(0))
            });
            assert!(done, "nobody is let do `{command}`, which is proposed:\n{line}\n{told:#?}");
            typed.push(command);
        }
    }
    typed
}

/// All that is proposed in a place can be done, and among it is this.
#[track_caller]
fn offers(place: &Place, expected: &[&str]) {
    let typed = type_all(place);
    for one in expected {
        assert!(typed.iter().any(|typed| typed == one), "`{one}` is not proposed: {typed:#?}");
    }
}

const HOLD: &str = "
start: ask
states:
  ask:
    hold:
      approval:
        rules: { peers: { from: role:engineer, need: 2 } }
        not: [requester]
        veto: { from: role:security, overrule: role:head }
        amended: reset
        duties: { discharge: author }
      evidence: { report: { from: role:tester } }
      task: { cabling: { title: Connect it, from: role:engineer } }
      check: { pipeline: { run: ci } }
      signal: { name: tests-done, when: \"signal == true\" }
      waiver:
        from: role:commander
        scope: all
        duties: { ratify: { within: 2d, from: role:head } }
    on: { released: later, rejected: refused, waived: later }
  later: { hold: { signal: { name: go } }, on: { released: done } }
";

#[test]
fn a_hold_with_all_that_people_can_meet() {
    let place = place(HOLD, &[("ci", "exit 1")], "");
    place.must("work");
    offers(
        &place,
        &[
            "approve 1 --hold ask",
            "reject 1 --hold ask --reason so",
            "veto 1 --hold ask --reason so",
            "amend 1 --input-file input.json --reason so",
            "attach 1 report report.txt",
            "done 1 cabling --hold ask --note so",
            "recheck 1 pipeline",
            "signal 1 tests-done --data true",
            "waive 1 --hold ask --reason so",
            "cancel 1 --reason so",
        ],
    );
    place.must("veto 1 --reason no --as eve");
    offers(&place, &["withdraw 1 --hold ask", "overrule 1 eve --hold ask --reason so"]);
    place.must("overrule 1 eve --reason yes --as ada");
    place.must("approve 1 --as eve --duty 'tell them'");
    place.must("project member add bo --role engineer --as ada");
    place.must("approve 1 --as bo");
    offers(&place, &["reject 1 --hold ask --reason so"]);
    place.must("withdraw 1 --as bo");
    place.must("project member remove bo --as ada");
    place.must("approve 1 --as ada");
    // There is nobody left who has not voted.
    assert!(!type_all(&place).iter().any(|typed| typed.starts_with("reject")));
}

#[test]
fn a_run_that_owes_something_for_a_waiver() {
    let place = place(HOLD, &[("ci", "exit 1")], "");
    place.must("work");
    place.must("waive 1 --reason 'the shop is down' --as eve");
    let typed = type_all(&place);
    assert_eq!(typed, ["signal 1 go", "discharge 1 1 --note so"], "and it cannot be cancelled");
    place.must("signal 1 go --as ada");
    assert_eq!(type_all(&place), ["discharge 1 1 --note so"]);
}

#[test]
fn a_run_that_owes_what_was_made_a_condition() {
    let place = place(
        "
start: ask
states:
  ask:
    hold:
      approval:
        rules: { peer: { from: role:engineer, need: 1 } }
        duties: { discharge: author }
    on: { released: done, rejected: refused }
",
        &[],
        "",
    );
    place.must("approve 1 --duty 'tell them' --as eve");
    offers(&place, &["discharge 1 1 --note so", "cancel 1 --reason so"]);
}

#[test]
fn a_witness_point_and_votes_to_be_counted() {
    let witness = place(
        "
start: notice
states:
  notice:
    hold: { witness: { from: role:head, for: 2d } }
    on: { released: done, objected: refused }
",
        &[],
        "",
    );
    offers(&witness, &["object 1 --hold notice --reason so"]);
    let share = place(
        "
start: ask
states:
  ask:
    hold: { approval: { rules: { all: { from: role:engineer, need: all, roster: now } } } }
    on: { released: done, rejected: refused }
",
        &[],
        "",
    );
    share.must("project role revoke ada engineer --as ada");
    offers(&share, &["recount 1 --hold ask"]);
}

#[test]
fn a_lockdown_and_a_window() {
    let lockdown = place(
        "
start: build
states:
  build: { do: { activity: { run: build } }, on: { succeeded: done, failed: refused } }
",
        &[],
        "",
    );
    lockdown.must("cancel 1 --reason so --as req");
    lockdown.must("lockdown impose --reason 'the switch is down' --as ada");
    lockdown.must("submit flow --as req");
    let shown = lockdown.must("show 2");
    assert!(shown.contains("next: release the lockdown 1, as a member with"), "{shown}");
    lockdown.must("lockdown release 1 --reason so --as ada");
    let shown = lockdown.must("show 2");
    assert!(shown.contains("next: run `holdpoint work`, which takes it up after"), "{shown}");
    let window = place(
        "
start: schedule
states:
  schedule:
    hold:
      window: { in: calendar:maintenance, missed: wait, override: role:head }
      expires: 30d
    on: { released: done, expired: over }
",
        &[],
        "",
    );
    offers(&window, &["override 1 --reason so", "cancel 1 --reason so"]);
}

#[test]
fn a_run_that_is_stuck() {
    let blocked = place(
        "
start: first
states:
  first: { hold: { signal: { name: go } }, on: { released: second } }
  second:
    hold: { approval: { rules: { peer: { from: role:engineer, need: \"${input.n}\" } } } }
    on: { released: done, rejected: refused }
",
        &[],
        "--input n=0",
    );
    blocked.must("signal 1 go --as ada");
    offers(&blocked, &["cancel 1 --reason so"]);
    let unknown = place(
        "
start: charge
states:
  charge:
    do: { activity: { run: charge, repeatable: false, timeout: 100ms } }
    on: { succeeded: done, failed: refused }
",
        &[("charge", "sleep 20")],
        "",
    );
    unknown.must("work");
    let settle = |what: &str| format!("settle 1 {what} --effect charge#1 --reason so");
    offers(&unknown, &[&settle("done"), &settle("failed"), &settle("again")]);
}

/// A rollout over three targets, with these waves, check and end.
fn rollout(waves: &str, healthy: &str, programs: &[(&str, &str)]) -> Place {
    let states = format!(
        "
start: implement
states:
  implement:
    do:
      rollout:
        targets: [web-1, web-2, web-3]
        waves: {waves}
        each: {{ run: deploy }}
        {healthy}
        rollback: {{ run: restore }}
    on: {{ succeeded: observe, rolled_back: refused, failed: over }}
  observe: {{ hold: {{ wait: {{ for: 2d }} }}, on: {{ released: done }} }}
"
    );
    let place = place(&states, programs, "");
    place.must("work");
    place
}

const WORKS: [(&str, &str); 2] = [("deploy", "true"), ("restore", "true")];

#[test]
fn a_rollout_between_its_waves_and_after_the_last() {
    let waves = "[{ to: 1, bake: 1h }, { to: 2, hold: { from: role:engineer, need: 1 } }, 100%]";
    let place = rollout(waves, "", &WORKS);
    offers(&place, &["promote 1", "abort 1 --reason so"]);
    place.must("pause 1 --reason so --as ada");
    offers(&place, &["resume 1", "abort 1 --reason so"]);
    place.must("resume 1 --as ada");
    place.must("promote 1 --as ada");
    place.must("work");
    offers(&place, &["promote 1", "abort 1 --reason so"]);
    place.must("promote 1 --as ada");
    place.must("work");
    offers(&place, &["rollback 1 --reason so"]);
}

#[test]
fn a_rollout_of_which_something_went_wrong() {
    let nothing = r#"echo '{ "verdict": "inconclusive" }'"#;
    let programs = [WORKS[0], WORKS[1], ("look", nothing)];
    let unclear = rollout("[100%]", "healthy: { run: look, inconclusive_limit: 0 }", &programs);
    offers(&unclear, &["promote 1", "retry 1", "skip 1 web-1 --reason so", "abort 1 --reason so"]);
    let stuck = rollout("[100%]", "", &[("deploy", "exit 1"), ("restore", "exit 1")]);
    offers(&stuck, &["retry 1", "take-over 1", "skip 1 web-1 --reason so"]);
}

#[test]
fn branches_side_by_side() {
    let branch = |name: &str| {
        format!(
            "
        {name}:
          start: {name}-ask
          states:
            {name}-ask:
              hold:
                approval: {{ rules: {{ peer: {{ from: role:engineer, need: 1 }} }} }}
                check: {{ look: {{ run: ci }} }}
              on: {{ released: {name}-do, rejected: {name}-no }}
            {name}-do:
              do:
                rollout:
                  targets: [web-1, web-2]
                  waves: [{{ to: 1, bake: 1h }}, 100%]
                  each: {{ run: deploy }}
                  rollback: {{ run: restore }}
              on: {{ succeeded: {name}-yes, rolled_back: {name}-no, failed: {name}-no }}
            {name}-yes: {{ end: good }}
            {name}-no: {{ end: bad }}"
        )
    };
    let states = format!(
        "
start: both
states:
  both:
    all:
      branches:{}{}
      good: [good]
      others: wait
    on: {{ completed: done, failed: refused }}
",
        branch("left"),
        branch("right")
    );
    let place = place(&states, &[WORKS[0], WORKS[1], ("ci", "exit 1")], "");
    place.must("work");
    offers(
        &place,
        &["approve 1 --hold left-ask", "recheck 1 look --hold right-ask", "cancel 1 --reason so"],
    );
    place.write(
        &format!("{DATA}/holdpoint.toml"),
        "[activity.ci]\ncommand = [\"/bin/true\"]\n[activity.deploy]\ncommand = [\"/bin/true\"]\n\
         [activity.restore]\ncommand = [\"/bin/true\"]\n",
    );
    for branch in ["left", "right"] {
        place.must(&format!("approve 1 --hold {branch}-ask --as eve"));
        place.must(&format!("recheck 1 look --hold {branch}-ask --as eve"));
    }
    place.must("work");
    offers(&place, &["promote 1 --state left-do", "abort 1 --reason so --state right-do"]);
}

#[test]
fn a_run_that_rests_for_what_its_baseline_demands() {
    let states = |need: u32| {
        format!(
            "
start: ask
states:
  ask:
    hold: {{ approval: {{ rules: {{ peers: {{ from: role:engineer, need: {need} }} }}, not: [requester] }} }}
    on: {{ released: later, rejected: refused }}
  later: {{ hold: {{ signal: {{ name: go }} }}, on: {{ released: tell }} }}
  tell: {{ do: {{ activity: {{ run: tell }} }}, on: {{ succeeded: done, failed: refused }} }}
"
        )
    };
    let place = place(&states(1), &[("tell", "exit 0")], "");
    place.must("approve 1 --as eve");
    let newer = format!(
        "workflow: flow\nversion: 2\ntitle: Flow\ninput: {{ type: object, properties: {{ n: {{ type: integer }} }} }}\n{}  done: {{ end: done }}\n  refused: {{ end: refused }}\n",
        states(2)
    );
    place.write("newer.yaml", newer);
    place.must("definitions publish newer.yaml --as ada");
    place.write(
        "rules.yaml",
        "baseline: rules\ntitle: Rules\nrequirements:\n  four-eyes: { approval: { from: role:engineer, need: 2 }, override: role:head }\n",
    );
    place.must("baseline publish rules.yaml --reason so --as ada");
    place.must("migrate 1 --to 2 --reason so --as ada");
    place.must("signal 1 go --as ada");
    offers(&place, &["override 1 --requirement four-eyes --reason so", "cancel 1 --reason so"]);
}
