//! `agentconf completions` and `agentconf man`, from the definition of the command line. They never talk to a server.

use std::error::Error;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, output};

/// The arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// For which shell.
    shell: Shell,
}

/// The arguments of `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Directory for the pages of all verbs [default: the page of agentconf itself goes to standard output].
    directory: Option<PathBuf>,
}

impl Completions {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "agentconf", &mut script);
        output::put(&String::from_utf8(script)?)?;
        Ok(())
    }
}

impl Man {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let command = Arguments::command();
        match self.directory {
            Some(directory) => {
                std::fs::create_dir_all(&directory)
                    .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
                Ok(clap_mangen::generate_to(command, &directory)?)
            }
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(command).render(&mut page)?;
                output::put(&String::from_utf8(page)?)?;
                Ok(())
            }
        }
    }
}
