//! The engine on madsim: what it promises, and where madsim leaks.

#[cfg(not(madsim))]
#[test]
fn these_tests_need_madsim() {
    panic!("built without madsim: run them by `just madsim-test`");
}

#[cfg(madsim)]
mod host;
#[cfg(madsim)]
mod leaks;
#[cfg(madsim)]
mod program;
#[cfg(madsim)]
mod randomness;
#[cfg(madsim)]
mod service;
#[cfg(madsim)]
mod toy;
