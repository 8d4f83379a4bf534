//! The program `agentconf`. It never does anything that the library could not do without it.

use std::process::ExitCode;

fn main() -> ExitCode {
    agentconf::cli::main(agentconf::application::build)
}
