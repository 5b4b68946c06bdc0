//! `ee-auth.toml`: its keys, its layers with the origin of every value, and whom to trust.
//!
//! [`load()`] puts the layers on each other, later ones on top, key by key: built-in defaults, the system's file, the
//! user's, the project's, the table of the chosen profile, variables, flags. Whatever is wrong in a file is an error
//! with its file, line and column, the text underlined and the nearest valid name.
//!
//! A project file is not the user's word: whoever wrote the repository wrote it. It may set a few keys; for more, the
//! user vouches for it as it is ([`trust`]).
//!
//! Every key is defined once, in [`KEYS`] and [`PROVIDER_KEYS`], and the options of each kind of provider in its
//! [`Kind`](ee_auth_core::Kind). The checks, [`Config::values`], the [`schema()`], the [`reference()`] and the [`template`]
//! are made from them.

mod check;
mod config;
mod keys;
mod load;
mod origin;
mod plugin_host;
mod problem;
mod profile;
mod project_file;
mod providers;
mod reference;
mod schema;
mod settings;
mod source;
mod value;
mod words;

pub mod trust;

pub use config::{CacheStore, Config, Layer, LayerKind, LayerState, ProviderConfig};
pub use keys::{DEFAULT_CHAIN, DefaultValue, KEYS, Key, PROVIDER_KEYS, ValueType};
pub use load::{Flags, load, project_file, project_link, user_file, validate};
pub use origin::{Located, Origin};
pub use plugin_host::{OwnProgram, PluginHost};
pub use profile::{default_profile, set_default_profile, unset_default_profile};
pub use providers::{PROVIDER_NAMES, is_provider_name};
pub use reference::{reference, template};
pub use schema::schema;
pub use words::did_you_mean;
