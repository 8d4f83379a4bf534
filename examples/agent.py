#!/usr/bin/env python3
"""An agent of one's own with httpx alone. It registers and keeps its registration alive, follows the events, negotiates about time,
takes its tasks and reports their results. When the connection is lost it comes back, waiting longer each time; it goes on after the
last event that it has dealt with, whose id it keeps on disk. Whatever an event says, it looks first how things stand: so an event
that comes twice, or a request of which it did not hear whether it was carried out, does no harm. What it cannot get over ends it,
with the event still to be dealt with.
Needs AGENTCONF_URL (https://127.0.0.1:8443), AGENTCONF_TOKEN and AGENTCONF_CA (the file pki/ca.pem of the server)."""
import json, os, pathlib, random, ssl, sys, threading, time, urllib.parse
import httpx

NAME = "python-agent"
LIFETIME = 600  # seconds that a registration lasts
MINUTES = 45  # the least time that it takes on a task for
KEPT = pathlib.Path(os.environ.get("AGENTCONF_KEPT", NAME + ".last-event-id"))
PROFILE = {"name": NAME, "description": "Does what it is told", "version": "1.0.0", "provider": "me", "lifetime": LIFETIME}

server = httpx.Client(
    base_url=os.environ["AGENTCONF_URL"] + "/restconf/", verify=ssl.create_default_context(cafile=os.environ["AGENTCONF_CA"]),
    headers={"Authorization": "Bearer " + os.environ["AGENTCONF_TOKEN"]}, timeout=30)

def work(order):  # the place for what the agent can do
    return {"content": "Done: " + order.get("content", "")}

def decide(offer, is_last):  # the place for what the agent wants: a move, and what is said; offer is None while its own stands
    if any(term["name"] == "time" and term.get("unit") == "minutes" and float(term.get("number", 0)) >= MINUTES for term in offer or ()):
        return {"move": "accept"}
    if is_last:
        return {"move": "reject", "content": f"it takes {MINUTES} minutes"}
    if offer is None:
        return {"move": "clarify", "content": f"it takes {MINUTES} minutes"}
    return {"move": "counter", "term": [{"name": "time", "number": str(MINUTES), "unit": "minutes"}]}

def checked(answer):
    if answer.status_code in (429, 502, 503, 504):  # later, the same can be done
        raise httpx.NetworkError(answer.reason_phrase)
    if answer.is_error:
        answer.read()
        answer.raise_for_status()
    return answer

def read(path):
    answer = checked(server.get("data/" + path))
    return next(iter(answer.json().values()))[0]

def call(path, body):
    module = path.split("/")[1].split(":")[0]
    return checked(server.post(path, json={module + ":input": body}, headers={"Content-Type": "application/yang-data+json"}))

def entry(path, key):
    return path + "=" + urllib.parse.quote(key, safe="")

def until_reached(act):
    for attempt in range(1000):
        try:
            return act()
        except httpx.TransportError as error:
            print(f"{error!r}: I try again", file=sys.stderr)
            time.sleep(min(0.1 * 2**attempt, 10) * random.uniform(0.5, 1))
    sys.exit("the server is gone")

def register():
    call("operations/magent-registry:register-agent", PROFILE)

def stay():
    try:
        while True:
            time.sleep(LIFETIME / 2)
            until_reached(register)  # renews the registration, or makes it anew if it has run out
    except BaseException as error:  # nobody would find it any more
        print(f"not registered: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)

def take_task(task):
    path = entry("magent-task:interaction/tasks/task", task)
    order = read(path)
    if order["status"] == "created":
        call("data/" + path + "/report", {"status": "processing"})
    if order["status"] in ("created", "processing"):
        call("data/" + path + "/report", {"status": "finished", "result": work(order)})

def take_turn(negotiation):
    path = entry("magent-task:interaction/negotiations/negotiation", negotiation)
    state = read(path)
    if state["status"] == "open" and state["turn"] == NAME:
        rounds = state["round"]
        stands = next(one for one in reversed(rounds) if one["move"] in ("propose", "counter"))
        offer = None if stands["from"] == NAME else stands.get("term", [])
        step = decide(offer, len(rounds) + 1 >= state["max-rounds"])
        call("data/" + path + "/respond", {"from": NAME, "in-reply-to": rounds[-1]["number"], **step})

def take(event):
    try:
        match event:
            case {"magent-task:task-event": {"to": to, "task": task}} if to == NAME:
                take_task(task)
            case {"magent-task:negotiation-event": {"turn": turn, "negotiation": negotiation}} if turn == NAME:
                take_turn(negotiation)
    except httpx.HTTPStatusError as refused:
        if refused.response.status_code not in (404, 409, 412):
            raise
        # It was too late: what has happened instead comes as an event too.
        print(refused.response.text, file=sys.stderr)

def lines(stream):  # cut at line feeds alone: iter_lines() cuts wherever Unicode sees the end of a line, so also inside of events
    rest = b""
    try:
        for chunk in stream.iter_bytes():
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line.decode() for line in whole)
    except httpx.TransportError as error:
        print(f"{error!r}: I follow anew", file=sys.stderr)

def follow():
    """Deals with the events until the connection is lost, or nothing has come for so long that it may be: to be called again."""
    last = KEPT.read_text().strip() if KEPT.exists() else ""
    with server.stream("GET", "streams/NETCONF/json", headers={"Last-Event-ID": last or "0"}) as stream:  # 0: from the first on
        if last and stream.status_code == 400:  # the log is another, without this event
            KEPT.unlink()
            return
        for line in lines(checked(stream)):
            field, _, value = line.partition(":")
            if field == "id":
                last = value.strip()
            elif field == "data":
                event = json.loads(value)["ietf-restconf:notification"]
                until_reached(lambda: take(event))
                beside = KEPT.with_suffix(".new")
                beside.write_text(last)
                beside.replace(KEPT)  # the old one or the new one, whenever this ends

until_reached(register)
threading.Thread(target=stay, daemon=True).start()
while True:
    until_reached(follow)
    time.sleep(random.uniform(0.1, 0.2))
