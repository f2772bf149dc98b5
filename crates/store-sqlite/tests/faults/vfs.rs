//! SQLite's file system interface over [`Disk`].
//!
//! One file system is registered for the process; the first part of a path is the number of the disk. Shared
//! memory of the log's index lies on the heap and is gone with the power. Files are not mapped.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::ffi::*;

use crate::disk::{Dead, Disk, Handle, Kind};

/// The name under which the file system is registered.
pub const NAME: &str = "power-cut";

/// What the handles of one file share: SQLite's locks and the index of the log.
#[derive(Default)]
pub struct Shared {
    locks: Mutex<Locks>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Locks {
    shared: usize,
    /// Held by one handle, as are the next two.
    reserved: bool,
    pending: bool,
    exclusive: bool,
}

#[derive(Default)]
struct Memory {
    /// Boxed, so that what SQLite points at stays where it is when there are more.
    regions: Vec<Box<[u64]>>,
    mapped: usize,
    /// How many handles share a slot; −1 when one has it alone.
    slots: [i32; SQLITE_SHM_NLOCK as usize],
}

struct Open {
    handle: Handle,
    level: c_int,
    mapped: bool,
    shared_slots: u8,
    own_slots: u8,
}

/// What SQLite allocates for an open file; it knows the first field.
#[repr(C)]
struct OpenFile {
    base: sqlite3_file,
    open: *mut Open,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers the file system, once.
pub fn register() {
    static REGISTERED: OnceLock<()> = OnceLock::new();
    REGISTERED.get_or_init(|| {
        // SAFETY: SQLite's own file system is always there; the copy and its name are leaked, as SQLite keeps
        // them until the process ends. The functions taken over from the original do not look at it.
        unsafe {
            let mut vfs = *sqlite3_vfs_find(std::ptr::null());
            vfs.iVersion = 2;
            vfs.szOsFile = size_of::<OpenFile>() as c_int;
            vfs.pNext = std::ptr::null_mut();
            vfs.zName = CString::new(NAME).expect("a name").into_raw();
            vfs.xOpen = Some(x_open);
            vfs.xDelete = Some(x_delete);
            vfs.xAccess = Some(x_access);
            vfs.xFullPathname = Some(x_full_pathname);
            assert_eq!(sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0), SQLITE_OK);
        }
    });
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    // Version 2 has shared memory, version 3 would have mapped files.
    iVersion: 2,
    xClose: Some(x_close),
    xRead: Some(x_read),
    xWrite: Some(x_write),
    xTruncate: Some(x_truncate),
    xSync: Some(x_sync),
    xFileSize: Some(x_file_size),
    xLock: Some(x_lock),
    xUnlock: Some(x_unlock),
    xCheckReservedLock: Some(x_check_reserved_lock),
    xFileControl: Some(x_file_control),
    xSectorSize: Some(x_sector_size),
    xDeviceCharacteristics: Some(x_device_characteristics),
    xShmMap: Some(x_shm_map),
    xShmLock: Some(x_shm_lock),
    xShmBarrier: Some(x_shm_barrier),
    xShmUnmap: Some(x_shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// The path of a call.
///
/// # Safety
/// `path` is null or a string that SQLite keeps during the call.
unsafe fn text<'c>(path: *const c_char) -> Option<&'c str> {
    if path.is_null() { None } else { unsafe { CStr::from_ptr(path) }.to_str().ok() }
}

/// The open file of a call.
///
/// # Safety
/// `file` was filled by [`x_open`] and is used by one thread at a time, as SQLite promises.
unsafe fn open_file<'c>(file: *mut sqlite3_file) -> &'c mut Open {
    unsafe { &mut *(*file.cast::<OpenFile>()).open }
}

fn code(result: Result<(), Dead>) -> c_int {
    if result.is_ok() { SQLITE_OK } else { SQLITE_IOERR }
}

unsafe extern "C" fn x_open(
    _: *mut sqlite3_vfs,
    path: sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    unsafe {
        (*file).pMethods = std::ptr::null();
        let Some(path) = text(path) else { return SQLITE_CANTOPEN };
        let Some(disk) = Disk::of(path) else { return SQLITE_CANTOPEN };
        let kind = match flags {
            flags if flags & SQLITE_OPEN_MAIN_DB != 0 => Kind::Main,
            flags if flags & SQLITE_OPEN_WAL != 0 => Kind::Log,
            _ => Kind::Journal,
        };
        let handle = match disk.open(path, kind, flags & SQLITE_OPEN_CREATE != 0) {
            Ok(Some(handle)) => handle,
            Ok(None) => return SQLITE_CANTOPEN,
            Err(Dead) => return SQLITE_IOERR,
        };
        let open = Open { handle, level: SQLITE_LOCK_NONE, mapped: false, shared_slots: 0, own_slots: 0 };
        (*file.cast::<OpenFile>()).open = Box::into_raw(Box::new(open));
        (*file).pMethods = &METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
        SQLITE_OK
    }
}

unsafe extern "C" fn x_delete(_: *mut sqlite3_vfs, path: *const c_char, durably: c_int) -> c_int {
    let Some(path) = (unsafe { text(path) }) else { return SQLITE_IOERR };
    match Disk::of(path).map(|disk| disk.delete(path, durably != 0)) {
        Some(Ok(true)) => SQLITE_OK,
        Some(Ok(false)) => SQLITE_IOERR_DELETE_NOENT,
        Some(Err(Dead)) | None => SQLITE_IOERR,
    }
}

unsafe extern "C" fn x_access(
    _: *mut sqlite3_vfs,
    path: *const c_char,
    _: c_int,
    answer: *mut c_int,
) -> c_int {
    let Some(path) = (unsafe { text(path) }) else { return SQLITE_IOERR };
    match Disk::of(path).map(|disk| disk.exists(path)) {
        Some(Ok(exists)) => {
            unsafe { *answer = c_int::from(exists) };
            SQLITE_OK
        }
        Some(Err(Dead)) | None => SQLITE_IOERR,
    }
}

unsafe extern "C" fn x_full_pathname(
    _: *mut sqlite3_vfs,
    path: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    unsafe {
        let bytes = CStr::from_ptr(path).to_bytes_with_nul();
        if bytes.len() > room as usize {
            return SQLITE_CANTOPEN;
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len());
    }
    SQLITE_OK
}

unsafe extern "C" fn x_close(file: *mut sqlite3_file) -> c_int {
    unsafe {
        x_shm_unmap(file, 0);
        x_unlock(file, SQLITE_LOCK_NONE);
        drop(Box::from_raw((*file.cast::<OpenFile>()).open));
        (*file).pMethods = std::ptr::null();
    }
    SQLITE_OK
}

unsafe extern "C" fn x_read(
    file: *mut sqlite3_file,
    into: *mut c_void,
    length: c_int,
    offset: sqlite3_int64,
) -> c_int {
    let (open, into) =
        unsafe { (open_file(file), std::slice::from_raw_parts_mut(into.cast::<u8>(), length as usize)) };
    into.fill(0);
    match open.handle.read(offset as usize, into) {
        Ok(read) if read == into.len() => SQLITE_OK,
        Ok(_) => SQLITE_IOERR_SHORT_READ,
        Err(Dead) => SQLITE_IOERR,
    }
}

unsafe extern "C" fn x_write(
    file: *mut sqlite3_file,
    from: *const c_void,
    length: c_int,
    offset: sqlite3_int64,
) -> c_int {
    let (open, from) =
        unsafe { (open_file(file), std::slice::from_raw_parts(from.cast::<u8>(), length as usize)) };
    code(open.handle.write(offset as usize, from))
}

unsafe extern "C" fn x_truncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    code(unsafe { open_file(file) }.handle.truncate(size as usize))
}

unsafe extern "C" fn x_sync(file: *mut sqlite3_file, _: c_int) -> c_int {
    code(unsafe { open_file(file) }.handle.sync())
}

unsafe extern "C" fn x_file_size(file: *mut sqlite3_file, out: *mut sqlite3_int64) -> c_int {
    match unsafe { open_file(file) }.handle.size() {
        Ok(size) => {
            unsafe { *out = size as sqlite3_int64 };
            SQLITE_OK
        }
        Err(Dead) => SQLITE_IOERR,
    }
}

unsafe extern "C" fn x_lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    let open = unsafe { open_file(file) };
    if open.handle.alive().is_err() {
        return SQLITE_IOERR;
    }
    if level <= open.level {
        return SQLITE_OK;
    }
    let locks = &mut *lock(&open.handle.shared.locks);
    match level {
        SQLITE_LOCK_SHARED => {
            if locks.pending || locks.exclusive {
                return SQLITE_BUSY;
            }
            locks.shared += 1;
        }
        SQLITE_LOCK_RESERVED => {
            if locks.reserved || locks.pending || locks.exclusive {
                return SQLITE_BUSY;
            }
            locks.reserved = true;
        }
        _ => {
            let others = if open.level < SQLITE_LOCK_RESERVED { locks.reserved } else { false };
            if open.level < SQLITE_LOCK_PENDING {
                if others || locks.pending {
                    return SQLITE_BUSY;
                }
                locks.pending = true;
                open.level = SQLITE_LOCK_PENDING;
            }
            if locks.shared > 1 {
                return SQLITE_BUSY;
            }
            locks.exclusive = true;
        }
    }
    open.level = level;
    SQLITE_OK
}

unsafe extern "C" fn x_unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    let open = unsafe { open_file(file) };
    if level >= open.level {
        return SQLITE_OK;
    }
    let locks = &mut *lock(&open.handle.shared.locks);
    if open.level > SQLITE_LOCK_SHARED {
        (locks.reserved, locks.pending, locks.exclusive) = (false, false, false);
    }
    if level == SQLITE_LOCK_NONE {
        locks.shared -= 1;
    }
    open.level = level;
    SQLITE_OK
}

unsafe extern "C" fn x_check_reserved_lock(file: *mut sqlite3_file, answer: *mut c_int) -> c_int {
    let locks = lock(&unsafe { open_file(file) }.handle.shared.locks);
    unsafe { *answer = c_int::from(locks.reserved || locks.pending || locks.exclusive) };
    SQLITE_OK
}

unsafe extern "C" fn x_file_control(_: *mut sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    SQLITE_NOTFOUND
}

unsafe extern "C" fn x_sector_size(_: *mut sqlite3_file) -> c_int {
    4096
}

/// As SQLite's own file system answers on Linux: a write damages nothing beside what it writes.
unsafe extern "C" fn x_device_characteristics(_: *mut sqlite3_file) -> c_int {
    SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn x_shm_map(
    file: *mut sqlite3_file,
    number: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    let open = unsafe { open_file(file) };
    unsafe { *out = std::ptr::null_mut() };
    if open.handle.alive().is_err() {
        return SQLITE_IOERR_SHMMAP;
    }
    let memory = &mut *lock(&open.handle.shared.memory);
    if !open.mapped {
        open.mapped = true;
        memory.mapped += 1;
    }
    while extend != 0 && memory.regions.len() <= number as usize {
        memory.regions.push(vec![0; size as usize / size_of::<u64>()].into_boxed_slice());
    }
    if let Some(region) = memory.regions.get_mut(number as usize) {
        unsafe { *out = region.as_mut_ptr().cast() };
    }
    SQLITE_OK
}

unsafe extern "C" fn x_shm_lock(file: *mut sqlite3_file, first: c_int, count: c_int, flags: c_int) -> c_int {
    let open = unsafe { open_file(file) };
    let unlock = flags & SQLITE_SHM_UNLOCK != 0;
    if !unlock && open.handle.alive().is_err() {
        return SQLITE_IOERR;
    }
    let slots = &mut lock(&open.handle.shared.memory).slots;
    let range = first as usize..(first + count) as usize;
    let mask = range.clone().fold(0u8, |mask, slot| mask | 1 << slot);
    if unlock {
        for slot in range {
            let bit = 1 << slot;
            if open.own_slots & bit != 0 {
                slots[slot] = 0;
            } else if open.shared_slots & bit != 0 {
                slots[slot] -= 1;
            }
        }
        open.own_slots &= !mask;
        open.shared_slots &= !mask;
    } else if flags & SQLITE_SHM_SHARED != 0 {
        if open.shared_slots & mask == 0 {
            if slots[first as usize] < 0 {
                return SQLITE_BUSY;
            }
            slots[first as usize] += 1;
            open.shared_slots |= mask;
        }
    } else {
        if slots[range.clone()].iter().any(|holders| *holders != 0) {
            return SQLITE_BUSY;
        }
        slots[range].fill(-1);
        open.own_slots |= mask;
    }
    SQLITE_OK
}

unsafe extern "C" fn x_shm_barrier(_: *mut sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn x_shm_unmap(file: *mut sqlite3_file, _: c_int) -> c_int {
    unsafe { x_shm_lock(file, 0, SQLITE_SHM_NLOCK, SQLITE_SHM_UNLOCK) };
    let open = unsafe { open_file(file) };
    let memory = &mut *lock(&open.handle.shared.memory);
    if open.mapped {
        open.mapped = false;
        memory.mapped -= 1;
        if memory.mapped == 0 {
            memory.regions.clear();
        }
    }
    SQLITE_OK
}
