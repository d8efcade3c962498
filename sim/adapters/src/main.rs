//! `splitbrain-adapters`: every command of splitbrain over published libraries.

fn main() -> std::process::ExitCode {
    splitbrain_adapters::cli().main()
}
