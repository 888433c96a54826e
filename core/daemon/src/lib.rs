//! insitu-daemon
