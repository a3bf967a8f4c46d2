//! From the YAML tree to the model: the shape of every key. What needs the whole picture, such as
//! whether a state is ever reached, is checked in `check`.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::DefinitionName;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    check_part::{self, Part},
    diagnostics::{DiagnosticCode as Code, Findings},
    expr::{Expr, Fault, FaultKind, Scope, did_you_mean},
    expr_types::Kinds,
    model::{Model, StateKind, StateModel, Target, is_name},
    node::{Key, Kind, Node, Span},
    outputs_check::Use,
    risk::RiskModel,
    schema_cost, syntax_hold, syntax_parallel, syntax_risk, syntax_work,
    template::{Template, Tree},
};

pub(crate) const TOP: &[&str] =
    &["workflow", "version", "title", "input", "risk", "start", "expires", "states"];
pub(crate) const STATE: &[&str] = &["hold", "do", "choose", "all", "end", "unlock", "on"];

pub(crate) const EXPIRES: &[&str] = &["after", "to"];

/// The entries of a mapping whose keys are known.
#[derive(Debug)]
pub struct Fields<'n> {
    entries: &'n [(Key, Node)],
    span: &'n Span,
    what: &'static str,
    /// The keys for which others were written.
    misspelt: Vec<String>,
}

impl<'n> Fields<'n> {
    /// The value of a key, if it is there.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(name, _)| name.name == key).map(|(_, value)| value)
    }

    /// The value of a key that must be there.
    pub fn need(&self, reader: &mut Reader<'_>, key: &str) -> Option<&'n Node> {
        let found = self.get(key);
        // One that is misspelt was told as such.
        if found.is_none() && !self.misspelt.iter().any(|one| one == key) {
            let span = self.entries.first().map_or(self.span, |(first, _)| &first.span);
            reader
                .findings
                .add(Code::MissingKey, span, format!("{} has no `{key}`", self.what))
                .help(format!("add the key `{key}`"));
        }
        found
    }
}

/// What is needed while reading a file: shapes that are not as they should be become findings.
#[derive(Debug)]
pub struct Reader<'f> {
    /// The findings so far.
    pub findings: &'f mut Findings,
    pub(crate) schema: Value,
    /// The schema of `risk`, once that was read.
    risk: Option<Value>,
    /// The states; `None` where the definition is not known.
    pub(crate) states: Option<BTreeSet<String>>,
    /// The states of branches that have been read.
    pub(crate) branch_states: Vec<(String, StateModel)>,
    /// Where the states lead that could not be read, as far as that could be.
    unread: BTreeMap<String, Option<Vec<Target>>>,
    /// The state that is being read.
    state: String,
    /// The outputs that expressions use.
    uses: Vec<Use>,
}

impl<'f> Reader<'f> {
    /// Reads a file about which there are these findings so far.
    pub fn new(findings: &'f mut Findings) -> Self {
        Self {
            findings,
            schema: json!({}),
            risk: None,
            states: Some(BTreeSet::new()),
            branch_states: Vec::new(),
            unread: BTreeMap::new(),
            state: String::new(),
            uses: Vec::new(),
        }
    }

    /// Reads a file about a definition that is not known: expressions are checked as far as that goes.
    pub(crate) fn of_any(findings: &'f mut Findings) -> Self {
        Self { risk: Some(json!({})), states: None, ..Self::new(findings) }
    }

    /// The entries of a mapping; unknown keys are reported.
    pub fn fields<'n>(
        &mut self,
        node: &'n Node,
        what: &'static str,
        known: &[&str],
    ) -> Option<Fields<'n>> {
        let Kind::Map(entries) = &node.kind else {
            self.wrong(node, &format!("{what} is a mapping with the keys {}", listed(known)));
            return None;
        };
        let mut misspelt = Vec::new();
        for (key, _) in entries {
            if !known.contains(&key.name.as_str()) {
                let meant = did_you_mean(&key.name, known.iter().copied());
                if let Some(meant) = &meant {
                    let is_meant = |one: &&str| {
                        did_you_mean(&key.name, std::iter::once(*one)).as_ref() == Some(meant)
                    };
                    misspelt.extend(known.iter().copied().find(is_meant).map(str::to_owned));
                }
                let help = meant.unwrap_or_else(|| format!("the keys are {}", listed(known)));
                self.findings
                    .add(Code::UnknownKey, &key.span, format!("{what} has no key `{}`", key.name))
                    .help(help);
            }
        }
        Some(Fields { entries, span: &node.span, what, misspelt })
    }

    /// Reports a value of the wrong kind.
    pub fn wrong(&mut self, node: &Node, expected: &str) {
        self.findings
            .add(Code::WrongKind, &node.span, format!("{} cannot stand here", node.what()))
            .help(expected.to_owned());
    }

    /// A text.
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        if let Kind::Text(text) = &node.kind {
            return Some(text);
        }
        self.wrong(node, &format!("{what} is a text; quote it if it looks like something else"));
        None
    }

    /// A name.
    pub fn name(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.text(node, what)?;
        self.is_name(text, &node.span, what).then(|| text.to_owned())
    }

    /// Whether `text` is a name; reported if not.
    pub fn is_name(&mut self, text: &str, span: &Span, what: &str) -> bool {
        let good = is_name(text);
        if !good {
            self.findings
                .add(Code::MalformedName, span, format!("`{text}` is not a name for {what}"))
                .help("names are at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit");
        }
        good
    }

    /// A whole number of at least 1.
    pub fn count(&mut self, node: &Node, what: &str) -> Option<u32> {
        let count = match node.kind {
            Kind::Int(number) => u32::try_from(number).ok().filter(|count| *count >= 1),
            // A whole number that is larger than any whole number that is read is read as this.
            Kind::Float(number) if number.is_finite() && number.fract() == 0.0 => None,
            _ => {
                self.wrong(node, &format!("{what} is a whole number of at least 1"));
                return None;
            }
        };
        if count.is_none() {
            let number = self.findings.source().get(node.span.clone()).unwrap_or_default();
            let found = format!("{what} cannot be {number}");
            self.findings
                .add(Code::OutOfRange, &node.span, found)
                .help(format!("give a whole number from 1 to {}", u32::MAX));
        }
        count
    }

    /// A state to go to.
    pub(crate) fn target(&mut self, node: &Node) -> Option<Target> {
        let name = self.text(node, "where to go")?.to_owned();
        Some(Target { name, span: node.span.clone() })
    }

    /// An expression.
    pub(crate) fn expr(&mut self, node: &Node, also: &[&'static str]) -> Option<Expr> {
        let text = match &node.kind {
            Kind::Text(text) => text.clone(),
            Kind::Bool(value) => value.to_string(),
            _ => {
                self.wrong(node, "a condition is a CEL expression, such as `input.risk == 'high'`");
                return None;
            }
        };
        if text.starts_with("${") {
            self.findings
                .add(Code::ExpressionSyntax, &node.span, "a condition is not written in `${…}`")
                .help("write the expression alone, such as `input.risk == 'high'`");
            return None;
        }
        let scope = Scope {
            schema: &self.schema,
            states: self.states.as_ref(),
            risk: self.risk.as_ref(),
            also,
        };
        let (expr, faults) = Expr::compile(&text, &scope);
        self.report(node, &text, faults);
        if let Some(expr) = &expr {
            self.gives(node, expr.kinds(), Kinds::BOOL, "a condition is true or false");
        }
        expr
    }

    /// An expression that gives a number.
    pub(crate) fn number(&mut self, node: &Node) -> Option<Expr> {
        let text = match &node.kind {
            Kind::Text(text) if !text.starts_with("${") => text.clone(),
            Kind::Int(number) => number.to_string(),
            _ => {
                self.wrong(node, "a number is a CEL expression, such as `size(input.targets) * 2`");
                return None;
            }
        };
        self.compiled(node, &text, Kinds::NUMBER, "a number is wanted")
    }

    /// An expression that gives a text.
    pub(crate) fn word(&mut self, node: &Node) -> Option<Expr> {
        let text = match &node.kind {
            Kind::Text(text) if !text.starts_with("${") => text.clone(),
            _ => {
                self.wrong(
                    node,
                    "this is a CEL expression that gives a text, such as `input.risk`",
                );
                return None;
            }
        };
        self.compiled(node, &text, Kinds::TEXT, "a text is wanted")
    }

    fn compiled(&mut self, node: &Node, text: &str, wanted: Kinds, what: &str) -> Option<Expr> {
        let scope = Scope {
            schema: &self.schema,
            states: self.states.as_ref(),
            risk: self.risk.as_ref(),
            also: &[],
        };
        let (expr, faults) = Expr::compile(text, &scope);
        self.report(node, text, faults);
        if let Some(expr) = &expr {
            self.gives(node, expr.kinds(), wanted, what);
        }
        expr
    }

    /// Reports what an expression gives, where it can be nothing of what is wanted there.
    pub(crate) fn gives(&mut self, node: &Node, kinds: Kinds, wanted: Kinds, what: &str) {
        if !kinds.may_be(wanted) {
            self.findings
                .add(
                    Code::ExpressionType,
                    &node.span,
                    format!("{what}, and this gives {}", kinds.in_words()),
                )
                .help("see what the schema of `input` says about what is used here");
        }
    }

    /// A text that may hold expressions.
    pub(crate) fn template(&mut self, node: &Node, also: &[&'static str]) -> Option<Template> {
        let text = self.text(node, "what stands here")?.to_owned();
        let scope = Scope {
            schema: &self.schema,
            states: self.states.as_ref(),
            risk: self.risk.as_ref(),
            also,
        };
        let (template, faults) = Template::compile(&text, &scope);
        self.report(node, &text, faults);
        template
    }

    /// Any value whose texts may hold expressions.
    pub(crate) fn tree(&mut self, node: &Node, also: &[&'static str]) -> Option<Tree> {
        match &node.kind {
            Kind::Text(_) => self.template(node, also).map(Tree::Text),
            Kind::List(items) => {
                let read: Vec<_> = items.iter().map(|item| self.tree(item, also)).collect();
                read.into_iter().collect::<Option<Vec<_>>>().map(Tree::List)
            }
            Kind::Map(entries) => {
                let read: Vec<_> = entries
                    .iter()
                    .map(|(key, value)| Some((key.name.clone(), self.tree(value, also)?)))
                    .collect();
                read.into_iter().collect::<Option<Vec<_>>>().map(Tree::Map)
            }
            _ => Some(Tree::Value(node.to_json())),
        }
    }

    /// Reports the faults of an expression, each at its place in the file where that can be told.
    fn report(&mut self, node: &Node, text: &str, faults: Vec<Fault>) {
        for fault in faults {
            let raw = self.findings.source().get(node.span.clone()).unwrap_or_default();
            let span = match place(raw, text, fault.at) {
                Some(found) => {
                    let start = node.span.start.saturating_add(found);
                    start..start.saturating_add(fault.length).min(node.span.end.max(start))
                }
                None => node.span.clone(),
            };
            let code = match fault.kind {
                FaultKind::Syntax => Code::ExpressionSyntax,
                FaultKind::Unknown => Code::UnknownVariable,
                FaultKind::Optional => Code::OptionalInput,
                FaultKind::Type => Code::ExpressionType,
                FaultKind::Never => Code::NeverEqual,
                FaultKind::Uses => {
                    let (within, of) = (self.state.clone(), fault.message);
                    self.uses.push(Use { within, of, span });
                    continue;
                }
            };
            let added = self.findings.add(code, &span, fault.message);
            if let Some(help) = fault.help {
                added.help(help);
            }
        }
    }
}

/// The place in the file's `raw` text of the byte `at` of a value. A text of several lines stands
/// there line by line, indented; one that was folded or escaped does not stand there as it is.
fn place(raw: &str, text: &str, at: usize) -> Option<usize> {
    if let Some(found) = raw.find(text) {
        return Some(found.saturating_add(at));
    }
    let before = text.get(..at)?;
    let start = before.rfind('\n').map_or(0, |found| found.saturating_add(1));
    let line = text.get(start..)?.lines().next()?;
    let mut found = raw.match_indices(line).filter(|_| !line.trim().is_empty());
    match (found.next(), found.next()) {
        (Some((found, _)), None) => Some(found.saturating_add(at.saturating_sub(start))),
        _ => None,
    }
}

/// Names in a row, as a message shows them.
#[must_use]
pub fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Reads a definition's shape. `None` when so much is missing that there is no model.
pub(crate) fn read(root: &Node, findings: &mut Findings) -> Option<Model> {
    let mut reader = Reader::new(findings);
    if is_of_another_kind(root, &mut reader) {
        return None;
    }
    let top = reader.fields(root, "a definition", TOP)?;

    let name = top.need(&mut reader, "workflow").and_then(|node| {
        let name = reader.name(node, "a workflow")?;
        name.parse::<DefinitionName>().ok()
    });
    let version = top.need(&mut reader, "version").and_then(|node| reader.count(node, "a version"));
    let title = top
        .need(&mut reader, "title")
        .and_then(|node| reader.text(node, "a title").map(|text| (node, text.to_owned())))
        .map(|(node, text)| {
            if text.contains("${") {
                reader
                    .findings
                    .add(Code::TemplateInTitle, &node.span, "the title has a `${…}`, which stays as it is")
                    .help("say what all runs are about; each is listed by its input's `title`, where it has one");
            }
            text
        });
    let validator = read_schema(top.get("input"), &mut reader);

    let risk = match top.get("risk") {
        None => Some(None),
        Some(node) => {
            let risk = syntax_risk::read(node, &mut reader);
            // Where it cannot be read, nothing is said of what uses it.
            reader.risk = Some(risk.as_ref().map_or_else(|| json!({}), RiskModel::schema));
            risk.map(Some)
        }
    };
    let start = top.need(&mut reader, "start").and_then(|node| reader.target(node));
    let expires = match top.get("expires") {
        None => Some(None),
        Some(node) => read_expiry(node, &mut reader).map(Some),
    };
    let states = top.need(&mut reader, "states").and_then(|node| read_states(node, &mut reader));
    let Reader { schema, uses, states: names, unread, findings, .. } = reader;
    match (name, version, title, validator, risk, start, expires, states) {
        (
            Some(name),
            Some(version),
            Some(title),
            Some(validator),
            Some(risk),
            Some(start),
            Some(expires),
            Some(states),
        ) if unread.is_empty() => Some(Model {
            name,
            version,
            title,
            schema,
            uses,
            validator,
            risk,
            start,
            expires,
            states,
        }),
        (.., start, expires, Some(states)) => {
            let names = names.unwrap_or_default();
            let expires = expires.as_ref().and_then(Option::as_ref).map(|(_, to)| to);
            let (start, states, names, unread) = (start.as_ref(), &states, &names, &unread);
            check_part::check(&Part { start, expires, states, names, unread }, findings);
            None
        }
        _ => None,
    }
}

/// Whether a file is something else than a definition; reported if so.
fn is_of_another_kind(root: &Node, reader: &mut Reader<'_>) -> bool {
    let Kind::Map(entries) = &root.kind else { return false };
    let has = |name: &str| entries.iter().find(|(key, _)| key.name == name);
    let kinds = [
        ("calendar", "a calendar", "check it with `holdpoint calendar check FILE`"),
        ("scenarios", "a file of scenarios", "let its name end in `.scenarios.yaml`"),
        ("baseline", "a baseline", "name it beside a definition: `--baseline FILE`"),
        ("items", "an inventory", "it is taken by `holdpoint items set FILE`"),
    ];
    let found = kinds.iter().find_map(|(key, what, help)| Some((has(key)?, what, help)));
    let Some(((key, _), what, help)) = found.filter(|_| has("workflow").is_none()) else {
        return false;
    };
    reader
        .findings
        .add(Code::WrongKind, &key.span, format!("this is {what}, and no definition"))
        .help(*help);
    true
}

/// How long a run may take as a whole.
fn read_expiry(node: &Node, reader: &mut Reader<'_>) -> Option<(SignedDuration, Target)> {
    let fields = reader.fields(node, "the run's `expires`", EXPIRES)?;
    let after =
        fields.need(reader, "after").and_then(|node| syntax_work::fixed(node, "`after`", reader));
    let to = fields.need(reader, "to").and_then(|node| reader.target(node));
    Some((after?, to?))
}

fn read_schema(node: Option<&Node>, reader: &mut Reader<'_>) -> Option<jsonschema::Validator> {
    reader.schema = node.map_or_else(
        || json!({ "type": "object", "properties": {}, "additionalProperties": false }),
        Node::to_json,
    );
    if let Some(node) = node
        && !matches!(node.kind, Kind::Map(_))
    {
        reader.wrong(node, "`input` is a JSON Schema, such as `{ type: object, properties: … }`");
        reader.schema = json!({});
        return None;
    }
    let built = jsonschema::options()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .should_validate_formats(true)
        .build(&reader.schema);
    match (built, node) {
        (Ok(validator), _) => {
            if let Some((fault, node)) = schema_cost::fault(&reader.schema).zip(node) {
                let schema_cost::Fault { at, message, help } = fault;
                let at = node.at_pointer(&at);
                reader.findings.add(Code::UnboundedSchema, &at.span, message).help(help);
            }
            check_defaults(&validator, node, reader);
            Some(validator)
        }
        (Err(error), Some(node)) => {
            let at = node.at_pointer(error.instance_path().as_str());
            let (message, help) = match error.kind() {
                jsonschema::error::ValidationErrorKind::Referencing(_) => (
                    "a `$ref` leads to nothing in this schema".to_owned(),
                    "put the schema under `$defs` and refer to it as `#/$defs/NAME`",
                ),
                _ => (
                    format!("this is not a JSON Schema: {error}"),
                    "see https://json-schema.org for what may stand here",
                ),
            };
            reader.findings.add(Code::InvalidSchema, &at.span, message).help(help);
            None
        }
        (Err(_), None) => None,
    }
}

/// A default that the schema itself refuses would make every submission fail.
fn check_defaults(validator: &jsonschema::Validator, node: Option<&Node>, reader: &mut Reader<'_>) {
    let Some(node) = node else { return };
    let defaults = crate::schema::with_defaults(&reader.schema, json!({}));
    if !schema_cost::is_bounded(&reader.schema, &defaults) {
        let message = "to check the defaults against the schema would take too long";
        reader
            .findings
            .add(Code::UnboundedSchema, &node.span, message)
            .help("refer to the same schema less often, or give smaller defaults");
        return;
    }
    let faults: Vec<_> = validator
        .iter_errors(&defaults)
        .map(|error| (error.instance_path().as_str().to_owned(), error.to_string()))
        .filter(|(path, _)| !path.is_empty())
        .collect();
    for (path, message) in faults {
        let property = path.split('/').nth(1).unwrap_or_default().to_owned();
        let at = node.at_pointer(&format!("/properties/{property}/default"));
        reader
            .findings
            .add(
                Code::InvalidSchema,
                &at.span,
                format!("the default of `{property}` does not fit the schema: {message}"),
            )
            .help("give a default that the schema accepts");
    }
}

fn read_states(node: &Node, reader: &mut Reader<'_>) -> Option<BTreeMap<String, StateModel>> {
    let Kind::Map(entries) = &node.kind else {
        reader.wrong(node, "`states` is a mapping from names to states");
        return None;
    };
    if entries.is_empty() {
        reader
            .findings
            .add(Code::MissingKey, &node.span, "there are no states")
            .help("a definition has at least one state, an `end`");
    }
    reader.states = Some(syntax_parallel::names(entries));
    let mut states = BTreeMap::new();
    for (key, value) in entries {
        reader.is_name(&key.name, &key.span, "a state");
        if let Some(state) = read_state(key, value, reader) {
            states.insert(key.name.clone(), state);
        }
    }
    syntax_parallel::beside(&mut states, reader).then_some(states)
}

/// Reads a state; of one that cannot be read is noted where it leads.
pub(crate) fn read_state(key: &Key, node: &Node, reader: &mut Reader<'_>) -> Option<StateModel> {
    let state = read_whole_state(key, node, reader);
    if state.is_none() {
        reader.unread.insert(key.name.clone(), leads(node));
    }
    state
}

/// Where a state leads that could not be read, if that is plain.
fn leads(node: &Node) -> Option<Vec<Target>> {
    let target = |node: &Node| match &node.kind {
        Kind::Text(name) => Some(Target { name: name.clone(), span: node.span.clone() }),
        _ => None,
    };
    if member(node, "all").is_some() {
        return None;
    }
    let mut ways = Vec::new();
    if let Some(on) = member(node, "on") {
        let Kind::Map(entries) = &on.kind else { return None };
        ways.extend(entries.iter().map(|(_, to)| to));
    }
    if let Some(choose) = member(node, "choose") {
        let Kind::List(items) = &choose.kind else { return None };
        for item in items {
            ways.push(member(item, "to").or_else(|| member(item, "else"))?);
        }
    }
    ways.into_iter().map(target).collect()
}

/// The value of a key of a mapping.
pub(crate) fn member<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Kind::Map(entries) = &node.kind else { return None };
    entries.iter().find(|(key, _)| key.name == name).map(|(_, value)| value)
}

fn read_whole_state(key: &Key, node: &Node, reader: &mut Reader<'_>) -> Option<StateModel> {
    let fields = reader.fields(node, "a state", STATE)?;
    let kinds: Vec<&str> = ["hold", "do", "choose", "all", "end"]
        .into_iter()
        .filter(|kind| fields.get(kind).is_some())
        .collect();
    let [kind] = kinds.as_slice() else {
        let found = if kinds.is_empty() {
            "no kind".to_owned()
        } else {
            format!("several kinds: {}", listed(&kinds))
        };
        reader
            .findings
            .add(Code::StateKind, &key.span, format!("the state `{}` is of {found}", key.name))
            .help("a state has exactly one of `hold`, `do`, `choose`, `all` and `end`");
        return None;
    };
    let inner = fields.get(kind)?;
    reader.state.clone_from(&key.name);
    let mut expires = None;
    let read = match *kind {
        "hold" => syntax_hold::read(inner, reader).map(|hold| StateKind::Hold(hold.into())),
        "do" => syntax_work::read(inner, reader).map(|(kind, span)| {
            expires = span;
            kind
        }),
        "choose" => read_choose(inner, reader),
        "all" => syntax_parallel::read(&key.name, inner, reader).map(|(kind, span)| {
            expires = span;
            kind
        }),
        _ => reader.name(inner, "an outcome").map(|outcome| StateKind::End { outcome }),
    };
    let unlock = match fields.get("unlock").map(|node| (node, &node.kind)) {
        None => Some(false),
        Some((_, Kind::Bool(unlock))) => Some(*unlock),
        Some((node, _)) => {
            reader.wrong(node, "`unlock` is `true` or `false`");
            None
        }
    };
    let on = match fields.get("on") {
        None => Some(BTreeMap::new()),
        Some(on) => read_on(on, reader),
    };
    let on_entry = fields.entries.iter().find(|(name, _)| name.name == "on");
    let on_span = on_entry.map(|(name, _)| name.span.clone());
    let outcome_spans = match on_entry.map(|(_, on)| &on.kind) {
        Some(Kind::Map(entries)) => {
            entries.iter().map(|(key, _)| (key.name.clone(), key.span.clone())).collect()
        }
        _ => BTreeMap::new(),
    };
    let span = key.span.clone();
    let (kind, on, within) = (read?, on?, None);
    Some(StateModel { span, kind, within, expires, unlock: unlock?, on, on_span, outcome_spans })
}

fn read_on(node: &Node, reader: &mut Reader<'_>) -> Option<BTreeMap<String, Target>> {
    let Kind::Map(entries) = &node.kind else {
        reader.wrong(node, "`on` is a mapping from outcomes to states");
        return None;
    };
    let read: Vec<_> = entries
        .iter()
        .map(|(key, value)| Some((key.name.clone(), reader.target(value)?)))
        .collect();
    read.into_iter().collect()
}

fn read_choose(node: &Node, reader: &mut Reader<'_>) -> Option<StateKind> {
    const SHAPE: &str = "`choose` is a list of `{ when: CONDITION, to: STATE }`, the last of them `{ else: STATE }`";
    let Kind::List(items) = &node.kind else {
        reader.wrong(node, SHAPE);
        return None;
    };
    let mut branches = Vec::new();
    let mut otherwise = None;
    let mut whole = true;
    for (n, item) in items.iter().enumerate() {
        let Some(branch) = reader.fields(item, "a branch", &["when", "to", "else"]) else {
            whole = false;
            continue;
        };
        if let Some(last) = branch.get("else") {
            otherwise = reader.target(last);
            if n.saturating_add(1) != items.len() || branch.entries.len() != 1 {
                reader
                    .findings
                    .add(Code::WrongKind, &item.span, "`else` stands alone, and last")
                    .help(SHAPE);
            }
            continue;
        }
        let when = branch.need(reader, "when").and_then(|node| reader.expr(node, &[]));
        let to = branch.need(reader, "to").and_then(|node| reader.target(node));
        match (when, to) {
            (Some(when), Some(to)) => branches.push((when, to)),
            _ => whole = false,
        }
    }
    if otherwise.is_none() && !items.iter().any(|item| matches!(&item.kind, Kind::Map(entries) if entries.iter().any(|(key, _)| key.name == "else"))) {
        reader
            .findings
            .add(Code::MissingKey, &node.span, "`choose` has no `else`")
            .help("end the list with `{ else: STATE }`: where to go when no condition is true");
    }
    let otherwise = otherwise?;
    whole.then_some(StateKind::Choose { branches, otherwise })
}
