//! insitu-coordinator
