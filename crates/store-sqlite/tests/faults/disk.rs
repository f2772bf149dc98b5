//! A disk in memory that loses its power.
//!
//! Of every file it keeps what is durable (as of the last sync) and the changes since. In a power cut each of
//! those changes is kept, lost or torn at sector boundaries, as a seed decides; so are the newest changes of
//! names. Whoever held a file open before the cut only gets errors afterwards.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tongmai_store::contract::Random;

use crate::vfs::Shared;

/// Writes are torn where sectors of this many bytes meet.
const SECTOR: usize = 512;

/// What SQLite uses a file for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The database itself.
    Main,
    /// The write-ahead log.
    Log,
    /// The rollback journal of the time before the log is switched on, and anything else.
    Journal,
}

/// The power is gone, or was since the file was opened.
#[derive(Debug)]
pub struct Dead;

type Result<T> = std::result::Result<T, Dead>;

/// A change of a file that is not durable yet.
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

/// A change of names that is not durable yet.
enum NameChange {
    Create(String, usize),
    Delete(String),
}

struct File {
    kind: Kind,
    live: Vec<u8>,
    durable: Vec<u8>,
    changes: Vec<Change>,
}

struct State {
    random: Random,
    powered: bool,
    /// How often the power was lost.
    cuts: u64,
    /// Changes until the power is cut, and whether only syncs count.
    left: Option<(u64, bool)>,
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    name_changes: Vec<NameChange>,
    /// Locks and shared memory of the files that are open.
    shared: HashMap<usize, Weak<Shared>>,
}

/// A disk, found by its number in the paths of its files.
pub struct Disk {
    number: u64,
    /// Files of this kind are not made durable when that is asked for, though the answer says so.
    lies_about: Option<Kind>,
    state: Mutex<State>,
}

/// An open file.
pub struct Handle {
    disk: Arc<Disk>,
    file: usize,
    cuts: u64,
    /// What it shares with other handles of the same file.
    pub shared: Arc<Shared>,
}

/// All disks by number; the last field of the pair numbers the next one.
static DISKS: Mutex<(BTreeMap<u64, Weak<Disk>>, u64)> = Mutex::new((BTreeMap::new(), 0));

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// An empty disk that decides by `seed` what survives.
    pub fn new(seed: u64, lies_about: Option<Kind>) -> Arc<Disk> {
        let mut disks = lock(&DISKS);
        let number = disks.1;
        let state = State {
            random: Random(seed),
            powered: true,
            cuts: 0,
            left: None,
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            shared: HashMap::new(),
        };
        let disk = Arc::new(Disk { number, lies_about, state: Mutex::new(state) });
        disks.0.insert(number, Arc::downgrade(&disk));
        disks.1 += 1;
        disk
    }

    /// The disk of a path.
    pub fn of(path: &str) -> Option<Arc<Disk>> {
        let number = path.strip_prefix('/')?.split('/').next()?.parse().ok()?;
        lock(&DISKS).0.get(&number)?.upgrade()
    }

    /// The path of a file on this disk.
    pub fn path(&self, name: &str) -> String {
        format!("/{}/{name}", self.number)
    }

    /// The power will be cut during the change after so many others, or during the sync after so many others.
    pub fn cut_after(&self, changes: u64, only_syncs: bool) {
        lock(&self.state).left = Some((changes, only_syncs));
    }

    /// Cuts the power now, if it is on.
    pub fn cut(&self) {
        let mut state = lock(&self.state);
        if state.powered {
            state.cut();
        }
    }

    /// Is the power on?
    pub fn powered(&self) -> bool {
        lock(&self.state).powered
    }

    /// The power is back.
    pub fn power_on(&self) {
        lock(&self.state).powered = true;
    }

    /// Opens a file; `None` when it is not there and not to be made.
    pub fn open(self: &Arc<Disk>, name: &str, kind: Kind, create: bool) -> Result<Option<Handle>> {
        let mut state = lock(&self.state);
        if !state.powered {
            return Err(Dead);
        }
        let file = match state.names.get(name) {
            Some(file) => *file,
            None if create => {
                let last = state.step(false);
                let file = state.files.len();
                let (live, durable, changes) = (Vec::new(), Vec::new(), Vec::new());
                state.files.push(File { kind, live, durable, changes });
                state.names.insert(name.to_owned(), file);
                state.name_changes.push(NameChange::Create(name.to_owned(), file));
                state.end_step(last)?;
                file
            }
            None => return Ok(None),
        };
        let shared = state.shared.get(&file).and_then(Weak::upgrade).unwrap_or_default();
        state.shared.insert(file, Arc::downgrade(&shared));
        Ok(Some(Handle { disk: self.clone(), file, cuts: state.cuts, shared }))
    }

    /// Deletes a file; `false` when there is none.
    pub fn delete(&self, name: &str, durably: bool) -> Result<bool> {
        let mut state = lock(&self.state);
        if !state.powered {
            return Err(Dead);
        }
        if !state.names.contains_key(name) {
            return Ok(false);
        }
        let last = state.step(false);
        state.names.remove(name);
        state.name_changes.push(NameChange::Delete(name.to_owned()));
        state.end_step(last)?;
        if durably {
            state.sync_names();
        }
        Ok(true)
    }

    /// Is there a file of this name?
    pub fn exists(&self, name: &str) -> Result<bool> {
        let state = lock(&self.state);
        if state.powered { Ok(state.names.contains_key(name)) } else { Err(Dead) }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        lock(&DISKS).0.remove(&self.number);
    }
}

impl Handle {
    fn state(&self) -> Result<MutexGuard<'_, State>> {
        let state = lock(&self.disk.state);
        if state.powered && state.cuts == self.cuts { Ok(state) } else { Err(Dead) }
    }

    /// Does the file still answer?
    pub fn alive(&self) -> Result<()> {
        self.state().map(drop)
    }

    /// Reads from an offset; returns how many bytes there were.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result<usize> {
        let state = self.state()?;
        let from = state.files[self.file].live.get(offset..).unwrap_or_default();
        let length = from.len().min(into.len());
        into[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    /// How long the file is.
    pub fn size(&self) -> Result<usize> {
        Ok(self.state()?.files[self.file].live.len())
    }

    /// Writes at an offset.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        self.change(Change::Write { offset, bytes: bytes.to_vec() })
    }

    /// Sets the length of the file.
    pub fn truncate(&self, size: usize) -> Result<()> {
        self.change(Change::Truncate(size))
    }

    fn change(&self, change: Change) -> Result<()> {
        let mut state = self.state()?;
        let last = state.step(false);
        let file = &mut state.files[self.file];
        match &change {
            Change::Write { offset, bytes } => put(&mut file.live, *offset, bytes, None),
            Change::Truncate(size) => file.live.resize(*size, 0),
        }
        file.changes.push(change);
        state.end_step(last)
    }

    /// Makes the file durable, and its name; that of a log or journal with all other names, because SQLite
    /// syncs the folder of those when they are new.
    pub fn sync(&self) -> Result<()> {
        let mut state = self.state()?;
        let last = state.step(true);
        state.end_step(last)?;
        let file = &mut state.files[self.file];
        let kind = file.kind;
        if self.disk.lies_about == Some(kind) {
            return Ok(());
        }
        file.durable.clone_from(&file.live);
        file.changes.clear();
        let own = |change: &NameChange| matches!(change, NameChange::Create(_, file) if *file == self.file);
        match state.name_changes.iter().position(own) {
            Some(_) if kind != Kind::Main => state.sync_names(),
            Some(index) => {
                let change = state.name_changes.remove(index);
                state.keep_name(change);
            }
            None => {}
        }
        Ok(())
    }
}

impl State {
    /// Counts a change; `true` when the power goes while it is made.
    fn step(&mut self, sync: bool) -> bool {
        match &mut self.left {
            Some((_, true)) if !sync => false,
            Some((left, _)) => {
                let last = *left == 0;
                *left = left.saturating_sub(1);
                last
            }
            None => false,
        }
    }

    fn end_step(&mut self, last: bool) -> Result<()> {
        if last {
            self.cut();
            return Err(Dead);
        }
        Ok(())
    }

    fn keep_name(&mut self, change: NameChange) {
        match change {
            NameChange::Create(name, file) => drop(self.durable_names.insert(name, file)),
            NameChange::Delete(name) => drop(self.durable_names.remove(&name)),
        }
    }

    fn sync_names(&mut self) {
        for change in std::mem::take(&mut self.name_changes) {
            self.keep_name(change);
        }
    }

    fn cut(&mut self) {
        self.powered = false;
        self.cuts += 1;
        self.left = None;
        self.shared.clear();
        // File systems keep the order of changes of names.
        let kept = self.random.below(self.name_changes.len() as u64 + 1) as usize;
        self.name_changes.truncate(kept);
        self.sync_names();
        self.names.clone_from(&self.durable_names);
        for (number, file) in self.files.iter_mut().enumerate() {
            if self.names.values().any(|named| *named == number) {
                file.survive(&mut self.random);
            } else {
                (file.live, file.durable, file.changes) = (Vec::new(), Vec::new(), Vec::new());
            }
        }
    }
}

impl File {
    /// Decides what of the changes reached the disk.
    fn survive(&mut self, random: &mut Random) {
        let changes = std::mem::take(&mut self.changes);
        // All lost, all kept, the first ones kept, or each by chance.
        let (first, chance) = match random.below(5) {
            0 => (0, 0),
            1 => (changes.len(), 0),
            2 => (random.below(changes.len() as u64 + 1) as usize, 0),
            _ => (0, random.pick(&[10, 50, 90])),
        };
        let one_torn = random.chance(50);
        // What was never written may hold anything, as may a torn sector.
        let garbage = random.chance(30);
        for (number, change) in changes.iter().enumerate() {
            let kept = number < first || random.chance(chance);
            let torn = (number == first && one_torn) || (chance > 0 && random.chance(30));
            match change {
                Change::Truncate(size) if kept => self.durable.resize(*size, 0),
                Change::Write { offset, bytes } if kept => {
                    put(&mut self.durable, *offset, bytes, garbage.then_some(random));
                }
                Change::Write { offset, bytes } if torn => self.tear(*offset, bytes, garbage, random),
                _ => {}
            }
        }
        self.live.clone_from(&self.durable);
    }

    fn tear(&mut self, offset: usize, bytes: &[u8], garbage: bool, random: &mut Random) {
        let mut from = 0;
        while from < bytes.len() {
            let to = bytes.len().min(from + SECTOR - (offset + from) % SECTOR);
            match random.below(5) {
                0 | 1 => put(&mut self.durable, offset + from, &bytes[from..to], garbage.then_some(random)),
                2 if garbage => {
                    let noise: Vec<u8> = (from..to).map(|_| random.bits() as u8).collect();
                    put(&mut self.durable, offset + from, &noise, Some(random));
                }
                _ => {}
            }
            from = to;
        }
    }
}

/// Writes into an image; a gap before is filled with noise or zeros.
fn put(image: &mut Vec<u8>, offset: usize, bytes: &[u8], noise: Option<&mut Random>) {
    if image.len() < offset {
        let gap = offset - image.len();
        match noise {
            Some(random) => image.extend((0..gap).map(|_| random.bits() as u8)),
            None => image.resize(offset, 0),
        }
    }
    let over = bytes.len().min(image.len() - offset);
    image[offset..offset + over].copy_from_slice(&bytes[..over]);
    image.extend_from_slice(&bytes[over..]);
}
