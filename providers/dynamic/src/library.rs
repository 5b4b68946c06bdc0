//! A shared library that was loaded, and what it exports.
#![allow(
    unsafe_code,
    reason = "a library is loaded and read here; each block says why it may do what it does"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ee_auth_core::ShowPath as _;
use ee_auth_core::{Error, Host, redact};
use ee_auth_plugin::abi;
use ee_auth_plugin_host::Manifest;
use ee_auth_plugin_host::trust::{self, Pin, Vouched};

use crate::binary::{Binary, is_cut};
use crate::fault::{breach, unusable};
use crate::memory;
use crate::services::bytes;

/// A library that was loaded, and passed every check of what it exports. It stays loaded until the process ends: its threads,
/// and its functions that run when a thread ends, cannot be counted.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) create: abi::Create,
    pub(crate) manifest: Manifest,
    pub(crate) manifest_json: String,
}

/// The libraries of this process, by their SHA-256: the same bytes are loaded once.
static LOADED: Mutex<BTreeMap<String, Arc<Library>>> = Mutex::new(BTreeMap::new());

impl Library {
    /// The library at `path`, if nobody else could have written it and its bytes have that SHA-256. The bytes that were hashed
    /// are the bytes that are loaded: from a sealed file in memory on Linux, elsewhere from a private copy.
    ///
    /// # Errors
    /// Those of [`trust::vouch`]; [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) for a file that is no library for this
    /// machine, or whose own libraries are missing; [`Outcome::Protocol`](ee_auth_core::Outcome::Protocol) for one that does not
    /// export what `ee_auth_plugin.h` says.
    pub(crate) fn load(host: &Host, path: &Path, pin: &Pin) -> Result<Arc<Self>, Error> {
        let vouched = trust::vouch(host, path, Some(pin))?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = loaded.get(&pin.to_string()) {
            return Ok(library.clone());
        }
        let library = Arc::new(open(host, &vouched)?);
        loaded.insert(pin.to_string(), library.clone());
        Ok(library)
    }
}

fn open(host: &Host, vouched: &Vouched) -> Result<Library, Error> {
    let bytes = vouched.bytes.as_ref().map_or(&[][..], |bytes| bytes.as_slice());
    match Binary::of(bytes) {
        None => return Err(unusable("library", "it is not a shared library")),
        Some(binary) => {
            if let Some(mismatch) = binary.mismatch() {
                return Err(unusable("architecture", mismatch));
            }
        }
    }
    if is_cut(bytes) {
        return Err(unusable("library", "it breaks off before its end"));
    }
    let name = vouched.path.file_name().unwrap_or_default().to_string_lossy();
    let path = match memory::sealed(&name, bytes) {
        Some(path) => path,
        None => trust::private_copy(host, vouched)?,
    };
    let place = path.shown();
    let library = link(path).map_err(|error| {
        // A person knows the file that they named, and not where it is loaded from.
        let said = error.to_string().replace(&place, &name);
        unusable("link", format!("the system cannot load it: {}", redact(&said)))
            .hint("install the libraries that it needs (`ldd FILE` lists them), or build it for this machine")
    })?;
    let entry = entry(&library);
    // Also where it is refused: what its initialisers started cannot be stopped.
    std::mem::forget(library);
    entry
}

#[cfg(unix)]
fn link(path: PathBuf) -> Result<libloading::os::unix::Library, libloading::Error> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    // Every symbol is looked up now: a missing one is an error here, and would be the end of the process later.
    // SAFETY: the library's initialisers run. Whose code that is, was checked: that is what the pin is for.
    unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
}

#[cfg(windows)]
fn link(path: PathBuf) -> Result<libloading::os::windows::Library, libloading::Error> {
    use libloading::os::windows::Library;
    // SAFETY: the library's initialisers run. Whose code that is, was checked: that is what the pin is for.
    unsafe { Library::new(path) }
}

#[cfg(unix)]
type Linked = libloading::os::unix::Library;
#[cfg(windows)]
type Linked = libloading::os::windows::Library;

fn symbol<T>(library: &Linked, name: &str) -> Option<*const T> {
    // SAFETY: the address alone is taken; what stands there is looked at by whoever reads it.
    let symbol = unsafe { library.get::<*const T>(name.as_bytes()) }.ok()?;
    let address = *symbol;
    (!address.is_null()).then_some(address)
}

/// What the library exports, if it is what the header says.
fn entry(library: &Linked) -> Result<Library, Error> {
    let Some(entry) = symbol::<abi::Entry>(library, abi::SYMBOL) else {
        let later = (2..10).find(|major| symbol::<u8>(library, &format!("eea_plugin_v{major}")).is_some());
        return Err(match later {
            Some(major) => breach(
                "version",
                format!(
                    "it was made for version {major} of the plugin interface, and this program has version 1"
                ),
            )
            .hint("update ee-auth, or get an older version of the plugin"),
            None => breach("symbol", "it does not export `eea_plugin_v1`, so it is no plugin for ee-auth")
                .hint(
                    "name a plugin in `path`; its author may have forgotten EEA_EXPORT or `export_provider!`",
                ),
        });
    };
    if !entry.is_aligned() {
        return Err(breach("magic", "its `eea_plugin_v1` is not an `eea_entry`"));
    }
    // SAFETY: the symbol is there. That it is a variable of at least eight bytes is what its name, which is reserved, says.
    let magic = unsafe { entry.cast::<[u8; 8]>().read() };
    if magic != abi::MAGIC {
        return Err(breach(
            "magic",
            "its `eea_plugin_v1` does not begin with EEA_MAGIC, so it is no plugin for ee-auth",
        ));
    }
    // SAFETY: with the magic it says that it is an `eea_entry`, which has its size and versions next in every version.
    let (size, major) =
        unsafe { ((&raw const (*entry).size).read(), (&raw const (*entry).abi_major).read()) };
    if major != abi::MAJOR {
        return Err(breach(
            "version",
            format!("its `abi_major` is {major}, and that of `eea_plugin_v1` is {}", abi::MAJOR),
        )
        .hint("get a version of the plugin that was made for this version of ee-auth"));
    }
    let least = abi::size_of::<abi::Entry>();
    if size < least {
        return Err(breach("size", format!("its `eea_entry` has {size} bytes, and version 1.0 has {least}")));
    }
    // SAFETY: it says that it is as large as the type.
    let entry = unsafe { entry.read() };
    let create = entry.create.ok_or_else(|| breach("create", "its `create` is NULL"))?;
    // SAFETY: the text is a constant of a library that is never unloaded.
    let manifest = unsafe { bytes(entry.manifest) }
        .filter(|manifest| manifest.len() <= abi::MAX_MESSAGE)
        .and_then(|manifest| std::str::from_utf8(manifest).ok())
        .ok_or_else(|| breach("manifest", "its manifest is NULL, too large or not UTF-8 text"))?;
    let manifest_json = manifest.replace(['\n', '\r'], " ");
    Ok(Library { create, manifest: Manifest::parse(manifest_json.as_bytes())?, manifest_json })
}
