//! Configuration: typed resources, the rules that check them, and the places they come from.
//!
//! The crate knows every resource kind of Apache APISIX that Tollgate serves ([`resource`]), how a
//! document is judged and in which words a fault is told ([`check`], [`wording`]), what the whole
//! configuration looks like at one moment ([`document`]), which plugin configuration wins
//! ([`merge`]), and where resources are read from ([`source`]). [`settings`] is the process's own
//! file, `tollgate.yaml` or an APISIX `config.yaml`.
//!
//! It does not know what any plugin does: plugin configurations stay raw JSON here.
//!
//! ```
//! use config::{check, resource::Route};
//!
//! let route = serde_json::json!({ "uri": "/v1/*", "plugins": { "ai-proxy": {} } });
//! let route: Route = check::check(&route).expect("a valid route");
//! assert_eq!(route.uri.as_deref(), Some("/v1/*"));
//!
//! let fault = check::check::<Route>(&serde_json::json!({ "uri": 5 })).unwrap_err();
//! assert_eq!(
//!     fault.message,
//!     r#"property "uri" validation failed: wrong type: expected string, got number"#
//! );
//! ```

pub mod check;
pub mod document;
pub mod fault;
pub mod keyring;
pub mod locate;
pub mod lookup;
pub mod merge;
pub mod misspelt;
mod nearest;
pub mod resource;
pub mod schema;
#[cfg(test)]
mod scratch;
pub mod secret;
pub mod settings;
pub mod source;
pub mod substitute;
pub mod wording;

pub use check::CheckError;
pub use document::{Document, Item, Loaded, Rejected};
pub use keyring::Keyring;
pub use resource::{AnyResource, Kind, Plugins, Resource};
pub use secret::Secret;
pub use settings::Settings;
