//! The library's way for agents: typed calls and events, the same over every protocol, whatever happens to the server.

use std::fs;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use agentconf::client::agent::{Agent, Event, Events, Position, Retry};
use agentconf::client::{ClientError, Credentials, HostKeys, Limits, Secret};
use agentconf::yang::generated::magent_registry::{
    Agent as Registered, DiscoverAgentsInput, RegisterAgentInput,
};
use agentconf::yang::generated::magent_task::{
    AnswerInput, AssignTaskInput, PutDataInput, ReadInput, ReportInput, ReportInputInputRequest,
    ReportInputResult, Task, VerifyInput,
};
use agentconf::yang::generated::magent_types::{DataType, ResultVerdict, TaskStatus};
use agentconf::yang::tree::AnyData;
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::served::{LIMIT, Server};

/// An agent of the administrator at one of the server's URLs.
fn agent(server: &Server, name: &str, url: &str) -> Arc<Agent> {
    agent_within(Limits::default(), server, name, url)
}

fn agent_within(limits: Limits, server: &Server, name: &str, url: &str) -> Arc<Agent> {
    let token = fs::read_to_string(server.path("data/admin.jwt")).unwrap();
    let credentials = Credentials {
        authorities: vec![server.path("data/pki/ca.pem")],
        token: Some(Secret::new(token.trim())),
        certificate: url.starts_with("tls").then(|| (server.path("admin.pem"), server.path("admin.key"))),
        user: Some("admin".to_owned()),
        password: Some(Secret::new(fs::read_to_string(server.path("data/admin.password")).unwrap().trim())),
        host_keys: HostKeys {
            accepts_new: true,
            known_hosts: Some(server.path("known")),
            ..HostKeys::default()
        },
        ..Credentials::default()
    };
    let retry = Retry { longest: Duration::from_millis(200), ..Retry::default() };
    Agent::new(name, url.parse().unwrap(), credentials, limits, retry)
}

fn profile(name: &str) -> RegisterAgentInput {
    RegisterAgentInput { lifetime: Some(60), ..RegisterAgentInput::new(name, "d", "1.0.0", "p") }
}

async fn in_time<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, wait).await.unwrap()
}

/// What is heard up to the registration of an agent.
async fn heard_until(events: &mut Events, name: &str) -> Vec<Event> {
    let mut heard = Vec::new();
    loop {
        let event = in_time(events.next()).await.unwrap();
        let is_last = matches!(&event, Event::Registry(change) if change.name == name);
        heard.push(event);
        if is_last {
            return heard;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_followed_comes_once_and_completely_though_the_server_is_killed() {
    let mut server = Server::start();
    let urls = server.urls().map(str::to_owned);
    let agents = urls.each_ref().map(|url| agent(&server, "first", url));
    let mut following = agents.each_ref().map(|agent| agent.follow(Position::beginning()));
    let mut heard: [Vec<Event>; 3] = Default::default();
    for (round, maker) in agents.iter().enumerate() {
        let name = format!("agent-{round}");
        maker.until_reached(async || maker.register(&profile(&name)).await).await.unwrap();
        let order = AssignTaskInput {
            id: Some(format!("task-{round}")),
            content: Some("look".to_owned()),
            ..AssignTaskInput::new(&*name, &*name)
        };
        in_time(maker.assign(&order)).await.unwrap();
        in_time(maker.register(&profile(&format!("end-{round}")))).await.unwrap();
        for (events, heard) in following.iter_mut().zip(&mut heard) {
            heard.extend(heard_until(events, &format!("end-{round}")).await);
        }
        server.kill_and_start();
        // What was kept of a position as text goes on as well.
        if round == 1 {
            for (agent, events) in agents.iter().zip(&mut following) {
                *events = agent.follow(events.position().to_string().parse().unwrap());
            }
        }
    }
    let again = heard_until(&mut agents[0].follow(Position::beginning()), "end-2").await;
    let tasks = again.iter().filter(|event| matches!(event, Event::Task(_))).count();
    assert_eq!(tasks, 3, "{again:?}");
    for (heard, url) in heard.iter().zip(&urls) {
        assert_eq!(without_elements(heard), without_elements(&again), "{url}");
    }
}

/// Elements have prefixes that servers choose.
fn without_elements(events: &[Event]) -> Vec<Event> {
    let other = |event: &Event| match event {
        Event::Other(element) => {
            let named = agentconf::client::Element::new(&element.name, &element.namespace);
            Event::Other(Box::new(named))
        }
        event => event.clone(),
    };
    events.iter().map(other).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_task_is_typed_calls_over_any_mixture_of_protocols() {
    let server = Server::start();
    for (giver, doer) in [(0, 1), (1, 2), (2, 0)] {
        let task = &*format!("task-{giver}");
        let (giver, doer) = (server.urls()[giver], server.urls()[doer]);
        let (giver, doer) = (agent(&server, "giver", giver), agent(&server, "doer", doer));
        giver.register(&profile("giver")).await.unwrap();
        doer.register(&profile("doer")).await.unwrap();
        let wanted = DiscoverAgentsInput { name: vec!["doer".into()], ..Default::default() };
        assert_eq!(giver.discover(&wanted).await.unwrap().agent.len(), 1);
        let structured = json!({"example:place": {"town": "here & there"}});
        let order = AssignTaskInput {
            id: Some(task.to_owned()),
            content: Some("look\n<there>".to_owned()),
            structured_content: Some(AnyData::Json(Arc::new(structured.clone()))),
            ..AssignTaskInput::new("giver", "doer")
        };
        assert_eq!(giver.assign(&order).await.unwrap(), giver.assign(&order).await.unwrap());
        let request = ReportInputInputRequest { content: Some("where?".into()), structured_content: None };
        let asks = ReportInput {
            status: Some(TaskStatus::Blocked),
            input_request: Some(request),
            ..ReportInput::default()
        };
        let begins = ReportInput { status: Some(TaskStatus::Processing), ..ReportInput::default() };
        doer.report(task, &begins).await.unwrap();
        assert_eq!(doer.report(task, &asks).await.unwrap().request, Some(1));
        giver
            .answer(task, &AnswerInput { content: Some("here".into()), ..AnswerInput::new(1) })
            .await
            .unwrap();
        let result = ReportInputResult { content: Some("seen".into()), ..Default::default() };
        let ends = ReportInput {
            status: Some(TaskStatus::Finished),
            result: Some(result),
            ..ReportInput::default()
        };
        doer.report(task, &ends).await.unwrap();
        giver.verify(task, &VerifyInput::new(ResultVerdict::Accepted)).await.unwrap();
        let left: Task = giver.task(task).await.unwrap().unwrap();
        assert_eq!(left, doer.task(task).await.unwrap().unwrap());
        assert_eq!(left.content.as_deref(), Some("look\n<there>"));
        assert_eq!(left.structured_content, Some(AnyData::Json(Arc::new(structured))));
        let statuses: Vec<TaskStatus> = left.history.change.iter().map(|change| change.status).collect();
        use TaskStatus::{Blocked, Created, Finished, Processing};
        assert_eq!(statuses, [Created, Processing, Blocked, Processing, Finished]);

        let put = PutDataInput {
            data_type: Some(DataType::Text),
            text: Some("a text".into()),
            ..PutDataInput::new("doer")
        };
        let object = doer.put_data(&put).await.unwrap().id;
        let part = ReadInput { length: Some(5), ..ReadInput::default() };
        assert_eq!(doer.read_data(&object, &part).await.unwrap().text.as_deref(), Some("a tex"));

        let refused = doer.report(task, &ends).await;
        assert!(matches!(refused, Err(ClientError::Refused(errors)) if errors[0].app_tag.is_some()));
        assert_eq!(giver.task("none").await.unwrap(), None);
        giver.deregister("done").await.unwrap();
        assert!(
            giver
                .discover(&DiscoverAgentsInput { name: vec!["giver".into()], ..Default::default() })
                .await
                .unwrap()
                .agent
                .is_empty()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_is_renewed_and_made_anew_when_it_has_ended() {
    // Who does not say how long lets the server choose.
    let server = Server::with("[limits]\nagent_lifetime_default_s = 1");
    let [agent, other] = [&server.tls, &server.https].map(|url| agent(&server, "stays", url));
    let mut events = other.follow(Position::beginning());
    let staying = tokio::spawn(async move {
        let profile = RegisterAgentInput { lifetime: None, ..profile("stays") };
        agent.stay(&profile).await
    });
    heard_until(&mut events, "stays").await;
    let registered = async || other.read::<Registered>(&["stays"]).await.unwrap().unwrap().registration;
    let first = registered().await;
    in_time(async { while registered().await.updated_at == first.updated_at {} }).await;
    other.deregister("it is to come back").await.unwrap();
    // It has ended, and begins again.
    assert_eq!(heard_until(&mut events, "stays").await.len(), 1);
    assert_eq!(heard_until(&mut events, "stays").await.len(), 1);
    assert_ne!(registered().await.registered_at, first.registered_at);
    staying.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_too_much_to_do_is_waited_for() {
    let server = Server::with("[limits.rates]\nuser_requests_per_s = 20\nuser_requests_burst = 8");
    for url in server.urls() {
        let agent = agent(&server, "waits", url);
        let mut events = agent.follow(Position::beginning());
        for round in 0..20 {
            let profile = RegisterAgentInput { version: format!("1.0.{round}"), ..profile("waits") };
            agent.until_reached(async || agent.register(&profile).await).await.unwrap();
        }
        heard_until(&mut events, "waits").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_on_a_link_that_has_gone_silent_is_given_up() {
    let server = Server::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tls://{}", listener.local_addr().unwrap());
    let (silence, is_silent) = watch::channel(());
    let far = server.tls.strip_prefix("tls://").unwrap().to_owned();
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(&far).await.unwrap();
            let mut is_silent = is_silent.clone();
            is_silent.mark_unchanged();
            tokio::spawn(async move {
                tokio::select! {
                    // Either side may go whenever it likes.
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = is_silent.changed() => pending().await,
                }
            });
        }
    });
    let limits = Limits { reply: Duration::from_secs(2), ..Limits::default() };
    let agent = agent_within(limits, &server, "waits", &url);
    agent.until_reached(async || agent.register(&profile("waits")).await).await.unwrap();
    silence.send(()).unwrap();
    in_time(agent.until_reached(async || agent.read::<Registered>(&["waits"]).await)).await.unwrap();
    silence.send(()).unwrap();
    in_time(agent.until_reached(async || agent.register(&profile("waits")).await)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_is_good_over_another_protocol_and_after_the_clock_was_set_back() {
    let server = Server::start();
    let [https, ssh, _] = server.urls().map(|url| agent(&server, "first", url));
    for name in ["first", "second", "third"] {
        https.register(&profile(name)).await.unwrap();
    }
    let mut events = https.follow(Position::beginning());
    heard_until(&mut events, "second").await;
    let kept = events.position().to_string();
    let later = kept.replacen("20", "29", 1);
    for (agent, kept) in [(&https, &kept), (&ssh, &kept), (&https, &later)] {
        let mut events = agent.follow(kept.parse().unwrap());
        assert_eq!(heard_until(&mut events, "third").await.len(), 1, "{kept}");
    }
}
