//! JSON without a tree: ranges of a validated text, and edits that are spliced into it.

mod edit;
mod raw;
mod scan;
mod splice;
mod tokens;
mod unescape;
mod walk;

pub use edit::{Edits, Name};
pub use raw::{Items, Kind, Raw};
pub use scan::{JsonError, Scan};
pub use tokens::{Token, Tokens};
