//! `agentconf shell` with lines that are piped in: the same commands over every protocol. How it looks to a person is in
//! `tests/independent`.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};

use super::served::{Server, run};

/// Exit code, output and errors of a script.
fn script(server: &Server, url: &str, options: &[&str], lines: &str) -> (Option<i32>, String, String) {
    let mut command = server.command(url, &[&["shell"], options].concat(), &[]);
    command.stdin(File::open(server.file("script", lines)).unwrap());
    run(command)
}

const EDIT: &str = "\
# The candidate of the server, or what waits in the shell.
set irtf-agent data-params 3 dataType text data 'hello world'
show candidate data-params
diff data-params
discard
diff
set /irtf-agent:data-params[id='3']/dataType video
edit data-params 3
set data x
top
commit
show configuration data-params 3 | paths
delete data-params 3
diff
commit
show running data-params
";

#[test]
fn edits_feel_the_same_whether_the_server_has_a_candidate_or_not() {
    let server = Server::start();
    for url in server.urls() {
        let (status, output, errors) = script(&server, url, &[], EDIT);
        assert_eq!((status, errors.as_str()), (Some(0), ""), "{url}: {output}");
        assert_eq!(
            output,
            "ID  DATATYPE  DATA\n3   text      hello world\n\
             + /irtf-agent:data-params[id='3']/data=hello world\n+ /irtf-agent:data-params[id='3']/dataType=text\n\
             the changes are discarded; running stays as it is\ncommitted\n\
             /irtf-agent:data-params[id='3']/dataType=video\n/irtf-agent:data-params[id='3']/data=x\n\
             - /irtf-agent:data-params[id='3']/data=x\n- /irtf-agent:data-params[id='3']/dataType=video\n\
             committed\nnothing is there\n",
            "{url}"
        );
    }
}

#[test]
fn a_script_ends_at_the_line_that_is_wrong_unless_it_is_to_go_on() {
    let server = Server::start();
    let lines = "show data-params\nset data-params 1 dataTyp text\nshwo\nhelp exit\n";
    let (status, output, errors) = script(&server, &server.ssh, &[], lines);
    assert_eq!((status, output.as_str()), (Some(1), "nothing is there\n"));
    // The carets stand below the word, whatever is written before each line.
    let shown: Vec<&str> = errors.lines().collect();
    assert_eq!(shown[0].find("dataTyp"), shown[1].find("^^^^^^^"), "{errors}");
    assert!(shown[0].contains("line 2: ") && errors.ends_with("did you mean dataType?\n"), "{errors}");
    let (status, output, errors) = script(&server, &server.ssh, &["--keep-going"], lines);
    assert_eq!(status, Some(1));
    assert!(output.ends_with("exit  Leave the shell\n"), "{output}");
    assert!(errors.contains("line 3: shwo") && errors.contains("2 lines failed"), "{errors}");
}

#[test]
fn what_a_protocol_or_a_user_lacks_is_said() {
    let server = Server::start();
    let (status, _, errors) =
        script(&server, &server.https, &[], "set data-params 1 dataType text\ncommit confirmed");
    assert!(status == Some(1) && errors.contains("RESTCONF has no candidate of a session"), "{errors}");
    let (status, _, errors) = script(&server, &server.https, &[], "lock");
    assert!(status == Some(1) && errors.contains("RESTCONF has no lock"), "{errors}");

    // The shared candidate is the administrators', but that of the session is its user's own.
    let password = server.file("password", "the password of ann\n");
    let mut add = server.bare();
    add.args(["user", "add", "ann", "--password-stdin", "--data"]).arg(server.path("data"));
    add.stdin(File::open(&password).unwrap());
    assert_eq!(run(add).0, Some(0));
    let login = ["--user", "ann", "--password-file", &password];
    let lines = "set data-params 1 dataType text\ncommit\nshow data-params\n";
    let (status, output, errors) = script(&server, &server.ssh, &login, lines);
    assert_eq!((status, errors.as_str()), (Some(0), ""), "{output}");
    assert!(output.ends_with("committed\nID  DATATYPE\n1   text\n"), "{output}");
}

#[test]
fn changes_of_others_are_neither_published_nor_overwritten() {
    let server = Server::start();
    // Both prepare a change of the same; who commits last is told.
    let mut slow = server.command(&server.ssh, &["shell"], &[]);
    slow.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    slow.stderr(std::process::Stdio::piped());
    let mut slow = slow.spawn().unwrap();
    let (mut to, mut from) = (slow.stdin.take().unwrap(), BufReader::new(slow.stdout.take().unwrap()));
    to.write_all(b"set data-params 1 dataType text\nvalidate\n").unwrap();
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    assert_eq!(line, "it is valid\n");
    let lines = "show candidate data-params\nset data-params 1 dataType video\nset data-params 2 dataType video\ncommit\n";
    let (status, output, errors) = script(&server, &server.ssh, &[], lines);
    assert_eq!((status, output.as_str()), (Some(0), "nothing is there\ncommitted\n"), "{errors}");
    to.write_all(b"commit\n").unwrap();
    drop(to);
    let ended = slow.wait_with_output().unwrap();
    let errors = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{errors}");
    assert!(errors.contains("data-params") && errors.contains("update prefer-candidate"), "{errors}");
    let (_, output, _) = script(&server, &server.ssh, &[], "show running data-params | paths | count\n");
    assert_eq!(output, "2\n");
}

#[test]
fn the_way_back_to_a_revision_is_prepared_and_not_made_at_once() {
    let server = Server::start();
    for url in server.urls() {
        let lines = "set data-params 1 dataType text\ncommit\nshow state revisions | paths | match number\n";
        let (_, output, errors) = script(&server, url, &[], lines);
        let number =
            output.lines().last().and_then(|line| line.split('\'').nth(1)).expect(&errors).to_owned();
        let lines = format!(
            "delete data-params 1\ncommit\nrollback {number}\nshow running data-params\ndiff\nset data-params 2 dataType text\n\
             rollback {number}\ndiscard\nrollback 999999\nrollback {number}\ncommit\nshow running data-params | set\n\
             delete data-params 1\ncommit\n"
        );
        let (status, output, errors) = script(&server, url, &["--keep-going"], &lines);
        assert_eq!(status, Some(1), "{url}");
        assert!(
            errors.contains("that are not committed") && errors.contains("no revision 999999"),
            "{errors}"
        );
        assert!(errors.contains("2 lines failed"), "{errors}");
        let prepared =
            format!("what leads back to {number} is prepared: \"diff\" shows it, \"commit\" makes it\n");
        assert_eq!(
            output,
            format!(
                "committed\n{prepared}nothing is there\n+ /irtf-agent:data-params[id='1']/dataType=text\n\
                 the changes are discarded; running stays as it is\n{prepared}committed\n\
                 set /irtf-agent:data-params[id='1']/dataType text\ncommitted\n"
            ),
            "{url}"
        );
    }
}

#[test]
fn a_script_that_leaves_changes_behind_has_failed_and_leaves_none() {
    let server = Server::start();
    for url in server.urls() {
        let (status, _, errors) = script(&server, url, &[], "set data-params 1 dataType text\n");
        assert!(status == Some(1) && errors.contains("given up"), "{url}: {errors}");
        let (status, output, _) = script(&server, url, &[], "show candidate data-params\ncommit confirm\n");
        assert_eq!((status, output.as_str()), (Some(1), "nothing is there\n"), "{url}");
    }
}

#[test]
fn what_a_script_shows_by_its_name_and_is_not_there_has_failed() {
    let server = Server::start();
    let (status, ..) = script(&server, &server.ssh, &[], "set data-params 1 dataType text\ncommit\n");
    assert_eq!(status, Some(0));
    for url in server.urls() {
        for line in ["show data-params 2", "show data-params 1 data", "show running data-params 2 dataType"] {
            let (status, output, errors) = script(&server, url, &[], line);
            assert_eq!((status, output.as_str()), (Some(1), ""), "{url} {line}");
            assert!(errors.contains("nothing is there"), "{url} {line}: {errors}");
        }
        // A list can be empty, and what programs read says it in its own form.
        for (line, expected) in [
            ("show context", "nothing is there\n"),
            ("show context | json", "{}\n"),
            ("show context | count", "0\n"),
            ("show data-params 2 | count", "0\n"),
            ("show data-params 1 dataType", "ID  DATATYPE\n1   text\n"),
        ] {
            let (status, output, errors) = script(&server, url, &[], line);
            assert_eq!((status, output.as_str()), (Some(0), expected), "{url} {line}: {errors}");
        }
    }
}

#[test]
fn rfc_6241_section_8_4_a_confirmed_commit_ends_with_its_script() {
    let server = Server::start();
    let set = "set data-params 1 dataType text\ncommit confirmed 60\n";
    for url in [&server.ssh, &server.tls] {
        let (status, output, errors) = script(&server, url, &[], set);
        assert_eq!(status, Some(1), "{url}: {output}");
        assert!(errors.contains("commit confirm") && errors.contains("taken back"), "{url}: {errors}");
        let both = format!("{set}set data-params 2 dataType text\n");
        let (status, _, errors) = script(&server, url, &[], &both);
        assert!(
            status == Some(1) && errors.contains("taken back") && errors.contains("given up"),
            "{errors}"
        );
        let (_, output, _) = script(&server, url, &[], "show running data-params | count\n");
        assert_eq!(output, "0\n", "{url}");
        let (status, ..) = script(&server, url, &[], &format!("{set}commit cancel\n"));
        assert_eq!(status, Some(0), "{url}");
    }
    let (status, ..) = script(&server, &server.ssh, &[], &format!("{set}commit confirm\n"));
    assert_eq!(status, Some(0));
    let (_, output, _) = script(&server, &server.ssh, &[], "show running data-params | count\n");
    assert_eq!(output, "2\n");
}

#[test]
fn rfc_6241_section_8_4_a_confirmed_commit_with_a_name_outlasts_its_script() {
    let server = Server::start();
    let shell = |lines: &str| script(&server, &server.ssh, &[], lines);
    let set = |n: u8| format!("set data-params {n} dataType text\ncommit confirmed 60 persist friday\n");
    let (status, output, errors) = shell(&set(1));
    assert!(status == Some(0) && output.contains("\"commit confirm friday\""), "{output}{errors}");
    // Who does not know the name can neither confirm it nor take it back.
    for line in ["commit confirm", "commit confirm monday", "commit cancel", "commit cancel monday"] {
        assert_eq!(shell(line).0, Some(1), "{line}");
    }
    assert_eq!(shell("commit confirm friday").1, "confirmed\n");
    assert_eq!(shell(&set(2)).0, Some(0));
    assert_eq!(shell("commit cancel friday").1, "taken back\n");
    // Within one session the name need not be said again, and each commit can be confirmed by the next.
    assert_eq!(shell(&format!("{}{}commit confirm\n", set(3), set(4))).0, Some(0));
    let expected = "ID  DATATYPE\n1   text\n3   text\n4   text\n";
    assert_eq!(
        shell("show running data-params | match t").1.replace('\r', ""),
        expected.replace("ID  DATATYPE\n", "")
    );
}

#[test]
fn what_still_stands_is_not_shown_as_deleted() {
    let server = Server::start();
    for url in server.urls() {
        let lines = "set data-params 1\nset data-params 1 dataType text\ndiff\ndiscard\n";
        let (_, output, errors) = script(&server, url, &[], lines);
        assert!(output.contains("+ /irtf-agent:data-params[id='1']/dataType=text\n"), "{url}: {errors}");
        let lines = "set nacm groups group g\ncommit\nset nacm groups group g user-name ann\ndiff\ndiscard\n\
                     delete nacm groups group g\ndiff\ncommit\n";
        let (status, output, errors) = script(&server, url, &[], lines);
        assert_eq!(status, Some(0), "{errors}");
        let group = "/ietf-netconf-acm:nacm/groups/group[name='g']";
        let shown: Vec<&str> = output.lines().filter(|line| line.contains(group)).collect();
        assert_eq!(shown, [format!("+ {group}/user-name[.='ann']"), format!("- {group}")], "{url}");
    }
}

#[test]
fn tasks_are_assigned_and_negotiations_answered_in_words() {
    let server = Server::start();
    let register =
        |name: &str| format!("call register-agent name {name} version 1 provider p description d\n");
    let lines = register("a")
        + &register("b")
        + "\
        discover name b | paths\n\
        assign id t-1 from a to b type task-execution content 'Do it' | paths\n\
        negotiate id n-1 type feasibility from a to b content 'Can you?'\n\
        negotiate respond n-1 from b in-reply-to 1 move accept | paths\n\
        show state interaction negotiations negotiation n-1 status | paths\n\
        call interaction tasks task t-1 cancel\n";
    let (status, output, errors) = script(&server, &server.ssh, &["--keep-going"], &lines);
    assert_eq!((status, errors.as_str()), (Some(0), ""), "{output}");
    assert!(output.contains("agent[name='b']/provider=p\n"), "{output}");
    assert!(output.contains("negotiation[id='n-1']/status=agreed\n"), "{output}");
}
