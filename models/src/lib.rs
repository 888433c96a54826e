//! insitu-models
