//! A readiness loop: a server over epoll, on a model of the part of Linux that it needs.
//!
//! [`linux`] is that model, a plain value that is checked call by call against the real kernel.

pub mod linux;
