//! The shape of a rollout's `targets`.

use holdpoint_core::Selector;

use crate::{
    diagnostics::DiagnosticCode as Code,
    expr_types::Kinds,
    node::{Kind, Node},
    syntax::Reader,
    targets::{From, Order, Targets},
    template::Tree,
};

pub(crate) const TARGETS: &[&str] = &["list", "select", "known", "dependents"];

/// Reads the targets: names, or a mapping that says more about them.
pub(crate) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Targets> {
    let Kind::Map(_) = node.kind else {
        let list = read_list(node, reader)?;
        return Some(Targets { from: From::List(list), known: false, order: Order::Given });
    };
    let fields = reader.fields(node, "`targets`", TARGETS)?;
    let from = match (fields.get("list"), fields.get("select")) {
        (Some(list), None) => read_list(list, reader).map(From::List),
        (None, Some(select)) => read_select(select, reader),
        _ => {
            reader
                .findings
                .add(
                    Code::MissingKey,
                    &node.span,
                    "`targets` needs exactly one of `list` and `select`",
                )
                .help("`list` names the targets, `select` says what their items are like");
            None
        }
    };
    let known = match fields.get("known") {
        None => Some(false),
        Some(node) => word(node, "known", &["any", "required"], reader).map(|at| at == 1),
    };
    let order = match fields.get("dependents") {
        None => Some(Order::Apart),
        Some(node) => word(node, "dependents", &["later-wave", "same-wave"], reader)
            .map(|at| if at == 0 { Order::Apart } else { Order::Together }),
    };
    Some(Targets { from: from?, known: known?, order: order? })
}

/// Which of these words a value is.
fn word(node: &Node, key: &str, words: &[&str], reader: &mut Reader<'_>) -> Option<usize> {
    let found = match &node.kind {
        Kind::Text(text) => words.iter().position(|word| word == text),
        _ => None,
    };
    if found.is_none() {
        reader.wrong(node, &format!("`{key}` is `{}`", words.join("` or `")));
    }
    found
}

pub(crate) fn read_list(node: &Node, reader: &mut Reader<'_>) -> Option<Tree> {
    match &node.kind {
        Kind::List(items) if items.is_empty() => {
            reader
                .findings
                .add(Code::OutOfRange, &node.span, "the rollout has no targets")
                .help("list the targets, or take them from the input: `${input.targets}`");
            None
        }
        Kind::List(_) | Kind::Text(_) => {
            let tree = reader.tree(node, &[])?;
            if let Tree::Text(template) = &tree {
                reader.gives(node, template.kinds(), Kinds::LIST, "`targets` is a list of names");
            }
            Some(tree)
        }
        _ => {
            reader.wrong(node, "`targets` is a list of names, or `${…}` that gives one");
            None
        }
    }
}

fn read_select(node: &Node, reader: &mut Reader<'_>) -> Option<From> {
    let template = reader.template(node, &[])?;
    if let Some(Err(fault)) = template.literal().map(str::parse::<Selector>) {
        reader.findings.add(Code::MalformedSelector, &node.span, format!("{fault}")).help(
            "selectors are such as `env=prod, role in (web, api), !legacy`: see docs/items.md",
        );
        return None;
    }
    Some(From::Select(template))
}
