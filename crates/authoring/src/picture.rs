//! Pictures of a definition: Mermaid, for pages that draw it themselves, and SVG.

use dagre::{
    EdgeLabel, LayoutOptions, NodeLabel, RankDir,
    graph::{Graph, GraphOptions},
    layout,
    layout::types::LabelPos,
};
use holdpoint_definition::{Outline, StateOf, StateOutline};

use crate::picture_baseline::Marks;

/// Which way a picture reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From the top down.
    #[default]
    Down,
    /// From left to right.
    Right,
}

/// The ways from a state, with all outcomes that lead to the same one together; those into its branches
/// come first.
fn ways(state: &StateOutline) -> Vec<(String, &str)> {
    let mut ways: Vec<(Vec<&str>, &str)> = Vec::new();
    for way in &state.ways {
        match ways.iter_mut().find(|(_, to)| *to == way.to) {
            Some((on, _)) => on.push(&way.on),
            None => ways.push((vec![&way.on], &way.to)),
        }
    }
    let branches = state.branches.iter();
    let branches =
        branches.map(|branch| (format!("branch {}", branch.name), branch.start.as_str()));
    let ways = ways.into_iter().map(|(on, to)| (on.join(", ").replace('_', " "), to));
    branches.chain(ways).collect()
}

/// The lines that stand in a state's box, its name the first.
fn lines(state: &StateOutline, marks: &Marks<'_>) -> Vec<String> {
    let mut lines = vec![state.name.clone()];
    // An end that is named after its outcome says it once.
    lines.extend(state.summary.iter().filter(|line| **line != state.name).cloned());
    lines.extend(marks.lines(&state.name));
    lines
}

/// The definition as a Mermaid flowchart.
#[must_use]
pub fn mermaid(outline: &Outline, direction: Direction) -> String {
    let id = |name: &str| {
        let place = outline.states.iter().position(|state| state.name == name);
        format!("s{}", place.unwrap_or_default())
    };
    let arrow = match direction {
        Direction::Down => "TD",
        Direction::Right => "LR",
    };
    let marks = Marks::of(outline);
    let mut text = format!("flowchart {arrow}\n  start(( )) --> {}\n", id(&outline.start));
    // Mermaid counts the ways from the top, the one from the dot as 0.
    let (mut way, mut past) = (0_usize, Vec::new());
    for state in &outline.states {
        let label = lines(state, &marks).iter().map(|line| mermaid_text(line)).collect::<Vec<_>>();
        let label = format!("\"{}\"", label.join("<br>"));
        let (open, close) = match state.kind {
            StateOf::Hold => ("{{", "}}"),
            StateOf::Activity => ("[", "]"),
            StateOf::Rollout => ("[[", "]]"),
            StateOf::Choose => ("{", "}"),
            StateOf::All => ("[/", "/]"),
            StateOf::Child => ("[[", "]]"),
            StateOf::End => ("([", "])"),
        };
        text.push_str(&format!("  {}{open}{label}{close}\n", id(&state.name)));
        for (on, to) in ways(state) {
            text.push_str(&format!(
                "  {} -->|\"{}\"| {}\n",
                id(&state.name),
                mermaid_text(&on),
                id(to)
            ));
            way = way.saturating_add(1);
            if marks.leads_past(&state.name, to) {
                past.push(way.to_string());
            }
        }
        if marks.is_below(&state.name) {
            text.push_str(&format!(
                "  style {} stroke:{BELOW},stroke-width:3px\n",
                id(&state.name)
            ));
        }
    }
    if !past.is_empty() {
        text.push_str(&format!("  linkStyle {} stroke:{BELOW}\n", past.join(",")));
    }
    let caption: Vec<String> = marks.caption().iter().map(|line| mermaid_text(line)).collect();
    if !caption.is_empty() {
        text.push_str(&format!("  baseline[\"{}\"]\n", caption.join("<br>")));
        text.push_str("  style baseline fill:none,stroke-dasharray:4\n");
    }
    let mut branches = 0;
    text.push_str(&subgraphs(outline, &[], &mut branches, &id));
    text
}

/// The branches that begin in states of a branch, each with its states as a part of the chart.
fn subgraphs(
    outline: &Outline,
    within: &[(String, String)],
    count: &mut usize,
    id: &dyn Fn(&str) -> String,
) -> String {
    let indent = "  ".repeat(within.len().saturating_add(1));
    let mut text = String::new();
    for state in outline.states.iter().filter(|state| state.within == within) {
        for branch in &state.branches {
            let mut inside = within.to_vec();
            inside.push((state.name.clone(), branch.name.clone()));
            let label = mermaid_text(&format!("{} of {}", branch.name, state.name));
            text.push_str(&format!("{indent}subgraph b{count}[\"{label}\"]\n"));
            *count = count.saturating_add(1);
            for one in outline.states.iter().filter(|one| one.within == inside) {
                text.push_str(&format!("{indent}  {}\n", id(&one.name)));
            }
            text.push_str(&subgraphs(outline, &inside, count, id));
            text.push_str(&format!("{indent}end\n"));
        }
    }
    text
}

/// A text between quotes: what would end it, or be taken for markup, as an entity.
fn mermaid_text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '#' | '"' | '<' | '>' | '&' | '`' | '\\' => {
                escaped.push_str(&format!("#{};", u32::from(c)));
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The layout's time grows with about the third power of these, where all states stand in a row.
const STATES_MAX: usize = 60;
const WAYS_MAX: usize = 180;

/// The height of a line of text.
const LINE: f64 = 17.0;
/// What is left free around the text of a box, and around the picture.
const MARGIN: f64 = 16.0;
/// The diameter of the dot that a run begins at.
const DOT: f64 = 14.0;
/// How far a corner of a way is rounded.
const CORNER: f64 = 14.0;
/// The longest line of text, in characters; what is longer is cut.
const LABEL_MAX: usize = 48;

/// The colour of what does not keep to a baseline, as in [`STYLE`].
const BELOW: &str = "#ba2525";

/// The name of the dot's node: no state is named so.
const START: &str = "(start)";

/// A place: from the left, from the top.
type Point = (f64, f64);

/// Where things are to be drawn.
struct Drawing {
    graph: Graph<NodeLabel, EdgeLabel>,
    width: f64,
    height: f64,
}

/// A definition is too large to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a picture of {states} states and {ways} ways would take long to draw, and nobody could read it: \
     at most {STATES_MAX} and {WAYS_MAX} are drawn"
)]
pub struct TooLarge {
    /// How many states it has.
    pub states: usize,
    /// How many ways there are between them.
    pub ways: usize,
}

/// The definition as an SVG picture.
///
/// # Errors
/// When it is too large. [`mermaid`] has no limit.
pub fn svg(outline: &Outline, title: &str, direction: Direction) -> Result<String, TooLarge> {
    let states = outline.states.len();
    let count = outline.states.iter().map(|state| ways(state).len()).sum();
    if states > STATES_MAX || count > WAYS_MAX {
        return Err(TooLarge { states, ways: count });
    }
    let marks = Marks::of(outline);
    let Drawing { graph, width, height } = drawing(outline, &marks, direction);
    let caption: Vec<String> = marks.caption().iter().map(|line| cut(line)).collect();
    let rows = f64::from(u32::try_from(caption.len()).unwrap_or_default());
    let widest = caption.iter().map(|line| text_width(line)).fold(0.0_f64, f64::max);
    let (width, below) = (width.max(widest + 2.0 * MARGIN), height);
    let height = if caption.is_empty() { height } else { height + rows * LINE + MARGIN };
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n<title>{}</title>\n{STYLE}",
        xml(title)
    );
    for route in routes(&graph, outline, &marks, direction) {
        text.push_str(&route.draw());
    }
    for (name, state) in std::iter::once((START, None))
        .chain(outline.states.iter().map(|state| (state.name.as_str(), Some(state))))
    {
        if let Some(node) = graph.node(name) {
            text.push_str(&shape(node, state, &marks));
        }
    }
    let mut y = below + LINE / 2.0;
    for line in &caption {
        text.push_str(&format!(
            "<text class=\"caption\" x=\"{MARGIN:.1}\" y=\"{y:.1}\">{}</text>\n",
            xml(line)
        ));
        y += LINE;
    }
    text.push_str("</svg>\n");
    Ok(text)
}

/// Fonts and colours. Text in boxes keeps its contrast on white and on black paper, as the boxes are
/// filled, and so is the ground.
const STYLE: &str = "<style>
  text { font: 13px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2933; text-anchor: middle }
  .name { font-weight: 600 }
  .more { font-size: 12px; fill: #52606d }
  .on { font-size: 12px; fill: #3e4c59 }
  .ground, .under { fill: #ffffff }
  .way { fill: none; stroke: #7b8794; stroke-width: 1.4 }
  .box { stroke-width: 1.4 }
  .hold { fill: #fff3c4; stroke: #cb6e17 }
  .activity, .rollout { fill: #dceefb; stroke: #2680c2 }
  .line { fill: none; stroke: #2680c2; stroke-width: 1.4 }
  .choose { fill: #f0f4f8; stroke: #627d98 }
  .all { fill: #eae2f8; stroke: #653cad }
  .bars { fill: none; stroke: #653cad; stroke-width: 3 }
  .end { fill: #e3f9e5; stroke: #3f9142 }
  .start, .head { fill: #7b8794 }
  .below { stroke: #ba2525; stroke-width: 2.6 }
  .past { stroke: #ba2525 }
  .caption { font-size: 12px; fill: #3e4c59; text-anchor: start }
</style>
<defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto-start-reverse\"><path class=\"head\" d=\"M0 0 8 4 0 8z\"/></marker></defs>
<rect class=\"ground\" width=\"100%\" height=\"100%\"/>
";

fn drawing(outline: &Outline, marks: &Marks<'_>, direction: Direction) -> Drawing {
    let mut graph: Graph<NodeLabel, EdgeLabel> =
        Graph::with_options(GraphOptions { directed: true, multigraph: true, compound: false });
    let node = |width: f64, height: f64| NodeLabel { width, height, ..NodeLabel::default() };
    graph.set_node(START.to_owned(), Some(node(DOT, DOT)));
    for state in &outline.states {
        let (width, height) = size(state, marks);
        graph.set_node(state.name.clone(), Some(node(width, height)));
    }
    graph.set_edge(START, outline.start.as_str(), Some(EdgeLabel::default()), None);
    for state in &outline.states {
        for (on, to) in ways(state) {
            let on = cut(&on);
            let label = EdgeLabel {
                width: text_width(&on) + 8.0,
                height: LINE,
                labelpos: LabelPos::Center,
                ..EdgeLabel::default()
            };
            graph.set_edge(state.name.as_str(), to, Some(label), Some(on.as_str()));
        }
    }
    layout(
        &mut graph,
        Some(LayoutOptions {
            rankdir: match direction {
                Direction::Down => RankDir::TB,
                Direction::Right => RankDir::LR,
            },
            nodesep: 36.0,
            ranksep: 28.0,
            edgesep: 18.0,
            marginx: MARGIN,
            marginy: MARGIN,
            ..LayoutOptions::default()
        }),
    );
    let (width, height) = extent(&graph);
    Drawing { graph, width, height }
}

/// How far right and down anything reaches.
fn extent(graph: &Graph<NodeLabel, EdgeLabel>) -> (f64, f64) {
    let mut corners = Vec::new();
    for name in graph.nodes() {
        if let Some(node) = graph.node(&name) {
            let (x, y) = (node.x.unwrap_or_default(), node.y.unwrap_or_default());
            corners.push((x + node.width / 2.0, y + node.height / 2.0));
        }
    }
    for edge in graph.edges() {
        if let Some(label) = graph.edge(&edge.v, &edge.w, edge.name.as_deref()) {
            corners.extend(label.points.iter().map(|point| (point.x, point.y)));
            if let (Some(x), Some(y)) = (label.x, label.y) {
                corners.push((x + label.width / 2.0, y + label.height / 2.0));
            }
        }
    }
    let far = corners
        .into_iter()
        .fold((0.0_f64, 0.0_f64), |far, corner| (far.0.max(corner.0), far.1.max(corner.1)));
    (far.0 + MARGIN, far.1 + MARGIN)
}

/// How wide a text is, about: of a proportional font nobody knows without measuring.
fn text_width(text: &str) -> f64 {
    text.chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | '.' | ',' | '\'' | '|' | ':' | ';' | '!' | ' ' => 4.2,
            'f' | 'r' | 't' | '-' | '(' | ')' | '[' | ']' | '{' | '}' => 5.4,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 11.0,
            c if c.is_ascii_uppercase() => 9.0,
            c if c.is_ascii() => 7.4,
            _ => 13.0,
        })
        .sum()
}

fn size(state: &StateOutline, marks: &Marks<'_>) -> (f64, f64) {
    let lines = lines(state, marks);
    let widest = lines.iter().map(|line| text_width(&cut(line))).fold(40.0_f64, f64::max);
    let rows = f64::from(u32::try_from(lines.len()).unwrap_or(1));
    // Pointed sides take the space that round ones do not.
    let sides = match state.kind {
        StateOf::Hold => 3.2 * MARGIN,
        StateOf::Choose => 4.5 * MARGIN,
        StateOf::Rollout | StateOf::Child => 2.8 * MARGIN,
        StateOf::Activity | StateOf::All | StateOf::End => 2.0 * MARGIN,
    };
    (widest + sides, rows * LINE + MARGIN)
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LABEL_MAX {
        return text.to_owned();
    }
    let begin: String = text.chars().take(LABEL_MAX.saturating_sub(1)).collect();
    format!("{begin}…")
}

/// A way, and where it is drawn.
struct Route<'g> {
    on: String,
    label: &'g EdgeLabel,
    points: Vec<Point>,
    from: Place,
    to: Place,
    /// Whether it leads past what a baseline demands.
    past: bool,
}

/// Where a way begins or ends.
struct Port {
    route: usize,
    begins: bool,
    place: Place,
    /// The point next to it.
    near: Point,
}

/// All ways. The layout lets each point to the middle of its boxes, so that it can touch the box
/// beside; here they meet the sides that face where they come from, spread over the side.
fn routes<'g>(
    graph: &'g Graph<NodeLabel, EdgeLabel>,
    outline: &Outline,
    marks: &Marks<'_>,
    direction: Direction,
) -> Vec<Route<'g>> {
    let place = |name: &str| {
        let state = outline.states.iter().find(|state| state.name == name);
        Some(Place::new(graph.node(name)?, state.map_or(StateOf::End, |state| state.kind)))
    };
    let mut routes: Vec<Route<'g>> = graph
        .edges()
        .iter()
        .filter_map(|edge| {
            let label = graph.edge(&edge.v, &edge.w, edge.name.as_deref())?;
            Some(Route {
                on: edge.name.clone().unwrap_or_default(),
                points: label.points.iter().map(|point| (point.x, point.y)).collect(),
                label,
                from: place(&edge.v)?,
                to: place(&edge.w)?,
                past: marks.leads_past(&edge.v, &edge.w),
            })
        })
        .collect();
    let ports = routes.iter().enumerate().flat_map(|(n, route)| {
        let ends = |begins, place: &Place, near: Option<&Point>| {
            near.map(|near| Port { route: n, begins, place: place.clone(), near: *near })
        };
        let last = route.points.len().saturating_sub(2);
        [
            ends(true, &route.from, route.points.get(1)),
            ends(false, &route.to, route.points.get(last)),
        ]
    });
    for (route, begins, point) in spread(ports.flatten().collect(), direction) {
        let Some(route) = routes.get_mut(route) else { continue };
        let end = if begins { route.points.first_mut() } else { route.points.last_mut() };
        if let Some(end) = end {
            *end = point;
        }
    }
    for route in &mut routes {
        // Not all boxes fill their corners.
        if let Some(first) = route.points.first_mut() {
            *first = route.from.border(*first);
        }
        if let Some(last) = route.points.last_mut() {
            *last = route.to.border(*last);
        }
    }
    routes
}

/// Where each port lies on the side of its box, for those that lead straight away from one.
fn spread(ports: Vec<Port>, direction: Direction) -> Vec<(usize, bool, Point)> {
    // The coordinate along the picture's direction, and the one across it.
    let axes = |(x, y): Point| match direction {
        Direction::Down => (y, x),
        Direction::Right => (x, y),
    };
    let mut sides: Vec<(Point, bool, Vec<Port>)> = Vec::new();
    for port in ports {
        let middle = (port.place.x, port.place.y);
        let half = axes((port.place.width / 2.0, port.place.height / 2.0)).0;
        let away = axes(port.near).0 - axes(middle).0;
        if away.abs() <= half {
            continue;
        }
        let ahead = away > 0.0;
        match sides.iter_mut().find(|(at, side, _)| *at == middle && *side == ahead) {
            Some((_, _, there)) => there.push(port),
            None => sides.push((middle, ahead, vec![port])),
        }
    }
    let mut found = Vec::new();
    for (middle, ahead, mut ports) in sides {
        ports.sort_by(|one, other| axes(one.near).1.total_cmp(&axes(other.near).1));
        let count = f64::from(u32::try_from(ports.len()).unwrap_or(1));
        let mut share = 0.5 / count;
        for port in ports {
            let flat = (port.place.width - 2.0 * port.place.inset(), port.place.height);
            let (length, breadth) = axes((port.place.width, port.place.height));
            let span = axes(flat).1.min(breadth) * 0.8;
            let along = axes(middle).0 + if ahead { length / 2.0 } else { -length / 2.0 };
            let least = axes(middle).1 - span / 2.0;
            // One alone goes straight ahead where it can.
            let across = if count > 1.0 {
                least + share * span
            } else {
                axes(port.near).1.clamp(least, least + span)
            };
            share += 1.0 / count;
            found.push((port.route, port.begins, axes((along, across))));
        }
    }
    found
}

impl Route<'_> {
    fn draw(&self) -> String {
        let Self { on, label, points, past, .. } = self;
        let path = rounded(points);
        let class = if *past { "way past" } else { "way" };
        let mut text =
            format!("<path class=\"{class}\" d=\"{path}\" marker-end=\"url(#head)\"/>\n");
        if let (false, Some(x), Some(y)) = (on.is_empty(), label.x, label.y) {
            let (width, height) = (label.width, label.height);
            text.push_str(&format!(
                "<rect class=\"under\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"4\"/>\
                 <text class=\"on\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>\n",
                x - width / 2.0,
                y - height / 2.0,
                y + 4.0,
                xml(on)
            ));
        }
        text
    }
}

/// A line through all points whose corners are rounded, and which stays close to them, as boxes may
/// be near.
fn rounded(points: &[Point]) -> String {
    let between = |from: Point, to: Point, share: f64| {
        (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share)
    };
    let near = |corner: Point, other: Point| {
        let distance = (corner.0 - other.0).hypot(corner.1 - other.1);
        between(corner, other, (CORNER / distance.max(1.0)).min(0.5))
    };
    let mut path = String::new();
    if let Some(first) = points.first() {
        path.push_str(&format!("M{:.1} {:.1}", first.0, first.1));
    }
    for three in points.windows(3) {
        if let [before, corner, after] = three {
            let (from, to) = (near(*corner, *before), near(*corner, *after));
            path.push_str(&format!(
                " L{:.1} {:.1} Q{:.1} {:.1} {:.1} {:.1}",
                from.0, from.1, corner.0, corner.1, to.0, to.1
            ));
        }
    }
    if let Some(last) = points.last() {
        path.push_str(&format!(" L{:.1} {:.1}", last.0, last.1));
    }
    path
}

/// A box, where it is drawn.
#[derive(Clone)]
struct Place {
    kind: StateOf,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Place {
    fn new(node: &NodeLabel, kind: StateOf) -> Self {
        let (x, y) = (node.x.unwrap_or_default(), node.y.unwrap_or_default());
        Self { kind, x, y, width: node.width, height: node.height }
    }

    /// How far the pointed sides of a box reach in.
    const fn inset(&self) -> f64 {
        match self.kind {
            StateOf::Hold => MARGIN,
            StateOf::Choose => 2.0 * MARGIN,
            StateOf::Activity | StateOf::Rollout | StateOf::Child | StateOf::All | StateOf::End => {
                0.0
            }
        }
    }

    fn contains(&self, (x, y): Point) -> bool {
        let (dx, dy) = ((x - self.x).abs(), (y - self.y).abs());
        let (wide, high) = (self.width / 2.0, self.height / 2.0);
        match self.kind {
            StateOf::End => {
                let straight = (wide - high).max(0.0);
                dx <= straight && dy <= high || (dx - straight).hypot(dy) <= high
            }
            _ => dy <= high && dx <= wide - self.inset() * dy / high,
        }
    }

    /// Where a way that ends at `from`, outside or at a corner, meets the border.
    fn border(&self, from: Point) -> Point {
        let at =
            |share: f64| (from.0 + (self.x - from.0) * share, from.1 + (self.y - from.1) * share);
        let (mut outside, mut inside) = (0.0, 1.0);
        // Halved so often, the border is met to a hundredth of what is drawn.
        for _ in 0..16 {
            let middle = (outside + inside) / 2.0;
            if self.contains(at(middle)) { inside = middle } else { outside = middle }
        }
        at(outside)
    }
}

/// A state, or without one the dot that a run begins at.
fn shape(node: &NodeLabel, state: Option<&StateOutline>, marks: &Marks<'_>) -> String {
    let place = Place::new(node, state.map_or(StateOf::End, |state| state.kind));
    let Place { x, y, width, height, .. } = place;
    let Some(state) = state else {
        return format!(
            "<circle class=\"start\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{:.1}\"/>\n",
            DOT / 2.0
        );
    };
    let (left, top) = (x - width / 2.0, y - height / 2.0);
    let (right, bottom) = (x + width / 2.0, y + height / 2.0);
    let below = if marks.is_below(&state.name) { " below" } else { "" };
    let rect = |class: &str, radius: f64| {
        format!(
            "<rect class=\"box {class}{below}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius:.1}\"/>"
        )
    };
    let pointed = |class: &str| {
        let (near, far) = (left + place.inset(), right - place.inset());
        format!(
            "<path class=\"box {class}\" d=\"M{near:.1} {top:.1}H{far:.1}L{right:.1} {y:.1} {far:.1} {bottom:.1}H{near:.1}L{left:.1} {y:.1}Z\"/>"
        )
    };
    let outline = match state.kind {
        StateOf::Hold => pointed("hold"),
        StateOf::Choose => pointed("choose"),
        StateOf::Activity => rect("activity", 5.0),
        // The bars of a fork and of a join.
        StateOf::All => format!(
            "{}<path class=\"bars\" d=\"M{left:.1} {top:.1}H{right:.1}M{left:.1} {bottom:.1}H{right:.1}\"/>",
            rect("all", 0.0)
        ),
        StateOf::Rollout | StateOf::Child => {
            let (near, far) = (left + 7.0, right - 7.0);
            format!(
                "{}<path class=\"line\" d=\"M{near:.1} {top:.1}V{bottom:.1}M{far:.1} {top:.1}V{bottom:.1}\"/>",
                rect("rollout", 5.0)
            )
        }
        StateOf::End => rect("end", height / 2.0),
    };
    let lines = lines(state, marks);
    let rows = f64::from(u32::try_from(lines.len()).unwrap_or(1));
    let mut text = format!("<g>{outline}");
    let mut baseline = y - (rows - 1.0) * LINE / 2.0 + 4.5;
    for (n, line) in lines.iter().enumerate() {
        let class = if n == 0 { "name" } else { "more" };
        text.push_str(&format!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{baseline:.1}\">{}</text>",
            xml(&cut(line))
        ));
        baseline += LINE;
    }
    text.push_str("</g>\n");
    text
}

/// A text in XML; what no XML document may have becomes a space.
fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
