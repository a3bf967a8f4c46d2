//! From YAML to scenarios: the file, its members, its workers, and each scenario's frame. Steps and
//! expectations are read in `syntax_step`.

use std::collections::BTreeSet;

use holdpoint_core::{
    Items, MemberId, RefusalCode, RoleName, conflict::Look, item::ItemsChange,
    project::Qualification,
};
use holdpoint_definition::{
    DiagnosticCode as Code, Diagnostics,
    yaml::{self, Findings, Key, Kind, Node, Reader},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    baselines::{self, KeptBaseline},
    calendars::{self, Calendars},
    conflicts,
    crew::{Answer, Reply, Which},
    inventory,
    play::{Members, Sheet, StandsFor},
    suite::{Given, Mention, MentionKind, Refused, Scenario, Step, StepKind, Suite},
    syntax_step,
};

/// The moment at which scenarios begin that do not say when: a Monday morning.
const BEGIN: &str = "2026-01-05T09:00:00Z";

const TOP: &[&str] = &[
    "definition",
    "begins",
    "baseline",
    "members",
    "calendars",
    "items",
    "input",
    "workers",
    "scenarios",
];
const SCENARIO: &[&str] = &["given", "when", "then"];
const GIVEN: &[&str] = &[
    "by",
    "input",
    "at",
    "members",
    "calendars",
    "items",
    "conflicts",
    "workers",
    "children",
    "refused",
];
pub(crate) const CHILD: &[&str] = &["definition", "ends", "refused", "takes"];
const ANSWER: &[&str] = &[
    "run", "target", "step", "check", "times", "takes", "succeeds", "fails", "for_good", "verdict",
    "detail", "unknown", "waits",
];
const REFUSED: &[&str] = &["code", "says"];
const HELD: &[&str] = &["qualified", "from", "until"];
const STANDS_FOR: &[&str] = &["stands_for", "from", "until", "roles"];

const TIME: &str = "times are such as `2026-03-01T22:00:00Z` or `2026-03-01T22:00:00+01:00`";
const DURATION: &str = "durations are such as `90s`, `10m`, `2h 30m` or `7d`; a day has 24 hours";
const MEMBER: &str = "a member holds a list of `role:NAME`, `qualified:NAME`, \
                      `{ qualified: NAME, until: TIME }` and `{ stands_for: MEMBER, until: TIME }`";
const REPLY: &str = "say one of `succeeds`, `fails`, `verdict`, `unknown` and `waits`";

/// The steps of a rollout at a target, as its effects name them.
const STEPS: &[&str] = &[
    "pre_check",
    "drain",
    "deploy",
    "verify",
    "undrain",
    "check",
    "undo_drain",
    "restore",
    "undo_undrain",
];

impl Suite {
    /// Reads a file of scenarios. `file` is the name that findings show.
    ///
    /// # Errors
    /// All findings about the file.
    pub fn parse(file: &str, source: &str) -> Result<Self, Diagnostics> {
        Self::parse_with(file, source, &no_files)
    }

    /// As [`Suite::parse`], where the files that it names, such as a calendar's, are read by `files`,
    /// which says in words why one cannot be.
    ///
    /// # Errors
    /// All findings about the file.
    pub fn parse_with(
        file: &str,
        source: &str,
        files: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Self, Diagnostics> {
        let mut findings = Findings::new(file, source);
        let read = yaml::read(source, &mut findings).and_then(|root| {
            let mut file = File::new(&mut findings);
            file.files = files;
            let (definition, baseline, scenarios) = file.read(&root)?;
            Some((definition, baseline, scenarios, file.mentions))
        });
        let has_errors = findings.has_errors();
        match read {
            Some((definition, baseline, scenarios, mentions)) if !has_errors => Ok(Self {
                file: file.to_owned(),
                source: source.to_owned(),
                definition,
                baseline,
                scenarios,
                mentions,
            }),
            _ => Err(findings.finish()),
        }
    }
}

/// For what is read where there are no files.
fn no_files(_: &str) -> Result<String, String> {
    Err("no files can be read here".to_owned())
}

/// What stands in a file: the definition's file and where it is named, the baseline, and the scenarios.
type Top = ((String, yaml::Span), Option<KeptBaseline>, Vec<Scenario>);

/// What scenarios have in common.
struct Common {
    begins: Timestamp,
    baseline: Option<KeptBaseline>,
    members: Members,
    calendars: Calendars,
    /// The items that there are, and how the project came by them.
    items: (Items, Vec<ItemsChange>),
    input: Value,
    answers: Vec<Answer>,
}

/// A file while it is read.
pub(crate) struct File<'f> {
    pub(crate) reader: Reader<'f>,
    pub(crate) mentions: Vec<Mention>,
    /// Reads the files that it names.
    pub(crate) files: &'f dyn Fn(&str) -> Result<String, String>,
    /// The configuration items that there are at the point that is read.
    pub(crate) items: Items,
    /// Where members could not be read, that they are missing would only repeat it.
    members_known: bool,
}

impl<'f> File<'f> {
    pub(crate) fn new(findings: &'f mut Findings) -> Self {
        Self {
            reader: Reader::new(findings),
            mentions: Vec::new(),
            files: &no_files,
            items: Items::default(),
            members_known: true,
        }
    }

    fn read(&mut self, root: &Node) -> Option<Top> {
        if let Kind::Map(entries) = &root.kind
            && let Some((key, _)) = entries.iter().find(|(key, _)| key.name == "workflow")
            && entries.iter().all(|(key, _)| key.name != "scenarios")
        {
            self.reader
                .findings
                .add(Code::WrongKind, &key.span, "this is a definition, and no file of scenarios")
                .help("its scenarios stand in a file of their own: `NAME.scenarios.yaml`");
            return None;
        }
        let top = self.reader.fields(root, "a file of scenarios", TOP)?;
        let definition = top.need(&mut self.reader, "definition").and_then(|node| {
            let file = self.reader.text(node, "`definition`, the file that is tested,")?;
            Some((file.to_owned(), node.span.clone()))
        });
        let begins = match top.get("begins") {
            None => BEGIN.parse().ok(),
            Some(node) => self.time(node),
        };
        let baseline = match top.get("baseline") {
            None => Some(None),
            Some(node) => baselines::read(self, node).map(Some),
        };
        let members = top.need(&mut self.reader, "members").and_then(|node| self.members(node));
        let calendars = self.calendars(top.get("calendars"));
        let items = self.items(top.get("items"));
        let answers = self.answers(top.get("workers"));
        let input = top.get("input").map_or_else(|| json!({}), Node::to_json);
        let scenarios = top.need(&mut self.reader, "scenarios")?;
        let Kind::Map(entries) = &scenarios.kind else {
            self.reader.wrong(scenarios, "`scenarios` is a mapping from names to scenarios");
            return None;
        };
        if entries.is_empty() {
            self.reader
                .findings
                .add(Code::MissingKey, &scenarios.span, "there are no scenarios")
                .help("add one: `NAME: { given: …, when: […], then: … }`");
        }
        // What could not be read is among the findings; the scenarios are read all the same.
        self.members_known &= members.is_some();
        let common = Common {
            begins: begins.unwrap_or_default(),
            baseline: baseline.clone().unwrap_or_default(),
            members: members.unwrap_or_default(),
            calendars: calendars.unwrap_or_default(),
            items: (self.items.clone(), items.unwrap_or_default()),
            input,
            answers: answers.unwrap_or_default(),
        };
        let read: Vec<_> =
            entries.iter().map(|(key, node)| self.scenario(key, node, &common)).collect();
        Some((definition?, baseline?, read.into_iter().collect::<Option<_>>()?))
    }

    fn scenario(&mut self, key: &Key, node: &Node, common: &Common) -> Option<Scenario> {
        let fields = self.reader.fields(node, "a scenario", SCENARIO)?;
        let given =
            fields.need(&mut self.reader, "given").and_then(|node| self.given(node, common));
        let mut members = given.as_ref().map_or(&common.members, |given| &given.members).clone();
        let steps = match fields.get("when") {
            None => Some(Vec::new()),
            Some(node) => self.steps(node, &mut members),
        };
        let then = match fields.get("then") {
            None => Some(None),
            Some(node) => syntax_step::expectation(self, node, &members).map(Some),
        };
        let (given, steps, then) = (given?, steps?, then?);
        if let Some(Step { .. }) = steps.first().filter(|_| given.refused.is_some()) {
            self.reader
                .findings
                .add(Code::WrongKind, &key.span, "a run that is refused has no steps")
                .help("leave `when` out, or `refused`");
            return None;
        }
        let looks = steps.iter().any(|step| match &step.kind {
            StepKind::Expect(_) => true,
            StepKind::Act(act) => act.refused.is_some(),
            _ => false,
        });
        if then.is_none() && !looks && given.refused.is_none() {
            self.reader
                .findings
                .add(Code::NothingExpected, &key.span, "the scenario expects nothing")
                .help("say under `then` how it comes out, such as `then: { ended: done }`");
            return None;
        }
        let line = self.reader.findings.line(key.span.start);
        Some(Scenario { name: key.name.clone(), line, given, steps, then })
    }

    fn given(&mut self, node: &Node, common: &Common) -> Option<Given> {
        let fields = self.reader.fields(node, "`given`", GIVEN)?;
        let mut members = common.members.clone();
        let changed = match fields.get("members") {
            None => Some(Members::new()),
            Some(node) => self.members(node),
        };
        let mut calendars = common.calendars.clone();
        calendars.append(&mut self.calendars(fields.get("calendars"))?);
        let (there, mut items) = common.items.clone();
        self.items = there;
        items.append(&mut self.items(fields.get("items"))?);
        let conflicts = match fields.get("conflicts") {
            None => Look::default(),
            Some(node) => conflicts::read(self, node)?,
        };
        let refused = self.refused(fields.get("refused"));
        self.members_known &= changed.is_some();
        members.append(&mut changed.unwrap_or_default());
        self.check_substitutes(node, &members);
        let refused = refused?;
        let by = fields
            .need(&mut self.reader, "by")
            .and_then(|node| self.acting(node, &members, refused.as_ref()));
        let at = match fields.get("at") {
            None => Some(common.begins),
            Some(node) => self.time(node),
        };
        let mut answers = self.answers(fields.get("workers"))?;
        answers.extend(self.children(fields.get("children"))?);
        let own_answers = answers.len();
        answers.extend(common.answers.iter().cloned());
        let mut input = common.input.clone();
        merge(&mut input, fields.get("input").map_or_else(|| json!({}), Node::to_json));
        let line = self.reader.findings.line(node.span.start);
        Some(Given {
            line,
            by: by?,
            input,
            at: at?,
            members,
            calendars,
            items,
            baseline: common.baseline.clone(),
            conflicts,
            answers,
            own_answers,
            refused,
        })
    }

    fn calendars(&mut self, node: Option<&Node>) -> Option<Calendars> {
        node.map_or_else(|| Some(Calendars::new()), |node| calendars::read(self, node))
    }

    fn items(&mut self, node: Option<&Node>) -> Option<Vec<ItemsChange>> {
        node.map_or_else(|| Some(Vec::new()), |node| inventory::read(self, node))
    }

    fn steps(&mut self, node: &Node, members: &mut Members) -> Option<Vec<Step>> {
        let Kind::List(items) = &node.kind else {
            self.reader.wrong(node, "`when` is a list of steps, such as `- approve: grace`");
            return None;
        };
        let read: Vec<_> =
            items.iter().map(|item| syntax_step::step(self, item, members)).collect();
        read.into_iter().collect()
    }

    /// Who acts; a member, unless the refusal is what is expected.
    pub(crate) fn acting(
        &mut self,
        node: &Node,
        members: &Members,
        refused: Option<&Refused>,
    ) -> Option<MemberId> {
        let id = self.member(node)?;
        let stranger = refused.is_some_and(|refused| refused.code == RefusalCode::NotMember);
        if !members.contains_key(&id) && !stranger && self.members_known {
            let names: Vec<&str> = members.keys().map(MemberId::as_str).collect();
            let help = yaml::did_you_mean(id.as_str(), names.iter().copied())
                .unwrap_or_else(|| format!("the members are {}", yaml::listed(&names)));
            self.reader
                .findings
                .add(Code::UnknownMember, &node.span, format!("`{id}` is not a member"))
                .help(help);
            return None;
        }
        Some(id)
    }

    /// A member's name.
    pub(crate) fn member(&mut self, node: &Node) -> Option<MemberId> {
        let text = self.reader.text(node, "a member's name")?;
        match text.parse() {
            Ok(id) => Some(id),
            Err(error) => {
                let error: holdpoint_core::id::MalformedId = error;
                self.reader
                    .findings
                    .add(Code::MalformedName, &node.span, error.to_string())
                    .help("give a member's name, such as `ada`");
                None
            }
        }
    }

    /// A time.
    pub(crate) fn time(&mut self, node: &Node) -> Option<Timestamp> {
        let text = self.reader.text(node, "a time")?;
        let read = text.parse().ok();
        if read.is_none() {
            self.reader
                .findings
                .add(Code::WrongKind, &node.span, format!("`{text}` is not a time"))
                .help(TIME);
        }
        read
    }

    /// A duration.
    pub(crate) fn duration(&mut self, node: &Node) -> Option<SignedDuration> {
        if let Kind::Text(text) = &node.kind {
            return self.reader.duration(text, &node.span);
        }
        self.reader
            .findings
            .add(Code::InvalidDuration, &node.span, "this is not a duration")
            .help(DURATION);
        None
    }

    /// Members with what they hold.
    pub(crate) fn members(&mut self, node: &Node) -> Option<Members> {
        let Kind::Map(entries) = &node.kind else {
            self.reader.wrong(node, "`members` is a mapping from names to what each holds");
            return None;
        };
        let read: Vec<_> = entries
            .iter()
            .map(|(key, node)| {
                let name = Node { kind: Kind::Text(key.name.clone()), span: key.span.clone() };
                let (id, sheet) = (self.member(&name), self.sheet(node));
                Some((id?, sheet?))
            })
            .collect();
        read.into_iter().collect()
    }

    fn sheet(&mut self, node: &Node) -> Option<Sheet> {
        let one = std::slice::from_ref(node);
        let items = match &node.kind {
            Kind::List(items) => items.as_slice(),
            Kind::Null => &[],
            _ => one,
        };
        let mut sheet = Sheet::default();
        let mut whole = true;
        for item in items {
            whole &= self.holding(item, &mut sheet).is_some();
        }
        whole.then_some(sheet)
    }

    fn holding(&mut self, node: &Node, sheet: &mut Sheet) -> Option<()> {
        let mut qualification = |domain, from, until| {
            let issuer = "scenario".to_owned();
            let evidence = None;
            sheet.qualifications.push(Qualification { domain, issuer, from, until, evidence });
        };
        match &node.kind {
            Kind::Text(text) => {
                let read = match text.split_once(':') {
                    Some(("role", name)) => name.parse().ok().map(|role| {
                        if !sheet.roles.contains(&role) {
                            sheet.roles.push(role);
                        }
                    }),
                    Some(("qualified", name)) => {
                        name.parse().ok().map(|domain| qualification(domain, None, None))
                    }
                    _ => None,
                };
                if read.is_none() {
                    self.reader
                        .findings
                        .add(
                            Code::UnknownApprover,
                            &node.span,
                            format!("`{text}` is nothing that a member holds"),
                        )
                        .help(MEMBER);
                }
                read
            }
            Kind::Map(entries) if entries.iter().any(|(key, _)| key.name == "stands_for") => {
                sheet.stands_for.push(self.stands_for(node)?);
                Some(())
            }
            Kind::Map(_) => {
                let fields = self.reader.fields(node, "a qualification", HELD)?;
                let domain = fields
                    .need(&mut self.reader, "qualified")
                    .and_then(|node| self.reader.name(node, "a qualification")?.parse().ok());
                let mut time = |key| match fields.get(key) {
                    None => Some(None),
                    Some(node) => self.time(node).map(Some),
                };
                let (from, until) = (time("from"), time("until"));
                qualification(domain?, from?, until?);
                Some(())
            }
            _ => {
                self.reader.wrong(node, MEMBER);
                None
            }
        }
    }

    /// For whom somebody votes.
    fn stands_for(&mut self, node: &Node) -> Option<StandsFor> {
        let fields = self.reader.fields(node, "a substitution", STANDS_FOR)?;
        let member = fields.get("stands_for").and_then(|node| self.member(node));
        let from = match fields.get("from") {
            None => Some(None),
            Some(node) => self.time(node).map(Some),
        };
        let until = fields.need(&mut self.reader, "until").and_then(|node| self.time(node));
        let mut roles = Vec::new();
        if let Some(node) = fields.get("roles") {
            let items = match &node.kind {
                Kind::List(items) => items.as_slice(),
                _ => std::slice::from_ref(node),
            };
            for item in items {
                roles.push(self.reader.name(item, "a role").and_then(|name| name.parse().ok()));
            }
        }
        let roles: Option<BTreeSet<RoleName>> = roles.into_iter().collect();
        Some(StandsFor { member: member?, from: from?, until: until?, roles: roles? })
    }

    /// Finds those who stand for somebody who is not there.
    pub(crate) fn check_substitutes(&mut self, node: &Node, members: &Members) {
        for one in members.values().flat_map(|sheet| &sheet.stands_for) {
            if !members.contains_key(&one.member) {
                let names: Vec<&str> = members.keys().map(MemberId::as_str).collect();
                self.reader
                    .findings
                    .add(
                        Code::UnknownMember,
                        &node.span,
                        format!("somebody stands for `{}`, who is not a member", one.member),
                    )
                    .help(format!("the members are {}", yaml::listed(&names)));
            }
        }
    }

    fn answers(&mut self, node: Option<&Node>) -> Option<Vec<Answer>> {
        let Some(node) = node else { return Some(Vec::new()) };
        let Kind::List(items) = &node.kind else {
            self.reader.wrong(
                node,
                "`workers` is a list of answers, such as `- { run: deploy, fails: \"no space\" }`",
            );
            return None;
        };
        let read: Vec<_> = items.iter().map(|item| self.answer(item)).collect();
        read.into_iter().collect()
    }

    fn answer(&mut self, node: &Node) -> Option<Answer> {
        let fields = self.reader.fields(node, "an answer", ANSWER)?;
        let which = self.which(&fields);
        let takes = match fields.get("takes") {
            None => Some(SignedDuration::ZERO),
            Some(node) => self.duration(node),
        };
        let times = match fields.get("times") {
            None => Some(None),
            Some(node) => self.reader.count(node, "`times`").map(Some),
        };
        let reply = self.reply(&fields, node);
        let (reply, times) = (reply?, times?);
        // An unknown end is asked about again at once: always, it would never come to an end.
        let times = times.or(matches!(reply, Reply::Unknown { .. }).then_some(1));
        let line = self.reader.findings.line(node.span.start);
        Some(Answer { which: which?, times, takes: takes?, reply, line })
    }

    /// What comes of the runs that are asked for.
    fn children(&mut self, node: Option<&Node>) -> Option<Vec<Answer>> {
        const SHAPE: &str = "`children` is a list of what comes of runs, such as `- { definition: build, ends: done }`";
        let Some(node) = node else { return Some(Vec::new()) };
        let Kind::List(items) = &node.kind else {
            self.reader.wrong(node, SHAPE);
            return None;
        };
        let read: Vec<_> = items.iter().map(|item| self.child(item)).collect();
        read.into_iter().collect()
    }

    /// What comes of a run that is asked for.
    pub(crate) fn child(&mut self, node: &Node) -> Option<Answer> {
        let fields = self.reader.fields(node, "a run that is asked for", CHILD)?;
        let run = fields
            .need(&mut self.reader, "definition")
            .and_then(|node| self.reader.name(node, "a definition"));
        let takes = match fields.get("takes") {
            None => Some(SignedDuration::ZERO),
            Some(node) => self.duration(node),
        };
        let reply = match (fields.get("ends"), fields.get("refused")) {
            (Some(node), None) => self
                .reader
                .name(node, "an outcome of that run")
                .map(|outcome| Reply::Ends { outcome }),
            (None, Some(node)) => self
                .reader
                .text(node, "why it cannot be started")
                .map(|error| Reply::Refused { error: error.to_owned() }),
            _ => {
                self.reader
                    .wrong(node, "say how the run ends, `ends: done`, or why it is `refused`");
                None
            }
        };
        let which = Which { run: Some(run?), child: true, ..Which::default() };
        let line = self.reader.findings.line(node.span.start);
        Some(Answer { which, times: None, takes: takes?, reply: reply?, line })
    }

    /// Which activities are meant.
    pub(crate) fn which(&mut self, fields: &yaml::Fields<'_>) -> Option<Which> {
        let mut text = |key: &str, what: &str| match fields.get(key) {
            None => Some(None),
            Some(node) => {
                let text = self.reader.text(node, what)?.to_owned();
                let kind = match key {
                    "run" => Some(MentionKind::Activity),
                    "check" => Some(MentionKind::Check),
                    _ => None,
                };
                if let Some(kind) = kind {
                    let (name, span) = (text.clone(), node.span.clone());
                    self.mentions.push(Mention { kind, name, span });
                }
                Some(Some(text))
            }
        };
        let run = text("run", "the name of an activity");
        let target = text("target", "the name of a target");
        let check = text("check", "the name of a check");
        let step = match fields.get("step") {
            None => Some(None),
            Some(node) => {
                let text = self.reader.text(node, "the step of a rollout")?;
                let known = STEPS.contains(&text);
                if !known {
                    self.reader
                        .findings
                        .add(Code::WrongKind, &node.span, format!("there is no step `{text}`"))
                        .help(format!("the steps of a rollout are {}", yaml::listed(STEPS)));
                }
                known.then(|| Some(text.to_owned()))
            }
        };
        Some(Which { run: run?, target: target?, step: step?, check: check?, child: false })
    }

    /// What comes of an activity.
    pub(crate) fn reply(&mut self, fields: &yaml::Fields<'_>, node: &Node) -> Option<Reply> {
        let kinds = ["succeeds", "fails", "verdict", "unknown", "waits"];
        let given: Vec<&str> =
            kinds.into_iter().filter(|kind| fields.get(kind).is_some()).collect();
        let ([kind], Some(value)) =
            (given.as_slice(), given.first().and_then(|kind| fields.get(kind)))
        else {
            self.reader
                .findings
                .add(Code::MissingKey, &node.span, "it is not said what comes of the activity")
                .help(REPLY);
            return None;
        };
        let allowed = |key: &str| match key {
            "for_good" => *kind == "fails",
            _ => *kind == "verdict",
        };
        for key in ["for_good", "detail"] {
            if let Some(node) = fields.get(key).filter(|_| !allowed(key)) {
                self.reader
                    .findings
                    .add(Code::UnknownKey, &node.span, format!("`{key}` does not go with `{kind}`"))
                    .help("`for_good` goes with `fails`, `detail` with `verdict`");
                return None;
            }
        }
        match *kind {
            "succeeds" => Some(Reply::Succeeds(match value.to_json() {
                Value::Bool(true) => Value::Null,
                output => output,
            })),
            "fails" => {
                let error = self.reader.text(value, "`fails`, what goes wrong,")?.to_owned();
                let for_good = match fields.get("for_good") {
                    None => false,
                    Some(node) => self.flag(node, "`for_good`")?,
                };
                Some(Reply::Fails { error, retryable: !for_good })
            }
            "unknown" => {
                let reason = self.reader.text(value, "`unknown`, what is known of it,")?;
                Some(Reply::Unknown { reason: reason.to_owned() })
            }
            "waits" => self.flag(value, "`waits`").map(|_| Reply::Waits),
            _ => self.verdict(value, fields.get("detail")),
        }
    }

    fn verdict(&mut self, node: &Node, detail: Option<&Node>) -> Option<Reply> {
        let verdict = self.reader.text(node, "a verdict")?;
        if !["passed", "failed", "inconclusive"].contains(&verdict) {
            self.reader
                .findings
                .add(Code::WrongKind, &node.span, format!("there is no verdict `{verdict}`"))
                .help("a verdict is `passed`, `failed` or `inconclusive`");
            return None;
        }
        let detail = match detail {
            None => Value::Null,
            Some(node) => self.reader.text(node, "`detail`")?.into(),
        };
        Some(Reply::Succeeds(json!({ "verdict": verdict, "detail": detail })))
    }

    fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        if let Kind::Bool(true) = node.kind {
            return Some(true);
        }
        self.reader.wrong(node, &format!("{what} is `true`, or left out"));
        None
    }

    /// A refusal that is expected.
    pub(crate) fn refused(&mut self, node: Option<&Node>) -> Option<Option<Refused>> {
        let Some(node) = node else { return Some(None) };
        if let Kind::Text(_) = node.kind {
            let code = self.refusal_code(node)?;
            return Some(Some(Refused { code, says: None }));
        }
        let fields = self.reader.fields(node, "a refusal", REFUSED)?;
        let code = fields.need(&mut self.reader, "code").and_then(|node| self.refusal_code(node));
        let says = match fields.get("says") {
            None => None,
            Some(node) => Some(self.reader.text(node, "what the refusal says")?.to_owned()),
        };
        Some(Some(Refused { code: code?, says }))
    }

    fn refusal_code(&mut self, node: &Node) -> Option<RefusalCode> {
        let text = self.reader.text(node, "the code of a refusal")?;
        let found = RefusalCode::ALL.into_iter().find(|code| code.as_str() == text);
        if found.is_none() {
            let codes: Vec<_> = RefusalCode::ALL.iter().map(|code| code.as_str()).collect();
            self.reader
                .findings
                .add(Code::WrongKind, &node.span, format!("there is no refusal `{text}`"))
                .help(format!(
                    "the refusals are {}; docs/errors says what each means",
                    codes.join(", ")
                ));
        }
        found
    }
}

/// Puts `patch` over `value` as RFC 7396 (JSON Merge Patch) says: members replace members, and
/// `null` takes one away.
pub(crate) fn merge(value: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *value = patch;
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    let Some(members) = value.as_object_mut() else { return };
    for (name, patch) in patch {
        if patch.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), patch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn inputs_are_merged_as_the_rfc_says() {
        for (original, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a":"b"}), json!(["c"]), json!(["c"])),
            (json!({"a":"foo"}), json!(null), json!(null)),
            (json!({"a":"foo"}), json!("bar"), json!("bar")),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ] {
            let mut value = original.clone();
            merge(&mut value, patch.clone());
            assert_eq!(value, result, "{original} {patch}");
        }
    }
}
