//! Plugins that tell who the caller is.

mod attach;
mod key_auth;

pub(crate) use key_auth::KeyAuth;
