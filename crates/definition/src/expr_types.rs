//! What kinds of value an expression can give, as far as the schema of the input says.
//!
//! Nothing is said where it cannot be known: what is found wrong here fails whenever it is evaluated,
//! or gives the same whatever is submitted.

use cel::common::ast::{Expr as Ast, IdedExpr, LiteralValue};
use serde_json::Value;

use crate::{
    expr::{Scope, children, did_you_mean},
    schema,
};

/// The kinds that a value can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(u16);

impl Kinds {
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOL: Self = Self(2);
    /// CEL's whole numbers and others: which of them a number of the input is shows only its text.
    pub(crate) const NUMBER: Self = Self(4);
    pub(crate) const TEXT: Self = Self(8);
    pub(crate) const LIST: Self = Self(16);
    pub(crate) const MAP: Self = Self(32);
    const BYTES: Self = Self(64);
    pub(crate) const ANY: Self = Self(0xffff);
    const NONE: Self = Self(0);

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether a value of these kinds can be of one of those.
    pub(crate) const fn may_be(self, those: Self) -> bool {
        self.0 & those.0 != 0
    }

    /// In words, such as `a text or a number`.
    pub(crate) fn in_words(self) -> String {
        let names = [
            (Self::NULL, "null"),
            (Self::BOOL, "true or false"),
            (Self::NUMBER, "a number"),
            (Self::TEXT, "a text"),
            (Self::LIST, "a list"),
            (Self::MAP, "a mapping"),
            (Self::BYTES, "bytes"),
        ];
        let there: Vec<&str> = names
            .into_iter()
            .filter(|(kind, _)| self.may_be(*kind))
            .map(|(_, name)| name)
            .collect();
        there.join(" or ")
    }
}

/// What is known of a value.
#[derive(Clone, Debug)]
struct Known<'a> {
    kinds: Kinds,
    /// The texts that it can be, where it is a text and they are known.
    texts: Option<Vec<&'a str>>,
    /// The schema that it fits, where there is one.
    schema: Option<&'a Value>,
}

impl<'a> Known<'a> {
    const fn of(kinds: Kinds) -> Self {
        Self { kinds, texts: None, schema: None }
    }

    const fn nothing() -> Self {
        Self::of(Kinds::ANY)
    }

    /// What a schema says: only what every value that fits it must be.
    fn by(schema: &'a Value) -> Self {
        let Some(members) = schema.as_object() else { return Self::nothing() };
        // In older drafts a reference is all that counts.
        if members.contains_key("$ref") {
            return Self::nothing();
        }
        let mut kinds = match members.get("type") {
            Some(Value::String(name)) => kind_named(name),
            Some(Value::Array(names)) => names
                .iter()
                .map(|name| name.as_str().map_or(Kinds::ANY, kind_named))
                .fold(Kinds::NONE, Kinds::or),
            _ => Kinds::ANY,
        };
        let values: Option<Vec<&Value>> = match (members.get("const"), members.get("enum")) {
            (Some(only), _) => Some(vec![only]),
            (None, Some(Value::Array(values))) => Some(values.iter().collect()),
            _ => None,
        };
        if let Some(values) = &values {
            let of = values.iter().map(|value| kind_of(value)).fold(Kinds::NONE, Kinds::or);
            kinds = kinds.and(of);
        }
        if kinds == Kinds::NONE {
            return Self::nothing();
        }
        let texts = values.map(|values| values.into_iter().filter_map(Value::as_str).collect());
        Self { kinds, texts, schema: Some(schema) }
    }

    fn member(&self, name: &str) -> Self {
        match self.schema.map(|schema| schema::member(schema, name)) {
            Some(schema::Member::Declared { schema, .. }) => Self::by(schema),
            _ => Self::nothing(),
        }
    }

    fn item(&self) -> Self {
        let items = self.schema.and_then(|schema| {
            let positions = schema.get("prefixItems").is_some();
            schema.get("items").filter(|items| !positions && items.is_object())
        });
        match items {
            Some(items) if self.kinds == Kinds::LIST => Self::by(items),
            _ => Self::nothing(),
        }
    }
}

fn kind_named(name: &str) -> Kinds {
    match name {
        "null" => Kinds::NULL,
        "boolean" => Kinds::BOOL,
        "integer" | "number" => Kinds::NUMBER,
        "string" => Kinds::TEXT,
        "array" => Kinds::LIST,
        "object" => Kinds::MAP,
        _ => Kinds::ANY,
    }
}

const fn kind_of(value: &Value) -> Kinds {
    match value {
        Value::Null => Kinds::NULL,
        Value::Bool(_) => Kinds::BOOL,
        Value::Number(_) => Kinds::NUMBER,
        Value::String(_) => Kinds::TEXT,
        Value::Array(_) => Kinds::LIST,
        Value::Object(_) => Kinds::MAP,
    }
}

/// Something that cannot be meant.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// The node in the expression.
    pub(crate) id: u64,
    /// Whether it is about values that are never equal, and not about kinds that do not fit.
    pub(crate) never: bool,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// What an expression gives.
#[derive(Clone, Debug)]
pub(crate) struct Gives {
    pub(crate) kinds: Kinds,
    /// The texts that it can be, where it is a text and they are known.
    pub(crate) texts: Option<Vec<String>>,
}

/// What an expression gives, and what in it cannot be meant.
pub(crate) fn infer(root: &IdedExpr, scope: &Scope<'_>) -> (Gives, Vec<Misfit>) {
    let mut types = Types { scope, bound: Vec::new(), found: Vec::new() };
    let Known { kinds, texts, .. } = types.of(root);
    let texts = texts.map(|texts| texts.into_iter().map(str::to_owned).collect());
    (Gives { kinds, texts }, types.found)
}

struct Types<'a> {
    scope: &'a Scope<'a>,
    bound: Vec<(&'a str, Known<'a>)>,
    found: Vec<Misfit>,
}

impl<'a> Types<'a> {
    fn misfit(&mut self, id: u64, message: String, help: &str) {
        self.found.push(Misfit { id, never: false, message, help: help.to_owned() });
    }

    fn of(&mut self, node: &'a IdedExpr) -> Known<'a> {
        match &node.expr {
            Ast::Literal(literal) => literal_of(literal),
            Ast::Ident(name) => self.of_name(name),
            Ast::Select(select) => {
                let operand = self.of(&select.operand);
                if select.test {
                    return Known::of(Kinds::BOOL);
                }
                if !operand.kinds.may_be(Kinds::MAP) {
                    self.misfit(
                        node.id,
                        format!(
                            "this has no member `{}`: it is {}",
                            select.field,
                            operand.kinds.in_words()
                        ),
                        "only a mapping has members",
                    );
                }
                operand.member(&select.field)
            }
            Ast::Call(call) => {
                let target = call.target.as_deref().map(|target| self.of(target));
                let args: Vec<Known<'a>> = call.args.iter().map(|arg| self.of(arg)).collect();
                self.of_call(node, call.func_name.as_str(), target.as_ref(), &args)
            }
            Ast::List(list) => {
                for item in &list.elements {
                    self.of(item);
                }
                Known::of(Kinds::LIST)
            }
            Ast::Map(_) => {
                for child in children(node) {
                    self.of(child);
                }
                Known::of(Kinds::MAP)
            }
            Ast::Comprehension(comprehension) => {
                let range = self.of(&comprehension.iter_range);
                if !range.kinds.may_be(Kinds::LIST.or(Kinds::MAP)) {
                    self.misfit(
                        comprehension.iter_range.id,
                        format!("{} cannot be gone through", range.kinds.in_words()),
                        "macros go through a list or a mapping",
                    );
                }
                let depth = self.bound.len();
                let element = range.item();
                self.bound.push((&comprehension.iter_var, element));
                if let Some(second) = &comprehension.iter_var2 {
                    // With two variables the first is the place or the key.
                    if let Some(first) = self.bound.last_mut() {
                        first.1 = Known::nothing();
                    }
                    self.bound.push((second, Known::nothing()));
                }
                self.bound.push((&comprehension.accu_var, Known::nothing()));
                for part in
                    [&comprehension.accu_init, &comprehension.loop_cond, &comprehension.loop_step]
                {
                    self.of(part);
                }
                self.of(&comprehension.result);
                self.bound.truncate(depth);
                Known::nothing()
            }
            Ast::Unspecified | Ast::Struct(_) => Known::nothing(),
        }
    }

    fn of_name(&self, name: &str) -> Known<'a> {
        if let Some((_, known)) = self.bound.iter().rev().find(|(bound, _)| *bound == name) {
            return known.clone();
        }
        match name {
            "input" => Known::by(self.scope.schema),
            "risk" if self.scope.risk.is_some() => {
                self.scope.risk.map_or_else(Known::nothing, Known::by)
            }
            "requester" => Known::of(Kinds::TEXT),
            "target" if self.scope.also.contains(&"target") => Known::of(Kinds::TEXT),
            "states" => Known::of(Kinds::MAP),
            _ => Known::nothing(),
        }
    }

    fn of_call(
        &mut self,
        node: &'a IdedExpr,
        name: &str,
        target: Option<&Known<'a>>,
        args: &[Known<'a>],
    ) -> Known<'a> {
        match (name, target, args) {
            ("_==_" | "_!=_", None, [left, right]) => {
                self.equals(node.id, left, right);
                Known::of(Kinds::BOOL)
            }
            ("_<_" | "_<=_" | "_>_" | "_>=_", None, [left, right]) => {
                let comparable = Kinds::BOOL.or(Kinds::NUMBER).or(Kinds::TEXT).or(Kinds::BYTES);
                let common = left.kinds.and(right.kinds).and(comparable.or(Kinds(0xff80)));
                if common == Kinds::NONE {
                    self.misfit(
                        node.id,
                        format!(
                            "{} and {} cannot be compared",
                            left.kinds.in_words(),
                            right.kinds.in_words()
                        ),
                        "compare a number with a number, and a text with a text: `int(…)` makes a number of a text",
                    );
                }
                Known::of(Kinds::BOOL)
            }
            ("_+_", None, [left, right]) => {
                let common = left.kinds.and(right.kinds);
                let addable = Kinds::NUMBER.or(Kinds::TEXT).or(Kinds::LIST).or(Kinds::BYTES);
                if !common.may_be(addable.or(Kinds(0xff80))) {
                    self.misfit(
                        node.id,
                        format!(
                            "{} and {} cannot be added",
                            left.kinds.in_words(),
                            right.kinds.in_words()
                        ),
                        "`string(…)` makes a text of a number",
                    );
                    return Known::nothing();
                }
                Known::of(common)
            }
            ("_-_" | "_*_" | "_/_" | "_%_", None, [left, right]) => {
                for operand in [left, right] {
                    if !operand.kinds.may_be(Kinds::NUMBER.or(Kinds(0xff80))) {
                        self.misfit(
                            node.id,
                            format!("{} is no number to count with", operand.kinds.in_words()),
                            "`int(…)` makes a number of a text",
                        );
                        return Known::nothing();
                    }
                }
                Known::nothing()
            }
            ("_?_:_", None, [_, left, right]) => Known::of(left.kinds.or(right.kinds)),
            ("_&&_" | "_||_" | "!_", ..) => Known::of(Kinds::BOOL),
            ("@in", None, [item, range]) => {
                if !range.kinds.may_be(Kinds::LIST.or(Kinds::MAP)) {
                    self.misfit(
                        node.id,
                        format!("nothing is `in` {}", range.kinds.in_words()),
                        "`in` asks whether a list or a mapping has something",
                    );
                }
                self.is_in(node, item);
                Known::of(Kinds::BOOL)
            }
            ("_[_]", None, [of, _]) => self.indexed(node, of),
            ("startsWith" | "endsWith" | "matches", Some(of), [_]) => {
                if !of.kinds.may_be(Kinds::TEXT) {
                    self.misfit(
                        node.id,
                        format!("`{name}` asks a text, and this is {}", of.kinds.in_words()),
                        "`string(…)` makes a text of a number",
                    );
                }
                Known::of(Kinds::BOOL)
            }
            ("contains", Some(_), _) => Known::of(Kinds::BOOL),
            ("size", Some(of), []) | ("size", None, [of]) => {
                let sized = Kinds::TEXT.or(Kinds::LIST).or(Kinds::MAP).or(Kinds::BYTES);
                if !of.kinds.may_be(sized) {
                    self.misfit(
                        node.id,
                        format!("{} has no size", of.kinds.in_words()),
                        "a text, a list and a mapping have one",
                    );
                }
                Known::of(Kinds::NUMBER)
            }
            ("int" | "uint" | "double", ..) => Known::of(Kinds::NUMBER),
            ("string", ..) => Known::of(Kinds::TEXT),
            ("bool", ..) => Known::of(Kinds::BOOL),
            _ => Known::nothing(),
        }
    }

    /// `list[i]` and `mapping['name']`.
    fn indexed(&mut self, node: &'a IdedExpr, of: &Known<'a>) -> Known<'a> {
        let Ast::Call(call) = &node.expr else { return Known::nothing() };
        if !of.kinds.may_be(Kinds::LIST.or(Kinds::MAP)) {
            self.misfit(
                node.id,
                format!("{} has no members", of.kinds.in_words()),
                "a list has items by their places, and a mapping members by their names",
            );
        }
        match call.args.get(1).map(|index| &index.expr) {
            Some(Ast::Literal(LiteralValue::String(name))) if of.kinds == Kinds::MAP => {
                of.member(name.inner())
            }
            _ => of.item(),
        }
    }

    /// Finds values that are never equal.
    fn equals(&mut self, id: u64, left: &Known<'a>, right: &Known<'a>) {
        // Who compares with null asks whether something is there.
        if left.kinds == Kinds::NULL || right.kinds == Kinds::NULL {
            return;
        }
        if left.kinds.and(right.kinds) == Kinds::NONE {
            self.misfit(
                id,
                format!("{} and {} are never equal", left.kinds.in_words(), right.kinds.in_words()),
                "compare a number with a number, and a text with a text",
            );
            return;
        }
        if left.kinds != Kinds::TEXT || right.kinds != Kinds::TEXT {
            return;
        }
        if let (Some(one), Some(other)) = (&left.texts, &right.texts)
            && !one.iter().any(|text| other.contains(text))
        {
            let (written, known) = if one.len() == 1 { (one, other) } else { (other, one) };
            self.never(id, written, known);
        }
    }

    fn never(&mut self, id: u64, written: &[&str], known: &[&str]) {
        let help = written
            .first()
            .and_then(|text| did_you_mean(text, known.iter().copied()))
            .unwrap_or_else(|| format!("it can be {}", known.join(", ")));
        let written: Vec<String> = written.iter().map(|text| format!("`{text}`")).collect();
        let message = format!("this is never {}", written.join(" or "));
        self.found.push(Misfit { id, never: true, message, help });
    }

    /// Finds lists of texts none of which the value can be.
    fn is_in(&mut self, node: &'a IdedExpr, item: &Known<'a>) {
        let Ast::Call(call) = &node.expr else { return };
        let Some(Ast::List(list)) = call.args.get(1).map(|range| &range.expr) else { return };
        let Some(known) = item.texts.as_ref().filter(|_| item.kinds == Kinds::TEXT) else { return };
        let written: Option<Vec<&str>> = list
            .elements
            .iter()
            .map(|element| match &element.expr {
                Ast::Literal(LiteralValue::String(text)) => Some(text.inner()),
                _ => None,
            })
            .collect();
        if let Some(written) = written
            && !written.is_empty()
            && !written.iter().any(|text| known.contains(text))
        {
            let known = known.clone();
            self.never(node.id, &written, &known);
        }
    }
}

fn literal_of(literal: &LiteralValue) -> Known<'_> {
    match literal {
        LiteralValue::Boolean(_) => Known::of(Kinds::BOOL),
        LiteralValue::Bytes(_) => Known::of(Kinds::BYTES),
        LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => {
            Known::of(Kinds::NUMBER)
        }
        LiteralValue::Null => Known::of(Kinds::NULL),
        LiteralValue::String(text) => {
            Known { kinds: Kinds::TEXT, texts: Some(vec![text.inner()]), schema: None }
        }
    }
}
