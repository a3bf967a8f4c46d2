//! The shape of `risk`: how the risk of a run follows from its input.

use crate::{
    diagnostics::DiagnosticCode as Code,
    expr::Expr,
    node::{Kind, Node},
    risk::{Factor, Method, RiskModel},
    syntax::Reader,
};

pub(crate) const RISK: &[&str] = &["factors", "score", "levels", "at_least"];
pub(crate) const CASE: &[&str] = &["when", "points"];

/// More points than this, or fewer than less than nothing by as much, are a slip.
const POINTS_MAX: i64 = 1_000_000;

/// Reads how the risk is told.
pub(crate) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<RiskModel> {
    let fields = reader.fields(node, "the risk", RISK)?;
    let method = match (fields.get("factors"), fields.get("score")) {
        (Some(factors), None) => read_factors(factors, reader).map(Method::Factors),
        (None, Some(score)) => reader.number(score).map(Method::Score),
        _ => {
            reader
                .findings
                .add(
                    Code::MissingKey,
                    &node.span,
                    "the risk has exactly one of `factors` and `score`",
                )
                .help("`factors` are a table of points, `score` is an expression that gives them");
            None
        }
    };
    let levels = fields.need(reader, "levels").and_then(|node| read_levels(node, reader));
    let at_least = match fields.get("at_least") {
        None => Some(None),
        Some(node) => read_at_least(node, levels.as_deref().unwrap_or_default(), reader).map(Some),
    };
    Some(RiskModel { method: method?, levels: levels?, at_least: at_least? })
}

/// Reads what gives the level that it has at least, which must be one of these.
fn read_at_least(node: &Node, levels: &[(String, i64)], reader: &mut Reader<'_>) -> Option<Expr> {
    let expr = reader.word(node)?;
    let is_level = |text: &str| levels.is_empty() || levels.iter().any(|(name, _)| name == text);
    if let Some(text) = expr.texts().into_iter().flatten().find(|text| !is_level(text)) {
        let names: Vec<&str> = levels.iter().map(|(name, _)| name.as_str()).collect();
        let help = format!("the levels are {}", names.join(", "));
        reader
            .findings
            .add(Code::NoSuchLevel, &node.span, format!("this can be `{text}`, which is no level"))
            .help(help);
    }
    Some(expr)
}

fn read_factors(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Factor>> {
    const SHAPE: &str =
        "`factors` is a mapping from names to lists of `{ when: CONDITION, points: 10 }`";
    let Kind::Map(entries) = &node.kind else {
        reader.wrong(node, SHAPE);
        return None;
    };
    if entries.is_empty() {
        reader.findings.add(Code::MissingKey, &node.span, "there are no factors").help(SHAPE);
        return None;
    }
    let read: Vec<_> = entries
        .iter()
        .map(|(key, node)| {
            let named = reader.is_name(&key.name, &key.span, "a factor");
            let Kind::List(items) = &node.kind else {
                reader.wrong(node, SHAPE);
                return None;
            };
            let cases: Vec<_> = items.iter().map(|item| read_case(item, reader)).collect();
            let cases = cases.into_iter().collect::<Option<Vec<_>>>()?;
            named.then(|| Factor { name: key.name.clone(), cases })
        })
        .collect();
    read.into_iter().collect()
}

fn read_case(node: &Node, reader: &mut Reader<'_>) -> Option<(Expr, i64)> {
    let fields = reader.fields(node, "a case of a factor", CASE)?;
    let when = fields.need(reader, "when").and_then(|node| reader.expr(node, &[]));
    let points = fields.need(reader, "points").and_then(|node| points(node, "`points`", reader));
    Some((when?, points?))
}

fn points(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<i64> {
    let Kind::Int(number) = node.kind else {
        reader.wrong(node, &format!("{what} is a whole number"));
        return None;
    };
    let points = Some(number).filter(|points| (-POINTS_MAX..=POINTS_MAX).contains(points));
    if points.is_none() {
        reader
            .findings
            .add(Code::OutOfRange, &node.span, format!("{what} cannot be {number}"))
            .help(format!("give a whole number from -{POINTS_MAX} to {POINTS_MAX}"));
    }
    points
}

fn read_levels(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<(String, i64)>> {
    const HELP: &str = "name them from the lowest on, each with its points: `{ low: 0, high: 40 }`";
    let Kind::Map(entries) = &node.kind else {
        reader.wrong(node, HELP);
        return None;
    };
    if entries.is_empty() {
        reader.findings.add(Code::MissingKey, &node.span, "there are no levels").help(HELP);
        return None;
    }
    let mut levels: Vec<(String, i64)> = Vec::new();
    let mut good = true;
    for (key, node) in entries {
        good &= reader.is_name(&key.name, &key.span, "a level");
        let Some(from) = points(node, "a level's points", reader) else {
            good = false;
            continue;
        };
        if let Some((before, _)) = levels.last().filter(|(_, last)| *last >= from) {
            reader
                .findings
                .add(
                    Code::RiskLevels,
                    &node.span,
                    format!("`{}` is not reached by more points than `{before}`", key.name),
                )
                .help(HELP);
            good = false;
        }
        levels.push((key.name.clone(), from));
    }
    good.then_some(levels)
}
