//! What ships and gives machines work: the definitions, an office that has what they need, what is submitted, and
//! people who do whatever is waited for.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use holdpoint::core::{
    Action, Actor, Authentication, Command, CommandId, Digest, NextAsk, RunView, Steering, Vote,
    evidence::NewEvidence, view::ConditionView,
};
use holdpoint_tests::{Data, shipped};
use serde_json::{Value, json};
use uuid::Uuid;

/// What ships and gives machines work.
const WITH_MACHINES: [(&str, &str); 9] = [
    ("rolling-rollout", include_str!("../../../workflows/rolling-rollout.yaml")),
    ("canary-rollout", include_str!("../../../workflows/canary-rollout.yaml")),
    ("blue-green-rollout", include_str!("../../../workflows/blue-green-rollout.yaml")),
    ("standard-change", include_str!("../../../workflows/standard-change.yaml")),
    ("normal-change", include_str!("../../../workflows/normal-change.yaml")),
    ("emergency-change", include_str!("../../../workflows/emergency-change.yaml")),
    ("cutover-rehearsal", include_str!("../../../workflows/cutover-rehearsal.yaml")),
    ("cutover", include_str!("../../../workflows/cutover.yaml")),
    ("definition-release", include_str!("../../../workflows/definition-release.yaml")),
];

/// What ships and is not played, and why.
const NOT_PLAYED: [(&str, &str); 1] =
    [("access-request", "people do all of it: no state has anything done by machines")];

/// Fails where something ships that is neither played nor named, or where what is named is played.
pub(crate) fn all_that_ships_is_among<'a>(played: impl IntoIterator<Item = &'a str>) {
    let mut told: BTreeSet<String> = played.into_iter().map(str::to_owned).collect();
    for (name, why) in NOT_PLAYED {
        assert!(told.insert(name.to_owned()), "{name} is played, although {why}");
    }
    assert_eq!(told, shipped());
}

/// The definition, with checks of machines that take moments and of which `more` is said, with a check of metrics that
/// is made once, with days of notice that take seconds, and with a time for people that lasts on a fast clock.
fn quick(source: &str, more: &[&str]) -> String {
    let says = [&["for: 20ms", "every: 10ms"], more].concat();
    let lines = says.join("\n          ");
    source
        .replace("for: \"${input.bake}\"", &lines)
        .replace("          for: 1m\n", &format!("          {lines}\n"))
        .replace("/health\", for: 1m }", &format!("/health\", {} }}", says.join(", ")))
        .replace("attempts: 3\n          on_fail: refuse", "attempts: 1\n          on_fail: refuse")
        .replace("for: 1d }", "for: 10s }")
        .replace("expires: 2h", "expires: 400h")
        .replace("expires: 4h", "expires: 400h")
        .replace("expires: 12h", "expires: 400h")
}

/// Makes a data directory with all that runs of these definitions need but the machines. `more` is said of each check of
/// those; `metrics` is the port of the server that knows how the services are.
pub(crate) fn make_office(data: &Data, configuration: &str, metrics: u16, more: &[&str]) {
    data.must(&["init"]);
    data.must(&["project", "create", "lab", "--as", "ada"]);
    for (member, roles) in [
        ("bob", &["engineer", "board", "workflow-author"][..]),
        ("eve", &["engineer", "board", "workflow-author"]),
        ("pam", &["project-manager"]),
        ("sue", &["service-owner"]),
        ("olli", &["operations", "ci"]),
        ("carl", &["change-authority", "emergency-authority"]),
        ("max", &["change-manager"]),
        ("tom", &["technical-authority"]),
        ("sam", &["sponsor", "incident-commander"]),
    ] {
        let roles = roles.iter().flat_map(|role| ["--role", role]);
        let words = ["project", "member", "add", member].into_iter().chain(roles);
        data.must(&words.chain(["--as", "ada"]).collect::<Vec<_>>());
    }
    for member in ["tom", "bob", "eve"] {
        let words = ["project", "qualify", member, "storage", "--issuer", "the school"];
        data.must(&words.into_iter().chain(["--as", "ada"]).collect::<Vec<_>>());
    }
    // They are open for as long as a fast clock runs.
    let open = "windows: [{ starts: 2020-01-01T00:00, lasts: 24h, repeat: FREQ=DAILY }]";
    for (name, text) in [
        ("cutover", open),
        ("maintenance", open),
        ("freeze", "freezes: [{ from: 2020-01-01, to: 2020-01-02 }]"),
    ] {
        let file = data.beside().join(format!("{name}.yaml"));
        fs::write(&file, format!("calendar: {name}\nzone: UTC\n{text}\n")).unwrap();
        data.must(&["calendar", "publish", file.to_str().unwrap(), "--as", "ada"]);
    }
    for (_, source) in WITH_MACHINES {
        let file = data.beside().join("definition.yaml");
        fs::write(&file, quick(source, more)).unwrap();
        data.must(&["definitions", "publish", file.to_str().unwrap(), "--as", "ada"]);
    }
    let metrics = format!("[metrics.metrics]\nurl = \"http://127.0.0.1:{metrics}\"\n");
    fs::write(data.path().join("holdpoint.toml"), configuration.to_owned() + &metrics).unwrap();
}

/// Says of each service how many of its requests fail, or does not answer; gives the port.
pub(crate) fn serve_metrics(
    failing: impl Fn(&str) -> Option<&'static str> + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut asked) = (stream.unwrap(), [0; 4096]);
            // Who is killed does not ask to the end.
            let _ = stream.read(&mut asked);
            let asked = String::from_utf8_lossy(&asked);
            // As `service='hall'` stands in an address.
            let service = asked.split("%27").nth(1);
            let Some(value) = service.and_then(&failing) else { continue };
            let result = json!([{ "metric": {}, "value": [0, value] }]);
            let data = json!({ "resultType": "vector", "result": result });
            let answer = json!({ "status": "success", "data": data }).to_string();
            let headers = format!("content-length: {}\r\nconnection: close", answer.len());
            let _ = write!(stream, "HTTP/1.1 200 OK\r\n{headers}\r\n\r\n{answer}");
        }
    });
    port
}

/// Has the project know these machines, each with the service that it takes over when that is switched to green.
pub(crate) fn declare<'a>(
    data: &Data,
    machines: impl IntoIterator<Item = (&'a str, &'a Vec<String>)>,
) {
    let of = |(service, machines): (&str, &'a Vec<String>)| {
        let labels = json!({ "service": service, "colour": "green" });
        machines.iter().map(|name| json!({ "name": name, "labels": labels })).collect::<Vec<_>>()
    };
    let items: Vec<Value> = machines.into_iter().flat_map(of).collect();
    let file = data.beside().join("items.json");
    fs::write(&file, json!({ "items": items }).to_string()).unwrap();
    data.must(&["items", "set", file.to_str().unwrap(), "--as", "ada"]);
}

/// What is submitted to have version 2 rolled out to these machines, or this service moved.
pub(crate) fn input(name: &str, machines: &[String], service: &str) -> Value {
    let rollout = |more: Value| {
        let mut input = json!({ "title": "t", "version": "2", "targets": machines });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    match name {
        "rolling-rollout" => rollout(json!({})),
        "canary-rollout" => rollout(json!({ "bake": "10s", "observe": "10s", "service": service })),
        "standard-change" => rollout(json!({ "procedure": "patch" })),
        "normal-change" => rollout(json!({ "domain": "storage", "items": ["hall"] })),
        "emergency-change" => rollout(json!({ "incident": "INC-1" })),
        "blue-green-rollout" => json!({
            "title": "t", "version": "2", "service": service, "to": "green", "bake": "10s",
            "observe": "10s",
        }),
        "cutover-rehearsal" => json!({ "title": "t", "service": service }),
        "cutover" => json!({
            "title": "t", "domain": "storage", "service": service, "rehearsed": true, "support": "10s",
        }),
        "definition-release" => json!({
            "title": "t", "definition": service, "version": 2, "changes": "c", "loosens": false,
            "digest": Digest::of(b"t"),
        }),
        _ => panic!("nobody knows what to submit to {name}"),
    }
}

pub(crate) fn command(who: &str, action: Action) -> Command {
    Command {
        id: CommandId::from_uuid(Uuid::now_v7()),
        actor: Actor::Member(who.parse().unwrap()),
        auth: Authentication::new("test"),
        trace: None,
        action,
    }
}

pub(crate) fn steer(steering: Steering, target: Option<String>) -> Action {
    let (reason, over) = (Some("so".to_owned()), Default::default());
    Action::Steer { steering, target, reason, state: None, over }
}

/// What people do where a run stands so: whatever a hold waits for. Those who judge say `judged`.
pub(crate) fn people(view: &RunView, judged: Vote) -> Vec<(String, Action)> {
    if view.rollout.as_ref().is_some_and(|rollout| rollout.phase == "held") {
        return vec![("bob".to_owned(), steer(Steering::Promote, None))];
    }
    let does = |condition: &ConditionView| {
        let name = condition.name.clone();
        let action = match condition.kind {
            "approval" => Action::vote(judged, Some("so")),
            "task" => Action::Done { hold: None, task: Some(name), note: Some("so".to_owned()) },
            "signal" => {
                let digest = Digest::of(view.title.as_bytes());
                Action::Signal {
                    name,
                    data: json!({ "digest": digest, "failed": 0, "percent": 100 }),
                }
            }
            "evidence" => {
                let digest = Digest::of(name.as_bytes());
                let reference = Some("https://files.example.com/1".to_owned());
                let media_type = Some("application/pdf".to_owned());
                let evidence =
                    NewEvidence { digest, size: None, file: None, media_type, reference };
                Action::Attach { name, evidence, note: None }
            }
            _ => return None,
        };
        let who = match condition.candidates.iter().find(|one| one.lacks.is_none()) {
            Some(who) => who.member.to_string(),
            // Everyone may attach what is demanded of nobody.
            None if condition.kind == "evidence" => "pam".to_owned(),
            None => return None,
        };
        Some((who, action))
    };
    let conditions = view.holds.iter().flat_map(|hold| &hold.conditions);
    let done = conditions.filter(|condition| !condition.met).filter_map(does);
    done.chain(checks(view).map(|again| ("bob".to_owned(), again))).collect()
}

/// The checks of holds that told nothing, to be made again.
pub(crate) fn checks(view: &RunView) -> impl Iterator<Item = Action> {
    view.next_steps.iter().filter_map(|step| match &step.ask {
        Some(NextAsk::Recheck { hold, check }) => {
            Some(Action::Recheck { hold: Some(hold.clone()), check: Some(check.clone()) })
        }
        _ => None,
    })
}
