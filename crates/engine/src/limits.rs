//! How many attempts may be under way, and how fast they may begin: pure, and fair between runs.
//!
//! A library for rates alone does not fit: whether an attempt may begin depends on its queue, its
//! item and the rate at once, and it must take all of them or none, by the engine's own clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use holdpoint_core::{EffectId, ProjectId, RunId};
use jiff::{SignedDuration, Timestamp};

/// How many attempts of a queue may be under way, and how many may begin; without end where nothing
/// is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueLimits {
    /// How many at once.
    pub at_once: Option<u32>,
    /// How fast they begin.
    pub rate: Option<Rate>,
}

/// So many in any span of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least 1.
    pub count: u32,
    /// How long the span is.
    pub per: SignedDuration,
}

/// What an attempt takes up while it is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Takes {
    /// A place in this queue. One that the engine was not built with has no limits.
    pub queue: Option<String>,
    /// A place at this configuration item, of the run's project.
    pub item: Option<ItemPlace>,
    /// A worker that has asked for an attempt in the queue.
    pub by_worker: bool,
}

/// A place at a configuration item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemPlace {
    /// The item.
    pub item: String,
    /// With how many attempts, this one included, the attempt may be under way there.
    pub at_once: u32,
}

impl Takes {
    pub(crate) const fn is_nothing(&self) -> bool {
        self.queue.is_none() && self.item.is_none() && !self.by_worker
    }
}

/// Names an attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket {
    pub run: RunId,
    pub effect: EffectId,
    pub attempt: u32,
}

/// What an attempt waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waits {
    /// In words.
    pub for_what: String,
    /// How many more wait for it, and came before.
    pub before: u32,
}

#[derive(Clone, Debug)]
struct Place {
    takes: Takes,
    project: ProjectId,
}

impl Place {
    /// The item at which it takes a place, in its project.
    fn item_name(&self) -> Option<(ProjectId, String)> {
        self.takes.item.as_ref().map(|item| (self.project.clone(), item.item.clone()))
    }
}

/// Why an attempt may not begin now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bar {
    Queue,
    Rate,
    Item,
    Worker,
}

/// What attempts have in common that wait in one line: all of them are barred by their queue, or none is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    run: RunId,
    queue: Option<String>,
    by_worker: bool,
}

impl Line {
    fn of(ticket: &Ticket, place: &Place) -> Self {
        let Takes { queue, by_worker, .. } = &place.takes;
        Self { run: ticket.run, queue: queue.clone(), by_worker: *by_worker }
    }
}

/// Which attempts are under way, and which wait.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    queues: BTreeMap<String, QueueLimits>,
    under_way: HashMap<Ticket, Place>,
    in_queue: HashMap<String, u32>,
    at_item: HashMap<(ProjectId, String), u32>,
    of_run: HashMap<RunId, u32>,
    /// When attempts of queues with a rate began, as far back as counts.
    begun: HashMap<String, VecDeque<Timestamp>>,
    /// How many workers have asked for an attempt in a queue, and have none.
    workers: HashMap<String, u32>,
    /// In the order in which they came.
    waiting: BTreeMap<u64, (Ticket, Place)>,
    order_of: HashMap<Ticket, u64>,
    /// Those that wait, by what bars them, so that nobody looks at each of thousands whenever one ends.
    lines: BTreeMap<Line, BTreeSet<u64>>,
    by_queue: HashMap<Option<String>, BTreeSet<u64>>,
    by_item: HashMap<(ProjectId, String), BTreeSet<u64>>,
    came: u64,
    /// When runs that wait were last served, as the number of attempts that had begun.
    served: HashMap<RunId, u64>,
    admitted: u64,
}

impl Limiter {
    pub(crate) fn new(queues: BTreeMap<String, QueueLimits>) -> Self {
        Self { queues, ..Self::default() }
    }

    /// Takes an attempt in, to wait until [`Limiter::admit`] names it.
    pub(crate) fn ask(&mut self, ticket: Ticket, project: ProjectId, takes: Takes) {
        self.came = self.came.saturating_add(1);
        let place = Place { takes, project };
        self.order_of.insert(ticket.clone(), self.came);
        self.lines.entry(Line::of(&ticket, &place)).or_default().insert(self.came);
        self.by_queue.entry(place.takes.queue.clone()).or_default().insert(self.came);
        if let Some(item) = place.item_name() {
            self.by_item.entry(item).or_default().insert(self.came);
        }
        self.waiting.insert(self.came, (ticket, place));
    }

    /// Takes an attempt out of those that wait.
    fn take_out(&mut self, order: u64) -> Option<(Ticket, Place)> {
        let (ticket, place) = self.waiting.remove(&order)?;
        self.order_of.remove(&ticket);
        let line = Line::of(&ticket, &place);
        if let Some(orders) = self.lines.get_mut(&line) {
            orders.remove(&order);
            if orders.is_empty() {
                self.lines.remove(&line);
            }
        }
        leave(&mut self.by_queue, &place.takes.queue, order);
        if let Some(item) = place.item_name() {
            leave(&mut self.by_item, &item, order);
        }
        Some((ticket, place))
    }

    /// Takes in that a worker asks for an attempt in a queue.
    pub(crate) fn offered(&mut self, queue: String) {
        raise(&mut self.workers, queue);
    }

    /// Takes in that one has gone away, without an attempt.
    pub(crate) fn withdrawn(&mut self, queue: &String) {
        lower(&mut self.workers, queue);
    }

    /// Frees what an attempt has taken up, which was done by somebody or by nobody, or has it wait no more.
    pub(crate) fn give_back(&mut self, ticket: &Ticket, was_begun: bool) {
        if let Some(order) = self.order_of.get(ticket).copied() {
            self.take_out(order);
        }
        if let Some(place) = self.under_way.remove(ticket) {
            if let Some(queue) = place.takes.queue.as_ref().filter(|_| place.takes.by_worker)
                && !was_begun
            {
                // The worker has been given nothing.
                raise(&mut self.workers, queue.clone());
            }
            if let Some(queue) = &place.takes.queue {
                lower(&mut self.in_queue, queue);
            }
            if let Some(item) = place.item_name() {
                lower(&mut self.at_item, &item);
            }
            lower(&mut self.of_run, &ticket.run);
        }
        let first = Line { run: ticket.run, queue: None, by_worker: false };
        if self.lines.range(first..).next().is_none_or(|(line, _)| line.run != ticket.run) {
            self.served.remove(&ticket.run);
        }
    }

    /// Begins all attempts that may begin: first those of the runs that have the fewest under way,
    /// of those the run that was served longest ago, of one run the attempt that came first.
    pub(crate) fn admit(&mut self, now: Timestamp) -> Vec<Ticket> {
        self.forget(now);
        let mut admitted = Vec::new();
        loop {
            let open = self.lines.iter().filter(|(line, _)| self.line_bar(line).is_none());
            let fits = open.filter_map(|(line, orders)| {
                let at_item = |order: &&u64| {
                    self.waiting.get(order).is_some_and(|(_, place)| self.has_room_at_item(place))
                };
                Some((line, *orders.iter().find(at_item)?))
            });
            let next = fits.min_by_key(|(line, order)| {
                let under_way = self.of_run.get(&line.run).copied().unwrap_or_default();
                let served = self.served.get(&line.run).copied().unwrap_or_default();
                (under_way, served, *order)
            });
            let Some((_, order)) = next else { return admitted };
            let Some((ticket, place)) = self.take_out(order) else { return admitted };
            self.begin(&ticket, place, now);
            admitted.push(ticket);
        }
    }

    fn begin(&mut self, ticket: &Ticket, place: Place, now: Timestamp) {
        self.admitted = self.admitted.saturating_add(1);
        self.served.insert(ticket.run, self.admitted);
        raise(&mut self.of_run, ticket.run);
        if let Some(queue) = place.takes.queue.as_ref().filter(|_| place.takes.by_worker) {
            lower(&mut self.workers, queue);
        }
        if let Some(queue) = &place.takes.queue {
            raise(&mut self.in_queue, queue.clone());
            if self.queues.get(queue).is_some_and(|limits| limits.rate.is_some()) {
                self.begun.entry(queue.clone()).or_default().push_back(now);
            }
        }
        if let Some(item) = place.item_name() {
            raise(&mut self.at_item, item);
        }
        self.under_way.insert(ticket.clone(), place);
    }

    /// What an attempt waits for, if it waits.
    pub(crate) fn waits(&self, ticket: &Ticket) -> Option<Waits> {
        let order = self.order_of.get(ticket)?;
        let (_, place) = self.waiting.get(order)?;
        let bar = self.bar(&Line::of(ticket, place), place)?;
        let queue = place.takes.queue.as_deref().unwrap_or_default();
        let for_what = match (bar, &place.takes.item) {
            (Bar::Item, Some(ItemPlace { item, .. })) => format!("the target `{item}`"),
            (Bar::Rate, _) => format!("the rate of the queue `{queue}`"),
            (Bar::Worker, _) => format!("a worker of the queue `{queue}`"),
            (Bar::Queue | Bar::Item, _) => format!("the queue `{queue}`"),
        };
        let line = match bar {
            Bar::Item => self.by_item.get(&place.item_name()?),
            Bar::Queue | Bar::Rate | Bar::Worker => self.by_queue.get(&place.takes.queue),
        }?;
        // Who asks has come last, mostly.
        let before = line.len().saturating_sub(line.range(order..).count());
        Some(Waits { for_what, before: u32::try_from(before).unwrap_or(u32::MAX) })
    }

    /// When something that waits may begin because of the time alone.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        let queues = self.by_queue.keys().flatten();
        let next = queues.filter_map(|queue| {
            let rate = self.queues.get(queue)?.rate?;
            let begun = self.begun.get(queue).filter(|begun| is_full(begun, rate))?;
            begun.front()?.saturating_add(rate.per).ok()
        });
        next.min()
    }

    fn bar(&self, line: &Line, place: &Place) -> Option<Bar> {
        match self.line_bar(line) {
            // What its item lacks is nearer than a worker.
            None | Some(Bar::Worker) if !self.has_room_at_item(place) => Some(Bar::Item),
            bar => bar,
        }
    }

    /// What bars all that wait in a line.
    fn line_bar(&self, line: &Line) -> Option<Bar> {
        if let Some(queue) = &line.queue
            && let Some(limits) = self.queues.get(queue)
        {
            let in_queue = self.in_queue.get(queue).copied().unwrap_or_default();
            if limits.at_once.is_some_and(|most| in_queue >= most) {
                return Some(Bar::Queue);
            }
            if let (Some(rate), Some(begun)) = (limits.rate, self.begun.get(queue))
                && is_full(begun, rate)
            {
                return Some(Bar::Rate);
            }
        }
        let queue = line.queue.as_deref().unwrap_or_default();
        (line.by_worker && !self.workers.contains_key(queue)).then_some(Bar::Worker)
    }

    fn has_room_at_item(&self, place: &Place) -> bool {
        let most = place.takes.item.as_ref().map(|item| item.at_once);
        let at_item = place.item_name().and_then(|item| self.at_item.get(&item).copied());
        most.is_none_or(|most| at_item.unwrap_or_default() < most)
    }

    /// Forgets what began too long ago to count, and what a clock that was set back says of the
    /// future.
    fn forget(&mut self, now: Timestamp) {
        for (queue, begun) in &mut self.begun {
            let rate = self.queues.get(queue).and_then(|limits| limits.rate);
            let per = rate.map_or(SignedDuration::ZERO, |rate| rate.per);
            begun.retain(|at| *at <= now && now.duration_since(*at) < per);
        }
    }
}

fn is_full(begun: &VecDeque<Timestamp>, rate: Rate) -> bool {
    u32::try_from(begun.len()).is_ok_and(|begun| begun >= rate.count)
}

fn raise<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: K) {
    let count = counts.entry(key).or_default();
    *count = count.saturating_add(1);
}

fn leave<K: std::hash::Hash + Eq>(lines: &mut HashMap<K, BTreeSet<u64>>, key: &K, order: u64) {
    if let Some(orders) = lines.get_mut(key) {
        orders.remove(&order);
        if orders.is_empty() {
            lines.remove(key);
        }
    }
}

fn lower<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn ticket(run: u8, n: u32) -> Ticket {
        let run = format!("01900000-0000-7000-8000-0000000000{run:02x}").parse().unwrap();
        Ticket { run, effect: EffectId::new(format!("e{n}")), attempt: 1 }
    }

    fn project() -> ProjectId {
        "lab".parse().unwrap()
    }

    fn limiter(at_once: Option<u32>, rate: Option<Rate>) -> Limiter {
        Limiter::new(BTreeMap::from([("net".to_owned(), QueueLimits { at_once, rate })]))
    }

    fn in_net() -> Takes {
        Takes { queue: Some("net".to_owned()), ..Takes::default() }
    }

    #[test]
    fn a_run_with_many_attempts_does_not_keep_another_waiting() {
        let mut limiter = limiter(Some(2), None);
        for n in 0..100 {
            limiter.ask(ticket(1, n), project(), in_net());
        }
        let mut under_way = limiter.admit(at(0));
        assert_eq!(under_way.len(), 2);
        assert_eq!(limiter.waits(&ticket(1, 5)).unwrap().before, 3, "after 2 that began");
        for n in 0..3 {
            limiter.ask(ticket(2, n), project(), in_net());
        }
        assert_eq!(
            limiter.waits(&ticket(2, 0)),
            Some(Waits { for_what: "the queue `net`".to_owned(), before: 98 })
        );
        let mut begun = Vec::new();
        for _ in 0..6 {
            limiter.give_back(&under_way.remove(0), true);
            let next = limiter.admit(at(0));
            begun.extend(next.iter().map(|one| one.run == ticket(2, 0).run));
            under_way.extend(next);
        }
        assert_eq!(begun, [true, false, true, false, true, false]);
    }

    #[test]
    fn a_rate_lets_so_many_begin_in_any_span() {
        let rate = Rate { count: 2, per: SignedDuration::from_secs(60) };
        let mut limiter = limiter(None, Some(rate));
        for n in 0..5 {
            limiter.ask(ticket(1, n), project(), in_net());
        }
        assert_eq!(limiter.admit(at(0)).len(), 2);
        let waits = limiter.waits(&ticket(1, 2)).unwrap();
        assert_eq!(waits.for_what, "the rate of the queue `net`");
        assert_eq!(limiter.next(), Some(at(60)));
        limiter.give_back(&ticket(1, 0), true);
        assert_eq!(limiter.admit(at(59)), []);
        assert_eq!(limiter.admit(at(60)).len(), 2);
        assert_eq!(limiter.admit(at(10)).len(), 1, "a clock that is set back bars nobody");
    }

    #[test]
    fn an_item_that_is_taken_keeps_nobody_from_another() {
        let mut limiter = Limiter::default();
        let at_item = |item: &str, at_once| Takes {
            item: Some(ItemPlace { item: item.to_owned(), at_once }),
            ..Takes::default()
        };
        limiter.ask(ticket(1, 0), project(), at_item("web-1", 1));
        limiter.ask(ticket(1, 1), project(), at_item("web-1", 1));
        limiter.ask(ticket(1, 2), project(), at_item("web-2", 1));
        limiter.ask(ticket(1, 3), "other".parse().unwrap(), at_item("web-1", 1));
        limiter.ask(ticket(1, 4), project(), at_item("web-1", 2));
        let begun = limiter.admit(at(0));
        assert_eq!(begun, [0, 2, 3, 4].map(|n| ticket(1, n)));
        assert_eq!(limiter.waits(&ticket(1, 1)).unwrap().for_what, "the target `web-1`");
        limiter.give_back(&ticket(1, 4), true);
        assert_eq!(limiter.admit(at(0)), []);
        limiter.give_back(&ticket(1, 0), true);
        assert_eq!(limiter.admit(at(0)), [ticket(1, 1)]);
        limiter.give_back(&ticket(1, 1), true);
        limiter.give_back(&ticket(1, 1), true);
        assert!(limiter.waits(&ticket(1, 1)).is_none());
    }

    /// Thousands that wait are not looked at one by one whenever one comes or ends: this is over in a moment, and was
    /// not in minutes.
    #[test]
    fn many_wait_in_one_queue() {
        const MANY: u32 = 100_000;
        let mut limiter = limiter(Some(50), None);
        let mut under_way = VecDeque::new();
        for n in 0..MANY {
            let item = Some(ItemPlace { item: format!("web-{n}"), at_once: 1 });
            limiter.ask(ticket(1, n), project(), Takes { item, ..in_net() });
            under_way.extend(limiter.admit(at(0)));
            let waits = limiter.waits(&ticket(1, n)).map(|waits| waits.before);
            assert_eq!(waits, n.checked_sub(50));
        }
        let mut ended = 0;
        while let Some(one) = under_way.pop_front() {
            assert_eq!(one, ticket(1, ended));
            limiter.give_back(&one, true);
            under_way.extend(limiter.admit(at(0)));
            ended += 1;
        }
        assert_eq!(ended, MANY);
    }

    #[derive(Clone, Debug)]
    enum Move {
        Ask {
            run: u8,
            queue: Option<usize>,
            item: Option<u8>,
        },
        /// One of those that wait or are under way.
        GiveBack(prop::sample::Index),
        Later(i64),
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let queue = prop::option::of(0..2_usize);
        let item = prop::option::of(0..3_u8);
        let ask =
            (0..3_u8, queue, item).prop_map(|(run, queue, item)| Move::Ask { run, queue, item });
        let one = prop_oneof![
            3 => ask,
            2 => any::<prop::sample::Index>().prop_map(Move::GiveBack),
            1 => (1..40_i64).prop_map(Move::Later),
        ];
        prop::collection::vec(one, 1..120)
    }

    const NAMES: [&str; 2] = ["net", "disk"];

    proptest! {
        #[test]
        fn no_limit_is_passed_and_nothing_waits_without_reason(moves in moves()) {
            let rate = Rate { count: 3, per: SignedDuration::from_secs(30) };
            let net = QueueLimits { at_once: Some(2), rate: None };
            let disk = QueueLimits { at_once: Some(4), rate: Some(rate) };
            let names = NAMES.map(str::to_owned);
            let [a, b] = names.clone();
            let mut limiter = Limiter::new(BTreeMap::from([(a, net), (b, disk)]));
            let mut asked: Vec<(Ticket, Takes)> = Vec::new();
            let mut under_way: Vec<(Ticket, Takes)> = Vec::new();
            let mut begun: Vec<i64> = Vec::new();
            let (mut now, mut n) = (0, 0);
            for one in moves {
                match one {
                    Move::Ask { run, queue, item } => {
                        n += 1;
                        let queue = queue.map(|queue| names[queue].clone());
                        let item = item.map(|item| ItemPlace { item: item.to_string(), at_once: 1 });
                        let takes = Takes { queue, item, by_worker: false };
                        asked.push((ticket(run, n), takes.clone()));
                        limiter.ask(ticket(run, n), project(), takes);
                    }
                    Move::GiveBack(which) => {
                        let all = asked.len() + under_way.len();
                        if all > 0 {
                            let which = which.index(all);
                            let gone = if which < asked.len() {
                                asked.remove(which)
                            } else {
                                under_way.remove(which - asked.len())
                            };
                            limiter.give_back(&gone.0, true);
                        }
                    }
                    Move::Later(seconds) => now += seconds,
                }
                for ticket in limiter.admit(at(now)) {
                    let place = asked.iter().position(|(one, _)| *one == ticket).unwrap();
                    let (ticket, takes) = asked.remove(place);
                    if takes.queue.as_deref() == Some("disk") {
                        begun.push(now);
                    }
                    under_way.push((ticket, takes));
                }
                let of = |queue: &str| {
                    let in_it = |(_, takes): &&(Ticket, Takes)| takes.queue.as_deref() == Some(queue);
                    under_way.iter().filter(in_it).count()
                };
                let at_item = |item: &str| {
                    let there = |(_, takes): &&(Ticket, Takes)| {
                        takes.item.as_ref().is_some_and(|one| one.item == item)
                    };
                    under_way.iter().filter(there).count()
                };
                let recent = begun.iter().filter(|at| now - **at < 30).count();
                prop_assert!(of("net") <= 2 && of("disk") <= 4 && recent <= 3);
                for (ticket, takes) in &asked {
                    let full = match takes.queue.as_deref() {
                        Some("net") => of("net") == 2,
                        Some("disk") => of("disk") == 4 || recent == 3,
                        _ => false,
                    };
                    let taken = takes.item.as_ref().is_some_and(|one| at_item(&one.item) == 1);
                    prop_assert!(full || taken, "{ticket:?} waits for nothing");
                    prop_assert!(limiter.waits(ticket).is_some());
                }
                for item in ["0", "1", "2"] {
                    prop_assert!(at_item(item) <= 1);
                }
            }
        }
    }
}
