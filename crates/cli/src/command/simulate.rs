//! `holdpoint simulate`: a definition step by step in the terminal, without an engine.

use std::{
    io::{self, BufRead, IsTerminal},
    sync::Arc,
};

use holdpoint::{
    core::{DefinitionRef, Digest, MemberId, RunStatus, workflow::DynWorkflow},
    definition::Definition,
    scenario::{self, Beginning, NoStep, Session, Suite},
};
use serde_json::{Value, json};

use crate::{
    arguments::author::Simulate,
    command::{by_baseline, definitions, history, items, show, test},
    context::Context,
    failure::{Failure, shortened},
    output::{count, line, print},
};

const HELP: &str = "\
submit [MEMBER [INPUT]]           begin the run; INPUT is put over what is submitted otherwise
approve MEMBER [REASON]
reject MEMBER REASON
veto MEMBER REASON, withdraw MEMBER [REASON], overrule MEMBER WHOSE REASON
object MEMBER REASON
amend MEMBER INPUT REASON         INPUT is put over the input as it is now
discharge MEMBER DUTY NOTE
comment MEMBER TEXT
recount MEMBER, recheck MEMBER
cancel MEMBER REASON
signal MEMBER NAME [DATA]
pause, resume, abort, rollback, promote MEMBER [REASON]
retry, skip, take-over MEMBER [TARGET [REASON]]
items [ITEMS]                     list the configuration items, or change them: `items { web-3: ~ }` removes
                                  one, `items { web-4: { labels: { env: prod } } }` sets one
lockdown REASON, lift NUMBER      hold back all that would begin work; and let it go again
after DURATION                    let time pass, such as `after 7d`
at TIME                           let time pass until then
work [ACTIVITY[@TARGET]] DONE     tell workers what comes of their work: `succeeds`, `fails REASON`,
                                  `passed`, `failed`, `inconclusive`
STEP                              any step of a file of scenarios, such as `expect: { state: done }`,
                                  or `approve: { by: lou, for: ada }`, which votes for another
show, history, members            where the run stands, what happened, who there is
undo                              take the last step back
scenario                          print what was done as a scenario
quit
";

/// Steps through a definition.
pub(crate) async fn simulate(context: &Context, arguments: &Simulate) -> Result<(), Failure> {
    let file = &arguments.file;
    let source = definitions::read(file)?;
    let definition = definitions::parse(file, &source)?.definition;
    let named = by_baseline::named(context, &arguments.by).await?;
    let mut beginning = beginning(arguments, &definition)?;
    if let Some(named) = named {
        beginning.baseline = Some(named.kept()?);
    }
    if let Some(baseline) = &beginning.baseline {
        test::check_against(baseline, file, &source)?;
    }
    let reference = DefinitionRef {
        name: definition.name().clone(),
        version: definition.version(),
        digest: Digest::of(source.as_bytes()),
    };
    let workflow: Arc<dyn DynWorkflow> = Arc::new(definition.clone());
    let session = Session::new(workflow, reference, beginning.members.clone(), beginning.at)
        .and_then(|session| session.with_calendars(&beginning.calendars))
        .and_then(|session| session.with_items(&beginning.items))
        .and_then(|session| session.with_baseline(beginning.baseline.as_ref()))
        .map_err(|defect| Failure::storage(defect.to_string(), ""))?;
    let members: Vec<&str> = beginning.members.keys().map(MemberId::as_str).collect();
    print(
        format!(
            "`{}` v{}: {}\nmembers: {}\n`submit` begins the run, `help` says what else there is\n",
            definition.name(),
            definition.version(),
            line(definition.title()),
            members.join(", ")
        )
        .as_bytes(),
    )?;
    Simulation { session, beginning, past: Vec::new(), done: Vec::new(), failed: 0 }.converse()
}

/// Who there is and what is submitted: as was said, or as the scenarios beside the definition say.
fn beginning(arguments: &Simulate, definition: &Definition) -> Result<Beginning, Failure> {
    let beside = test::beside(&arguments.file).map(|file| test::suite(&file)).transpose()?;
    let mut beginning = beside.as_ref().and_then(Suite::beginning);
    if let Some(text) = &arguments.members {
        let members = scenario::members(text).map_err(Failure::Findings)?;
        let first = members.keys().next().cloned();
        if let (Some(by), Some(old)) = (first, &beginning) {
            let by = if members.contains_key(&old.by) { old.by.clone() } else { by };
            beginning = Some(Beginning { by, members, ..old.clone() });
        } else if let Some(by) = members.keys().next().cloned() {
            let at = "2026-01-05T09:00:00Z".parse().unwrap_or_default();
            let (calendars, items, baseline) = Default::default();
            let input = json!({});
            beginning = Some(Beginning { by, members, calendars, items, baseline, input, at });
        }
    }
    beginning.ok_or_else(|| {
        Failure::usage(
            format!("nobody is there to step through `{}` with", definition.name()),
            "say `--members '{ ada: [], grace: role:engineer }'`, or put scenarios beside the definition",
        )
    })
}

/// What a line asks for.
enum Asked<'l> {
    Nothing,
    Help,
    Show,
    History,
    Members,
    Items,
    Undo,
    Scenario,
    Quit,
    Submit(&'l str),
    /// A step, as it is written in a file of scenarios.
    Step(String),
    /// It is nothing that there is.
    Unknown(&'l str),
    /// Something is missing.
    Incomplete(&'static str),
}

struct Simulation {
    session: Session,
    beginning: Beginning,
    /// How it was before each thing that was done.
    past: Vec<Session>,
    /// What was done: the submission, and the steps.
    done: Vec<String>,
    /// How many lines did not do what they say.
    failed: u64,
}

impl Simulation {
    fn converse(mut self) -> Result<(), Failure> {
        let typed = io::stdin().is_terminal();
        let prompt = || print(b"> ");
        prompt()?;
        for read in io::stdin().lock().lines() {
            let read = read.map_err(|error| {
                Failure::usage(
                    format!("standard input cannot be read: {error}"),
                    "type text, in UTF-8",
                )
            })?;
            // Whoever reads what came of a file of commands needs to see the commands.
            if !typed {
                print(format!("{}\n", line(&read)).as_bytes())?;
            }
            let Some(answer) = self.answer(read.trim()) else { return self.outcome(typed) };
            print(answer.as_bytes())?;
            if answer.starts_with("error") {
                self.failed = self.failed.saturating_add(1);
            }
            prompt()?;
        }
        print(b"\n")?;
        self.outcome(typed)
    }

    /// Whoever types has seen what was refused; a program must be told.
    fn outcome(&self, typed: bool) -> Result<(), Failure> {
        if typed || self.failed == 0 {
            return Ok(());
        }
        let lines = count(self.failed, "line");
        Err(Failure::expectation(
            format!("{lines} did not do what was asked"),
            "say what is to be refused as a step: `{ approve: ada, refused: HP1003 }`",
        ))
    }

    /// What there is to say to a line; `None` at the end.
    fn answer(&mut self, read: &str) -> Option<String> {
        Some(match asked(read) {
            Asked::Nothing => String::new(),
            Asked::Help => HELP.to_owned(),
            Asked::Show => self.show(),
            Asked::History => history::section(self.session.play().history()),
            Asked::Members => self.members(),
            Asked::Items => self.items(),
            Asked::Scenario => self.scenario(),
            Asked::Quit => return None,
            Asked::Incomplete(usage) => format!("error: this takes more words\nhelp: {usage}\n"),
            Asked::Unknown(word) => {
                format!(
                    "error: there is no command `{}`\nhelp: `help` says what there is\n",
                    line(word)
                )
            }
            Asked::Undo => match (self.past.pop(), self.done.pop()) {
                (Some(before), _) => {
                    self.session = before;
                    self.show()
                }
                _ => "error: nothing was done yet\n".to_owned(),
            },
            Asked::Submit(rest) => self.submit(rest),
            Asked::Step(_) if self.session.play().view().is_none() => {
                "error: there is no run yet\nhelp: `submit` begins one\n".to_owned()
            }
            Asked::Step(step) => {
                let did = format!("      - {step}\n");
                self.try_out(did, |session| session.step(&step))
            }
        })
    }

    fn submit(&mut self, rest: &str) -> String {
        if self.session.play().view().is_some() {
            return "error: the run was submitted before\nhelp: `undo` takes steps back\n"
                .to_owned();
        }
        let (by, input) = match rest.split_once(char::is_whitespace) {
            Some((by, input)) => (by, Some(input)),
            None if rest.is_empty() => (self.beginning.by.as_str(), None),
            None => (rest, None),
        };
        let Ok(by) = by.parse::<MemberId>() else {
            return format!("error: `{}` is not the name of a member\n", line(by));
        };
        let mut whole = self.beginning.input.clone();
        let mut given = format!("    given: {{ by: {by} }}\n");
        if let Some(input) = input {
            let Ok(members) = scenario::put_over(&mut whole, input) else {
                return "error: the input is not a mapping\nhelp: `submit ada { risk: low }`\n"
                    .to_owned();
            };
            given = format!("    given: {{ by: {by}, input: {members} }}\n");
        }
        self.try_out(given, |session| session.submit(&by, &whole))
    }

    /// Does something on a copy, which is kept where it came to something.
    fn try_out(
        &mut self,
        did: String,
        what: impl FnOnce(&mut Session) -> Result<(), NoStep>,
    ) -> String {
        let mut next = self.session.clone();
        match what(&mut next) {
            Ok(()) => {
                let known = self.session.play().history().len();
                let mut text =
                    history::section(next.play().history().get(known..).unwrap_or_default());
                self.past.push(std::mem::replace(&mut self.session, next));
                self.done.push(did);
                text.push_str(&self.show());
                text
            }
            Err(NoStep::Unreadable(found)) => found
                .iter()
                .map(|one| {
                    let help = one.help.as_deref().unwrap_or_default();
                    format!(
                        "error[{}]: {}\nhelp: {}\n",
                        one.code,
                        shortened(&one.message),
                        shortened(help)
                    )
                })
                .collect(),
            Err(NoStep::Failed(failure)) => failure
                .differences
                .iter()
                .map(|one| match one.what.as_str() {
                    "answer" => format!("error: {}\n", shortened(&one.got)),
                    what => format!(
                        "error: {what}: expected {}, got {}\n",
                        shortened(&one.expected),
                        shortened(&one.got)
                    ),
                })
                .collect(),
        }
    }

    fn show(&self) -> String {
        let play = self.session.play();
        let Some(view) = play.view() else { return "there is no run yet\n".to_owned() };
        let mut text = format!(
            "it is {}: {}",
            crate::output::time(play.now()),
            show::place(&view, play.now())
        );
        if let Some(risk) = &view.risk {
            text.push_str(&format!("  risk  {}\n", show::risk_in_words(risk)));
        }
        let waiting = self.session.waiting();
        if !waiting.is_empty() {
            text.push_str(&format!("  workers wait: {}\n", line(&waiting.join(", "))));
        }
        text
    }

    fn members(&self) -> String {
        let members = self.session.members();
        members
            .iter()
            .map(|(member, sheet)| {
                let roles = sheet.roles.iter().map(|role| format!("role:{role}"));
                let held =
                    sheet.qualifications.iter().map(|held| format!("qualified:{}", held.domain));
                let places = sheet
                    .stands_for
                    .iter()
                    .map(|one| format!("stands for {} until {}", one.member, one.until));
                let all: Vec<String> = roles.chain(held).chain(places).collect();
                format!("{member}: [{}]\n", all.join(", "))
            })
            .collect()
    }

    fn items(&self) -> String {
        match self.session.play().project().items() {
            items if items.is_empty() => "no items\n".to_owned(),
            items => items::listed(items.iter()),
        }
    }

    /// What was done, to be put into a file of scenarios.
    fn scenario(&self) -> String {
        let Some((given, steps)) = self.done.split_first() else {
            return "error: nothing was done yet\n".to_owned();
        };
        let view = self.session.play().view();
        let then = match view.map(|view| (view.status, view.state)) {
            Some((RunStatus::Ended { outcome }, _)) => format!("{{ ended: {outcome} }}"),
            Some((_, state)) => format!("{{ state: {state} }}"),
            None => "{}".to_owned(),
        };
        // Workers waited here, and succeed at once where a scenario does not say otherwise.
        let history = self.session.play().history();
        let worked = history.iter().any(|one| one.kind.as_str() == "holdpoint.activity.started");
        let workers = if worked { ", workers: [{ waits: true }]" } else { "" };
        let given = format!("{}{workers} }}\n", given.strip_suffix(" }\n").unwrap_or(given));
        let when =
            if steps.is_empty() { String::new() } else { format!("    when:\n{}", steps.concat()) };
        format!("  what was stepped through:\n{given}{when}    then: {then}\n")
    }
}

fn asked(read: &str) -> Asked<'_> {
    let (word, rest) = read.split_once(char::is_whitespace).unwrap_or((read, ""));
    let rest = rest.trim();
    match word {
        "" => Asked::Nothing,
        "help" | "?" => Asked::Help,
        "show" => Asked::Show,
        "history" => Asked::History,
        "members" => Asked::Members,
        "undo" => Asked::Undo,
        "scenario" => Asked::Scenario,
        "quit" | "exit" => Asked::Quit,
        "submit" => Asked::Submit(rest),
        "approve" => act("approve", rest, "`approve MEMBER [REASON]`"),
        "reject" => act("reject", rest, "`reject MEMBER REASON`"),
        "veto" => act("veto", rest, "`veto MEMBER REASON`"),
        "withdraw" => act("withdraw", rest, "`withdraw MEMBER [REASON]`"),
        "object" => act("object", rest, "`object MEMBER REASON`"),
        "recount" => act("recount", rest, "`recount MEMBER`"),
        "recheck" => act("recheck", rest, "`recheck MEMBER`"),
        "overrule" => overrule(rest),
        "amend" => amend(rest),
        "discharge" => discharge(rest),
        "comment" => comment(rest),
        "cancel" => act("cancel", rest, "`cancel MEMBER REASON`: it needs a reason"),
        "signal" => signal(rest),
        "pause" => act("pause", rest, "`pause MEMBER REASON`: a pause needs a reason"),
        "abort" => act("abort", rest, "`abort MEMBER REASON`: it needs a reason"),
        "rollback" => act("rollback", rest, "`rollback MEMBER REASON`: it needs a reason"),
        "resume" => act("resume", rest, "`resume MEMBER [REASON]`"),
        "promote" => act("promote", rest, "`promote MEMBER [REASON]`"),
        "retry" | "skip" | "take-over" => about_target(word, rest),
        "items" if rest.is_empty() => Asked::Items,
        "items" => Asked::Step(format!("items: {rest}")),
        "lockdown" if rest.is_empty() => Asked::Incomplete("`lockdown REASON`"),
        "lockdown" => Asked::Step(format!("lockdown: {{ reason: {} }}", quoted(rest))),
        "lift" if rest.is_empty() => Asked::Incomplete("`lift NUMBER`, of a lockdown"),
        "lift" => Asked::Step(format!("lift: {rest}")),
        "after" | "at" => Asked::Step(format!("{word}: {rest}")),
        "work" => work(rest),
        _ if !word.ends_with(':') && !word.starts_with('{') => Asked::Unknown(word),
        _ => Asked::Step(read.to_owned()),
    }
}

/// A text as YAML, whatever is in it: JSON's texts are texts of YAML too.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// Who does something, and their reason for it.
fn act<'l>(kind: &str, rest: &str, usage: &'static str) -> Asked<'l> {
    match rest.split_once(char::is_whitespace) {
        _ if rest.is_empty() => Asked::Incomplete(usage),
        None if matches!(kind, "cancel" | "pause" | "abort" | "rollback") => {
            Asked::Incomplete(usage)
        }
        None => Asked::Step(format!("{kind}: {rest}")),
        Some((by, reason)) => {
            Asked::Step(format!("{kind}: {{ by: {by}, reason: {} }}", quoted(reason.trim())))
        }
    }
}

fn overrule<'l>(rest: &str) -> Asked<'l> {
    let mut words = rest.splitn(3, char::is_whitespace);
    match (words.next(), words.next(), words.next()) {
        (Some(by), Some(whose), Some(reason)) => Asked::Step(format!(
            "overrule: {{ by: {by}, veto_of: {whose}, reason: {} }}",
            quoted(reason.trim())
        )),
        _ => Asked::Incomplete("`overrule MEMBER WHOSE REASON`"),
    }
}

fn amend<'l>(rest: &str) -> Asked<'l> {
    const USAGE: &str =
        "`amend MEMBER INPUT REASON`, such as `amend ada { risk: low } it is smaller`";
    let Some((by, rest)) = rest.split_once(char::is_whitespace) else {
        return Asked::Incomplete(USAGE);
    };
    // The input is the shortest beginning that is a mapping: the reason may have braces too.
    let ends = rest.match_indices('}').map(|(at, brace)| at.saturating_add(brace.len()));
    let mut read = ends.filter_map(|end| {
        let (input, reason) = rest.split_at_checked(end)?;
        let input = scenario::put_over(&mut json!({}), input).ok()?;
        Some((input, reason.trim()))
    });
    match read.next() {
        Some((input, reason)) => Asked::Step(format!(
            "amend: {{ by: {by}, input: {input}, reason: {} }}",
            quoted(reason)
        )),
        None => Asked::Incomplete(USAGE),
    }
}

fn discharge<'l>(rest: &str) -> Asked<'l> {
    let mut words = rest.splitn(3, char::is_whitespace);
    match (words.next(), words.next(), words.next()) {
        (Some(by), Some(duty), Some(note)) => Asked::Step(format!(
            "discharge: {{ by: {by}, duty: {duty}, note: {} }}",
            quoted(note.trim())
        )),
        _ => Asked::Incomplete("`discharge MEMBER DUTY NOTE`"),
    }
}

fn comment<'l>(rest: &str) -> Asked<'l> {
    match rest.split_once(char::is_whitespace) {
        Some((by, text)) => {
            Asked::Step(format!("comment: {{ by: {by}, text: {} }}", quoted(text.trim())))
        }
        None => Asked::Incomplete("`comment MEMBER TEXT`"),
    }
}

fn about_target<'l>(kind: &str, rest: &str) -> Asked<'l> {
    let mut words = rest.splitn(3, char::is_whitespace);
    let Some(by) = words.next().filter(|by| !by.is_empty()) else {
        return Asked::Incomplete("`retry MEMBER [TARGET]`, `skip MEMBER TARGET REASON`");
    };
    let mut step = format!("{kind}: {{ by: {by}");
    for (key, value) in ["target", "reason"].into_iter().zip(words) {
        step.push_str(&format!(", {key}: {}", quoted(value.trim())));
    }
    Asked::Step(format!("{step} }}"))
}

fn signal<'l>(rest: &str) -> Asked<'l> {
    let mut words = rest.splitn(3, char::is_whitespace);
    match (words.next(), words.next(), words.next()) {
        (Some(by), Some(name), data) => {
            let data = data.map(|data| format!(", data: {data}")).unwrap_or_default();
            Asked::Step(format!("signal: {{ by: {by}, name: {name}{data} }}"))
        }
        _ => Asked::Incomplete("`signal MEMBER NAME [DATA]`"),
    }
}

fn work<'l>(rest: &str) -> Asked<'l> {
    const USAGE: &str = "`work succeeds`, or `work deploy@web-1 fails no space left`";
    let outcome = |word: &str, rest: &str| match word {
        "succeeds" => Some("succeeds: true".to_owned()),
        "fails" if rest.is_empty() => Some("fails: it failed".to_owned()),
        "fails" => Some(format!("fails: {}", quoted(rest))),
        "passed" | "failed" | "inconclusive" => Some(format!("verdict: {word}")),
        _ => None,
    };
    let (word, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if let Some(done) = outcome(word, more.trim()) {
        return Asked::Step(format!("work: {{ {done} }}"));
    }
    let (done, reason) = more.trim().split_once(char::is_whitespace).unwrap_or((more.trim(), ""));
    let Some(done) = outcome(done, reason.trim()) else { return Asked::Incomplete(USAGE) };
    let which = match word.split_once('@') {
        Some((run, target)) => format!("run: {run}, target: {}", quoted(target)),
        None => format!("run: {word}"),
    };
    Asked::Step(format!("work: {{ {which}, {done} }}"))
}
