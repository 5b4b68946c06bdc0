//! A browser with windows on this machine.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use url::Url;

use crate::processes;

/// Browsers that take the terminal; the names that gcloud passes over, too.
#[cfg(unix)]
const TEXT_BROWSERS: [&str; 6] = ["elinks", "links", "links2", "lynx", "w3m", "www-browser"];

/// Whether there is one: a display, where the system has them apart from the machine, and a program that would show an
/// address on it. Whether that program has a browser to call is known only when it is run.
pub(crate) fn exists() -> bool {
    has_display() && !launchers("about:blank").is_empty()
}

/// Opens an address. It returns at once; `failed` is told later if no browser would start. The browser gets none of our
/// streams, and a Ctrl-C that is meant for us does not reach it.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] where there is no browser.
pub(crate) fn open(address: &Url, failed: impl FnOnce(String) + Send + 'static) -> io::Result<()> {
    if !exists() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "there is no browser on this machine"));
    }
    let launchers = launchers(address.as_str());
    let attempt = move || {
        let mut trouble = String::new();
        for launcher in launchers {
            match run(launcher) {
                Ok(()) => return,
                Err(why) => trouble = why,
            }
        }
        failed(trouble);
    };
    // Its end is waited for, however late: else it would stay behind as a zombie.
    thread::Builder::new().name("ee-auth-browser".to_owned()).spawn(attempt)?;
    Ok(())
}

/// Runs a launcher to its end: it may be the browser itself.
fn run(mut launcher: Command) -> Result<(), String> {
    launcher.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[cfg(unix)]
    {
        std::os::unix::process::CommandExt::process_group(&mut launcher, 0);
        crate::core_dumps::restore_for(&mut launcher);
    }
    let name = Path::new(launcher.get_program()).file_name().unwrap_or_default().to_os_string();
    let name = name.to_string_lossy();
    match launcher.status() {
        // Explorer says 1 when all is well.
        Ok(status) if status.success() || cfg!(windows) => Ok(()),
        Ok(status) => Err(format!("{name} ended with {status}")),
        Err(error) => Err(format!("{name} did not start: {error}")),
    }
}

/// The programs that might open `address`, the best first.
fn launchers(address: &str) -> Vec<Command> {
    let named = std::env::var("BROWSER").unwrap_or_default();
    choose(&named, address, |program| match Path::new(program).parent() {
        Some(parent) if parent != Path::new("") => {
            processes::is_executable(Path::new(program)).then(|| program.into())
        }
        _ => processes::find_in(std::env::var_os("PATH")?, None, program.to_str()?),
    })
}

/// The launchers that `named`, the value of `BROWSER`, names: alternatives between colons, in each words between spaces,
/// `%s` for the address. A person who names text browsers alone wants no windows. Else those of the desktop.
#[cfg(unix)]
fn choose(named: &str, address: &str, find: impl Fn(&OsStr) -> Option<PathBuf>) -> Vec<Command> {
    let named: Vec<&str> = named.split(':').map(str::trim).filter(|entry| !entry.is_empty()).collect();
    let with_windows: Vec<&str> = named.iter().copied().filter(|entry| !is_text_browser(entry)).collect();
    if !named.is_empty() && with_windows.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<Command> = Vec::new();
    for entry in with_windows {
        let mut words = entry.split_ascii_whitespace();
        let program = words.next().and_then(|program| find(OsStr::new(program)));
        let Some(program) = program else { continue };
        let mut arguments: Vec<String> = words.map(|word| word.replace("%s", address)).collect();
        if !entry.contains("%s") {
            arguments.push(address.to_owned());
        }
        let mut command = Command::new(program);
        command.args(arguments);
        found.push(command);
    }
    if found.is_empty() {
        for launcher in ::open::commands(address) {
            let Some(program) = find(launcher.get_program()) else { continue };
            let mut command = Command::new(program);
            command.args(launcher.get_args()).env_remove("BROWSER");
            command.envs(launcher.get_envs().filter_map(|(name, value)| Some((name, value?))));
            found.push(command);
        }
    }
    found
}

#[cfg(windows)]
fn choose(_named: &str, address: &str, _find: impl Fn(&OsStr) -> Option<PathBuf>) -> Vec<Command> {
    ::open::commands(address)
}

#[cfg(unix)]
fn is_text_browser(entry: &str) -> bool {
    let program = entry.split_ascii_whitespace().next().unwrap_or_default();
    Path::new(program).file_name().is_some_and(|name| TEXT_BROWSERS.iter().any(|text| *text == name))
}

/// macOS and Windows have windows unless somebody came over the network; elsewhere a display is named.
fn has_display() -> bool {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value: OsString| !value.is_empty());
    if cfg!(any(target_vendor = "apple", windows)) {
        !["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"].iter().any(set)
    } else {
        ["DISPLAY", "WAYLAND_DISPLAY", "MIR_SOCKET"].iter().any(set)
    }
}
