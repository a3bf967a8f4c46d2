//! The names in an expression: whether each of them is there, and which inputs it uses.

use std::collections::BTreeSet;

use cel::{
    Program,
    common::ast::{Expr as Ast, IdedExpr},
};

use crate::{
    expr::{Fault, FaultKind, Scope, children, did_you_mean},
    schema,
};

/// How the parser names `list[i]`.
const INDEX: &str = "_[_]";

/// How many items a list that is written out may have, to be gone through for each element of
/// another.
const ITEMS_WITHIN_MAX: usize = 16;

/// The functions that an expression may call, besides the operators and macros of CEL.
const FUNCTIONS: [&str; 13] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
];

const TYPES: [&str; 9] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "uint"];

/// A walk over an expression that looks at every name in it.
pub(crate) struct Walk<'a> {
    text: &'a str,
    program: &'a Program,
    scope: &'a Scope<'a>,
    /// Variables of the macros around the place, such as `x` in `list.all(x, …)`.
    bound: Vec<&'a str>,
    /// The macros around the place.
    loops: Vec<Loop<'a>>,
    /// Inputs that the expression asks for with `has(…)`.
    tested: BTreeSet<&'a str>,
    /// States that it asks for so.
    tested_states: BTreeSet<&'a str>,
    pub(crate) inputs: Option<BTreeSet<String>>,
    pub(crate) uses_states: bool,
    pub(crate) faults: Vec<Fault>,
}

impl<'a> Walk<'a> {
    pub(crate) const fn new(text: &'a str, program: &'a Program, scope: &'a Scope<'a>) -> Self {
        Self {
            text,
            program,
            scope,
            bound: Vec::new(),
            loops: Vec::new(),
            tested: BTreeSet::new(),
            tested_states: BTreeSet::new(),
            inputs: Some(BTreeSet::new()),
            uses_states: false,
            faults: Vec::new(),
        }
    }

    pub(crate) fn fault(
        &mut self,
        id: u64,
        kind: FaultKind,
        message: String,
        help: Option<String>,
    ) {
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
    pub(crate) fn collect_tests(&mut self, node: &'a IdedExpr) {
        if let Ast::Select(select) = &node.expr
            && select.test
            && matches!(&select.operand.expr, Ast::Ident(name) if name == "input")
        {
            self.tested.insert(&select.field);
        }
        if let Ast::Select(select) = &node.expr
            && select.test
            && let Some(state) = state_named(&select.operand).or_else(|| state_named(node))
        {
            self.tested_states.insert(state);
        }
        for child in children(node) {
            self.collect_tests(child);
        }
    }

    pub(crate) fn visit(&mut self, node: &'a IdedExpr) {
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
                let range = &comprehension.iter_range;
                self.visit(range);
                if !self.is_quick(range) {
                    self.fault(
                        node.id,
                        FaultKind::Syntax,
                        "this list would be gone through for each element of another".to_owned(),
                        Some(format!(
                            "within a macro, another can go through the element's own members \
                             (`x.members`), or through at most {ITEMS_WITHIN_MAX} items that are \
                             written out; `in` asks whether a list has something"
                        )),
                    );
                }
                let stored = root(range).is_some() || literals(range).is_some();
                self.loops.push(Loop {
                    element: [
                        Some(comprehension.iter_var.as_str()),
                        comprehension.iter_var2.as_deref(),
                    ],
                    stored,
                });
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
                self.loops.pop();
            }
            Ast::Unspecified | Ast::List(_) | Ast::Literal(_) | Ast::Map(_) | Ast::Struct(_) => {
                for child in children(node) {
                    self.visit(child);
                }
            }
        }
    }

    /// Whether going through `range` here takes, over all elements around, no longer than going
    /// once through what there is.
    fn is_quick(&self, range: &IdedExpr) -> bool {
        let Some(around) = self.loops.last() else { return true };
        let of_element = root(range).is_some_and(|name| around.element.contains(&Some(name)));
        let short =
            self.loops.len() == 1 && literals(range).is_some_and(|items| items <= ITEMS_WITHIN_MAX);
        around.stored && (of_element || short)
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
            "risk" if self.scope.risk.is_some() => {}
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
            "risk" if self.scope.risk.is_some() => self.visit_risk(&steps),
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
                    let names = || declared.iter().map(String::as_str);
                    let help = hyphenated("input", field, names())
                        .or_else(|| did_you_mean(field, names()))
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

    fn visit_risk(&mut self, steps: &[(u64, &'a str, bool)]) {
        let Some(mut schema) = self.scope.risk else { return };
        for (id, field, _) in steps {
            match schema::member(schema, field) {
                schema::Member::Declared { schema: inner, .. } => schema = inner,
                schema::Member::Unknowable => return,
                schema::Member::Absent { declared } => {
                    let names = || declared.iter().map(String::as_str);
                    let help = hyphenated("risk.factors", field, names())
                        .or_else(|| did_you_mean(field, names()))
                        .unwrap_or_else(|| format!("here there are {}", declared.join(", ")));
                    let message = format!("the risk has no `{field}`");
                    self.fault(*id, FaultKind::Unknown, message, Some(help));
                    return;
                }
            }
        }
    }

    fn visit_states(&mut self, steps: &[(u64, &'a str, bool)]) {
        self.uses_states = true;
        let mut steps = steps.iter();
        let named = steps.next();
        let known = |state: &str| self.scope.states.is_some_and(|all| all.contains(state));
        if let Some((id, state, _)) = named
            && let Some(states) = self.scope.states
            && !known(state)
        {
            let names = || states.iter().map(String::as_str);
            let help = hyphenated("states", state, names())
                .or_else(|| did_you_mean(state, names()))
                .unwrap_or_else(|| {
                    format!("the states are {}", names().collect::<Vec<_>>().join(", "))
                });
            self.fault(*id, FaultKind::Unknown, format!("there is no state `{state}`"), Some(help));
        }
        let used =
            named.filter(|(_, state, _)| known(state) && !self.tested_states.contains(state));
        if let Some((id, state, _)) = used {
            self.fault(*id, FaultKind::Uses, (*state).to_owned(), None);
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

/// A macro that goes through a list.
struct Loop<'a> {
    /// The variables that stand for an element.
    element: [Option<&'a str>; 2],
    /// Whether its list is one that is there, so that its elements are not larger than it.
    stored: bool,
}

/// The variable of `a.b['c']`, which gives a part of what the variable has.
fn root(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Ast::Ident(name) => Some(name),
        Ast::Select(select) => root(&select.operand),
        Ast::Call(call) if call.func_name == INDEX => root(call.args.first()?),
        _ => None,
    }
}

/// The state of `states.NAME`.
fn state_named(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Ast::Select(select) if matches!(&select.operand.expr, Ast::Ident(name) if name == "states") => {
            Some(&select.field)
        }
        _ => None,
    }
}

/// How many items a list of literals has.
fn literals(node: &IdedExpr) -> Option<usize> {
    match &node.expr {
        Ast::List(list) => list
            .elements
            .iter()
            .all(|item| matches!(item.expr, Ast::Literal(_)))
            .then_some(list.elements.len()),
        _ => None,
    }
}

/// A help text where `root.a-b` was written for a name with a hyphen: CEL reads `-` as minus.
fn hyphenated<'k>(
    root: &str,
    written: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<String> {
    known
        .into_iter()
        .find(|name| name.strip_prefix(written).is_some_and(|rest| rest.starts_with('-')))
        .map(|name| format!("`-` is minus in an expression: write `{root}['{name}']`"))
}
