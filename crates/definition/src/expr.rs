//! Expressions: CEL, and templates, which are texts with CEL in `${…}`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, Program,
    common::ast::{EntryExpr, Expr as Ast, IdedExpr},
};
use serde_json::Value;

use crate::schema;

/// The longest expression, in bytes.
const EXPRESSION_BYTES_MAX: usize = 2_000;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// The functions that an expression may call, besides the operators and macros of CEL.
const FUNCTIONS: [&str; 15] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "int",
    "matches",
    "max",
    "min",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
];

const TYPES: [&str; 9] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "uint"];

/// The values that an expression is evaluated with.
#[derive(Clone, Copy)]
pub(crate) struct Vars<'a> {
    pub(crate) input: &'a Value,
    pub(crate) requester: &'a str,
    pub(crate) outputs: &'a BTreeMap<String, Arc<Value>>,
    /// The target of a rollout's step.
    pub(crate) target: Option<&'a str>,
    /// What came with a signal.
    pub(crate) signal: Option<&'a Value>,
}

/// The names that an expression may use, where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) schema: &'a Value,
    pub(crate) states: &'a BTreeSet<String>,
    /// Variables besides `input`, `requester` and `states`.
    pub(crate) also: &'a [&'static str],
}

/// What is wrong with an expression: where in its text (in bytes) and what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) length: usize,
    pub(crate) kind: FaultKind,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    Syntax,
    Unknown,
    Optional,
}

/// An expression that can be evaluated.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    program: Arc<Program>,
    /// The members of `input` that are used; `None` when `input` is used whole.
    inputs: Option<BTreeSet<String>>,
    uses_states: bool,
}

impl Expr {
    /// Compiles an expression and checks the names in it.
    pub(crate) fn compile(text: &str, scope: &Scope<'_>) -> (Option<Self>, Vec<Fault>) {
        let syntax = |at: usize, message: String| Fault {
            at,
            length: 1,
            kind: FaultKind::Syntax,
            message,
            help: Some(
                "expressions are CEL, such as `input.risk == 'high'`: see docs/definitions.md"
                    .to_owned(),
            ),
        };
        if text.trim().is_empty() {
            return (None, vec![syntax(0, "the expression is empty".to_owned())]);
        }
        if text.len() > EXPRESSION_BYTES_MAX {
            let message = format!("the expression is longer than {EXPRESSION_BYTES_MAX} bytes");
            return (None, vec![syntax(0, message)]);
        }
        let program = match ENV.compile(text) {
            Ok(program) => program,
            Err(errors) => {
                let fault = errors.errors.first().map_or_else(
                    || syntax(0, "the expression cannot be read".to_owned()),
                    |error| {
                        let first = error.msg.lines().next().unwrap_or_default();
                        syntax(offset(text, error.pos), format!("this is not CEL: {first}"))
                    },
                );
                return (None, vec![fault]);
            }
        };
        let mut walk = Walk {
            text,
            program: &program,
            scope,
            bound: Vec::new(),
            tested: BTreeSet::new(),
            inputs: Some(BTreeSet::new()),
            uses_states: false,
            faults: Vec::new(),
        };
        walk.collect_tests(program.expression());
        walk.visit(program.expression());
        let Walk { inputs, uses_states, faults, .. } = walk;
        (Some(Self { program: Arc::new(program), inputs, uses_states }), faults)
    }

    /// Evaluates the expression.
    pub(crate) fn eval(&self, vars: &Vars<'_>) -> Result<Value, String> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        let input = match (&self.inputs, vars.input) {
            (Some(used), Value::Object(members)) => cel::Value::Map(cel::objects::Map::from(
                used.iter()
                    .filter_map(|name| members.get(name).map(|value| (name.clone(), to_cel(value))))
                    .collect::<HashMap<String, cel::Value>>(),
            )),
            (_, whole) => to_cel(whole),
        };
        context.add_variable_from_value("input", input);
        context.add_variable_from_value("requester", vars.requester.to_owned());
        if self.uses_states {
            let states: HashMap<String, cel::Value> = vars
                .outputs
                .iter()
                .map(|(state, output)| {
                    let members = HashMap::from([("output".to_owned(), to_cel(output))]);
                    (state.clone(), cel::Value::Map(cel::objects::Map::from(members)))
                })
                .collect();
            context.add_variable_from_value("states", states);
        }
        if let Some(target) = vars.target {
            context.add_variable_from_value("target", target.to_owned());
        }
        if let Some(signal) = vars.signal {
            context.add_variable_from_value("signal", to_cel(signal));
        }
        let value = self.program.execute(&context).map_err(|error| error.to_string())?;
        value.json().map_err(|_| "the expression gives nothing that JSON can hold".to_owned())
    }

    /// Evaluates a condition.
    pub(crate) fn holds(&self, vars: &Vars<'_>) -> Result<bool, String> {
        match self.eval(vars)? {
            Value::Bool(held) => Ok(held),
            other => Err(format!("the condition gives `{other}`, neither true nor false")),
        }
    }
}

/// JSON as a CEL value. Whole numbers become CEL's `int`, so that `input.n + 1` works.
fn to_cel(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(value) => cel::Value::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => cel::Value::Int(int),
            (None, Some(uint)) => cel::Value::UInt(uint),
            (None, None) => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Array(items) => cel::Value::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(members) => cel::Value::Map(cel::objects::Map::from(
            members
                .iter()
                .map(|(name, value)| (name.clone(), to_cel(value)))
                .collect::<HashMap<String, cel::Value>>(),
        )),
    }
}

/// The byte at CEL's line (from 1) and column (from 0, in characters).
fn offset(text: &str, (line, column): (isize, isize)) -> usize {
    let skipped = usize::try_from(line.saturating_sub(1)).unwrap_or(0);
    let column = usize::try_from(column).unwrap_or(0);
    let start: usize = text.split_inclusive('\n').take(skipped).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    start.saturating_add(rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at))
}

/// A walk over an expression that looks at every name in it.
struct Walk<'a> {
    text: &'a str,
    program: &'a Program,
    scope: &'a Scope<'a>,
    /// Variables of the macros around the place, such as `x` in `list.all(x, …)`.
    bound: Vec<&'a str>,
    /// Inputs that the expression asks for with `has(…)`.
    tested: BTreeSet<&'a str>,
    inputs: Option<BTreeSet<String>>,
    uses_states: bool,
    faults: Vec<Fault>,
}

impl<'a> Walk<'a> {
    fn fault(&mut self, id: u64, kind: FaultKind, message: String, help: Option<String>) {
        // An id's range counts characters and its end is that of the last token.
        let (start, stop) = self.program.source_info().offset_for(id).unwrap_or((0, 0));
        let byte = |at: u32| {
            let at = usize::try_from(at).unwrap_or(0);
            self.text.char_indices().nth(at).map_or(self.text.len(), |(byte, _)| byte)
        };
        let (at, end) = (byte(start), byte(stop));
        let length = end.saturating_sub(at).max(1);
        self.faults.push(Fault { at, length, kind, message, help });
    }

    /// Notes the inputs whose presence is tested anywhere in the expression.
    fn collect_tests(&mut self, node: &'a IdedExpr) {
        if let Ast::Select(select) = &node.expr
            && select.test
            && matches!(&select.operand.expr, Ast::Ident(name) if name == "input")
        {
            self.tested.insert(&select.field);
        }
        for child in children(node) {
            self.collect_tests(child);
        }
    }

    fn visit(&mut self, node: &'a IdedExpr) {
        match &node.expr {
            Ast::Ident(name) => self.visit_name(node.id, name),
            Ast::Select(_) => self.visit_path(node),
            Ast::Call(call) => {
                let name = call.func_name.as_str();
                let operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
                if !operator && !FUNCTIONS.contains(&name) {
                    let help = did_you_mean(name, FUNCTIONS).unwrap_or_else(|| {
                        format!("the functions are {}, and CEL's macros", FUNCTIONS.join(", "))
                    });
                    self.fault(
                        node.id,
                        FaultKind::Unknown,
                        format!("there is no function `{name}`"),
                        Some(help),
                    );
                }
                for child in children(node) {
                    self.visit(child);
                }
            }
            Ast::Comprehension(comprehension) => {
                self.visit(&comprehension.iter_range);
                let depth = self.bound.len();
                self.bound.push(&comprehension.iter_var);
                self.bound.extend(comprehension.iter_var2.as_deref());
                self.bound.push(&comprehension.accu_var);
                for part in [
                    &comprehension.accu_init,
                    &comprehension.loop_cond,
                    &comprehension.loop_step,
                    &comprehension.result,
                ] {
                    self.visit(part);
                }
                self.bound.truncate(depth);
            }
            Ast::Unspecified | Ast::List(_) | Ast::Literal(_) | Ast::Map(_) | Ast::Struct(_) => {
                for child in children(node) {
                    self.visit(child);
                }
            }
        }
    }

    fn visit_name(&mut self, id: u64, name: &'a str) {
        let known = ["input", "requester", "states"];
        if self.bound.contains(&name) || name.starts_with('@') || TYPES.contains(&name) {
            return;
        }
        match name {
            "input" => self.inputs = None,
            "states" => self.uses_states = true,
            "requester" => {}
            other if self.scope.also.contains(&other) => {}
            other => {
                let all = known.iter().chain(self.scope.also).copied();
                let help = did_you_mean(other, all.clone()).unwrap_or_else(|| {
                    format!("here there are {}", all.collect::<Vec<_>>().join(", "))
                });
                self.fault(
                    id,
                    FaultKind::Unknown,
                    format!("there is no variable `{other}`"),
                    Some(help),
                );
            }
        }
    }

    /// Looks at `a.b.c`: at its root, and at the members where the root says what there is.
    fn visit_path(&mut self, node: &'a IdedExpr) {
        let mut steps: Vec<(u64, &'a str, bool)> = Vec::new();
        let mut at = node;
        while let Ast::Select(select) = &at.expr {
            steps.push((at.id, &select.field, select.test));
            at = &select.operand;
        }
        steps.reverse();
        let root = match &at.expr {
            Ast::Ident(name) if !self.bound.contains(&name.as_str()) => name.as_str(),
            _ => return self.visit(at),
        };
        match root {
            "input" => self.visit_input(&steps),
            "states" => self.visit_states(&steps),
            _ => self.visit_name(at.id, root),
        }
    }

    fn visit_input(&mut self, steps: &[(u64, &'a str, bool)]) {
        let mut schema = self.scope.schema;
        for (depth, (id, field, test)) in steps.iter().enumerate() {
            if depth == 0
                && let Some(inputs) = &mut self.inputs
            {
                inputs.insert((*field).to_owned());
            }
            match schema::member(schema, field) {
                schema::Member::Declared { schema: inner, given } => {
                    if depth == 0 && !given && !test && !self.tested.contains(field) {
                        self.fault(
                            *id,
                            FaultKind::Optional,
                            format!("`input.{field}` need not be given"),
                            Some(format!(
                                "make it `required`, give it a `default`, or ask first: \
                                 `has(input.{field}) && …`"
                            )),
                        );
                    }
                    schema = inner;
                }
                schema::Member::Unknowable => return,
                schema::Member::Absent { declared } => {
                    let help = did_you_mean(field, declared.iter().map(String::as_str))
                        .unwrap_or_else(|| {
                            if declared.is_empty() {
                                "declare it under `properties` of `input`".to_owned()
                            } else {
                                format!("declared are {}", declared.join(", "))
                            }
                        });
                    self.fault(
                        *id,
                        FaultKind::Unknown,
                        format!("the input has no `{field}`"),
                        Some(help),
                    );
                    return;
                }
            }
        }
    }

    fn visit_states(&mut self, steps: &[(u64, &'a str, bool)]) {
        self.uses_states = true;
        let mut steps = steps.iter();
        if let Some((id, state, _)) = steps.next()
            && !self.scope.states.contains(*state)
        {
            let help = did_you_mean(state, self.scope.states.iter().map(String::as_str));
            self.fault(*id, FaultKind::Unknown, format!("there is no state `{state}`"), help);
        }
        if let Some((id, member, _)) = steps.next()
            && *member != "output"
        {
            self.fault(
                *id,
                FaultKind::Unknown,
                format!("a state has no `{member}`"),
                Some("what a state left is its `output`: `states.NAME.output`".to_owned()),
            );
        }
    }
}

fn children(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Ast::Unspecified | Ast::Ident(_) | Ast::Literal(_) => Vec::new(),
        Ast::Select(select) => vec![&*select.operand],
        Ast::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Ast::List(list) => list.elements.iter().collect(),
        Ast::Map(map) => map.entries.iter().flat_map(|entry| parts(&entry.expr)).collect(),
        Ast::Struct(made) => made.entries.iter().flat_map(|entry| parts(&entry.expr)).collect(),
        Ast::Comprehension(one) => {
            vec![&one.iter_range, &one.accu_init, &one.loop_cond, &one.loop_step, &one.result]
        }
    }
}

fn parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// The closest of `known` to what was written, as a help text, if any is close.
pub(crate) fn did_you_mean<'k>(
    written: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<String> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(written, name), name))
        .filter(|(closeness, _)| *closeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

/// A text with expressions in `${…}`.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Expr(Expr),
}

impl Template {
    /// Compiles a template; a fault's place is in `text`.
    pub(crate) fn compile(text: &str, scope: &Scope<'_>) -> (Option<Self>, Vec<Fault>) {
        let mut parts = Vec::new();
        let mut faults = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        let mut broken = false;
        while let Some(found) = rest.find('$') {
            let (before, from) = rest.split_at(found);
            literal.push_str(before);
            if let Some(after) = from.strip_prefix("$${") {
                literal.push_str("${");
                rest = after;
            } else if let Some(after) = from.strip_prefix("${") {
                let at = text.len().saturating_sub(after.len());
                let Some(end) = closing_brace(after) else {
                    faults.push(Fault {
                        at: at.saturating_sub(2),
                        length: 2,
                        kind: FaultKind::Syntax,
                        message: "`${` is not closed by `}`".to_owned(),
                        help: Some("write `$${` where the two characters are meant".to_owned()),
                    });
                    return (None, faults);
                };
                let (inner, after) = after.split_at(end);
                let (expr, mut found) = Expr::compile(inner, scope);
                for fault in &mut found {
                    fault.at = fault.at.saturating_add(at);
                }
                faults.append(&mut found);
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                match expr {
                    Some(expr) => parts.push(Part::Expr(expr)),
                    None => broken = true,
                }
                rest = after.strip_prefix('}').unwrap_or(after);
            } else {
                literal.push('$');
                rest = from.strip_prefix('$').unwrap_or_default();
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Text(literal));
        }
        ((!broken).then_some(Self { parts }), faults)
    }

    /// The text, when there is no expression in it.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Fills the template in. A template that is one expression gives that expression's value,
    /// whatever its type; any other gives a text.
    pub(crate) fn render(&self, vars: &Vars<'_>) -> Result<Value, String> {
        if let [Part::Expr(expr)] = self.parts.as_slice() {
            return expr.eval(vars);
        }
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Expr(expr) => match expr.eval(vars)? {
                    Value::String(value) => text.push_str(&value),
                    value @ (Value::Bool(_) | Value::Number(_)) => {
                        text.push_str(&value.to_string());
                    }
                    other => {
                        return Err(format!("`{other}` cannot stand in the middle of a text"));
                    }
                },
            }
        }
        Ok(Value::String(text))
    }

    /// Fills the template in where a text is needed.
    pub(crate) fn render_text(&self, vars: &Vars<'_>) -> Result<String, String> {
        match self.render(vars)? {
            Value::String(text) => Ok(text),
            other => Err(format!("a text is needed here, not `{other}`")),
        }
    }
}

/// The `}` that closes an expression, past those in CEL's texts and maps.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '{') => depth = depth.saturating_add(1),
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
    }
    None
}

/// JSON with templates in its texts.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Value(Value),
    Text(Template),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// An empty mapping.
    pub(crate) const fn empty() -> Self {
        Self::Map(Vec::new())
    }

    /// Fills all templates in.
    pub(crate) fn render(&self, vars: &Vars<'_>) -> Result<Value, String> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Text(template) => template.render(vars),
            Self::List(items) => items.iter().map(|item| item.render(vars)).collect(),
            Self::Map(members) => members
                .iter()
                .map(|(name, member)| Ok((name.clone(), member.render(vars)?)))
                .collect::<Result<serde_json::Map<_, _>, String>>()
                .map(Value::Object),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope_of<'a>(schema: &'a Value, states: &'a BTreeSet<String>) -> Scope<'a> {
        Scope { schema, states, also: &[] }
    }

    fn fault(text: &str) -> Option<(FaultKind, String)> {
        let schema = json!({
            "properties": {
                "risk": {},
                "n": { "default": 1 },
                "who": { "type": "object", "properties": { "name": {} } },
                "note": {},
            },
            "required": ["risk", "who"],
        });
        let states = BTreeSet::from(["build".to_owned()]);
        let (_, faults) = Template::compile(text, &scope_of(&schema, &states));
        faults.into_iter().next().map(|fault| {
            (fault.kind, text.get(fault.at..fault.at + fault.length).unwrap_or("?").to_owned())
        })
    }

    #[test]
    fn names_are_checked_where_they_stand() {
        for good in [
            "plain",
            "${input.risk}",
            "${input.n + 1}",
            "${input.who.name}",
            "${has(input.note) ? input.note : ''}",
            "${[1, 2].all(x, x > 0)}",
            "${states.build.output.x}",
            "$${input.nothing}",
            "${{'a': '}'}.a}",
            "${requester}",
            "cost: 5$",
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
        let unknown = |text: &str| fault(text).filter(|one| one.0 == FaultKind::Unknown).is_some();
        for bad in [
            "${input.rsk}",
            "${inptu.risk}",
            "${input.who.nme}",
            "${states.biuld.output}",
            "${states.build.result}",
            "${now()}",
            "${target}",
            "${[1].all(x, y > 0)}",
        ] {
            assert!(unknown(bad), "{bad}: {:?}", fault(bad));
        }
        assert_eq!(fault("${input.note}").map(|one| one.0), Some(FaultKind::Optional));
        for broken in ["${", "${}", "${input.risk ==}", "${1 +}"] {
            assert_eq!(fault(broken).map(|one| one.0), Some(FaultKind::Syntax), "{broken}");
        }
    }

    #[test]
    fn templates_keep_types_and_join_texts() {
        let input = json!({ "risk": "low", "n": 4, "list": ["a"] });
        let outputs = BTreeMap::from([("build".to_owned(), Arc::new(json!({ "id": 7 })))]);
        let vars = Vars {
            input: &input,
            requester: "ada",
            outputs: &outputs,
            target: Some("web-1"),
            signal: None,
        };
        let schema = json!({});
        let states = BTreeSet::from(["build".to_owned()]);
        let scope = Scope { schema: &schema, states: &states, also: &["target"] };
        let rendered = |text: &str| {
            let (template, _) = Template::compile(text, &scope);
            template.unwrap().render(&vars)
        };
        assert_eq!(rendered("${input.n + 1}"), Ok(json!(5)));
        assert_eq!(rendered("${input.list}"), Ok(json!(["a"])));
        assert_eq!(rendered("http://${target}/x?${input.n}"), Ok(json!("http://web-1/x?4")));
        assert_eq!(rendered("$${x} by ${requester}"), Ok(json!("${x} by ada")));
        assert_eq!(rendered("${states.build.output.id}"), Ok(json!(7)));
        assert!(rendered("a ${input.list}").is_err());
        assert!(rendered("${input.nothing}").is_err());
    }
}
