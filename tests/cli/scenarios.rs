//! Scenarios of the toy: one for each way in which a campaign can end.

/// A scenario with these lines after its cluster and its length.
pub(crate) fn scenario(goal: &str, lines: &str) -> String {
    format!(
        "# {goal}\nformat = 1\nsystem = \"ring\"\n\n[cluster]\nservers = 3\n\n[network]\nlatency = \"1ms\"\n\n\
         [run]\nduration = \"1s\"\nseeds = 4\n\n{lines}"
    )
}

/// Everything is well.
pub(crate) fn calm() -> String {
    let bounds = "heard = { at_least = 24, at_most = 27 }\nboasts = { at_most = 0 }";
    scenario("All is well.", &format!("[expect]\n{bounds}\nreach = [\"heard\"]\n"))
}

/// A flaw, and what is expected of it.
pub(crate) fn flawed(flaw: &str, expect: &str) -> String {
    scenario("Something is wrong with s2.", &format!("[ring]\nflaw = \"{flaw}\"\n\n[expect]\n{expect}\n"))
}

/// A boast that is not listed, while a link is cut.
pub(crate) fn boast() -> String {
    let fault = "[[fault]]\nid = \"quarrel\"\nat = \"50ms\"\ncut = [\"s3 <-> s1\"]\n\n";
    format!("{}\n{fault}", flawed("boast", ""))
}
