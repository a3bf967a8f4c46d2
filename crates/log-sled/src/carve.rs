//! Finding the blocks of a tail in the bytes of sled's file, without sled, which gives up a file's
//! content from the first damage on.
//!
//! A piece of a block stands in the file as sled wrote it, after its length: alone with its key, where
//! it was added, and among the values of a leaf, where sled put one together. Which pieces make up a
//! block is proved by the block's checksum.

use std::collections::{HashMap, HashSet};

use holdpoint_core::event::Sequence;
use holdpoint_log::merkle::Hash;

use crate::block::{self, Block, ENTRY_BYTES_MAX, HEADER_BYTES, Header, Key};

/// How many ways of putting a block together are tried.
const WAYS_MAX: usize = 256;

/// How many of the places that a piece could stand at are looked at.
const PLACES_MAX: usize = 64;

/// The length of a key.
const KEY_BYTES: usize = size_of::<Key>();

/// The same, as it stands before the key.
const KEY_LENGTH: u8 = 10;

/// What stands before an entry that was added to a leaf: after it come the length of the key, the key
/// without what all keys of the leaf have in common, and the value after its length.
const LINK: u8 = 0;

/// What says of a node of sled's tree that it is a leaf.
const LEAF: u8 = 0;

/// No leaf has more entries, by far.
const LEAF_ENTRIES_MAX: u8 = 200;

/// Finds every block of which all pieces are there, in the order of their events.
pub(crate) fn blocks(bytes: &[u8]) -> Vec<Block> {
    let found = Found::scan(bytes);
    let mut blocks: Vec<Block> =
        found.headers.values().filter_map(|(header, at)| found.assemble(header, at)).collect();
    blocks.sort_by_key(|block| (block.header.first, block.last_sequence()));
    blocks
}

/// What looks like a part of a block.
struct Found<'a> {
    bytes: &'a [u8],
    /// Headers by what tells blocks apart, and where they stand: sled writes a leaf again and again.
    headers: HashMap<(Sequence, Hash), (Header, Vec<usize>)>,
    /// Where values stand of which the key is known, but for the first piece of each block.
    keyed: HashMap<(Sequence, u16), Vec<usize>>,
    /// Where values stand of which the end of the key is known.
    shortened: HashMap<&'a [u8], Vec<usize>>,
}

impl<'a> Found<'a> {
    fn scan(bytes: &'a [u8]) -> Self {
        let mut found = Self {
            bytes,
            headers: HashMap::new(),
            keyed: HashMap::new(),
            shortened: HashMap::new(),
        };
        for at in 0..bytes.len() {
            let Some(rest) = bytes.get(at..) else { break };
            if let Some(header) = header(rest) {
                let known = found.headers.entry((header.first, header.root));
                known.or_insert_with(|| (header, Vec::new())).1.push(at);
            } else if let [LINK, length @ 1..=KEY_LENGTH, key @ ..] = rest
                && let Some(key) = key.get(..usize::from(*length))
            {
                let value = at + 2 + key.len();
                if *length == KEY_LENGTH {
                    found.add(key, value);
                } else {
                    found.shortened.entry(key).or_default().push(value);
                }
            }
            found.leaf(at);
        }
        found
    }

    /// Notes where the length of a value with this key stands.
    fn add(&mut self, key: &[u8], at: usize) {
        if let Some((first, piece)) = block::parse_key(key)
            && piece > 0
        {
            self.keyed.entry((first, piece)).or_default().push(at);
        }
    }

    /// Notes the values of a leaf of sled's tree, if there is one at `at`: how many bytes its keys
    /// have in common, the two keys that it is between, what it is, how many entries it has, the
    /// rest of each key, and the values.
    fn leaf(&mut self, at: usize) -> Option<()> {
        let common = usize::from(*self.bytes.get(at)?);
        let is_bound = |length: usize| length <= KEY_BYTES;
        let (low, end) = self.short(at + 1).filter(|(low, _)| is_bound(low.len()))?;
        let common = low.get(..common)?;
        let (_, end) = self.short(end).filter(|(high, _)| is_bound(high.len()))?;
        let [LEAF, count @ 1..=LEAF_ENTRIES_MAX] = *self.bytes.get(end..end + 2)? else {
            return None;
        };
        let mut end = end + 2;
        let mut keys = Vec::new();
        for _ in 0..count {
            let (rest, after) = self.short(end)?;
            let key = [common, rest].concat();
            if key.len() != KEY_BYTES {
                return None;
            }
            keys.push(key);
            end = after;
        }
        for key in keys {
            self.add(&key, end);
            (_, end) = self.value(end)?;
        }
        Some(())
    }

    /// The bytes of at most 240 that stand at `at` after their length, and where they end.
    fn short(&self, at: usize) -> Option<(&'a [u8], usize)> {
        let begin = at + 1;
        let end =
            begin + usize::from(self.bytes.get(at).filter(|length| **length <= 240)?.to_owned());
        Some((self.bytes.get(begin..end)?, end))
    }

    /// Puts the block together whose header stands at these places.
    fn assemble(&self, header: &Header, at: &[usize]) -> Option<Block> {
        let pieces = usize::from(header.pieces);
        let mut places: Vec<Vec<&[u8]>> = vec![Vec::new(); pieces];
        at.iter().take(PLACES_MAX).for_each(|at| self.forwards(*at, &mut places));
        for (places, piece) in places.iter_mut().zip(0_u16..).skip(1) {
            let keyed = self.keyed.get(&(header.first, piece));
            let key = block::key(header.first, piece);
            let shortened = (1..KEY_BYTES)
                .filter_map(|known| self.shortened.get(key.get(known..).unwrap_or_default()));
            let known = keyed.into_iter().chain(shortened).flatten();
            for at in known.take(PLACES_MAX) {
                places.extend(self.value(*at).map(|(value, _)| value));
            }
        }
        for (number, places) in places.iter_mut().enumerate() {
            let is_last = number + 1 == pieces;
            places.retain(|value| is_last || value.len() == ENTRY_BYTES_MAX);
            let mut seen = HashSet::new();
            places.retain(|value| seen.insert(*value));
        }
        let ways =
            places.iter().try_fold(1_usize, |ways, places| ways.checked_mul(places.len()))?;
        (0..ways.min(WAYS_MAX)).find_map(|way| {
            let mut left = way;
            let mut joined = Vec::new();
            for places in &places {
                joined.extend_from_slice(places.get(left % places.len())?);
                left /= places.len();
            }
            block::decode(&joined).ok()
        })
    }

    /// The value whose length stands at `at`, and where it ends.
    fn value(&self, at: usize) -> Option<(&'a [u8], usize)> {
        let (length, begin) = length(self.bytes, at)?;
        let end = begin.checked_add(length).filter(|_| length <= ENTRY_BYTES_MAX)?;
        Some((self.bytes.get(begin..end)?, end))
    }

    /// Adds the pieces that follow each other from the first one on, which begins at `at`.
    fn forwards(&self, at: usize, places: &mut [Vec<&'a [u8]>]) {
        let Some((first, rest)) = places.split_first_mut() else { return };
        // How long a length is, is known only when it is read.
        let values = (1..=3).filter_map(|before| self.value(at.checked_sub(before)?));
        let mut end = None;
        for (value, after) in values.filter(|(value, after)| after - value.len() == at) {
            first.push(value);
            end = end.max(Some(after));
        }
        for places in rest {
            let Some((value, after)) = end.and_then(|end| self.value(end)) else { return };
            places.push(value);
            end = Some(after);
        }
    }
}

/// What could be the header of a block.
fn header(bytes: &[u8]) -> Option<Header> {
    // Almost every place is ruled out by its first bytes.
    if bytes.first() != Some(&1) || *bytes.get(1)? > 1 {
        return None;
    }
    let reserved = bytes.get(52..60)?;
    if !matches!(reserved, [0 | 1, 0, 0, 0, 0, 0, 0, 0]) {
        return None;
    }
    let header = block::decode_header(bytes.get(..HEADER_BYTES)?).ok()?;
    (header.first > Sequence::ZERO && header.events > 0 && header.pieces > 0).then_some(header)
}

/// A length as sled writes it, of at most 67,823, and where it ends.
fn length(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let byte = |offset: usize| bytes.get(at.checked_add(offset)?).map(|byte| usize::from(*byte));
    match byte(0)? {
        small @ 0..=240 => Some((small, at + 1)),
        middle @ 241..=248 => Some((240 + 256 * (middle - 241) + byte(1)?, at + 2)),
        249 => Some((2288 + 256 * byte(1)? + byte(2)?, at + 3)),
        _ => None,
    }
}
