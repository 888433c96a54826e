//! insitu-local
