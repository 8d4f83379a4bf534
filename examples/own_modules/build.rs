//! Compiles `yang/` into what `src/main.rs` includes.

fn main() {
    agentconf_codegen::Compiler::new().yang_dir("yang").crate_path("agentconf::yang").build("modules");
}
