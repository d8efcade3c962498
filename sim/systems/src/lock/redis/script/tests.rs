//! Scripts as a client sends them: the catalogue of those that lock clients use, and the corners of the language.

use crate::lock::redis::{Protocol, Server};

const NOW: i64 = 1_700_000_000_000;

fn command(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn ask(server: &mut Server, words: &[&str]) -> String {
    let executed = server.ask(&command(words), NOW);
    String::from_utf8_lossy(&executed.reply.encode(Protocol::Resp2)).replace("\r\n", " ").trim_end().to_owned()
}

fn eval(text: &str) -> String {
    ask(&mut Server::new(), &["EVAL", text, "1", "k", "a"])
}

#[test]
fn values_become_replies() {
    for (script, reply) in [
        ("return 1", ":1"),
        ("return true", ":1"),
        ("return false", "$-1"),
        ("return nil", "$-1"),
        ("return 'x'", "$1 x"),
        ("return {1,2,nil,4}", "*2 :1 :2"),
        ("return {ok='fine'}", "+fine"),
        ("return {err='My error'}", "-My error"),
        ("return redis.error_reply('My error')", "-My error"),
        ("return redis.error_reply('Error')", "-ERR Error"),
        ("return redis.status_reply('fine')", "+fine"),
        ("return {1,{2,'x'}}", "*2 :1 *2 :2 $1 x"),
        ("return {map={a=1}}", "*2 $1 a :1"),
        ("return {set={a=true}}", "*1 $1 a"),
        ("return {big_number='12'}", "$2 12"),
        ("return {verbatim_string={string='x',format='txt'}}", "$1 x"),
        ("return {double=3}", "$1 3"),
        ("return KEYS[1]..ARGV[1]", "$2 ka"),
        ("return #ARGV", ":1"),
        ("return redis.call('PING', 'x')", "$1 x"),
        ("return redis.call('get', 'absent') == false", ":1"),
        ("return redis.sha1hex('')", "$40 da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    ] {
        assert_eq!(eval(script), reply, "{script}");
    }
}

#[test]
fn the_language_computes() {
    for (script, reply) in [
        ("return 2+3*4-10/5", ":12"),
        ("return -7 % 3", ":2"),
        ("return 1 .. 2 .. 3", "$3 123"),
        ("return '10'+5", ":15"),
        ("return not nil == true", ":1"),
        ("local a, b = 1 return b == nil and a", ":1"),
        ("local s = 0 for i = 1, 10 do s = s + i end return s", ":55"),
        ("local s = 0 for i = 10, 1, -3 do s = s + i end return s", ":22"),
        ("local s = '' for i, v in ipairs({'a','b','c'}) do s = s .. i .. v end return s", "$6 1a2b3c"),
        ("local n = 0 while true do n = n + 1 if n == 5 then break end end return n", ":5"),
        ("local n = 0 repeat local m = n n = n + 1 until m == 3 return n", ":4"),
        ("local function f(n) if n < 2 then return 1 end return n * f(n - 1) end return f(5)", ":120"),
        ("local t = {} table.insert(t, 'x') table.insert(t, 1, 'y') return table.concat(t, ',')", "$3 y,x"),
        ("return {pcall(function() error('no') end)}", "*2 $-1 $17 user_script:1: no"),
        ("return select and 1", "-ERR select is not supported in scripts, line 1"),
        ("return math.max(1, '7', 3)", ":7"),
        ("return string.sub('hello', 2, -2)", "$3 ell"),
        ("return ('hello'):upper()", "$5 HELLO"),
        ("return tonumber('ff', 16)", ":255"),
        ("return type(tonumber('x'))", "$3 nil"),
        ("local n = 0 local function up() n = n + 1 end up() up() return n", ":2"),
        ("return [[a\nb]]", "$3 a\nb"),
        ("--[[ no ]] return 1 -- yes", ":1"),
        ("local t = {a = 1, ['b'] = 2, 3} return t.a + t.b + t[1]", ":6"),
        ("return {unpack({1,2,3})}", "*3 :1 :2 :3"),
        ("return {unpack({1,2,3}, 2)}", "*2 :2 :3"),
        ("return table.concat({1,2,3,4}, '-', 2, 3)", "$3 2-3"),
        ("return {string.find('hello', 'l', 4)}", "*2 :4 :4"),
        ("local t = {} function t.f(x) return x end return t.f(3)", ":3"),
        ("local t = {n = 4} function t:get(x) return self.n + x end return t:get(3)", ":7"),
        ("return {string.byte('abc', 2, 3)}", "*2 :98 :99"),
        ("return redis.REDIS_VERSION", "$6 7.0.15"),
    ] {
        assert_eq!(eval(script), reply, "{script}");
    }
}

#[test]
fn errors_name_the_script_and_its_line() {
    let digest = crate::lock::redis::sha1::hexadecimal(b"local x\nreturn x + 1");
    let expected = format!(
        "-ERR user_script:2: attempt to perform arithmetic on local 'x' (a nil value) script: {digest}, on \
         @user_script:2."
    );
    assert_eq!(eval("local x\nreturn x + 1"), expected);
    for (script, front) in [
        ("return y", "-ERR user_script:1: Script attempted to access nonexistent global variable 'y'"),
        ("y = 1", "-ERR user_script:1: Attempt to modify a readonly table"),
        ("return 'a' < 1", "-ERR user_script:1: attempt to compare string with number"),
        ("return {} .. 'x'", "-ERR user_script:1: attempt to concatenate a table value"),
        ("return redis.call('nope')", "-ERR Unknown Redis command called from script"),
        ("return redis.call('get')", "-ERR Wrong number of args calling Redis command from script"),
        ("return redis.call('eval', 'x', 0)", "-ERR This Redis command is not allowed from script"),
        ("return redis.call()", "-ERR Please specify at least one argument for this redis lib call"),
        ("return redis.call('get', {})", "-ERR Lua redis lib command arguments must be strings or integers"),
    ] {
        let got = eval(script);
        assert!(got.starts_with(front) && got.ends_with("on @user_script:1."), "{script}: {got}");
    }
    assert!(eval("return 1 +").starts_with("-ERR Error compiling script (new function): user_script:1: "));
}

#[test]
fn what_is_not_supported_is_an_error_and_never_a_wrong_value() {
    for script in [
        "return math.sqrt(4)",
        "return ('x'):format()",
        "return 2^3",
        "return {...}",
        "return #{1,nil,3}",
        "return 1/2",
        "return tonumber('1.5')",
        "return 1.5",
        "return cjson.encode({})",
        "return 9007199254740992 + 1",
    ] {
        let got = eval(script);
        assert!(got.contains("not supported"), "{script}: {got}");
    }
}

#[test]
fn a_script_is_bounded() {
    assert!(eval("while true do end").contains("steps"));
    assert!(eval("local s = 'x' while true do s = s .. s end").contains("bytes"));
    let deep = format!("return {}1{}", "(".repeat(500), ")".repeat(500));
    assert!(eval(&deep).contains("not supported"));
}

/// Goal: however calls, expressions and blocks are put into one another, they fit the stack of this thread.
#[test]
fn a_script_is_bounded_in_depth() {
    let recursion =
        |call: &str| format!("local function f(n) if n == 0 then return 0 end return {call} end return f(98)");
    let pcalls = |count: usize| "pcall, ".repeat(count);
    for deep in [
        "local function f() return f() end return f()".to_owned(),
        recursion(&format!("f(n - 1){}", " + 0".repeat(150))),
        recursion(&format!("{}f(n - 1)", "'' .. ".repeat(90))),
        recursion(&format!("{}f(n - 1){}", "(".repeat(90), ")".repeat(90))),
        recursion(&format!("{}f(n - 1){}", "{".repeat(90), "}".repeat(90))),
        recursion(&format!("pcall({}f, n - 1)", pcalls(500))),
        format!("local function f(n) {} f() {} end return f()", "do ".repeat(90), "end ".repeat(90)),
        "local function f(n) repeat until f() end return f()".to_owned(),
        format!("return pcall({}pcall)", pcalls(12_000)),
        "local t = {} for i = 1, 7990 do t[i] = pcall end return pcall(unpack(t))".to_owned(),
        format!("local function f() {} f() {} end f()", "for i = 1, 1 do ".repeat(90), "end ".repeat(90)),
        format!("local function f() {} f() {} end f()", "for i in pairs({1}) do ".repeat(90), "end ".repeat(90)),
        format!("local function f(n) return {}f(){} end f()", "f(1, ".repeat(90), ")".repeat(90)),
        format!("local t = {{}} local function f() return {}f(){} end f()", "t[".repeat(90), "]".repeat(90)),
        "local t = {} function t:f() return 1, self:f() end t:f()".to_owned(),
    ] {
        let answer = eval(&deep);
        assert!(answer.contains("deeper than"), "{deep:.100}: {answer}");
    }
    for (fits, answer) in [
        ("local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end return f(50)".to_owned(), ":50"),
        (format!("return {}1{}", "(".repeat(97), "+1)".repeat(97)), ":98"),
        // What an error unwinds counts no more.
        ("local function f() error('x') end for i = 1, 2000 do pcall(f) end return 1".to_owned(), ":1"),
        (
            "local n = 0 for i = 1, 2000 do pcall(function() repeat n = n + 1 until error() end) end return n"
                .to_owned(),
            ":2000",
        ),
    ] {
        assert_eq!(eval(&fits), answer);
    }
}

/// Goal: what takes long counts as many steps, so that no script keeps the server for more than a moment.
#[test]
fn a_script_is_bounded_in_all_that_takes_time() {
    let two = "local a, b = string.rep('x', 25000000), string.rep('x', 25000000) local c for i = 1, 1600000 do c =";
    let one = "local a = string.rep('x', 10000000) local c for i = 1, 1000000 do c =";
    for long in [
        format!("{two} a == b end"),
        format!("{two} a <= b end"),
        format!("{one} redis.sha1hex(a) end"),
        format!("{one} redis.error_reply(a) end"),
        format!("{one} redis.status_reply(a) end"),
        format!("{one} pcall(error, a) end"),
        format!("{one} pcall(assert, false, a) end"),
        "local a = string.rep('x', 10000000) local k, t = a .. 'b', {[a .. 'a'] = 1} while true do a = t[k] end"
            .to_owned(),
        "return string.find(string.rep('x', 200000), string.rep('x', 100000) .. 'y', 1, true)".to_owned(),
        format!("local function f() end while true do f({}1) end", "1, ".repeat(20_000)),
        format!("while true do local {}x = 1 end", "x, ".repeat(20_000)),
        format!("local a, {}x = 1 while true do x = a end", "x, ".repeat(20_000)),
        format!("local a, {}x local function f() end while true do f() end", "x, ".repeat(20_000)),
        format!("while true do if nil then {}end end", "elseif nil then ".repeat(20_000)),
        format!("while true do local x = {{{}1}} end", "1, ".repeat(20_000)),
        "while true do redis.call('incr', KEYS[1]) end".to_owned(),
        "local t = {} while true do t = {t} end".to_owned(),
    ] {
        let answer = eval(&long);
        assert!(answer.contains("the script took more than "), "{long:.100}: {answer:.200}");
    }
    for (quick, answer) in [
        ("local t = {} t[-1] = 1 for i = 1, 20000 do t[#t + 1] = i end return #t", ":20000"),
        ("local a, c = string.rep('x', 10000000) for i = 1, 100000 do c = tonumber(a) end return c == nil", ":1"),
        ("return {string.find(string.rep('x', 1000000) .. 'y', 'xxy', 1, true)}", "*2 :999999 :1000001"),
        (
            "redis.call('set', KEYS[1], string.rep('x', 10000000)) \
             for i = 1, 20000 do redis.call('append', KEYS[1], 'x') end return redis.call('strlen', KEYS[1])",
            ":10020000",
        ),
    ] {
        assert_eq!(eval(quick), answer, "{quick}");
    }
}

#[test]
fn an_expression_of_many_parts_is_evaluated_and_one_of_too_many_is_refused() {
    assert_eq!(eval(&format!("return 1{}", "+1".repeat(190))), ":191");
    assert_eq!(eval(&format!("local function f() return f end f{} return 7", "()".repeat(140))), ":7");
    for many in [
        format!("return 1{}", "+1".repeat(100_000)),
        format!("return redis{}", ".call".repeat(100_000)),
        format!("local f f{}", "()".repeat(100_000)),
        format!("local t={{}} function t{}() end", ".a".repeat(100_000)),
    ] {
        let said = eval(&many);
        assert!(said.contains("so many parts"), "{said}");
    }
}

#[test]
fn writes_before_an_error_stay() {
    let mut server = Server::new();
    let script = "redis.call('set', KEYS[1], 'x') return redis.call('hget', KEYS[1], 'f')";
    let executed = server.ask(&command(&["EVAL", script, "1", "k"]), NOW);
    assert!(executed.reply.is_error());
    assert_eq!(executed.effects.len(), 1);
    assert_eq!(ask(&mut server, &["GET", "k"]), "$1 x");
    let caught = "local r = redis.pcall('hget', KEYS[1], 'f') return r.err";
    let expected = "$65 WRONGTYPE Operation against a key holding the wrong kind of value";
    assert_eq!(ask(&mut server, &["EVAL", caught, "1", "k"]), expected);
}

#[test]
fn local_names_go_with_their_scope_unless_a_function_sees_them() {
    for (script, reply) in [
        (
            "local f = {} for i = 1, 3 do local x = i * 10 f[i] = function() x = x + 1 return x end end \
             local y = 5 f[1]() return {f[1](), f[2](), f[3](), y}",
            "*4 :12 :21 :31 :5",
        ),
        ("local function f(n) local a = n if n == 0 then return 0 end return a + f(n - 1) end return f(50)", ":1275"),
        ("local s = 0 for i = 1, 1000000 do local x = i s = s + x end return s", ":500000500000"),
        ("local n = 0 repeat local x = n + 1 n = x until x == 500000 return n", ":500000"),
    ] {
        assert_eq!(eval(script), reply, "{script}");
    }
}

#[test]
fn what_a_script_has_and_what_it_answers_is_bounded() {
    let mut server = Server::new();
    ask(&mut server, &["SET", "k", &"x".repeat(100_000)]);
    let answers = |server: &mut Server, text: &str| ask(server, &["EVAL", text, "1", "k"]);
    for script in [
        "for i = 1, 1000 do redis.call('get', KEYS[1]) end",
        "local t = {} for i = 1, 900000 do local x = i t[i] = function() return x end end",
        "local v = redis.call('get', KEYS[1]) local t = {} for i = 1, 1000 do t[i] = v end return t",
        "local t = {'x'} for i = 1, 60 do t = {t, t} end return t",
        "local e = {err = string.rep('x', 10000000)} local t = {} for i = 1, 30 do t[i] = e end return t",
        "local e = {ok = string.rep('x', 10000000)} local t = {} for i = 1, 30 do t[i] = e end return t",
        "local e = {big_number = string.rep('1', 10000000)} local t = {} for i = 1, 30 do t[i] = e end return t",
        "local e = {verbatim_string = {format = 'txt', string = string.rep('x', 10000000)}} \
         local t = {} for i = 1, 30 do t[i] = e end return t",
    ] {
        let answer = answers(&mut server, script);
        assert!(answer.starts_with("-ERR the ") && answer.contains(" more than "), "{script}: {answer:.100}");
    }
    let fits = answers(&mut server, "local v for i = 1, 500 do v = redis.call('get', KEYS[1]) end return #v");
    assert_eq!(fits, ":100000");
}
