//! The front: a table of weak references to cells in use, before moka.

use std::sync::{Arc, OnceLock, Weak};

use crate::cell::Cell;
use crate::key::KeyRef;
use crate::sync::Mutex;

const WAYS: usize = 4;
/// With 64 bytes each, 4 MiB.
const MAX_BUCKETS: u64 = 1 << 16;
/// The buckets of a segment.
const SEGMENT: usize = 64;
/// The tag of a way without a cell.
const EMPTY: u32 = 0;

/// A table of buckets of four ways each, behind one lock a bucket. A cell that finds no place displaces
/// another one, which is then found in moka.
#[derive(Debug)]
pub(crate) struct Front {
    segments: Box<[Segment]>,
}

/// Buckets that are allocated once a cell comes into one of them.
type Segment = OnceLock<Box<[Mutex<Bucket>]>>;

#[derive(Debug, Default)]
#[repr(align(64))] // A bucket and its lock are one cache line.
struct Bucket {
    /// A part of the hash for each way.
    tags: [u32; WAYS],
    cells: [Weak<Cell>; WAYS],
    /// The way that is displaced next.
    next: usize,
}

impl Front {
    /// A front with room for so many cells; none at all for zero.
    pub(crate) fn new(cells: u64) -> Self {
        // Buckets fill unevenly. With half as many, one hit in a hundred would find its cell displaced.
        let buckets = (cells / 2).min(MAX_BUCKETS) as usize;
        let segments = match cells {
            0 => 0,
            _ => buckets.div_ceil(SEGMENT).next_power_of_two(),
        };
        Self {
            segments: (0..segments).map(|_| OnceLock::new()).collect(),
        }
    }

    #[inline]
    pub(crate) fn find(&self, key: KeyRef<'_>) -> Option<Arc<Cell>> {
        self.bucket(key.hash)?.lock().find(key)
    }

    /// Puts in the cell that `look_up` finds. It is called under the lock of the bucket: who finds
    /// nothing in moka and then nothing in the front knows that nothing comes into the front later.
    pub(crate) fn put(
        &self,
        key: KeyRef<'_>,
        look_up: impl FnOnce() -> Option<Arc<Cell>>,
    ) -> Option<Arc<Cell>> {
        if let Some(segment) = self.segment(key.hash) {
            segment.get_or_init(|| {
                let buckets = (0..SEGMENT).map(|_| Mutex::new(Bucket::default()));
                buckets.collect()
            });
        }
        let Some(bucket) = self.bucket(key.hash) else {
            return look_up();
        };
        let mut bucket = bucket.lock();
        let cell = look_up()?;
        bucket.put(key, &cell);
        Some(cell)
    }

    /// Takes out this very cell.
    pub(crate) fn remove(&self, cell: &Cell) {
        if let Some(bucket) = self.bucket(cell.hash) {
            bucket.lock().remove(cell);
        }
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = Arc<Cell>> {
        let segments = self.segments.iter().filter_map(OnceLock::get);
        segments.flatten().flat_map(|bucket| {
            let bucket = bucket.lock();
            let cells = bucket.cells.iter().filter_map(Weak::upgrade);
            cells.collect::<Vec<_>>()
        })
    }

    #[inline]
    fn segment(&self, hash: u64) -> Option<&Segment> {
        let place = (hash as usize / SEGMENT) & self.segments.len().wrapping_sub(1);
        self.segments.get(place)
    }

    #[inline]
    fn bucket(&self, hash: u64) -> Option<&Mutex<Bucket>> {
        let segment = self.segment(hash)?.get()?;
        segment.get(hash as usize % SEGMENT)
    }
}

impl Bucket {
    #[inline]
    fn find(&mut self, key: KeyRef<'_>) -> Option<Arc<Cell>> {
        let wanted = tag_of(key);
        for (tag, cell) in self.tags.iter_mut().zip(&self.cells) {
            if *tag != wanted {
                continue;
            }
            match cell.upgrade() {
                Some(cell) if cell.is_of(key) => return Some(cell),
                Some(_) => {}
                None => *tag = EMPTY,
            }
        }
        None
    }

    fn put(&mut self, key: KeyRef<'_>, cell: &Arc<Cell>) {
        let tag = tag_of(key);
        // No key has two ways: of a dead cell and the one after it, the dead one would be found.
        let is_of_key = |own: u32, cell: &Weak<Cell>| {
            own == tag && cell.upgrade().is_none_or(|cell| cell.is_of(key))
        };
        let is_free = |own: u32, cell: &Weak<Cell>| own == EMPTY || cell.strong_count() == 0;
        let way = self.position(is_of_key).or_else(|| self.position(is_free));
        let way = way.unwrap_or_else(|| {
            self.next = (self.next + 1) % WAYS;
            self.next
        });
        if let (Some(place), Some(weak)) = (self.tags.get_mut(way), self.cells.get_mut(way)) {
            *place = tag;
            *weak = Arc::downgrade(cell);
        }
    }

    fn remove(&mut self, cell: &Cell) {
        let is_it = |_, weak: &Weak<Cell>| std::ptr::eq(weak.as_ptr(), cell);
        let way = self.position(is_it).unwrap_or(WAYS);
        if let (Some(tag), Some(weak)) = (self.tags.get_mut(way), self.cells.get_mut(way)) {
            *tag = EMPTY;
            *weak = Weak::new();
        }
    }

    fn position(&self, is_it: impl Fn(u32, &Weak<Cell>) -> bool) -> Option<usize> {
        let mut ways = self.tags.iter().zip(&self.cells);
        ways.position(|(tag, cell)| is_it(*tag, cell))
    }
}

/// Bits of the hash that do not choose the bucket.
#[inline]
fn tag_of(key: KeyRef<'_>) -> u32 {
    (key.hash >> 32) as u32 | 1
}
