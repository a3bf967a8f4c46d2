//! What it takes to check a value against a JSON Schema.
//!
//! A schema that asks for the same part twice, which asks for another twice, and so on, takes twice the time for
//! each of these levels; one that does so for what is within a value, twice the time for each level of the value. A
//! kept library validates, and knows no bound; so the steps are counted before it is asked. Counting takes no longer
//! than the schema and the value are large together: what a part that is referred to asks of a value is counted once.

use std::collections::{HashMap, HashSet};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// How many schemas may be held against a value and what is within it.
pub(crate) const STEPS_MAX: u64 = 5_000_000;

/// How many may be held against one value that has nothing within it: more is found when the schema is read.
pub(crate) const ALONE_MAX: u64 = 10_000;

/// How far one may lead to another, each of which is held against the same value or something within it.
pub(crate) const DEPTH_MAX: usize = 1_000;

/// Whether a value can be checked against the schema within [`STEPS_MAX`] and [`DEPTH_MAX`].
pub(crate) fn is_bounded(schema: &Value, value: &Value) -> bool {
    let mut count = Count::new(schema);
    count.of(schema, Some(value), 0).steps <= STEPS_MAX && !count.is_over
}

/// What is wrong with a schema whatever it is held against.
pub(crate) struct Fault {
    /// Where, as a JSON pointer.
    pub(crate) at: String,
    pub(crate) message: String,
    pub(crate) help: &'static str,
}

/// Looks for what cannot be counted, or is too much whatever the value.
pub(crate) fn fault(schema: &Value) -> Option<Fault> {
    let draft = schema.get("$schema").and_then(Value::as_str).unwrap_or_default();
    let id = if draft.contains("draft-04") { "id" } else { "$id" };
    let mut count = Count::new(schema);
    let mut found = None;
    walk(schema, &mut String::new(), &mut |part, at| {
        let outwards = references(part).find(|to| !to.starts_with('#'));
        count.work = 0;
        let (message, help) = if !at.is_empty() && part.get(id).is_some_and(Value::is_string) {
            (
                format!("`{id}` within the schema changes what its `$ref`s mean"),
                "leave it out, and refer to `#/$defs/NAME`",
            )
        } else if let Some(to) = outwards {
            (
                format!("a `$ref` leads out of this schema, to `{to}`"),
                "put the schema under `$defs` and refer to it as `#/$defs/NAME`",
            )
        } else if count.of_object(part, None, 0).steps > ALONE_MAX {
            (
                format!("this holds more than {ALONE_MAX} schemas against one value"),
                "refer to the same schema less often",
            )
        } else if count.is_over {
            (
                format!(
                    "this leads through more than {DEPTH_MAX} schemas, one referring to the next"
                ),
                "say it in fewer levels",
            )
        } else {
            return false;
        };
        found = Some(Fault { at: at.to_owned(), message, help });
        true
    });
    found
}

/// Calls with each schema within a schema, the innermost first, and its JSON pointer, until one call says that it is
/// enough; says whether one did.
fn walk<'a>(
    schema: &'a Value,
    at: &mut String,
    see: &mut impl FnMut(&'a Map<String, Value>, &str) -> bool,
) -> bool {
    match schema {
        Value::Object(members) => {
            // What is data and no schema.
            let is_data = |name: &str| ["const", "enum", "default", "examples"].contains(&name);
            members
                .iter()
                .filter(|(name, _)| !is_data(name))
                .any(|(name, inner)| walk_into(name, inner, at, see))
                || see(members, at)
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .any(|(place, inner)| walk_into(&place.to_string(), inner, at, see)),
        _ => false,
    }
}

fn walk_into<'a>(
    step: &str,
    inner: &'a Value,
    at: &mut String,
    see: &mut impl FnMut(&'a Map<String, Value>, &str) -> bool,
) -> bool {
    let length = at.len();
    at.push('/');
    at.push_str(&step.replace('~', "~0").replace('/', "~1"));
    let enough = walk(inner, at, see);
    at.truncate(length);
    enough
}

/// What a schema refers to.
fn references(schema: &Map<String, Value>) -> impl Iterator<Item = &str> {
    ["$ref", "$dynamicRef", "$recursiveRef"]
        .into_iter()
        .filter_map(|name| schema.get(name)?.as_str())
}

/// How many schemas are held against something, and through how many the way to the last leads.
#[derive(Clone, Copy, Default)]
struct Cost {
    steps: u64,
    height: usize,
}

impl Cost {
    fn and(self, other: Self) -> Self {
        Self {
            steps: self.steps.saturating_add(other.steps),
            height: self.height.max(other.height),
        }
    }
}

struct Count<'a> {
    root: &'a Value,
    /// By the places of a schema that is referred to, and of a value.
    known: HashMap<(usize, usize), Cost>,
    /// Which of these are being counted: what leads back to itself without going into the value is not followed.
    open: HashSet<(usize, usize)>,
    work: u64,
    /// It leads too far, or is too much to be counted.
    is_over: bool,
}

impl<'a> Count<'a> {
    fn new(root: &'a Value) -> Self {
        Self { root, known: HashMap::new(), open: HashSet::new(), work: 0, is_over: false }
    }

    /// Of holding a schema against a value, or of what is held against any value, whatever is within it.
    fn of(&mut self, schema: &'a Value, value: Option<&'a Value>, depth: usize) -> Cost {
        let one = Cost { steps: 1, height: 1 };
        schema.as_object().map_or(one, |schema| self.of_object(schema, value, depth))
    }

    fn of_object(
        &mut self,
        schema: &'a Map<String, Value>,
        value: Option<&'a Value>,
        depth: usize,
    ) -> Cost {
        self.work += 1;
        self.is_over |= depth >= DEPTH_MAX || self.work > STEPS_MAX;
        if self.is_over {
            return Cost::default();
        }
        let mut beside = self.beside(schema, value, depth + 1);
        if schema.contains_key("unevaluatedProperties") || schema.contains_key("unevaluatedItems") {
            // Once to validate, and once to know what was evaluated.
            beside.steps = beside.steps.saturating_mul(2);
        }
        let within = match value {
            Some(Value::Object(members)) => self.within_object(schema, members, depth + 1),
            Some(Value::Array(items)) => self.within_array(schema, items, depth + 1),
            _ => Cost::default(),
        };
        let all = beside.and(within);
        let cost = Cost { steps: all.steps.saturating_add(1), height: all.height + 1 };
        self.is_over |= cost.height > DEPTH_MAX;
        cost
    }

    /// What is held against the same value.
    fn beside(
        &mut self,
        schema: &'a Map<String, Value>,
        value: Option<&'a Value>,
        depth: usize,
    ) -> Cost {
        let mut cost = Cost::default();
        for (name, inner) in schema {
            let more = match (name.as_str(), inner) {
                ("allOf" | "anyOf" | "oneOf", Value::Array(all)) => {
                    self.sum(all.iter().map(|one| (one, value)), depth)
                }
                ("not" | "if" | "then" | "else", inner) => self.of(inner, value, depth),
                ("dependentSchemas" | "dependencies", Value::Object(all)) => {
                    self.sum(all.values().map(|one| (one, value)), depth)
                }
                _ => Cost::default(),
            };
            cost = cost.and(more);
        }
        for to in references(schema) {
            if let Some(part) = self.part(to) {
                cost = cost.and(self.referred(part, value, depth));
            }
        }
        cost
    }

    fn within_object(
        &mut self,
        schema: &'a Map<String, Value>,
        members: &'a Map<String, Value>,
        depth: usize,
    ) -> Cost {
        let properties = schema.get("properties").and_then(Value::as_object);
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        let others: Vec<&'a Value> = ["additionalProperties", "unevaluatedProperties"]
            .into_iter()
            .filter_map(|name| schema.get(name))
            .collect();
        let names = schema.get("propertyNames");
        let mut cost = Cost::default();
        for (name, member) in members {
            let named = properties.and_then(|all| all.get(name));
            let rest = others.iter().copied().filter(|_| named.is_none());
            let matching = patterns.into_iter().flat_map(Map::values);
            let held = named.into_iter().chain(rest).chain(matching).map(|one| (one, Some(member)));
            // A name has nothing within it.
            let held = held.chain(names.map(|one| (one, None)));
            cost = cost.and(self.sum(held, depth));
        }
        cost
    }

    fn within_array(
        &mut self,
        schema: &'a Map<String, Value>,
        items: &'a [Value],
        depth: usize,
    ) -> Cost {
        // Before the draft of 2020-12 `items` could be a list.
        let first =
            ["prefixItems", "items"].into_iter().find_map(|name| schema.get(name)?.as_array());
        let first = first.map_or(&[][..], Vec::as_slice);
        let others: Vec<&'a Value> = ["items", "additionalItems", "unevaluatedItems"]
            .into_iter()
            .filter_map(|name| schema.get(name).filter(|one| !one.is_array()))
            .collect();
        let contains = schema.get("contains");
        let mut cost = Cost::default();
        for (place, item) in items.iter().enumerate() {
            let placed = first.get(place);
            let rest = others.iter().copied().filter(|_| placed.is_none());
            let held = placed.into_iter().chain(rest).chain(contains);
            cost = cost.and(self.sum(held.map(|one| (one, Some(item))), depth));
        }
        cost
    }

    fn sum(
        &mut self,
        held: impl Iterator<Item = (&'a Value, Option<&'a Value>)>,
        depth: usize,
    ) -> Cost {
        held.fold(Cost::default(), |cost, (schema, value)| cost.and(self.of(schema, value, depth)))
    }

    /// A schema that others refer to is counted once for each value.
    fn referred(&mut self, schema: &'a Value, value: Option<&'a Value>, depth: usize) -> Cost {
        let place = |value: &Value| std::ptr::from_ref(value).addr();
        let key = (place(schema), value.map_or(0, place));
        if let Some(cost) = self.known.get(&key) {
            return *cost;
        }
        if !self.open.insert(key) {
            return Cost::default();
        }
        let cost = self.of(schema, value, depth);
        self.open.remove(&key);
        self.known.insert(key, cost);
        cost
    }

    /// What `#/$defs/name` or `#anchor` is.
    fn part(&self, to: &str) -> Option<&'a Value> {
        let to = percent_decode_str(to.strip_prefix('#')?).decode_utf8().ok()?;
        if to.is_empty() || to.starts_with('/') {
            return self.root.pointer(&to);
        }
        let mut found = None;
        walk(self.root, &mut String::new(), &mut |part, at| {
            let mut anchors = ["$anchor", "$dynamicAnchor"].into_iter();
            let is_it = anchors.any(|name| part.get(name).is_some_and(|one| *one == *to));
            if is_it {
                found = Some(at.to_owned());
            }
            is_it
        });
        self.root.pointer(&found?)
    }
}
