//! The catalogue: the scripts that lock clients send, each with how many keys and arguments it takes.

/// A script of a lock client.
pub(crate) struct Script {
    /// The client and what the script does.
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
    pub(crate) keys: usize,
    pub(crate) arguments: &'static [Argument],
}

/// What an argument of a script is.
#[derive(Clone, Copy)]
pub(crate) enum Argument {
    /// The token of a holder.
    Token,
    /// Milliseconds, far away.
    Milliseconds,
    /// 0 or 1.
    Flag,
    /// A value.
    Value,
}

use Argument::{Flag, Milliseconds, Token, Value};

macro_rules! script {
    ($name:literal, $keys:literal, $arguments:expr) => {
        Script {
            name: $name,
            text: include_str!(concat!("scripts/", $name, ".lua")),
            keys: $keys,
            arguments: $arguments,
        }
    };
}

pub(crate) const CATALOGUE: &[Script] = &[
    script!("compare_and_delete", 1, &[Token]),
    script!("guarded_set", 2, &[Token, Value]),
    script!("redis_py_release", 1, &[Token]),
    script!("redis_py_extend", 1, &[Token, Milliseconds, Flag]),
    script!("redis_py_reacquire", 1, &[Token, Milliseconds]),
    script!("redisson_lock", 1, &[Milliseconds, Token]),
    script!("redisson_unlock", 2, &[Value, Milliseconds, Token]),
    script!("redisson_renew", 1, &[Milliseconds, Token]),
    script!("redsync_delete", 1, &[Token]),
    script!("redsync_touch", 1, &[Token, Milliseconds]),
    script!("node_redlock_acquire", 2, &[Token, Milliseconds]),
    script!("node_redlock_release", 2, &[Token]),
    script!("node_redlock_extend", 2, &[Token, Milliseconds]),
    script!("redbeat_extend", 1, &[Token, Milliseconds]),
    script!("set_with_fence", 2, &[Token, Milliseconds]),
];
