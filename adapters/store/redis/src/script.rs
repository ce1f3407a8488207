//! The scripts: sent by their hash, and whole where the server does not know them.

use std::sync::LazyLock;

use redis::{Cmd, Script, ToRedisArgs};

use crate::slot::slot;

/// A script and its hash.
#[derive(Debug)]
pub(crate) struct Lua {
    text: &'static str,
    hash: String,
}

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)*) => {
        $(
            pub(crate) static $name: LazyLock<Lua> = LazyLock::new(|| {
                let text = concat!($(include_str!(concat!("scripts/", $file))),+);
                Lua { text, hash: Script::new(text).get_hash().to_owned() }
            });
        )*
    };
}

scripts! {
    READ = "primary.lua" "read.lua";
    LOOKUPS = "primary.lua" "lookups.lua";
    LEASE = "primary.lua" "lease.lua";
    POLL = "primary.lua" "poll.lua";
    LENGTHS = "entry.lua" "lengths.lua";
    COMMIT = "index.lua" "entry.lua" "keep.lua" "commit.lua";
    ROWS = "keep.lua" "rows.lua";
    INDEX = "index.lua" "indices.lua";
    OPEN = "open.lua";
    JOURNAL = "journal.lua";
    HISTORY = "history.lua";
    DUE = "due.lua";
    SWEPT = "swept.lua";
    FORGET = "forget.lua";
    OWN_HISTORY = "own_history.lua";
    MARK = "mark.lua";
}

/// One call of a script.
pub(crate) struct Call {
    lua: &'static Lua,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Call {
    pub(crate) fn new(lua: &'static Lua, keys: &[&String]) -> Self {
        let keys = keys.iter().map(|key| (*key).clone()).collect();
        Self { lua, keys, arguments: Vec::new() }
    }

    pub(crate) fn with(mut self, argument: impl ToRedisArgs) -> Self {
        self.push(argument);
        self
    }

    pub(crate) fn push(&mut self, argument: impl ToRedisArgs) {
        self.arguments.extend(argument.to_redis_args());
    }

    /// More keys, after those that it has, and what is to be done with them.
    pub(crate) fn add(&mut self, keys: [String; 2], argument: impl Into<Vec<u8>>) {
        self.keys.extend(keys);
        self.arguments.push(argument.into());
    }

    /// The slot that its keys are in, on a cluster: one, as no script may touch two.
    pub(crate) fn slot(&self) -> usize {
        self.keys.first().map_or(0, |key| slot(key))
    }

    pub(crate) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", self.lua.hash.as_bytes())
    }

    /// The server keeps what it is given here, and knows it from then on.
    pub(crate) fn whole(&self) -> Cmd {
        self.command("EVAL", self.lua.text.as_bytes())
    }

    fn command(&self, name: &str, script: &[u8]) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.arguments);
        command
    }
}
