//! Lock servers of the Redis kind.
//!
//! `redis` is the server itself as a plain value: its commands, its keys and what it sends to replicas.

pub mod redis;
