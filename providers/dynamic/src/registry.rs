use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What plugins are given to hand back, by number. A number that is handed back too late finds nothing; an address would be
/// the end of the process.
pub(crate) struct Registry<T>(Mutex<BTreeMap<usize, Arc<T>>>);

static NEXT: AtomicUsize = AtomicUsize::new(1);

impl<T> Registry<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Arc<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that was never given before, and is not 0.
    pub(crate) fn insert(&self, value: Arc<T>) -> usize {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(number, value);
        number
    }

    pub(crate) fn get(&self, number: usize) -> Option<Arc<T>> {
        self.lock().get(&number).cloned()
    }

    pub(crate) fn remove(&self, number: usize) {
        self.lock().remove(&number);
    }
}

/// A number as a context; nothing is ever read there.
pub(crate) fn to_context(number: usize) -> *mut c_void {
    std::ptr::without_provenance_mut(number)
}

/// The number in a context.
pub(crate) fn from_context(ctx: *mut c_void) -> usize {
    ctx.addr()
}
