"""Plays a tournament: NegMAS's negotiators against the server, and against the best of their own in the same place.

A place is a domain, a side in it, and an opponent. It never changes what was measured: what could not be played is counted
and named.
"""

import warnings

warnings.filterwarnings("ignore")

import argparse
import collections
import logging
import os
import random
import sys
import time
from pathlib import Path

import negmas.sao
import negmas_genius_agents
import numpy as np
from negmas.sao import ResponseType, SAOMechanism, SAONegotiator, SAOResponse

import domains
from server import Refused, Server, Side

OURS = "the server"
OPPONENTS = (
    "BoulwareTBNegotiator LinearTBNegotiator ConcederTBNegotiator NaiveTitForTatNegotiator MiCRONegotiator "
    "ToughNegotiator TopFractionNegotiator HybridNegotiator AspirationNegotiator RandomNegotiator "
    "AgentK HardHeaded CUHKAgent Atlas3 AgentGG IAMhaggler2011"
)
RIVALS = "BoulwareTBNegotiator LinearTBNegotiator MiCRONegotiator HybridNegotiator HardHeaded AgentK"


class ServerSide(SAONegotiator):
    """The seat that the server plays."""

    def plays(self, domain, side):
        self.domain, self.side = domain, side

    def __call__(self, state, dest=None):
        offer = state.current_offer
        if offer is None and self.side.id is None:
            move, terms = self.side.opens()
        elif offer is None:
            return SAOResponse(ResponseType.END_NEGOTIATION, None)
        else:
            move, terms = self.side.hears(self.domain.offer(offer))
        if move == "accept":
            return SAOResponse(ResponseType.ACCEPT_OFFER, offer)
        if move == "reject":
            return SAOResponse(ResponseType.END_NEGOTIATION, None)
        return SAOResponse(ResponseType.REJECT_OFFER, self.domain.outcome(terms))


def negotiator(name):
    for module in (negmas.sao, negmas_genius_agents):
        if hasattr(module, name):
            return getattr(module, name)(name=name)
    raise SystemExit(f"there is no negotiator {name}")


def play(domain, seat, player, opponent, steps, seed, server):
    """One session: utility, distances and milliseconds of the player in this seat, or None if it failed."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    mechanism = SAOMechanism(outcome_space=domain.space, n_steps=steps)
    side = Side(server, 2 * steps) if player == OURS else None
    mine = ServerSide(name="server") if side else negotiator(player)
    if side:
        mine.plays(domain, side)
    theirs = negotiator(opponent)
    for at, one in enumerate((mine, theirs) if seat == 0 else (theirs, mine)):
        mechanism.add(one, ufun=domain.utilities[at])
    began, asked = time.perf_counter(), server.seconds
    try:
        state = mechanism.run()
        if state.has_error:
            raise Refused(str(state.error_details))
        if side and side.id and state.agreement is not None and state.current_proposer == mine.id:
            if (status := side.ends("accept")) != "agreed":
                raise Refused(f"{status} instead of agreed")
        elif side and side.id and state.agreement is None:
            side.gives_up()
    except Exception as error:  # of a negotiator or of the server
        message = " ".join(str(error).split())
        return f"{player} against {opponent} in {domain.name}: {type(error).__name__}: {message[-300:]}"
    point, pareto, nash = domain.measure(state.agreement)
    return {
        "player": player,
        "agreed": state.agreement is not None,
        "utility": point[seat],
        "pareto": pareto,
        "nash": nash,
        "ms": (time.perf_counter() - began) * 1000,
        "asked": (server.seconds - asked) * 1000,
    }


def mean(rows, what):
    return sum(row[what] for row in rows) / len(rows) if rows else float("nan")


def line(label, rows):
    return (
        f"{label:44s} {len(rows):5d} {mean(rows, 'agreed'):6.3f} {mean(rows, 'utility'):8.4f} "
        f"{mean(rows, 'pareto'):7.3f} {mean(rows, 'nash'):6.3f} {mean(rows, 'ms'):7.1f} {mean(rows, 'asked'):7.1f}"
    )


def report(places):
    """Tables: for each opponent and over all, ours beside the rival with the greatest mean utility there."""
    print(f"\n{'':44s} {'n':>5s} {'agree':>6s} {'utility':>8s} {'pareto':>7s} {'nash':>6s} {'ms':>7s} {'server':>7s}")
    by_opponent = collections.defaultdict(lambda: collections.defaultdict(list))
    for opponent, rows in places:
        for row in rows:
            by_opponent[opponent][row["player"]].append(row)
            by_opponent["all opponents"][row["player"]].append(row)
    for opponent, players in by_opponent.items():
        rivals = [player for player in players if player != OURS]
        if OURS in players:
            print(line(f"{OURS} - {opponent}", players[OURS]))
        if rivals:
            best = max(rivals, key=lambda player: mean(players[player], "utility"))
            print(line(f"  best: {best}", players[best]))
    print()
    for player, rows in by_opponent["all opponents"].items():
        print(line(player, rows))


def main():
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--domains", default=here / "domains", help="a folder with scenarios (XML, JSON or YAML)")
    parser.add_argument("--opponents", default=OPPONENTS, help="negotiators of NegMAS or of negmas-genius-agents")
    parser.add_argument("--rivals", default=RIVALS, help="negotiators that are measured in the server's seat; may be empty")
    parser.add_argument("--steps", type=int, default=100, help="moves of each side in a session")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=20, help="no place is begun after these")
    parser.add_argument("--agentconf", default=os.environ.get("AGENTCONF", "target/release/agentconf"))
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    names = lambda text: [name for name in text.replace(",", " ").split() if name]
    opponents, rivals = names(asked.opponents), names(asked.rivals)
    found = domains.load(asked.domains)
    places, failed, impossible, wrong, skipped = [], [], 0, 0, 0
    until = time.monotonic() + asked.minutes * 60
    with Server(asked.agentconf) as server:
        for domain in found:
            for seat in (0, 1):
                policy, is_exact = domain.policy(seat)
                began = time.perf_counter()
                server.wants(policy)
                took = (time.perf_counter() - began) * 1000
                note = "" if is_exact else ", approximated by a sum"
                note += "" if domain.can_agree else ", nothing is good for both"
                print(f"{domain.name}, side {seat}: {domain.cardinality} outcomes, policy in {took:.0f} ms{note}", flush=True)
                for number, opponent in enumerate(opponents):
                    if time.monotonic() > until:
                        skipped += 1
                        continue
                    seed = asked.seed * 1_000_003 + number
                    rows = []
                    for player in (OURS, *rivals):
                        played = play(domain, seat, player, opponent, asked.steps, seed, server)
                        (failed if isinstance(played, str) else rows).append(played)
                    if domain.can_agree:
                        places.append((opponent, rows))
                    else:
                        impossible += 1
                        wrong += sum(
                            row["player"] == OURS and row["utility"] < domain.reserved[seat] - 1e-6 for row in rows
                        )
    report(places)
    print(f"\n{len(places)} places; in {impossible} more nothing is good for both, and {wrong} times the server agreed there to a loss")
    if skipped:
        print(f"{skipped} places were not begun in {asked.minutes} minutes")
    for message in failed[:20]:
        print(f"failed: {message}")
    if len(failed) > 20:
        print(f"failed: {len(failed) - 20} more")
    return 1 if any(message.startswith(OURS) for message in failed) or not places else 0


if __name__ == "__main__":
    sys.exit(main())
