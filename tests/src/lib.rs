//! insitu-tests
