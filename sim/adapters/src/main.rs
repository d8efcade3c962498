//! `splitbrain-adapters`: every command of splitbrain over published libraries.

#[expect(clippy::disallowed_types, reason = "main ends the program")]
fn main() -> std::process::ExitCode {
    splitbrain_adapters::cli().main()
}
