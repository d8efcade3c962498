//! The rules: pure functions from a path and its text to findings. Where each holds is in `main.rs`.
//!
//! Bad inputs in the tests below are glued together where the tree's own rules would fire on them.

use std::collections::BTreeMap;
use std::fmt;

use crate::slips::Slip;
use crate::source::{Token, code_only, functions, paths, tokens, without_comments};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// From 1; 0 where the whole file is meant.
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

pub(crate) fn finding(path: &str, line: usize, message: impl Into<String>) -> Finding {
    Finding { path: path.to_owned(), line, message: message.into() }
}

// ---- Every Rust file ----

pub(crate) fn module_doc(path: &str, text: &str) -> Vec<Finding> {
    if text.starts_with("//!") {
        return Vec::new();
    }
    vec![finding(path, 1, "the file starts with //! and says what it holds")]
}

pub(crate) const LINE_CHARS_MAX: usize = 120;

pub(crate) fn line_length(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let chars = line.chars().count();
        if chars > LINE_CHARS_MAX {
            let message = format!("{chars} characters, at most {LINE_CHARS_MAX}");
            found.push(finding(path, index + 1, message));
        }
    }
    found
}

pub(crate) const FILE_LINES_MAX: usize = 700;

/// `allowed`: the number of lines in the ratchet list, which must be exact so that it can only shrink.
pub(crate) fn file_length(path: &str, text: &str, allowed: Option<usize>) -> Vec<Finding> {
    let lines = text.lines().count();
    ratchet(path, 0, "the file", lines, FILE_LINES_MAX, allowed)
}

pub(crate) const FUNCTION_LINES_MAX: usize = 70;

/// `allowed`: function name and lines in the ratchet list, exact as for files.
pub(crate) fn function_length(path: &str, text: &str, allowed: &[(&str, usize)]) -> Vec<Finding> {
    let code = code_only(text);
    let mut found = Vec::new();
    let functions = functions(&code);
    for function in &functions {
        let entry = allowed.iter().find(|(name, _)| *name == function.name).map(|(_, lines)| *lines);
        // Of several functions with one name, the entry means the longest.
        let longest = functions.iter().filter(|f| f.name == function.name).all(|f| f.lines <= function.lines);
        if entry.is_some() && !longest {
            continue;
        }
        let what = format!("fn {}", function.name);
        found.extend(ratchet(path, function.line, &what, function.lines, FUNCTION_LINES_MAX, entry));
    }
    for (name, _) in allowed {
        if !functions.iter().any(|f| f.name == *name) {
            found.push(finding(path, 0, format!("there is no fn {name} here: take it off the ratchet list")));
        }
    }
    found
}

fn ratchet(path: &str, line: usize, what: &str, lines: usize, max: usize, allowed: Option<usize>) -> Vec<Finding> {
    let message = match allowed {
        None if lines > max => format!("{what} has {lines} lines, at most {max}"),
        Some(listed) if lines > listed => {
            format!("{what} has grown from {listed} lines to {lines}")
        }
        Some(_) if lines <= max => {
            format!("{what} has {lines} lines: take it off the ratchet list")
        }
        Some(listed) if lines < listed => {
            format!("{what} has shrunk from {listed} lines to {lines}: lower its entry in the ratchet list")
        }
        _ => return Vec::new(),
    };
    vec![finding(path, line, message)]
}

/// Tests that do not run and code that is not there.
pub(crate) fn no_placeholders(path: &str, text: &str) -> Vec<Finding> {
    let code = code_only(text);
    let tokens = tokens(&code);
    let mut found = Vec::new();
    for window in tokens.windows(3) {
        let message = match [window[0].1, window[1].1, window[2].1] {
            [Token::Other(b'#'), Token::Other(b'['), Token::Word("ignore")] => {
                "a test always runs: assert the wrong behaviour with a FIXME instead"
            }
            [Token::Word("todo" | "unimplemented"), Token::Other(b'!'), _] => {
                "what is not there is left out, or is a typed error"
            }
            _ => continue,
        };
        found.push(finding(path, window[0].0, message));
    }
    found
}

/// `#[expect(lint, reason = "…")]` goes away with its cause; `#[allow]` stays for ever.
pub(crate) fn no_allow(path: &str, text: &str) -> Vec<Finding> {
    let code = code_only(text);
    let mut found = Vec::new();
    let tokens = tokens(&code);
    for (at, (line, token)) in tokens.iter().enumerate() {
        let in_attribute = at > 0
            && matches!(tokens[at - 1].1, Token::Other(b'[' | b','))
            && tokens[..at].iter().rev().take(8).any(|(_, t)| *t == Token::Other(b'#'));
        let opens = tokens.get(at + 1).map(|(_, t)| *t) == Some(Token::Other(b'('));
        if !in_attribute || !opens {
            continue;
        }
        let arguments = tokens[at + 2..].iter().take_while(|(_, t)| *t != Token::Other(b']'));
        let reasoned = arguments.clone().any(|(_, t)| *t == Token::Word("reason"));
        let message = match token {
            Token::Word("allow") => "write #[expect(lint, reason = \"…\")] instead of allow",
            Token::Word("expect") if !reasoned => "an expectation of a lint gives its reason",
            _ => continue,
        };
        found.push(finding(path, *line, message));
    }
    found
}

/// `foo.rs` beside `foo/`, everywhere.
pub(crate) fn no_mod_rs(path: &str) -> Vec<Finding> {
    if path.contains("src/") && path.ends_with("/mod.rs") {
        return vec![finding(path, 0, "a module with children is foo.rs beside foo/")];
    }
    Vec::new()
}

// ---- Direction of dependencies ----

/// Names of crates of this workspace that the code mentions and `may_use` does not hold.
pub(crate) fn crate_direction(path: &str, text: &str, may_use: &[&str]) -> Vec<Finding> {
    let code = code_only(text);
    let mut found = Vec::new();
    for (line, segments) in paths(&code) {
        let name = segments[0];
        // A word alone can be a variable; the underscore tells a crate.
        let is_crate = name.starts_with("splitbrain_") || (name == "splitbrain" && segments.len() > 1);
        if is_crate && !may_use.contains(&name) {
            found.push(finding(path, line, format!("{name} is not below this crate (may use: {may_use:?})")));
        }
    }
    found
}

/// The same for the dependency tables of a `Cargo.toml`.
pub(crate) fn manifest_direction(path: &str, text: &str, may_depend: &[&str]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (line, name) in dependencies(text) {
        if name.starts_with("splitbrain") && !may_depend.contains(&name) {
            found.push(finding(path, line, format!("{name} is not below this crate (may use: {may_depend:?})")));
        }
    }
    found
}

/// Lines and names in the dependency tables of a package, those of the workspace left out.
pub(crate) fn dependencies(manifest: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (index, line) in manifest.lines().enumerate() {
        if let Some(header) = line.strip_prefix('[') {
            let table = header.split(']').next().unwrap_or_default();
            inside = table.ends_with("dependencies") && !table.starts_with("workspace");
        } else if inside && line.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            found.push((index + 1, name));
        }
    }
    found
}

/// The modules of one crate from low to high: a module uses those of its own layer and below.
pub(crate) struct Layers {
    /// The folder of the crate's `src/`, with its slash.
    pub(crate) source: &'static str,
    /// Lowest first.
    pub(crate) layers: &'static [&'static [&'static str]],
    /// Uses that look up all the same, lower module first: a ratchet list.
    pub(crate) upward: &'static [(&'static str, &'static str)],
}

impl Layers {
    fn of(&self, module: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.contains(&module))
    }
}

pub(crate) fn layer_order(path: &str, text: &str, layers: &Layers) -> Vec<Finding> {
    let Some(module) = module_of(path, layers) else {
        return Vec::new();
    };
    if layers.of(module).is_none() {
        let message = format!("module {module} is in no layer: add it to the table");
        return vec![finding(path, 0, message)];
    }
    let code = code_only(text);
    let mut found = Vec::new();
    for (line, above) in upward_uses(path, &code, layers) {
        if !layers.upward.contains(&(module, above)) {
            found.push(finding(path, line, format!("{module} is below {above} and may not use it")));
        }
    }
    found
}

/// The module of the crate that a file belongs to; none for other crates, for the crate's root and for `main.rs`.
pub(crate) fn module_of<'a>(path: &'a str, layers: &Layers) -> Option<&'a str> {
    let inner = path.strip_prefix(layers.source)?.strip_suffix(".rs")?;
    let module = inner.split('/').next()?;
    (!["lib", "main"].contains(&module)).then_some(module)
}

/// Lines that use a module of a higher layer, and which. Unit tests at the end of a file may use what they like.
pub(crate) fn upward_uses<'a>(path: &str, code: &'a str, layers: &Layers) -> Vec<(usize, &'a str)> {
    let Some(layer) = module_of(path, layers).and_then(|module| layers.of(module)) else {
        return Vec::new();
    };
    let depth = path[layers.source.len()..].split('/').count();
    let code = code.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for (line, segments) in paths(code) {
        let supers = segments.iter().take_while(|s| **s == "super").count();
        let target = match segments[0] {
            "crate" => segments.get(1),
            // As many `super` as the file is deep lead to the root of the crate.
            "super" if supers == depth => segments.get(supers),
            _ => None,
        };
        if let Some(module) = target
            && layers.of(module).is_some_and(|above| above > layer)
        {
            found.push((line, *module));
        }
    }
    found
}

// ---- The kernel and the systems ----

/// What no code of a run may name, beside what clippy bans: it reads macros and unused imports too.
pub(crate) fn no_outside_world(path: &str, text: &str) -> Vec<Finding> {
    const MODULES: &[&str] = &["fs", "net", "thread", "env", "process", "os"];
    let code = code_only(text);
    let mut found = Vec::new();
    for (line, segments) in paths(&code) {
        let [root, module, rest @ ..] = segments.as_slice() else {
            continue;
        };
        let ambient = MODULES.contains(module)
            || (*module == "time" && rest.iter().any(|s| ["Instant", "SystemTime"].contains(s)));
        if ["std", "core"].contains(root) && ambient {
            found.push(finding(path, line, format!("{} is outside of a run", segments.join("::"))));
        }
    }
    found
}

pub(crate) fn no_floats(path: &str, text: &str) -> Vec<Finding> {
    let code = code_only(text);
    let tokens = tokens(&code);
    let mut found = Vec::new();
    for (at, (line, token)) in tokens.iter().enumerate() {
        let Token::Word(word) = token else { continue };
        let next = |ahead: usize| tokens.get(at + ahead).map(|(_, token)| *token);
        let is_type = ["f32", "f64"].contains(word);
        let digits = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
        let after_dot = at > 0 && tokens[at - 1].1 == Token::Other(b'.');
        let is_literal = digits(word)
            && !after_dot
            && next(1) == Some(Token::Other(b'.'))
            && matches!(next(2), Some(Token::Word(fraction)) if digits(fraction));
        let is_suffixed = digits(word) && !word.starts_with("0x") && (word.ends_with("f32") || word.ends_with("f64"));
        if is_type || is_literal || is_suffixed {
            found.push(finding(path, *line, "no floating point in a run: integers, parts per million"));
        }
    }
    found
}

/// Words of protocols, in names and in texts: code that has none of them cannot prefer one protocol to another.
/// Comments and unit tests need examples.
pub(crate) fn no_protocol_words(path: &str, text: &str) -> Vec<Finding> {
    const WORDS: &[&str] =
        &["leader", "follower", "master", "slave", "primary", "backup", "replica", "quorum", "raft", "redis"];
    if path.ends_with("/tests.rs") || path.contains("/tests/") {
        return Vec::new();
    }
    let code = without_comments(text);
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut found = Vec::new();
    for (at, line) in code.lines().enumerate() {
        let line = line.to_lowercase();
        let words = || line.split(|letter: char| !letter.is_ascii_alphabetic());
        if let Some(word) = WORDS.iter().find(|word| words().any(|one| one.strip_suffix('s').unwrap_or(one) == **word))
        {
            found.push(finding(path, at + 1, format!("the kernel knows no protocol, and so no {word}")));
        }
    }
    found
}

/// Clippy bans the types that make a static mutable; this bans the statics, so that none needs a second look.
pub(crate) fn no_statics(path: &str, text: &str) -> Vec<Finding> {
    let code = code_only(text);
    let mut found = Vec::new();
    for (line, token) in tokens(&code) {
        if let Token::Word(word @ ("static" | "thread_local" | "lazy_static")) = token {
            found.push(finding(path, line, format!("{word}: state outlives the run; use a const or a field")));
        }
    }
    found
}

/// Addresses differ between two runs: no pointer is printed, cast or compared.
pub(crate) fn no_addresses(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let pointer_format = [":", "p}"].concat();
    for (index, line) in text.lines().enumerate() {
        if !line.trim_start().starts_with("//") && line.contains(&pointer_format) {
            found.push(finding(path, index + 1, "an address is printed"));
        }
    }
    let code = code_only(text);
    let tokens = tokens(&code);
    for window in tokens.windows(3) {
        let cast = matches!(
            [window[0].1, window[1].1, window[2].1],
            [Token::Word("as"), Token::Other(b'*'), Token::Word("const" | "mut")]
        );
        let call = matches!(
            [window[0].1, window[1].1, window[2].1],
            [Token::Other(b'.') | Token::PathSeparator, Token::Word("as_ptr" | "ptr_eq" | "addr_eq"), _]
        );
        let compared = matches!(
            [window[0].1, window[1].1, window[2].1],
            [Token::Word("ptr"), Token::PathSeparator, Token::Word("eq" | "fn_addr_eq")]
        );
        if cast || call || compared {
            found.push(finding(path, window[0].0, "an address differs between runs: compare values or ids"));
        }
    }
    found
}

/// Only the commands and the reports write to the terminal.
pub(crate) fn no_printing(path: &str, text: &str) -> Vec<Finding> {
    let code = code_only(text);
    let tokens = tokens(&code);
    let mut found = Vec::new();
    for pair in tokens.windows(2) {
        if let [(line, Token::Word(name @ ("print" | "println" | "eprint" | "eprintln"))), (_, Token::Other(b'!'))] =
            *pair
        {
            found.push(finding(path, line, format!("{name}! below the commands and the reports: return data")));
        }
    }
    found
}

// ---- Every text file ----

/// The paths of one machine: they mean nothing on another.
pub(crate) fn no_machine_path(path: &str, text: &str) -> Vec<Finding> {
    const FOLDERS: &[&str] = &["work", "farm", "root", "tmp", "home", "Users"];
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for folder in FOLDERS {
            let absolute = format!("/{folder}/");
            let named = line.match_indices(&absolute).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
            });
            if named {
                found.push(finding(path, index + 1, format!("a path of one machine: {absolute}…")));
            }
        }
    }
    found
}

pub(crate) fn one_title(path: &str, text: &str) -> Vec<Finding> {
    let mut fence: Option<&str> = None;
    let mut titles = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) if line.starts_with("# ") => titles.push(index + 1),
            _ => {}
        }
    }
    match titles.as_slice() {
        [_] => Vec::new(),
        [] => vec![finding(path, 1, "a page has one # title, this one has none")],
        [_, second, ..] => vec![finding(path, *second, "a page has one # title, this is a second one")],
    }
}

/// Each link of a page leads to a file or a folder of the repository and, if it names a heading, to that heading; and
/// each page of `docs/` or `reports/` that it names as code is there. `pages` gives the text of a page, `is_there` says
/// whether a file or folder is.
pub(crate) fn dead_links<'a>(
    path: &str,
    text: &str,
    pages: impl Fn(&str) -> Option<&'a str>,
    is_there: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for (line, prose) in prose(text) {
        let links = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in links.filter(|target| !target.contains("://")) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.to_owned() } else { beside(path, file) };
            if !is_there(&file) {
                found.push(finding(path, line, format!("a link to {file}, which is not there")));
            } else if !heading.is_empty() && !pages(&file).is_some_and(|page| has_heading(page, heading)) {
                found.push(finding(path, line, format!("a link to {file}#{heading}, a heading that is not there")));
            }
        }
        let named = prose.split('`').skip(1).step_by(2).filter(|code| {
            ["docs/", "reports/"].iter().any(|folder| code.starts_with(folder)) && code.ends_with(".md")
        });
        for page in named.filter(|page| !is_there(page)) {
            found.push(finding(path, line, format!("names {page}, which is not there")));
        }
    }
    found
}

/// The lines of a page that are no part of a block of code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The path that a link of a page means.
fn beside(page: &str, link: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            ".." => _ = parts.pop(),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether a page has a heading that GitHub links to by this name.
fn has_heading(page: &str, name: &str) -> bool {
    let headings = prose(page).filter_map(|(_, line)| line.trim_start_matches('#').strip_prefix(' '));
    headings.map(str::to_lowercase).any(|heading| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).eq(name.chars())
    })
}

/// A scenario says its goal before its first key.
pub(crate) fn scenario_goal(path: &str, text: &str) -> Vec<Finding> {
    let mut head = text.lines().take_while(|line| line.starts_with('#') || line.trim().is_empty());
    if head.any(|line| line.starts_with("# ") && line.len() > 12) {
        return Vec::new();
    }
    vec![finding(path, 1, "the first comment of a scenario says its goal")]
}

/// The strict lint files are one text: clippy cannot include one in another.
pub(crate) fn same_text(path: &str, text: &str, model: &str, model_text: &str) -> Vec<Finding> {
    let differs = text.lines().zip(model_text.lines()).position(|(a, b)| a != b);
    let line = match differs {
        Some(index) => index + 1,
        None if text.lines().count() != model_text.lines().count() => {
            text.lines().count().min(model_text.lines().count())
        }
        None => return Vec::new(),
    };
    vec![finding(path, line, format!("differs from {model}: the two are the same text"))]
}

/// Each dependency has its row `| name | why |` below the heading Dependencies, and each row its dependency.
pub(crate) fn dependency_table(path: &str, text: &str, manifests: &[&str]) -> Vec<Finding> {
    let mut rows = Vec::new();
    let table = text.lines().enumerate().skip_while(|(_, line)| *line != "## Dependencies");
    for (index, line) in table {
        let mut cells = line.split('|').map(str::trim).skip(1);
        if let (Some(name), Some(why)) = (cells.next(), cells.next()) {
            let name = name.strip_prefix('`').and_then(|n| n.strip_suffix('`'));
            rows.extend(name.map(|name| (index + 1, name, why)));
        }
    }
    let mut used: Vec<&str> = Vec::new();
    for manifest in manifests {
        used.extend(dependencies(manifest).into_iter().map(|(_, name)| name));
    }
    used.retain(|name| !name.starts_with("splitbrain"));
    used.sort_unstable();
    used.dedup();
    let mut found = Vec::new();
    for name in &used {
        if !rows.iter().any(|(_, row, why)| row == name && why.len() > 10) {
            found.push(finding(path, 0, format!("no row says why {name} is a dependency")));
        }
    }
    for (line, row, _) in rows {
        if !used.contains(&row) {
            found.push(finding(path, line, format!("{row} is not a dependency any more")));
        }
    }
    found
}

/// The commands that the README shows are those that the gate runs, to the letter.
pub(crate) fn shown_and_run(path: &str, text: &str, gate: &str, commands: &[&str]) -> Vec<Finding> {
    let mut found = Vec::new();
    for command in commands {
        if !text.lines().any(|line| line.trim() == *command) {
            found.push(finding(path, 0, format!("no line is exactly `{command}`")));
        }
        if !gate.lines().any(|line| line.starts_with("step ") && line.ends_with(command)) {
            found.push(finding(path, 0, format!("the gate has no step `{command}`")));
        }
    }
    found
}

/// What pages say of the number of something: how many kinds of nemesis reach async code on madsim, how many tasks the
/// page of tasks answers. Counted here, so that no page goes on saying what was so once.
pub(crate) fn counts(page: &str, text: &str, claim: &str) -> Vec<Finding> {
    match text.contains(claim) {
        true => Vec::new(),
        false => vec![finding(page, 0, format!("does not say \"{claim}\", which is what there is"))],
    }
}

/// `12 of the 31 kinds of nemesis`: of the kinds in the source of the kernel, those that madsim's limits let through. A
/// service takes no orders, so the kind that gives one reaches nothing.
pub(crate) fn nemeses_that_reach_services(kinds: &str, limits: &str) -> String {
    let (_, list) = kinds.split_once("pub enum NemesisKind {").unwrap_or_default();
    let (list, _) = list.split_once("\n    }").unwrap_or_default();
    let all = list.lines().filter(|line| line.contains(" = \"") && !line.trim_start().starts_with("//")).count();
    let (_, able) = limits.split_once("fn unable_at_random").unwrap_or_default();
    let (able, _) = able.split_once("=> None").unwrap_or_default();
    let able = able.matches("NemesisKind::").count() - able.matches("NemesisKind::Order").count();
    format!("{able} of the {all} kinds of nemesis")
}

/// `14 tasks`: the headings of a page of tasks.
pub(crate) fn tasks(page: &str) -> String {
    format!("{} tasks", page.lines().filter(|line| line.starts_with("## ")).count())
}

/// Each slip of `benches/slips.rs` has its place in the code: once in its file, with the slips before it written in, as
/// one program has all of them. `texts` gives the text of a file of theirs.
pub(crate) fn slips_stand<'a>(path: &str, slips: &[Slip], texts: impl Fn(&str) -> Option<&'a str>) -> Vec<Finding> {
    let mut with_slips: BTreeMap<&str, String> = BTreeMap::new();
    let mut found = Vec::new();
    for slip in slips {
        let text = with_slips.entry(slip.file).or_insert_with(|| texts(slip.file).unwrap_or_default().to_owned());
        match slip.written_into(text, "SLIP") {
            Some(written) => *text = written,
            None => {
                let Slip { name, what, file, from, .. } = slip;
                found.push(finding(path, 0, format!("{name} ({what}): {from:?} does not stand once in {file}")));
            }
        }
    }
    found
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
