//! Event-time order over any number of files in bounded memory: sorted chunks in memory, sorted runs on disk
//! when the chunks are too many, and one merge over all of them.
//!
//! An event is stored as its time, a tie-break and its `postcard` encoding. Time, tie-break and the bytes
//! themselves order events, so the order never depends on which file came first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use countersign_detection::order::hash64;
use countersign_model::event::Event;

/// Bytes of events that one thread collects before it sorts them.
const CHUNK_BYTES: usize = 32 << 20;

/// Buffer of one run while merging.
const RUN_BUFFER_BYTES: usize = 256 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Event time in microseconds.
    pub(crate) time: i64,
    /// Hash of the event's id.
    tie: u64,
}

/// Events of one thread, unsorted until sealed.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    index: Vec<(Key, u32, u32)>,
}

impl Chunk {
    /// Takes in an event.
    pub(crate) fn push(&mut self, event: &Event<'_>) -> Result<()> {
        let start = self.bytes.len();
        let bytes = std::mem::take(&mut self.bytes);
        self.bytes = postcard::to_extend(event, bytes).context("cannot encode an event")?;
        let key = Key { time: event.time().0, tie: hash64(event.id().0.as_bytes()) };
        self.index.push((key, start as u32, (self.bytes.len() - start) as u32));
        Ok(())
    }

    /// True when it is time to seal it.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= CHUNK_BYTES
    }

    fn memory(&self) -> usize {
        self.bytes.capacity() + self.index.capacity() * size_of::<(Key, u32, u32)>()
    }

    fn event(&self, at: usize) -> &[u8] {
        let (_, start, length) = self.index[at];
        &self.bytes[start as usize..start as usize + length as usize]
    }

    /// Puts its events in order.
    pub(crate) fn sort(&mut self) {
        let bytes = &self.bytes;
        let event = |start: u32, length: u32| &bytes[start as usize..start as usize + length as usize];
        self.index.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| event(a.1, a.2).cmp(event(b.1, b.2))));
    }
}

/// Collects chunks; writes them to disk when they take more memory than allowed.
#[derive(Debug)]
pub(crate) struct Sorter {
    memory_bytes_max: usize,
    folder: Option<PathBuf>,
    chunks: Vec<Chunk>,
    runs: Vec<File>,
    /// Bytes written to disk.
    pub(crate) spilled: u64,
}

impl Sorter {
    /// `folder` is where runs go when memory does not suffice; the system's own when `None`.
    pub(crate) fn new(memory_bytes_max: usize, folder: Option<PathBuf>) -> Self {
        Self { memory_bytes_max, folder, chunks: Vec::new(), runs: Vec::new(), spilled: 0 }
    }

    /// Takes in a sorted chunk.
    pub(crate) fn push(&mut self, mut chunk: Chunk) -> Result<()> {
        if chunk.index.is_empty() {
            return Ok(());
        }
        chunk.bytes.shrink_to_fit();
        self.chunks.push(chunk);
        if self.chunks.iter().map(Chunk::memory).sum::<usize>() > self.memory_bytes_max {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        // An unnamed file: the system removes it however the process ends.
        let file = match &self.folder {
            Some(folder) => tempfile::tempfile_in(folder),
            None => tempfile::tempfile(),
        };
        let place = || self.folder.as_ref().map_or_else(std::env::temp_dir, Clone::clone);
        let advice = || {
            format!(
                "cannot write sorted events to `{}`: name another folder with --temp-dir",
                place().display()
            )
        };
        let file = file.with_context(advice)?;
        let mut writer = BufWriter::with_capacity(1 << 20, file);
        let mut written = 0;
        let mut merge = Merge::new(std::mem::take(&mut self.chunks), Vec::new())?;
        while let Some((key, event)) = merge.next()? {
            let head =
                [&key.time.to_le_bytes()[..], &key.tie.to_le_bytes(), &(event.len() as u32).to_le_bytes()]
                    .concat();
            writer.write_all(&head).and_then(|()| writer.write_all(event)).with_context(advice)?;
            written += (head.len() + event.len()) as u64;
        }
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error).with_context(advice)?;
        self.runs.push(file);
        self.spilled += written;
        Ok(())
    }

    /// Ends collecting.
    pub(crate) fn into_merge(self) -> Result<Merge> {
        Merge::new(self.chunks, self.runs)
    }
}

/// All events in order. May be rewound and read again.
#[derive(Debug)]
pub(crate) struct Merge {
    inputs: Vec<Sorted>,
    /// The next event of each input, by key.
    heads: BinaryHeap<Reverse<(Key, usize)>>,
    /// Inputs whose next event has the same key as the least one.
    ties: Vec<usize>,
    /// The input whose event was handed out last.
    current: Option<usize>,
}

#[derive(Debug)]
enum Sorted {
    Chunk { chunk: Chunk, next: usize },
    Run { file: BufReader<File>, event: Vec<u8> },
}

impl Sorted {
    fn event(&self) -> &[u8] {
        match self {
            Sorted::Chunk { chunk, next } => chunk.event(next - 1),
            Sorted::Run { event, .. } => event,
        }
    }
}

impl Merge {
    fn new(chunks: Vec<Chunk>, runs: Vec<File>) -> Result<Self> {
        let chunks = chunks.into_iter().map(|chunk| Sorted::Chunk { chunk, next: 0 });
        let runs = runs.into_iter().map(|file| Sorted::Run {
            file: BufReader::with_capacity(RUN_BUFFER_BYTES, file),
            event: Vec::new(),
        });
        let inputs = chunks.chain(runs).collect();
        let mut merge = Self { inputs, heads: BinaryHeap::new(), ties: Vec::new(), current: None };
        merge.rewind()?;
        Ok(merge)
    }

    /// Back to the first event.
    pub(crate) fn rewind(&mut self) -> Result<()> {
        self.heads.clear();
        self.current = None;
        for input in 0..self.inputs.len() {
            match &mut self.inputs[input] {
                Sorted::Chunk { next, .. } => *next = 0,
                Sorted::Run { file, .. } => {
                    file.seek(SeekFrom::Start(0)).context("cannot read sorted events back")?;
                }
            }
            self.advance(input)?;
        }
        Ok(())
    }

    /// The next event: its place in the order, and its encoding.
    pub(crate) fn next(&mut self) -> Result<Option<(Key, &[u8])>> {
        if let Some(input) = self.current.take() {
            self.advance(input)?;
        }
        let Some(Reverse((key, input))) = self.heads.pop() else { return Ok(None) };
        let mut least = input;
        // Copies of one event, and events without an id: the bytes decide, wherever they lie.
        self.ties.clear();
        while let Some(Reverse((other, _))) = self.heads.peek()
            && *other == key
        {
            if let Some(Reverse((_, tied))) = self.heads.pop() {
                self.ties.push(tied);
            }
        }
        for tied in &mut self.ties {
            if self.inputs[*tied].event() < self.inputs[least].event() {
                std::mem::swap(tied, &mut least);
            }
        }
        self.heads.extend(self.ties.iter().map(|tied| Reverse((key, *tied))));
        self.current = Some(least);
        Ok(Some((key, self.inputs[least].event())))
    }

    /// Puts the next event of an input among the heads.
    fn advance(&mut self, input: usize) -> Result<()> {
        let key = match &mut self.inputs[input] {
            Sorted::Chunk { chunk, next } => {
                *next += 1;
                chunk.index.get(*next - 1).map(|(key, ..)| *key)
            }
            Sorted::Run { file, event } => {
                read_event(file, event).context("cannot read sorted events back")?
            }
        };
        self.heads.extend(key.map(|key| Reverse((key, input))));
        Ok(())
    }
}

fn read_event(file: &mut impl Read, event: &mut Vec<u8>) -> io::Result<Option<Key>> {
    let mut time = [0; 8];
    match file.read_exact(&mut time) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut tie = [0; 8];
    let mut length = [0; 4];
    file.read_exact(&mut tie)?;
    file.read_exact(&mut length)?;
    event.resize(u32::from_le_bytes(length) as usize, 0);
    file.read_exact(event)?;
    Ok(Some(Key { time: i64::from_le_bytes(time), tie: u64::from_le_bytes(tie) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::event::{SignIn, SignInKind};
    use countersign_model::id::{EventId, Id};
    use countersign_model::time::Timestamp;
    use proptest::prelude::*;

    fn event(time: i64, id: u8, name: u8) -> Event<'static> {
        Event::SignIn(SignIn {
            id: EventId(Id::Text(id.to_string().into())),
            time: Timestamp(time),
            name: name.to_string().into(),
            ..SignIn::empty(SignInKind::ServicePrincipal)
        })
    }

    fn sorted(events: &[(i64, u8, u8)], chunk_events: usize, memory_bytes_max: usize) -> Vec<Vec<u8>> {
        let mut sorter = Sorter::new(memory_bytes_max, None);
        for part in events.chunks(chunk_events) {
            let mut chunk = Chunk::default();
            for (time, id, name) in part {
                chunk.push(&event(*time, *id, *name)).unwrap();
            }
            chunk.sort();
            sorter.push(chunk).unwrap();
        }
        let mut merge = sorter.into_merge().unwrap();
        let read = |merge: &mut Merge| {
            let mut found = Vec::new();
            while let Some((_, event)) = merge.next().unwrap() {
                found.push(event.to_vec());
            }
            found
        };
        let first = read(&mut merge);
        merge.rewind().unwrap();
        assert_eq!(first, read(&mut merge), "a second reading is the same");
        first
    }

    proptest! {
        #[test]
        fn the_order_depends_on_the_events_alone(
            mut events in proptest::collection::vec((0_i64..5, 0_u8..3, 0_u8..3), 0..60),
            seed in 0_usize..1000,
        ) {
            let in_memory = sorted(&events, 100, usize::MAX);
            prop_assert_eq!(in_memory.len(), events.len());
            let times: Vec<i64> = in_memory.iter().map(|bytes| postcard::from_bytes::<Event<'_>>(bytes).unwrap().time().0).collect();
            prop_assert!(times.is_sorted());
            let turn = seed % events.len().max(1);
            events.rotate_left(turn);
            events.reverse();
            // Every chunk goes to disk at once, and then several stay in memory.
            prop_assert_eq!(&in_memory, &sorted(&events, 7, 0));
            prop_assert_eq!(&in_memory, &sorted(&events, 3, 2_000));
        }
    }
}
