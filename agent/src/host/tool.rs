//! A host tool that did not do what it was asked.

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    #[error("{tool} gave no answer")]
    Silent {
        tool: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{tool} could not have a lock: {said}")]
    Busy { tool: &'static str, said: String },
    #[error("{tool} ended with code {code}: {said}")]
    Refused {
        tool: &'static str,
        code: i32,
        said: String,
    },
}
