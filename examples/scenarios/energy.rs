//! Fault, experience and energy-saving agents with conflicting aims (the draft's section 2.2): a cell is out of service, its
//! neighbours are to make up for it, which takes carriers that the energy-saving agent keeps asleep. How many are woken, the two
//! negotiate, the one by its own answers and the other by a private policy at the server; then the fault is found and repaired, and everything goes back.
//!
//! No agent knows what another wants but by its offers.

use agentconf::client::ClientError;
use agentconf::client::agent::Event;
use agentconf::yang::generated::magent_policy::identities::Strategy;
use agentconf::yang::generated::magent_policy::{
    SetPolicyInput, SetPolicyInputNumber, SetPolicyInputPoint, SetPolicyInputTerm, SetPolicyOutput,
};
use agentconf::yang::generated::magent_task::identities::NegotiationType;
use agentconf::yang::generated::magent_task::{AssignTaskInput, Negotiation, OpenNegotiationInput, Task};
use agentconf::yang::generated::magent_types::{NegotiationStatus, TaskStatus};
use agentconf::yang::value::Decimal64;

use crate::offer::Offer;
use crate::play::{Done, Me, Move, Part, failed, is_accepted, is_unjudged, number, profile, result_text};
use crate::stage::{Cue, DESK, Role, Scenario, Trouble};

const FAULT: &str = "fault-agent";
const EXPERIENCE: &str = "experience-agent";
const ENERGY: &str = "energy-agent";
const IP: &str = "ip-agent";

/// Types of tasks; the skills have the same names.
const RESTORE: &str = "service-restoration";
const COMPENSATE: &str = "compensation";
const SAVE: &str = "energy-saving";
const DIAGNOSE: &str = "transport-diagnosis";

const CONTEXT: &str = "cell-outage";
/// Carriers that can be awake at the neighbours.
const CARRIERS: i64 = 12;

/// The scenario.
pub const SCENARIO: Scenario = Scenario {
    name: "energy",
    servers: 1,
    cast: &[
        Role::restconf(FAULT),
        Role { is_late: true, ..Role::netconf(EXPERIENCE) },
        Role { dies_at: Some("left to the server"), ..Role::restconf(ENERGY) },
        Role::restconf(IP),
    ],
    orders: |seed| {
        let cell = 1 + number(seed, "cell", 40);
        vec![AssignTaskInput {
            id: Some("restore".to_owned()),
            type_: Some(RESTORE.to_owned()),
            context: Some(CONTEXT.to_owned()),
            content: Some(format!(
                "Cell {cell} is out of service: see that nobody notices, and bring it back."
            )),
            ..AssignTaskInput::new(DESK, FAULT)
        }]
    },
    cues: &[
        Cue { when: |_, event| is_round(event, "awake", 3), trouble: Trouble::Cut(EXPERIENCE) },
        Cue { when: |_, event| is_round(event, "awake", 2), trouble: Trouble::Cut(FAULT) },
    ],
};

fn is_round(event: &Event, negotiation: &str, number: u32) -> bool {
    matches!(event, Event::Negotiation(event)
        if event.negotiation == negotiation && event.round.as_ref().is_some_and(|round| round.number == number))
}

/// Plays one of the cast.
pub async fn play(me: &Me) -> Done {
    match me.name() {
        FAULT => me.play(&profile(FAULT, "Brings cells back", "Wireless", &[RESTORE]), &Fault).await,
        EXPERIENCE => {
            let about = "Keeps users from noticing what fails";
            me.play(&profile(EXPERIENCE, about, "Wireless", &[COMPENSATE]), &Experience).await
        }
        ENERGY => me.play(&profile(ENERGY, "Puts carriers to sleep", "Wireless", &[SAVE]), &Energy).await,
        IP => me.play(&profile(IP, "Looks after the transport", "IP", &[DIAGNOSE]), &Transport).await,
        other => Err(failed(format_args!("nobody plays {other}"))),
    }
}

/// The fault agent: has the outage made up for first, and looks for its cause then.
struct Fault;

impl Part for Fault {
    async fn executes(&self, me: &Me, task: Task) -> Done {
        match task.status {
            TaskStatus::Created => me.begins(&task, "first the users, then the cause").await,
            TaskStatus::Processing => self.ask_for_compensation(me, 1).await,
            _ => Ok(()),
        }
    }

    async fn negotiates(&self, me: &Me, negotiation: Negotiation) -> Done {
        match negotiation.status {
            NegotiationStatus::Open if me.is_on_turn(&negotiation) => {
                let offer = Offer::standing(&negotiation)?;
                let least = 2;
                match offer.number_of("power")? >= least {
                    true => me.moves(&negotiation, &Move::Accept, "that covers the cell").await,
                    false => {
                        let why = format!("less than {least} dB leaves holes");
                        me.moves(&negotiation, &Move::Counter(offer.number("power", least, "dB")), &why).await
                    }
                }
            }
            NegotiationStatus::Expired => {
                me.says(format_args!(
                    "{} has expired without an answer; once more, with more time",
                    negotiation.id
                ));
                self.ask_for_compensation(me, 2).await
            }
            NegotiationStatus::Agreed => {
                let what = "Make up for the cell as agreed.";
                let order = me.order_agreed(&negotiation, "compensate", COMPENSATE, what);
                me.assigns(order, None).await
            }
            _ => Ok(()),
        }
    }

    async fn assigned(&self, me: &Me, task: Task) -> Done {
        if is_unjudged(&task) {
            return me.verifies(&task, &[]).await;
        }
        if !is_accepted(&task) {
            return Ok(());
        }
        let context = task.context.clone();
        match task.id.as_str() {
            "compensate" => {
                let to = me.finds(DIAGNOSE, "IP").await?;
                let what = "Is the transport of the cell in order?";
                me.assigns(AssignTaskInput { context, ..me.order("diagnose", &to, DIAGNOSE, what) }, None)
                    .await
            }
            "diagnose" => {
                let to = me.finds(COMPENSATE, "Wireless").await?;
                let what = format!("The cell is back ({}): take the compensation back.", result_text(&task));
                me.assigns(AssignTaskInput { context, ..me.order("undo", &to, COMPENSATE, what) }, None).await
            }
            _ => {
                let Some(restore) = me.task("restore").await? else { return Ok(()) };
                match restore.status {
                    TaskStatus::Processing => {
                        me.finishes(&restore, "the cell is back, and nobody has noticed", None).await
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

impl Fault {
    /// The first attempt leaves little time to answer.
    async fn ask_for_compensation(&self, me: &Me, attempt: u32) -> Done {
        let opening = OpenNegotiationInput {
            id: Some(format!("compensation-{attempt}")),
            context: Some(CONTEXT.to_owned()),
            task: Some("compensate".to_owned()),
            lifetime: Some(if attempt == 1 { 1 } else { 60 }),
            max_rounds: Some(6),
            ..OpenNegotiationInput::new(
                NegotiationType::Feasibility,
                FAULT,
                me.finds(COMPENSATE, "Wireless").await?,
            )
        };
        let offer = Offer::default().number("power", 6, "dB").number("time", 60, "minutes");
        me.proposes(opening, &offer, "Can the neighbours make up for the cell?").await
    }
}

/// The experience agent: wants as many carriers awake as it can get.
struct Experience;

impl Part for Experience {
    async fn negotiates(&self, me: &Me, negotiation: Negotiation) -> Done {
        if negotiation.id == "awake" {
            return self.about_carriers(me, &negotiation).await;
        }
        // The first proposal is answered when it is too late.
        let is_first = negotiation.id.ends_with("-1");
        let is_awaited = me.is_late && is_first && negotiation.status == NegotiationStatus::Open;
        let is_turn = negotiation.turn.as_deref() == Some(me.name());
        let is_expired = is_first && negotiation.status == NegotiationStatus::Expired;
        if is_awaited || !(is_turn || is_expired) {
            return Ok(());
        }
        let offer = Offer::standing(&negotiation)?;
        let most = 3 + me.number("power", 3);
        let why = format!("more than {most} dB disturbs others");
        let answered = match offer.number_of("power")? <= most {
            true => me.moves(&negotiation, &Move::Accept, "that can be done").await,
            false => me.moves(&negotiation, &Move::Counter(offer.number("power", most, "dB")), &why).await,
        };
        match answered {
            Err(ClientError::Refused(errors)) if is_expired => {
                let why = errors.first().map(ToString::to_string).unwrap_or_default();
                me.says(format_args!("{}: my answer comes too late: {why}", negotiation.id));
                Ok(())
            }
            answered => answered,
        }
    }

    async fn executes(&self, me: &Me, task: Task) -> Done {
        match (task.id.as_str(), task.status) {
            (_, TaskStatus::Created) => {
                me.begins(&task, format_args!("{}: that takes carriers", task.id)).await
            }
            ("compensate", TaskStatus::Processing) => {
                let opening = OpenNegotiationInput {
                    id: Some("awake".to_owned()),
                    context: task.context.clone(),
                    task: Some("save-less".to_owned()),
                    lifetime: Some(60),
                    max_rounds: Some(20),
                    ..OpenNegotiationInput::new(
                        NegotiationType::Feasibility,
                        EXPERIENCE,
                        me.finds(SAVE, "Wireless").await?,
                    )
                };
                let offer = carriers(CARRIERS);
                me.proposes(opening, &offer, "Users come before savings.").await
            }
            (_, TaskStatus::Processing) => {
                let to = me.finds(SAVE, "Wireless").await?;
                let what = "Save as before.";
                let context = task.context.clone();
                me.assigns(AssignTaskInput { context, ..me.order("save-again", &to, SAVE, what) }, None).await
            }
            _ => Ok(()),
        }
    }

    async fn assigned(&self, me: &Me, task: Task) -> Done {
        if is_unjudged(&task) {
            return me.verifies(&task, &[]).await;
        }
        let (for_, said) = match task.id.as_str() {
            "save-less" => ("compensate", "the neighbours send with more power"),
            _ => ("undo", "the neighbours send as before"),
        };
        match me.task(for_).await? {
            Some(own) if is_accepted(&task) && own.status == TaskStatus::Processing => {
                me.finishes(&own, &format!("{said}; {}", result_text(&task)), None).await
            }
            _ => Ok(()),
        }
    }
}

impl Experience {
    /// Gives in by a carrier or two each time, down to what users notice.
    async fn about_carriers(&self, me: &Me, negotiation: &Negotiation) -> Done {
        if negotiation.status == NegotiationStatus::Agreed {
            let order = me.order_agreed(negotiation, "save-less", SAVE, "Wake the carriers as agreed.");
            return me.assigns(order, None).await;
        }
        if !me.is_on_turn(negotiation) {
            return Ok(());
        }
        let least = 4 + me.number("least", 3);
        let step = 1 + me.number("step", 2);
        let wanted = (CARRIERS - step * moves_of(me, negotiation)).max(least);
        let offered = Offer::standing(negotiation)?.number_of("carriers")?;
        if offered >= wanted {
            return me.moves(negotiation, &Move::Accept, "users will hardly notice").await;
        }
        let why = format!("with {offered} carriers calls would drop");
        me.moves(negotiation, &Move::Counter(carriers(wanted)), &why).await
    }
}

/// The energy-saving agent: wants as few carriers awake as it can get. It has the server answer
/// by a policy that nobody else sees: from the proposal on that waits, and also while it is away.
struct Energy;

impl Part for Energy {
    async fn negotiates(&self, me: &Me, negotiation: Negotiation) -> Done {
        if !me.is_on_turn(&negotiation) {
            return Ok(());
        }
        let _: SetPolicyOutput = me.agent().call(&[], &self.policy(me)?).await?;
        me.says("from now on the server answers for me");
        me.may_die("left to the server");
        Ok(())
    }

    async fn executes(&self, me: &Me, task: Task) -> Done {
        match (task.id.as_str(), task.status) {
            (_, TaskStatus::Created) => me.begins(&task, format_args!("{}: done in a moment", task.id)).await,
            ("save-less", TaskStatus::Processing) => {
                let id = task.negotiation.as_deref().unwrap_or_default();
                let Some(agreed) = me.negotiation(id).await? else {
                    return Err(failed("nothing was agreed"));
                };
                me.finishes(&task, &format!("as agreed: {}", Offer::standing(&agreed)?), None).await
            }
            (_, TaskStatus::Processing) => me.finishes(&task, "3 carriers awake", None).await,
            _ => Ok(()),
        }
    }
}

impl Energy {
    /// How many carriers it offers first.
    fn first(&self, me: &Me) -> i64 {
        2 + me.number("first", 3)
    }

    /// Each carrier that sleeps is worth three percent, and less than the target is worth nothing.
    fn policy(&self, me: &Me) -> Done<SetPolicyInput> {
        let most = 7 + me.number("most", 3);
        let number = Decimal64::whole;
        let worth = |awake: i64| Decimal64 { digits: (CARRIERS - awake) * 3_000_000_000, fraction: 9 };
        let point = |awake| SetPolicyInputPoint { at: number(awake), worth: worth(awake) };
        let values = SetPolicyInputNumber {
            step: Some(number(1)),
            point: vec![point(0), point(CARRIERS)],
            ..SetPolicyInputNumber::new(number(self.first(me)), number(CARRIERS))
        };
        let term = SetPolicyInputTerm {
            unit: Some("awake".to_owned()),
            number: Some(values),
            ..SetPolicyInputTerm::new("carriers")
        };
        Ok(SetPolicyInput {
            term: vec![term],
            reservation: Some(worth(most)),
            strategy: Strategy::Micro,
            ..SetPolicyInput::new(ENERGY, "saving")
        })
    }
}

/// So many carriers.
fn carriers(awake: i64) -> Offer {
    Offer::default().number("carriers", awake, "awake")
}

/// How often the agent has moved.
fn moves_of(me: &Me, negotiation: &Negotiation) -> i64 {
    let own = negotiation.round.iter().filter(|round| round.from == me.name()).count();
    i64::try_from(own).unwrap_or(i64::MAX)
}

/// The IP domain.
struct Transport;

impl Part for Transport {
    async fn executes(&self, me: &Me, task: Task) -> Done {
        match task.status {
            TaskStatus::Created => me.begins(&task, "I look at the ports of the cell").await,
            TaskStatus::Processing => {
                let causes = [
                    "a port was configured for the wrong rate",
                    "a router had lost its clock",
                    "a card was stuck",
                ];
                let at = usize::try_from(me.number("cause", 3)).map_err(failed)?;
                let cause = causes.get(at).copied().unwrap_or_default();
                me.finishes(&task, &format!("{cause}; it is set right"), None).await
            }
            _ => Ok(()),
        }
    }
}
