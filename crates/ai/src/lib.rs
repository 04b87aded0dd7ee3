//! One AI exchange: a client's request judged, shaped, sent to an instance, its answer relayed.
//!
//! Knows: every dialect and provider (as data of `llm`), how a request becomes an upstream call, and
//! how an answer is read while it is relayed.
//!
//! Does not know: which plugin called, or how its configuration is written.

mod answer;
mod attempt;
mod blame;
mod breaker;
mod candidate;
mod deadline;
mod embeddings;
mod endpoint;
mod exchange;
mod fallback;
mod hold;
mod instance;
mod intake;
mod limits;
mod next;
mod outgoing;
mod query;
mod record;
mod relay;
mod sign;
mod total;
mod turn;
mod verdict;

pub use breaker::{Breaker, BreakerSettings, Permit};
pub use candidate::Candidate;
pub use deadline::Deadlines;
pub use embeddings::{EmbeddingsError, EmbeddingsSettings, EmbeddingsSettingsError, Likeness};
pub use endpoint::{Endpoint, EndpointError};
pub use exchange::exchange;
pub use fallback::{Fallback, Terms};
pub use instance::{Instance, InstanceError, InstanceSettings, Lack};
pub use intake::intake;
pub use limits::Limits;
pub use next::{Following, Next, Nobody};
pub use sign::GcpSettings;
pub use turn::Seat;
