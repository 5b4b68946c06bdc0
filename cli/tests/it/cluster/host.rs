//! One machine of a cluster: its own network, host name, processes and mounts, in namespaces of the kernel.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::support::PROGRAM;

/// How long anything may take here: much longer than it does, and shorter than a process waits for another.
pub(super) const DEADLINE: Duration = Duration::from_secs(25);

/// The port at which a machine reaches the server of its home directory.
const FILE_SERVER: u16 = 2222;

/// The program that answers SFTP on its standard input and output.
const SFTP_SERVER: &str = "/usr/lib/openssh/sftp-server";

/// How machines have their home directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileSystem {
    /// All have the same mount, as containers of one machine have: locks are seen by all.
    Shared,
    /// Each has a mount of its own of a server's directory, SFTP over TCP. Locks are seen on one machine alone. What a file is
    /// is asked of the server whenever it is opened, as NFS does.
    Sftp,
}

/// Why there can be no machines here, or none with such a home directory.
pub(super) fn missing(file_system: FileSystem) -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root may make namespaces");
    }
    let made = Command::new("unshare")
        .args(["--net", "--uts", "--ipc", "--pid", "--mount", "--fork", "--kill-child"])
        .args(["sh", "-c", "mount -t tmpfs none /run && ip link set lo up"])
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return Some("no namespaces can be made here, or `unshare` or `ip` is missing");
    }
    let has_sftp = || {
        crate::support::there_is("sshfs")
            && Path::new(SFTP_SERVER).exists()
            && File::open("/dev/fuse").is_ok()
    };
    (file_system == FileSystem::Sftp && !has_sftp()).then_some("sshfs, sftp-server or /dev/fuse is missing")
}

/// Reads commands from its standard input and runs them, one after the other.
const INIT: &str = r#"
set -eu
hostname "$NAME"
ip link set lo up
mount -t proc none /proc
mount -t tmpfs none /run
mkdir /run/home
touch /run/ee-auth
mount --bind "$PROGRAM" /run/ee-auth
printf '%s' "$BOOT_ID" >/run/boot_id
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
echo ready
read -r go
case $FILE_SYSTEM in
    Shared) mount --bind "$SERVED" /run/home ;;
    Sftp) sshfs -o directport=2222,dir_cache=no,attr_timeout=0,entry_timeout=0 "127.0.0.1:$SERVED" /run/home ;;
esac
mount -t tmpfs none /tmp
cd /run/home
HOME=/run/home NO_GCE_CHECK=true
export HOME NO_GCE_CHECK
unset NAME PROGRAM BOOT_ID FILE_SYSTEM SERVED
set +e
echo mounted
while read -r line; do
    eval "$line"
    echo "it is done"
done
"#;

/// A machine that is running.
pub(super) struct Host {
    unshare: Child,
    input: ChildStdin,
    output: mpsc::Receiver<String>,
    pub(super) google: Arc<Wire>,
    /// Its end goes with the machine.
    _file_server: Option<Arc<Wire>>,
}

impl Host {
    /// Starts a machine. Its home directory is `served`, and what it finds at `google`'s address on its own loopback
    /// interface is `google`.
    pub(super) fn start(
        name: &str,
        boot_id: &str,
        file_system: FileSystem,
        served: &Path,
        google: SocketAddr,
    ) -> Self {
        let mut unshare = Command::new("unshare")
            .args(["--net", "--uts", "--ipc", "--pid", "--mount", "--fork", "--kill-child", "sh", "-c", INIT])
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .envs([("NAME", name), ("BOOT_ID", boot_id), ("PROGRAM", PROGRAM)])
            .env("FILE_SYSTEM", format!("{file_system:?}"))
            .env("SERVED", served)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare can be run");
        let input = unshare.stdin.take().expect("a pipe");
        let lines = BufReader::new(unshare.stdout.take().expect("a pipe")).lines();
        let (sender, output) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let ready = output.recv_timeout(DEADLINE);
        assert_eq!(ready.as_deref(), Ok("ready"), "the machine has started");
        let network = File::open(format!("/proc/{}/ns/net", unshare.id())).expect("its network");
        let to_google = Wire::new(&network, google.port(), move |from| {
            if let Ok(to) = TcpStream::connect(google) {
                join(from, to);
            }
        });
        let file_server =
            (file_system == FileSystem::Sftp).then(|| Wire::new(&network, FILE_SERVER, serve_files));
        let mut host = Self { unshare, input, output, google: to_google, _file_server: file_server };
        host.tell("go");
        let mounted = host.output.recv_timeout(DEADLINE);
        assert_eq!(mounted.as_deref(), Ok("mounted"), "the machine has its home directory");
        host
    }

    /// Has the machine run a line of its shell.
    pub(super) fn begin(&mut self, line: &str) {
        self.tell(line);
    }

    /// What the oldest line that was begun has printed, once it has ended.
    #[track_caller]
    pub(super) fn end(&mut self) -> Vec<String> {
        let mut printed = Vec::new();
        loop {
            match self.output.recv_timeout(DEADLINE) {
                Ok(line) if line == "it is done" => return printed,
                Ok(line) => printed.push(line),
                Err(error) => panic!("{error}: {printed:#?}"),
            }
        }
    }

    /// Runs a line and returns what it has printed.
    #[track_caller]
    pub(super) fn run(&mut self, line: &str) -> Vec<String> {
        self.begin(line);
        self.end()
    }

    /// Kills all its processes at once, as when its power fails.
    pub(super) fn kill(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        // Nobody has its output open any more.
        while self.output.recv_timeout(DEADLINE).is_ok() {}
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("it reads its input");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // What it runs goes with its first process, which `unshare` takes along.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

/// What a machine finds at a port of its loopback interface.
pub(super) struct Wire {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    connections: usize,
    is_held: bool,
}

impl Wire {
    /// Listens in `network`; each connection is given to `serve` on a thread of its own, in this process's network.
    fn new(network: &File, port: u16, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Arc<Self> {
        let network = network.try_clone().expect("a descriptor");
        let listen = move || {
            // This thread alone, which ends at once. A socket stays in the network that it was made in.
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
            TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        };
        let listener: io::Result<TcpListener> = thread::spawn(listen).join().expect("it does not panic");
        let listener = listener.expect("the port is free on a new machine");
        let state = Mutex::new(State { connections: 0, is_held: false });
        let wire = Arc::new(Self { state, changed: Condvar::new() });
        let (kept, serve) = (Arc::downgrade(&wire), Arc::new(serve));
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (Ok(connection), Some(wire)) = (connection, kept.upgrade()) else { return };
                let serve = serve.clone();
                thread::spawn(move || {
                    wire.let_pass();
                    serve(connection);
                });
            }
        });
        wire
    }

    /// How often it was connected to.
    pub(super) fn connections(&self) -> usize {
        self.state.lock().expect("nobody panicked").connections
    }

    /// Keeps connections waiting from now on.
    pub(super) fn hold(&self) {
        self.state.lock().expect("nobody panicked").is_held = true;
    }

    /// Waits until it has been connected to so many times.
    pub(super) fn until(&self, connections: usize) {
        let state = self.state.lock().expect("nobody panicked");
        let fewer = |state: &mut State| state.connections < connections;
        let (_state, waited) =
            self.changed.wait_timeout_while(state, DEADLINE, fewer).expect("nobody panicked");
        assert!(!waited.timed_out(), "{connections} connections are made");
    }

    fn let_pass(&self) {
        let mut state = self.state.lock().expect("nobody panicked");
        state.connections += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| state.is_held));
    }
}

/// Passes on what either says until both have ended.
fn join(one: TcpStream, other: TcpStream) {
    let pass = |mut from: TcpStream, mut to: TcpStream| {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    let (Ok(from), Ok(to)) = (other.try_clone(), one.try_clone()) else { return };
    let back = thread::spawn(move || pass(from, to));
    pass(one, other);
    let _ = back.join();
}

/// Answers SFTP on a connection, to its end.
fn serve_files(connection: TcpStream) {
    let _ = connection.set_nodelay(true);
    let ends = (connection.try_clone().map(OwnedFd::from), OwnedFd::from(connection));
    if let (Ok(input), output) = ends {
        let mut server = Command::new(SFTP_SERVER);
        let _ = server.stdin(input).stdout(output).stderr(Stdio::null()).status();
    }
}

/// Does something over and over again on a thread of its own, until it is dropped.
pub(super) struct Meanwhile(Arc<AtomicBool>, Option<thread::JoinHandle<usize>>);

impl Meanwhile {
    pub(super) fn new(mut work: impl FnMut() + Send + 'static) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let told = ended.clone();
        let thread = thread::spawn(move || {
            let mut times = 0;
            while !told.load(Ordering::SeqCst) {
                work();
                times += 1;
                thread::yield_now();
            }
            times
        });
        Self(ended, Some(thread))
    }

    /// Ends it, and says how often it was done.
    pub(super) fn end(mut self) -> usize {
        self.0.store(true, Ordering::SeqCst);
        self.1.take().expect("it was not ended before").join().expect("it found nothing wrong")
    }
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
