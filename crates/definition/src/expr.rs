//! Expressions: CEL.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, Program,
    common::ast::{EntryExpr, Expr as Ast, IdedExpr},
};
use serde_json::{Value, json};

use crate::{
    event_data::Risk,
    expr_names::Walk,
    expr_types::{self, Gives, Kinds},
};

/// The longest expression, in bytes.
const EXPRESSION_BYTES_MAX: usize = 2_000;

/// CEL's parser recurses through some sixteen functions for each bracket, up to 96 deep: more than a
/// thread's own stack may have left.
const PARSER_STACK_BYTES: usize = 32 * 1024 * 1024;

/// How deeply an expression may be nested. Evaluating recurses, and a chain such as `1 + 1 + 1` is
/// nested too.
const EXPRESSION_DEPTH_MAX: usize = 50;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A value shares its parts, as in `input.list.map(x, input.list)`; as JSON each is written out.
const VALUE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The values that an expression is evaluated with.
#[derive(Clone, Copy)]
pub(crate) struct Vars<'a> {
    pub(crate) input: &'a Value,
    pub(crate) requester: &'a str,
    pub(crate) outputs: &'a BTreeMap<String, Arc<Value>>,
    /// The risk of the input, where the definition tells one.
    pub(crate) risk: Option<&'a Risk>,
    /// The target of a rollout's step.
    pub(crate) target: Option<&'a str>,
    /// What came with a signal.
    pub(crate) signal: Option<&'a Value>,
}

/// The names that an expression may use, where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) schema: &'a Value,
    /// The states; `None` where the definition is not known.
    pub(crate) states: Option<&'a BTreeSet<String>>,
    /// The schema of `risk`, where there is one.
    pub(crate) risk: Option<&'a Value>,
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
    /// Kinds of value that do not fit.
    Type,
    /// Values that are never equal.
    Never,
    /// The output of a state is used, whose name is the message: whether it can be there shows the whole
    /// definition.
    Uses,
}

/// An expression that can be evaluated.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    text: String,
    program: Arc<Program>,
    /// The members of `input` that are used; `None` when `input` is used whole.
    inputs: Option<BTreeSet<String>>,
    uses_states: bool,
    gives: Gives,
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
        let program = match stacker::grow(PARSER_STACK_BYTES, || ENV.compile(text)) {
            Ok(program) => program,
            Err(errors) => {
                let fault = errors.errors.first().map_or_else(
                    || syntax(0, "the expression cannot be read".to_owned()),
                    |error| {
                        let message = format!("this is not CEL: {}", plain(&error.msg));
                        syntax(offset(text, error.pos), message)
                    },
                );
                return (None, vec![fault]);
            }
        };
        if is_too_deep(program.expression()) {
            let message =
                format!("the expression is nested more than {EXPRESSION_DEPTH_MAX} levels deep");
            return (None, vec![syntax(0, message)]);
        }
        let mut walk = Walk::new(text, &program, scope);
        walk.collect_tests(program.expression());
        walk.visit(program.expression());
        let wrong = |fault: &Fault| matches!(fault.kind, FaultKind::Unknown | FaultKind::Syntax);
        let mut gives = Gives { kinds: Kinds::ANY, texts: None };
        // Where names are wrong, what follows from them would only repeat that.
        if !walk.faults.iter().any(wrong) {
            let (found, misfits) = expr_types::infer(program.expression(), scope);
            gives = found;
            for one in misfits {
                let kind = if one.never { FaultKind::Never } else { FaultKind::Type };
                walk.fault(one.id, kind, one.message, Some(one.help));
            }
        }
        let Walk { inputs, uses_states, faults, .. } = walk;
        let (text, program) = (text.to_owned(), Arc::new(program));
        (Some(Self { text, program, inputs, uses_states, gives }), faults)
    }

    /// The expression as it was written.
    pub(crate) fn text(&self) -> &str {
        self.text.trim()
    }

    /// The kinds of value that it can give.
    pub(crate) const fn kinds(&self) -> Kinds {
        self.gives.kinds
    }

    /// The texts that it can give, where they are known.
    pub(crate) fn texts(&self) -> Option<&[String]> {
        self.gives.texts.as_deref()
    }

    /// The members of the input that it uses; none, where it uses the input whole.
    pub(crate) const fn inputs(&self) -> Option<&BTreeSet<String>> {
        self.inputs.as_ref()
    }

    /// Whether it uses what earlier states have left.
    pub(crate) const fn uses_states(&self) -> bool {
        self.uses_states
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
        if let Some(Risk { level, score, factors, .. }) = vars.risk {
            let risk = json!({ "level": level, "score": score, "factors": factors });
            context.add_variable_from_value("risk", to_cel(&risk));
        }
        if let Some(target) = vars.target {
            context.add_variable_from_value("target", target.to_owned());
        }
        if let Some(signal) = vars.signal {
            context.add_variable_from_value("signal", to_cel(signal));
        }
        let value = self.program.execute(&context).map_err(|error| error.to_string())?;
        if is_too_large(&value) {
            return Err(format!("the expression gives more than {VALUE_BYTES_MAX} bytes"));
        }
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

/// The parser's message without its own vocabulary.
fn plain(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    let first = first.strip_prefix("Syntax error: ").unwrap_or(first);
    // What it would have expected is a list of nearly everything.
    let first = first.split(" expecting ").next().unwrap_or(first);
    first
        .replace("mismatched input '<EOF>'", "it ends too early")
        .replace("no viable alternative at input '<EOF>'", "it ends too early")
        .replace("mismatched input", "unexpected")
        .replace("extraneous input", "unexpected")
        .replace("no viable alternative at input", "unexpected")
        .replace("token recognition error at:", "unexpected")
        .trim_end_matches(['.', ' '])
        .to_owned()
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

/// Whether a value has more than [`VALUE_BYTES_MAX`] bytes as JSON, about.
fn is_too_large(value: &cel::Value) -> bool {
    let mut left = VALUE_BYTES_MAX;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        let bytes = match value {
            cel::Value::String(text) => text.len(),
            cel::Value::Bytes(bytes) => bytes.len(),
            cel::Value::List(items) => {
                open.extend(items.iter());
                0
            }
            cel::Value::Map(members) => {
                open.extend(members.map.values());
                0
            }
            _ => 0,
        };
        match left.checked_sub(bytes.saturating_add(1)) {
            Some(rest) => left = rest,
            None => return true,
        }
    }
    false
}

pub(crate) fn children(node: &IdedExpr) -> Vec<&IdedExpr> {
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

fn is_too_deep(root: &IdedExpr) -> bool {
    let mut open = vec![(root, 1)];
    while let Some((node, depth)) = open.pop() {
        if depth > EXPRESSION_DEPTH_MAX {
            return true;
        }
        open.extend(children(node).into_iter().map(|child| (child, depth.saturating_add(1))));
    }
    false
}

fn parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// The closest of `known` to what was written, as a help text, if any is close.
#[must_use]
pub fn did_you_mean<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(written, name), name))
        .filter(|(closeness, _)| *closeness >= 0.86)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Template;

    fn scope_of<'a>(schema: &'a Value, states: &'a BTreeSet<String>) -> Scope<'a> {
        Scope { schema, states: Some(states), risk: None, also: &[] }
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
        faults.into_iter().find(|fault| fault.kind != FaultKind::Uses).map(|fault| {
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
    fn a_list_is_not_gone_through_for_each_element_of_another() {
        for quick in [
            "${input.risk.all(x, x > 0).size() + input.risk.filter(x, x > 0).size()}",
            "${input.risk.filter(x, x > 0).map(x, x + 1)}",
            "${input.risk.all(x, x.members.exists(y, y.of['a'].all(z, z == x)))}",
            "${input.risk.all(x, ['a', 'b'].exists(y, x.startsWith(y)))}",
            "${input.risk.all(x, x in input.who.name)}",
        ] {
            assert_eq!(fault(quick), None, "{quick}");
        }
        for slow in [
            "${input.risk.all(x, input.risk.exists_one(y, y == x))}",
            "${input.risk.all(x, input['risk'].all(y, y == x))}",
            "${input.risk.map(x, states.build.output.map(y, y))}",
            "${[input.risk].all(l, l.all(x, l.all(y, x == y)))}",
            "${[input.risk, input.risk].all(l, l.all(x, true))}",
            "${input.risk.map(x, input.risk).all(l, l.all(x, true))}",
            "${input.risk.all(x, [1, 2].all(y, [1, 2].all(z, y == z)))}",
            "${input.risk.all(x, [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17].all(y, y > 0))}",
            "${input.risk.all(x, x.all(y, x.all(z, y == z)))}",
            "${input.risk.all(x, (x + x).all(y, true))}",
            "${input.risk.all(x, (true ? x : input.risk).all(y, true))}",
        ] {
            assert_eq!(fault(slow).map(|one| one.0), Some(FaultKind::Syntax), "{slow}");
        }
    }
}
