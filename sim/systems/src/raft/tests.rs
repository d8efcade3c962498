//! Tests of a node by itself: a small host calls its handlers and looks at what it does. No world, no network.

mod bugs;
mod etcd;
mod hashicorp;
mod host;
mod kv;
mod membership;
mod nuraft;
mod oracle;
mod paper;
mod reads;
mod replication;
mod snapshots;
mod stall;
mod transfer;
mod world;
