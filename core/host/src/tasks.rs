use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::thread;

use ee_auth_core::host::{BoxFuture, Tasks};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The one private thread of the process, which runs an async runtime, with the process that it belongs to: a child by fork
/// has no thread but the one that forked. It starts at the first task and lives as long as the process, which may end at any
/// time without asking it.
static THREAD: Mutex<Option<(u64, Handle)>> = Mutex::new(None);

pub(crate) struct PrivateThread;

impl Tasks for PrivateThread {
    fn start(&self) -> io::Result<()> {
        handle().map(drop)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        match handle() {
            // A task that panics ends alone: the runtime catches it.
            Ok(handle) => drop(handle.spawn(task)),
            // Dropping the task tells those who wait for it.
            Err(error) => log::error!("the thread for exchanges could not be started: {error}"),
        }
    }

    fn generation(&self) -> u64 {
        process()
    }
}

/// The number of this process: after a fork the child has another than its parent.
pub(crate) fn process() -> u64 {
    u64::from(std::process::id())
}

/// The outcome of `work`, which runs on the private thread, wherever this future is polled. Dropping it drops the work.
///
/// # Errors
/// Where the thread cannot be started, or `work` panicked.
pub(crate) async fn run<T, F>(work: F) -> io::Result<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    Running(handle()?.spawn(work)).await
}

/// The outcome of `work`, which blocks, on a thread of its own. Dropping the future leaves the work running.
///
/// # Errors
/// Where the thread cannot be started, which tokio's own threads for this would panic of, or `work` panicked.
pub(crate) async fn run_blocking<T, F>(work: F) -> io::Result<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let work = move || {
        // Nobody may be waiting any more.
        let _ = sender.send(work());
    };
    thread::Builder::new().name("ee-auth work".to_owned()).spawn(work)?;
    receiver.await.map_err(|_| panicked())
}

/// The runtime on the private thread, which is started if need be.
fn handle() -> io::Result<Handle> {
    let mut slot = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
    let process = process();
    if let Some((of, handle)) = &*slot {
        if *of == process {
            return Ok(handle.clone());
        }
    }
    has_room()?;
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("ee-auth".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    log::debug!("the thread for exchanges has started");
    *slot = Some((process, handle.clone()));
    Ok(handle)
}

/// Whether there are descriptors for the runtime and one request: tokio panics where there is none for its signals, and what comes
/// later would fail one way or another.
#[cfg(unix)]
fn has_room() -> io::Result<()> {
    use std::os::unix::net::UnixStream;
    const PAIRS: usize = 4;
    (0..PAIRS).map(|_| UnixStream::pair()).collect::<io::Result<Vec<_>>>().map(drop)
}

#[cfg(not(unix))]
fn has_room() -> io::Result<()> {
    Ok(())
}

fn panicked() -> io::Error {
    // What it panicked with may be anything, a secret included. The panic hook has had it already.
    io::Error::other("a bug: the work ended in a panic")
}

/// Work on the private thread.
struct Running<T>(JoinHandle<T>);

impl<T> Future for Running<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(outcome.map_err(|_| panicked()))
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn spawn_and_get<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        let (sender, receiver) = mpsc::channel();
        PrivateThread.spawn(Box::pin(async move { sender.send(work()).unwrap() }));
        receiver.recv().unwrap()
    }

    #[test]
    fn all_tasks_run_on_one_thread_of_that_name() {
        let first = spawn_and_get(|| (thread::current().id(), thread::current().name().map(str::to_owned)));
        assert_eq!(first.1.as_deref(), Some("ee-auth"));
        assert_ne!(first.0, thread::current().id());
        assert_eq!(spawn_and_get(|| thread::current().id()), first.0);
        assert_eq!(pollster::block_on(run(async { thread::current().id() })).unwrap(), first.0);
    }

    #[test]
    fn a_panic_ends_its_task_alone() {
        let before = spawn_and_get(|| thread::current().id());
        PrivateThread.spawn(Box::pin(async { panic!("as the test asks") }));
        let error = pollster::block_on(run(async { panic!("as the test asks") })).unwrap_err();
        assert!(error.to_string().contains("panic"));
        assert_eq!(spawn_and_get(|| thread::current().id()), before);
    }

    #[test]
    fn dropping_the_future_drops_the_work() {
        let (sender, receiver) = mpsc::channel::<()>();
        let mut running = Box::pin(run(async move {
            std::future::pending::<()>().await;
            drop(sender);
        }));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(running.as_mut().poll(&mut context).is_pending());
        drop(running);
        assert_eq!(receiver.recv(), Err(mpsc::RecvError));
    }

    #[test]
    fn blocking_work_does_not_hold_the_thread_up() {
        let (sender, receiver) = mpsc::channel();
        let blocked = thread::spawn(move || pollster::block_on(run_blocking(move || receiver.recv())));
        spawn_and_get(|| ());
        sender.send(7).unwrap();
        assert_eq!(blocked.join().unwrap().unwrap(), Ok(7));
    }
}
