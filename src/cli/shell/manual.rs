//! What each command is written like, with an example. It says nothing of the data, which the schema describes.

/// The forms of a command with what each does, and an example.
pub fn manual(command: &str) -> &'static str {
    match command {
        "show" => {
            "  show PATH                    running configuration and state at a place
  show configuration PATH      the running configuration alone
  show state PATH              state alone
  show candidate PATH          a datastore: running, candidate, startup, intended or operational
  … | table, json, xml, paths  in this form; \"set format FORMAT\" chooses it for the session
  … | set                      as lines that the shell takes
  … | match TEXT               the lines with this text in them
  … | count                    how many lines there are
A leaf, or an entry named with all its keys, that is not there is an error; in a script the line has failed.
Example: show configuration data-params | set | match image
"
        }
        "set" => {
            "  set PATH VALUE               the value of a leaf, or an entry of a leaf-list
  set PATH NAME VALUE …        several leafs of one place
  set PATH                     an entry of a list, or a container whose presence matters
  set format FORMAT            how data is shown from now on
Example: set data-params 1 dataType image description 'Cell 7'
"
        }
        "delete" => "  delete PATH                  a leaf, an entry or everything in a container\nExample: delete data-params 1 description\n",
        "edit" => "  edit PATH                    paths begin there; \"up\" and \"top\" lead back\nExample: edit data-params 1\n",
        "diff" => "  diff                         all that the next commit changes\n  diff PATH                    of this place\nExample: diff data-params\n",
        "commit" => {
            "  commit                       make the changes
  commit confirmed [SECONDS]   make them, and take them back unless they are confirmed in time (600 s if it is not said);
                               they are taken back too if the session ends, as it does at the end of a script
  commit confirmed [SECONDS] persist NAME
                               the same, but they wait when the session ends, and whoever knows the name confirms them
  commit confirm [NAME]        confirm them
  commit cancel [NAME]         take them back now
Example: commit confirmed 120 persist friday
"
        }
        "rollback" => {
            "  rollback                     forget the changes that are not committed, as \"discard\"
  rollback REVISION            prepare what leads back to a revision: \"diff\" shows it, \"commit\" makes it
\"show state revisions\" lists the newest revisions with their times.
Example: rollback 12
"
        }
        "update" => {
            "  update                       take over what others have committed; refused where both changed the same
  update prefer-candidate      keep what is yours there
  update prefer-running        take what is theirs there
Example: update prefer-candidate
"
        }
        "lock" | "unlock" => "  lock [DATASTORE]             candidate (if nothing is said), running or startup; \"unlock\" gives it back\nExample: lock running\n",
        "discover" => "  discover                     all agents\n  discover NAME VALUE …        those that fit\nExample: discover skill-name translate\n",
        "assign" => "  assign from AGENT to AGENT NAME VALUE …\nExample: assign from planner to worker type task-execution content 'Do it'\n",
        "negotiate" => {
            "  negotiate from AGENT to AGENT NAME VALUE …  open a negotiation
  negotiate respond ID NAME VALUE …           make the next move in one
Example: negotiate respond n-1 from worker in-reply-to 1 move accept
"
        }
        "call" => "  call NAME [PARAMETER VALUE …]        an operation\n  call PATH NAME [PARAMETER VALUE …]   an action of what is there\nExample: call interaction tasks task t-1 cancel\n",
        "watch" => {
            "  watch                        events of the stream NETCONF
  watch stream NAME            events of this stream
  watch PATH                   data at a place, when it changes
  watch stop                   no more
Example: watch interaction tasks
"
        }
        _ => "",
    }
}
