//! What must not outlive this process: the programs that it has started, and what it has put on the disk for a moment.
//!
//! Whoever makes such a thing says with it how it is undone, and holds an [`Undo`]. That is enough for as long as the process
//! ends by itself. A program that wants it undone as well when a signal ends it asks for that with [`EndOfProcess::watch`];
//! a library must not, since signals belong to the program.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix::listen;
#[cfg(windows)]
use windows::listen;

type Act = Box<dyn FnOnce() + Send>;

/// What is to be undone when this process ends, in the order in which it was made.
struct List {
    acts: BTreeMap<u64, Act>,
    next: u64,
    /// Where signals are listened for: whether one has come.
    came: Option<Arc<AtomicBool>>,
    /// Whether the program deals with signals itself: see [`own_signals`].
    owned: bool,
    /// Whether all was undone, so that nothing may be made any more.
    over: bool,
}

static LIST: Mutex<List> =
    Mutex::new(List { acts: BTreeMap::new(), next: 0, came: None, owned: false, over: false });

/// Whether a program has asked for it. Until then nobody touches the list, nor does a fork in another thread find it locked.
static WATCHED: AtomicBool = AtomicBool::new(false);

fn list() -> MutexGuard<'static, List> {
    LIST.lock().unwrap_or_else(PoisonError::into_inner)
}

impl List {
    /// Undoes everything, the last first.
    fn undo_all(&mut self) {
        self.over = true;
        for (_, act) in std::mem::take(&mut self.acts).into_iter().rev() {
            act();
        }
    }
}

/// Undoes what is left when the process ends: when a signal ends it (Ctrl-C, SIGTERM, SIGHUP, unless they are ignored; a
/// Ctrl-C and the like on Windows), and when this is dropped. The signal then ends the process as if nobody had listened for
/// it. On Linux, SIGKILL included, programs that it has started get SIGKILL as well; what these have started in turn does not.
///
/// For the `main` of a program, which holds it until it returns. It costs nothing until there is something to be undone.
#[derive(Debug)]
#[must_use = "what is left is undone when this is dropped"]
pub struct EndOfProcess(());

impl EndOfProcess {
    /// Begins to watch for the end of the process.
    pub fn watch() -> Self {
        WATCHED.store(true, Ordering::Release);
        Self(())
    }
}

impl Drop for EndOfProcess {
    fn drop(&mut self) {
        list().undo_all();
    }
}

/// Whether what this process starts is to end with it.
pub(crate) fn is_watched() -> bool {
    WATCHED.load(Ordering::Acquire)
}

/// From now on the caller deals with the signals that would end the process, to its end: what they do is for the caller to
/// say. To be called once it listens for them: what has come before then ends the process, and this does not return. There is
/// no way back: a signal that came before would be taken for one that came after.
pub fn own_signals() {
    let mut list = list();
    // It may not have reached the thread that listens, which would take it for the caller's.
    if !list.owned && list.came.as_ref().is_some_and(|came| came.load(Ordering::Acquire)) {
        drop(list);
        wait_for_the_end();
    }
    list.owned = true;
}

/// For whoever must do nothing more, while another thread ends the process.
fn wait_for_the_end() -> ! {
    loop {
        thread::park();
    }
}

/// Undoes something when it is dropped, or when the process ends: whichever comes first, and once. What it does must neither
/// make nor drop another of these.
pub struct Undo(State);

enum State {
    /// On the list, under this number.
    Listed(u64),
    /// Here: there is no list.
    Held(Act),
    Forgotten,
}

impl Undo {
    /// Makes something, and answers it with what undoes it. There is no moment at which it is there and would be left behind.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn make<T, E, A>(
        make: impl FnOnce() -> Result<T, E>,
        undo: impl FnOnce(&T) -> A,
    ) -> Result<(T, Self), E>
    where
        A: FnOnce() + Send + 'static,
    {
        if !is_watched() {
            let made = make()?;
            let act = Box::new(undo(&made));
            return Ok((made, Self(State::Held(act))));
        }
        let mut list = list();
        if list.over {
            drop(list);
            wait_for_the_end();
        }
        if list.came.is_none() {
            list.came = Some(listen().unwrap_or_else(|error| {
                log::debug!("signals cannot be listened for: {error}");
                Arc::default()
            }));
        }
        let made = make()?;
        let number = list.next;
        list.next += 1;
        list.acts.insert(number, Box::new(undo(&made)));
        Ok((made, Self(State::Listed(number))))
    }

    /// Lets it be: there is nothing to be undone any more.
    pub fn forget(mut self) {
        if let State::Listed(number) = std::mem::replace(&mut self.0, State::Forgotten) {
            list().acts.remove(&number);
        }
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.0, State::Forgotten) {
            State::Listed(number) => {
                // Under the lock, so that a signal waits until it is done.
                let mut list = list();
                if let Some(act) = list.acts.remove(&number) {
                    act();
                }
            }
            State::Held(act) => act(),
            State::Forgotten => {}
        }
    }
}

impl fmt::Debug for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Undo")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Something that counts how often it is undone.
    fn made(count: &Arc<AtomicUsize>) -> Undo {
        let undo = count.clone();
        let made = Undo::make(
            || Ok::<_, std::convert::Infallible>(()),
            |()| {
                move || {
                    undo.fetch_add(1, Ordering::Relaxed);
                }
            },
        );
        match made {
            Ok(((), undo)) => undo,
            Err(never) => match never {},
        }
    }

    /// A process that watches its end is another matter: see `tests/ending.rs`.
    #[test]
    fn it_is_undone_once_unless_it_is_forgotten() {
        let count = Arc::new(AtomicUsize::new(0));
        let undo = made(&count);
        assert_eq!(count.load(Ordering::Relaxed), 0);
        drop(undo);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        made(&count).forget();
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_was_not_made_is_not_undone() {
        let failed: Result<((), Undo), _> =
            Undo::make(|| Err("as the test asks"), |()| || panic!("there is nothing to undo"));
        assert_eq!(failed.unwrap_err(), "as the test asks");
    }
}
