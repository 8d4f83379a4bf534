//! The program `agentconf`. It never does anything that the library could not do without it.

use std::process::ExitCode;

// Here and not in the library: who links that chooses an allocator of their own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    agentconf::cli::main(agentconf::application::build)
}
