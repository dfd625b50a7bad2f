//! Why the pump cannot run.

use std::{io, path::PathBuf, time::Duration};

use super::{
    functions::InvokeError,
    mappings::MappingError,
    places::PlaceError,
    sqs::QueueError,
    template::{DocumentError, SourceError},
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum PumpError {
    #[error("cannot read {path}: {error}")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{path}: {error}")]
    Document { path: PathBuf, error: DocumentError },
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{name}: {error}")]
    Place { name: String, error: PlaceError },
    #[error("{name}: {error}")]
    Queue { name: String, error: QueueError },
    /// Lambda refuses such a mapping (Lambda Developer Guide, "Creating and configuring an Amazon SQS event source
    /// mapping").
    #[error(
        "{name}: the timeout of the function, {} s, must not exceed the visibility timeout of the queue, {} s",
        timeout.as_secs(), visibility.as_secs()
    )]
    Visibility { name: String, timeout: Duration, visibility: Duration },
    /// Lambda Developer Guide, "Lambda parameters for Amazon SQS event source mappings".
    #[error("{name}: a FIFO queue allows no batch above 10 and no batching window")]
    Fifo { name: String },
    #[error(transparent)]
    Mapping(#[from] MappingError),
    #[error(transparent)]
    Function(#[from] InvokeError),
}
